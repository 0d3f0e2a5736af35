use std::{
    io::{Read, Write},
    net::TcpStream,
};

use super::*;

struct Echo;

impl Site for Echo {
    fn answer(&self, request: &Parts) -> Answer {
        let body = request.uri.path().to_owned();
        Answer::page("text/plain", body).with(header::LOCATION, "not\na header")
    }
}

/// A server of few connections.
fn server(most: usize) -> (Server, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let manner = Manner { name: "echo", most, gives_way: false };
    (Server::start(listener, manner, Echo).unwrap(), address)
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream
}

/// What comes until the connection ends.
fn rest(mut stream: TcpStream) -> String {
    let mut text = Vec::new();
    let _ = stream.read_to_end(&mut text);
    String::from_utf8(text).unwrap()
}

#[test]
fn a_connection_is_kept_for_more_requests_but_not_for_ever() {
    let (_server, address) = server(9);
    let mut stream = connect(address);
    // No more than it takes: what lies unread when it ends would have the kernel throw away answers on the way.
    for number in 0..MOST_REQUESTS {
        write!(stream, "GET /{number} HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    }
    let text = rest(stream);
    assert_eq!(text.matches("HTTP/1.1 200 OK").count(), MOST_REQUESTS as usize, "{text}");
    assert!(text.ends_with("/99") && text.contains("Content-Length: 3\r\n"), "{text}");
    assert!(!text.contains("a header"), "{text}");
}

#[test]
fn a_page_that_is_only_asked_about_has_its_length() {
    let (_server, address) = server(9);
    let mut stream = connect(address);
    stream.write_all(b"HEAD /four HTTP/1.1\r\nConnection: close\r\n\r\n").unwrap();
    let text = rest(stream);
    assert!(text.contains("Content-Length: 5\r\n") && text.ends_with("\r\n\r\n"), "{text}");
}

#[test]
fn the_oldest_connection_is_ended_to_let_a_new_one_in() {
    let (_server, address) = server(3);
    let mut open: Vec<TcpStream> = (0..3).map(|_| connect(address)).collect();
    // All are served: each has an answer.
    for stream in &mut open {
        stream.write_all(b"GET /a HTTP/1.1\r\n\r\n").unwrap();
        assert!(stream.read(&mut [0; 999]).unwrap() > 0);
    }
    let mut newest = connect(address);
    newest.write_all(b"GET /new HTTP/1.1\r\nConnection: close\r\n\r\n").unwrap();
    assert!(rest(newest).ends_with("/new"));
    assert_eq!(rest(open.remove(0)), "", "the oldest is over");
    for mut stream in open {
        stream.write_all(b"GET /b HTTP/1.1\r\nConnection: close\r\n\r\n").unwrap();
        assert!(rest(stream).ends_with("/b"), "the others go on");
    }
}
