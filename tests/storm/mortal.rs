//! A broker that ends as a process does, when it is told to.

use std::{
    collections::VecDeque,
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

pub(crate) const ACCEPT: [u8; 5] = [0x20, 3, 0, 0, 0];

/// What a broker does with a CONNECT.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Act {
    Accept,
    /// Closes this connection.
    Close,
    /// Ends as a process does: all its sockets close, what was not read is reset. It comes back after so long, if at all.
    Die(Option<Duration>),
}

/// A broker in one thread, which has all its sockets itself, so that it can end like a process.
pub(crate) struct Mortal {
    pub(crate) address: SocketAddr,
    /// Asked to die, and to come back after 300 ms.
    pub(crate) shot: Arc<AtomicBool>,
    over: Arc<AtomicBool>,
}

impl Mortal {
    /// `act` is asked about the CONNECT with that number, counted from 1 over all lives.
    pub(crate) fn start(act: impl Fn(usize) -> Act + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (shot, over) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let (is_shot, is_over) = (Arc::clone(&shot), Arc::clone(&over));
        thread::spawn(move || {
            let mut listener = Some(listener);
            let count = AtomicUsize::new(0);
            while let Some(own) = listener.take() {
                let next = || act(count.fetch_add(1, Ordering::SeqCst) + 1);
                let back = live(&own, &next, (&is_shot, &is_over));
                drop(own);
                let Some(back) = back else { return };
                thread::sleep(back);
                listener = Some(TcpListener::bind(address).unwrap());
            }
        });
        Self { address, shot, over }
    }

    pub(crate) fn url(&self) -> String {
        format!("mqtt://{}", self.address)
    }
}

impl Drop for Mortal {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
    }
}

/// One life: until it dies; how long it stays away then.
fn live(
    listener: &TcpListener,
    act: &dyn Fn() -> Act,
    (shot, over): (&AtomicBool, &AtomicBool),
) -> Option<Duration> {
    listener.set_nonblocking(true).unwrap();
    let mut streams: Vec<(TcpStream, bool)> = Vec::new();
    while !over.load(Ordering::SeqCst) {
        if shot.swap(false, Ordering::SeqCst) {
            return Some(Duration::from_millis(300));
        }
        while let Ok((stream, _)) = listener.accept() {
            stream.set_nonblocking(true).unwrap();
            streams.push((stream, false));
        }
        let mut kept = Vec::new();
        let mut queue: VecDeque<(TcpStream, bool)> = streams.drain(..).collect();
        while let Some((mut stream, is_known)) = queue.pop_front() {
            let mut bytes = [0; 4096];
            match stream.read(&mut bytes) {
                Ok(1..) if bytes[0] == 0x10 && !is_known => match act() {
                    Act::Accept => {
                        let _ = stream.write_all(&ACCEPT);
                        kept.push((stream, true));
                    }
                    Act::Close => {}
                    Act::Die(back) => return back,
                },
                Ok(1..) if bytes[0] == 0xC0 => {
                    let _ = stream.write_all(&[0xD0, 0]);
                    kept.push((stream, true));
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    kept.push((stream, is_known));
                }
                // Gone, or of no interest: it is closed.
                _ => {}
            }
        }
        streams = kept;
        thread::sleep(Duration::from_millis(1));
    }
    None
}

/// So many arrivals a second for so long, each client holds as `hold` says.
pub(crate) fn stages(rate: u32, length: &str, hold: &str) -> String {
    format!(
        "stages = [{{ rate = {rate}, for = \"{length}\" }}]\narrivals = \"constant\"\nhold = \"{hold}\""
    )
}

/// Bad tokens that a broker may refuse by closing, and good ones.
pub(crate) const CLOSES: &str = "[[mix]]\ntoken = \"fresh\"\nshare = 1\n[[mix]]\ntoken = \"wrong_key\"\nshare = 1\n\
                      [policy]\nsilent_close = \"correct\"\n";
