//! A server that does what a test wants it to do with a CONNECT. No real broker misbehaves on demand.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Condvar, Mutex},
    thread,
};

/// The CONNECT of a client, as far as tests ask.
#[derive(Clone, Debug)]
pub(crate) struct Connect {
    /// How many came before it.
    pub(crate) number: usize,
    pub(crate) peer: SocketAddr,
    /// 4 for MQTT 3.1.1, 5 for 5.0.
    pub(crate) level: u8,
    pub(crate) client_id: String,
    pub(crate) username: Option<Vec<u8>>,
    pub(crate) password: Option<Vec<u8>>,
    /// Authentication Method and Authentication Data of 5.0, each as often as it came.
    pub(crate) methods: Vec<Vec<u8>>,
    pub(crate) data: Vec<Vec<u8>>,
}

/// A server on a free loopback port; it ends with the test's process.
pub(crate) struct Server {
    address: SocketAddr,
    received: Arc<Mutex<Vec<Connect>>>,
}

impl Server {
    /// Reads the CONNECT of each connection, then lets `behave` do as it likes; the connection is
    /// closed when that returns.
    pub(crate) fn start(behave: impl Fn(&mut TcpStream, &Connect) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        Self::on(listener, behave)
    }

    pub(crate) fn on(
        listener: TcpListener,
        behave: impl Fn(&mut TcpStream, &Connect) + Send + Sync + 'static,
    ) -> Self {
        let address = listener.local_addr().unwrap();
        let received = Arc::new(Mutex::new(Vec::new()));
        let (behave, all) = (Arc::new(behave), Arc::clone(&received));
        thread::spawn(move || {
            // Ends when the listener is shut down.
            for mut stream in listener.incoming().map_while(Result::ok) {
                let (behave, all) = (Arc::clone(&behave), Arc::clone(&all));
                thread::spawn(move || {
                    let Ok(peer) = stream.peer_addr() else { return };
                    let Some(mut connect) = read_connect(&mut stream, peer) else { return };
                    {
                        let mut all = all.lock().unwrap();
                        connect.number = all.len();
                        all.push(connect.clone());
                    }
                    behave(&mut stream, &connect);
                });
            }
        });
        Self { address, received }
    }

    /// A server that answers every CONNECT with these bytes and closes once the client has.
    pub(crate) fn answering(bytes: &'static [u8]) -> Self {
        Self::start(move |stream, _| {
            stream.write_all(bytes).unwrap();
            until_closed(stream);
        })
    }

    pub(crate) fn url(&self) -> String {
        format!("mqtt://{}", self.address)
    }

    /// What came so far.
    pub(crate) fn received(&self) -> Vec<Connect> {
        self.received.lock().unwrap().clone()
    }
}

/// Holds whoever comes until so many have come.
#[derive(Clone)]
pub(crate) struct Gate {
    come: Arc<(Mutex<usize>, Condvar)>,
    opens_at: usize,
}

impl Gate {
    pub(crate) fn new(opens_at: usize) -> Self {
        Self { come: Arc::new((Mutex::new(0), Condvar::new())), opens_at }
    }

    pub(crate) fn pass(&self) {
        let (come, changed) = &*self.come;
        let mut come = come.lock().unwrap();
        *come += 1;
        changed.notify_all();
        drop(changed.wait_while(come, |come| *come < self.opens_at).unwrap());
    }
}

/// Reads until the client says DISCONNECT or closes.
pub(crate) fn until_closed(stream: &mut TcpStream) {
    let mut byte = [0; 64];
    while let Ok(1..) = stream.read(&mut byte) {
        if byte[0] == 0xE0 {
            return;
        }
    }
}

/// Reads a CONNECT from a client at `peer`.
pub(crate) fn read_connect(stream: &mut impl Read, peer: SocketAddr) -> Option<Connect> {
    assert_eq!(byte(stream)?, 0x10, "the first packet of a client is CONNECT");
    let (mut length, mut shift) = (0, 0);
    loop {
        let next = byte(stream)?;
        length |= usize::from(next & 127) << shift;
        shift += 7;
        if next & 128 == 0 {
            break;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    let (level, flags) = (body[6], body[7]);
    let mut rest = &body[10..];
    let (mut methods, mut data) = (Vec::new(), Vec::new());
    if level == 5 {
        let after = after_properties(rest);
        let properties = &rest[..rest.len() - after.len()];
        (methods, data) = authentication(properties);
        rest = after;
    }
    let client_id = String::from_utf8(field(&mut rest)).unwrap();
    if flags & 0x04 != 0 {
        if level == 5 {
            rest = after_properties(rest);
        }
        drop((field(&mut rest), field(&mut rest)));
    }
    let username = (flags & 0x80 != 0).then(|| field(&mut rest));
    let password = (flags & 0x40 != 0).then(|| field(&mut rest));
    Some(Connect { number: 0, peer, level, client_id, username, password, methods, data })
}

/// The authentication methods and data among properties, which begin with their length.
fn authentication(properties: &[u8]) -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
    let taken = properties.iter().take_while(|byte| **byte & 128 != 0).count() + 1;
    let mut rest = &properties[taken..];
    let (mut methods, mut data) = (Vec::new(), Vec::new());
    // tokenstorm sends no other property before them.
    while let [id @ (0x15 | 0x16), ..] = rest {
        let list = if *id == 0x15 { &mut methods } else { &mut data };
        rest = &rest[1..];
        list.push(field(&mut rest));
    }
    (methods, data)
}

/// Takes a field off: its length in two bytes, and itself.
fn field(rest: &mut &[u8]) -> Vec<u8> {
    let length = usize::from(u16::from_be_bytes([rest[0], rest[1]]));
    let field = rest[2..2 + length].to_vec();
    *rest = &rest[2 + length..];
    field
}

/// What stands after properties: their length, in up to four bytes, and they.
fn after_properties(bytes: &[u8]) -> &[u8] {
    let taken = bytes.iter().take_while(|byte| **byte & 128 != 0).count() + 1;
    let digits = bytes[..taken].iter().rev();
    let length = digits.fold(0, |length, byte| length << 7 | usize::from(byte & 127));
    &bytes[taken + length..]
}

fn byte(stream: &mut impl Read) -> Option<u8> {
    let mut byte = [0];
    stream.read_exact(&mut byte).ok()?;
    Some(byte[0])
}
