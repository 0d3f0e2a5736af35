use super::*;

/// What is heard of bytes that come in pieces of a length.
fn heard(bytes: &[u8], length: usize) -> Vec<String> {
    let (mut lines, mut heard) = (Lines::default(), Vec::new());
    let text = |line: &[u8]| String::from_utf8_lossy(line).into_owned();
    for piece in bytes.chunks(length) {
        lines.take(piece, |line| heard.push(text(line)));
    }
    heard.extend(lines.rest().map(text));
    heard
}

#[test]
fn the_first_line_of_each_request_is_heard_however_it_comes() {
    for (bytes, lines) in [
        (
            &b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n\r\nHEAD /b HTTP/1.0\n\nGET /c"[..],
            &["GET /a HTTP/1.1", "HEAD /b HTTP/1.0", "GET /c"][..],
        ),
        (
            b"POST /a HTTP/1.1\r\nContent-Length: 9\r\n\r\nGET /b HTTP/1.1\r\n\r\n",
            &["POST /a HTTP/1.1"],
        ),
        (b"POST /a HTTP/1.1\r\ncontent-length:00\r\n\r\nGET /b\r\n", &["POST /a HTTP/1.1"]),
        (
            b"PUT /a HTTP/1.1\r\nTRANSFER-ENCODING: chunked\r\n\r\n5\r\nGET /b\r\n",
            &["PUT /a HTTP/1.1"],
        ),
        (b"GET /a\x00 HTTP/9\r\n: :\x1b\r\n", &["GET /a\u{0} HTTP/9"]),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &["PRI * HTTP/2.0", "SM"]),
        (b"\r\n\r\n", &[]),
    ] {
        for length in [1, 2, 7, 1000] {
            assert_eq!(heard(bytes, length), lines, "{length}");
        }
    }
    let long = [b"GET /a/".as_slice(), &b"x".repeat(100_000)].concat();
    assert_eq!(heard(&long, 999)[0].len(), LONGEST_LINE);
}
