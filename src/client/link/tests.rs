//! Links over real sockets: what is sent arrives whole, whatever the socket takes at once.

use std::{
    io::Read,
    net::{Ipv4Addr, TcpListener, TcpStream},
    sync::{Arc, mpsc::channel},
    thread,
};

use rustix::net::{Shutdown, shutdown};
use rustls::{
    ClientConfig, RootCertStore, ServerConfig, ServerConnection, Stream,
    pki_types::{PrivateKeyDer, ServerName},
};

use super::*;
use crate::client::outbox::Outbox;

/// A link to a broker that has not read anything yet, and that broker's end.
fn connected() -> (Link, TcpStream) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let ours = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    ours.set_nonblocking(true).unwrap();
    (Link::new(ours.into()), listener.accept().unwrap().0)
}

/// Sends what is taken of an outbox; whether that was all.
fn send_all(link: &mut Link, outbox: &mut Outbox) -> bool {
    while !outbox.is_empty() {
        match link.send_in_session(outbox.outgoing()) {
            Sent::Bytes(count) => outbox.sent(count),
            Sent::Later => return false,
            Sent::Failed(error) => panic!("{error}"),
        }
    }
    true
}

#[test]
fn what_a_full_socket_does_not_take_is_sent_later_and_whole() {
    let (mut link, mut broker) = connected();
    let mut outbox = Outbox::default();
    let mut packets = 0_u32;
    // Numbered packets, until the socket takes no more, and one more than that.
    loop {
        outbox.push(&packets.to_be_bytes().repeat(1_000));
        packets += 1;
        if !send_all(&mut link, &mut outbox) {
            break;
        }
    }
    outbox.push(&packets.to_be_bytes().repeat(1_000));
    let reader = thread::spawn(move || {
        let mut all = Vec::new();
        broker.read_to_end(&mut all).unwrap();
        all
    });
    while !send_all(&mut link, &mut outbox) {
        thread::yield_now();
    }
    drop(link);
    let wanted: Vec<u8> =
        (0..=packets).flat_map(|number| number.to_be_bytes().repeat(1_000)).collect();
    assert!(reader.join().unwrap() == wanted, "every byte of {} packets, once", packets + 1);
}

#[test]
fn nagles_algorithm_is_off_from_the_second_packet_of_a_session_on() {
    let (mut link, _broker) = connected();
    let is_off = |link: &Link| sockopt::tcp_nodelay(link.socket()).unwrap();
    assert_eq!(link.send(b"CONNECT"), Sent::Bytes(7));
    assert_eq!(link.send_in_session(b"first"), Sent::Bytes(5));
    assert!(!is_off(&link), "what is sent once is spared the system call");
    assert_eq!(link.send_in_session(b"second"), Sent::Bytes(6));
    assert!(is_off(&link), "it would wait for the broker's delayed acknowledgement");
}

/// A transport with TLS, and what its broker answers with.
fn with_tls() -> (Transport, Arc<ServerConfig>) {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let made = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    (Transport { tls: Some((Arc::new(client), name)), ..Transport::default() }, Arc::new(server))
}

#[test]
fn tls_takes_no_more_while_the_socket_does_not_take_what_it_holds_back() {
    let (mut link, mut broker) = connected();
    let (transport, server) = with_tls();
    let (read, may_read) = channel::<()>();
    let reader = thread::spawn(move || {
        let mut tls = ServerConnection::new(server).unwrap();
        while tls.is_handshaking() {
            tls.complete_io(&mut broker).unwrap();
        }
        // Reads nothing more before it may.
        may_read.recv().unwrap();
        let mut all = Vec::new();
        // The client closes without an announcement.
        let _ = Stream::new(&mut tls, &mut broker).read_to_end(&mut all);
        all
    });
    assert!(matches!(link.begin(&transport, OwnPart::default()), Sent::Bytes(_)));
    while link.secure() != Progress::Done {
        thread::yield_now();
        link.wake(false, 0);
    }
    let (packet, mut taken) = ([7; 16 * 1024], 0);
    // The kernel makes room for a while yet: its buffers grow, and what lies in them comes to lie more closely.
    let mut refused_in_a_row = 0;
    while refused_in_a_row < 1_000 {
        match link.send_in_session(&packet) {
            Sent::Bytes(count) => {
                assert_eq!(count, packet.len(), "all or nothing");
                (taken, refused_in_a_row) = (taken + count, 0);
            }
            Sent::Later => refused_in_a_row += 1,
            Sent::Failed(error) => panic!("{error}"),
        }
    }
    // What it was refused, it does not hold back: far more was offered than this.
    assert!(taken < 64 * 1024 * 1024, "{taken}");
    read.send(()).unwrap();
    while link.flush() == Sent::Later {
        thread::yield_now();
    }
    // Only this half: the session tickets, which lie unread, would make a reset of the whole.
    shutdown(link.socket(), Shutdown::Write).unwrap();
    assert!(reader.join().unwrap() == vec![7; taken], "all that was taken arrives, once");
}
