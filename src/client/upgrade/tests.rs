use super::*;

fn asked() -> Upgrade {
    let endpoint = Endpoint { host: "127.0.0.1:9001".into(), path: "/mqtt".into() };
    let (request, mut upgrade) = Upgrade::ask(&endpoint, None);
    let request = String::from_utf8(request).unwrap();
    assert!(request.starts_with("GET /mqtt HTTP/1.1\r\nHost: 127.0.0.1:9001\r\n"), "{request}");
    // The pair of RFC 6455, 1.3.
    upgrade.accept = derive_accept_key(b"dGhlIHNhbXBsZSBub25jZQ==");
    upgrade
}

fn answer(headers: &str) -> Result<Option<Vec<u8>>, Code> {
    asked().read(format!("HTTP/1.1 101 Switching Protocols\r\n{headers}\r\n").as_bytes())
}

const GOOD: &str = "Upgrade: WebSocket\r\nConnection: keep-alive, upgrade\r\n\
                        Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: mqtt\r\n";

#[test]
fn a_good_answer_in_any_pieces_upgrades_and_gives_what_follows_it() {
    let whole = format!("HTTP/1.1 101 Switching Protocols\r\n{GOOD}\r\n\u{1}\u{2}");
    for at in 1..whole.len() - 2 {
        let mut upgrade = asked();
        assert_eq!(upgrade.read(&whole.as_bytes()[..at]), Ok(None), "{at}");
        assert_eq!(upgrade.read(&whole.as_bytes()[at..]), Ok(Some(vec![1, 2])), "{at}");
    }
}

#[test]
fn interim_answers_are_passed_over_and_not_without_end() {
    let interim = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
    let whole = format!("{interim}HTTP/1.1 101 Switching Protocols\r\n{GOOD}\r\n\u{1}");
    for at in 1..whole.len() - 1 {
        let mut upgrade = asked();
        assert_eq!(upgrade.read(&whole.as_bytes()[..at]), Ok(None), "{at}");
        assert_eq!(upgrade.read(&whole.as_bytes()[at..]), Ok(Some(vec![1])), "{at}");
    }
    let refused = format!("{interim}HTTP/1.1 403 Forbidden\r\n\r\n");
    assert_eq!(asked().read(refused.as_bytes()), Err(Code::Status(403)));
    let mut upgrade = asked();
    let mut answers = (0..1_000).map(|_| upgrade.read(interim.as_bytes()));
    let first = answers.find(|answer| *answer != Ok(None));
    assert_eq!(first, Some(Err(Code::Word("too_long"))));
    assert!(upgrade.answer.capacity() <= 2 * LONGEST_ANSWER);
}

#[test]
fn every_wrong_answer_has_its_word_or_status() {
    assert_eq!(answer(GOOD), Ok(Some(Vec::new())));
    let two_lines = GOOD.replace("keep-alive, upgrade", "keep-alive\r\nConnection: Upgrade");
    assert_eq!(answer(&two_lines), Ok(Some(Vec::new())));
    for (found, instead, word) in [
        ("WebSocket", "h2c", "no_upgrade"),
        ("upgrade\r", "close\r", "no_upgrade"),
        ("s3pP", "S3pP", "bad_accept"),
        ("Protocol: mqtt", "Protocol: chat", "no_subprotocol"),
        (
            "Protocol: mqtt",
            "Protocol: mqtt\r\nSec-WebSocket-Extensions: permessage-deflate",
            "unasked_extension",
        ),
    ] {
        assert_eq!(answer(&GOOD.replace(found, instead)), Err(Code::Word(word)), "{instead}");
    }
    for status in [200, 301, 401] {
        let refusal =
            format!("HTTP/1.1 {status} Whatever\r\nContent-Type: text/html\r\n\r\n<html>");
        assert_eq!(asked().read(refusal.as_bytes()), Err(Code::Status(status)));
    }
    assert_eq!(asked().read(&[0x20, 2, 0, 5]), Err(Code::Word("not_http")));
    let endless = format!("HTTP/1.1 101 OK\r\nX: {}", "x".repeat(LONGEST_ANSWER));
    assert_eq!(asked().read(endless.as_bytes()), Err(Code::Word("too_long")));
}
