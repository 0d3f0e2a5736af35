//! The upgrade of HTTP to WebSocket (RFC 6455, 4) with the sub-protocol `mqtt` (MQTT 5.0, 6).
//!
//! The request and the check of the answer are ours: `tungstenite`'s own handshake owns the socket, and
//! says of a refusal less than its status.

use tungstenite::{
    handshake::{
        client::{Response, generate_key},
        derive_accept_key,
        machine::TryParse,
    },
    http::{HeaderMap, StatusCode},
};

use super::transport::Endpoint;
use crate::client::attempt::Code;

/// The longest answer that is read before it is taken for something else, interim ones included.
const LONGEST_ANSWER: usize = 16 * 1024;

/// An upgrade that was asked for.
#[derive(Debug)]
pub(super) struct Upgrade {
    accept: String,
    answer: Vec<u8>,
    /// Bytes of interim answers.
    passed: usize,
}

impl Upgrade {
    /// The request, and what waits for its answer.
    pub(super) fn ask(endpoint: &Endpoint) -> (Vec<u8>, Self) {
        let key = generate_key();
        let request = format!(
            "GET {} HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n",
            endpoint.path, endpoint.host
        );
        let accept = derive_accept_key(key.as_bytes());
        (request.into_bytes(), Self { accept, answer: Vec::new(), passed: 0 })
    }

    /// Takes more of the answer. Whole and right, it gives what followed it; `None` while it is not whole.
    pub(super) fn read(&mut self, bytes: &[u8]) -> Result<Option<Vec<u8>>, Code> {
        self.answer.extend_from_slice(bytes);
        loop {
            match Response::try_parse(&self.answer) {
                // An interim answer is passed over (RFC 9110, 15.2).
                Ok(Some((length, response))) if is_interim(response.status()) => {
                    self.passed += length;
                    drop(self.answer.drain(..length));
                    if self.passed > LONGEST_ANSWER {
                        return Err(Code::Word("too_long"));
                    }
                }
                Ok(Some((length, response))) => {
                    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
                        return Err(Code::Status(response.status().as_u16()));
                    }
                    self.check(response.headers()).map_err(Code::Word)?;
                    return Ok(Some(self.answer.split_off(length)));
                }
                Ok(None) if self.passed + self.answer.len() > LONGEST_ANSWER => {
                    return Err(Code::Word("too_long"));
                }
                Ok(None) => return Ok(None),
                Err(_) => return Err(Code::Word("not_http")),
            }
        }
    }

    fn check(&self, headers: &HeaderMap) -> Result<(), &'static str> {
        let value = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        // A list may stand in one line or in several (RFC 9110, 5.3).
        let names = |name: &str, token: &str| {
            let lines = headers.get_all(name).iter().filter_map(|line| line.to_str().ok());
            let mut tokens = lines.flat_map(|line| line.split(',')).map(str::trim);
            tokens.any(|found| found.eq_ignore_ascii_case(token))
        };
        if !names("upgrade", "websocket") || !names("connection", "upgrade") {
            Err("no_upgrade")
        } else if value("sec-websocket-accept") != Some(&self.accept) {
            Err("bad_accept")
        } else if value("sec-websocket-protocol") != Some("mqtt") {
            Err("no_subprotocol")
        } else if headers.get_all("sec-websocket-extensions").iter().any(|value| !value.is_empty())
        {
            // None was asked for, and what frames mean then is not known (RFC 6455, 4.1).
            Err("unasked_extension")
        } else {
            Ok(())
        }
    }
}

/// Whether another answer follows this one.
fn is_interim(status: StatusCode) -> bool {
    status.is_informational() && status != StatusCode::SWITCHING_PROTOCOLS
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked() -> Upgrade {
        let endpoint = Endpoint { host: "127.0.0.1:9001".into(), path: "/mqtt".into() };
        let (request, mut upgrade) = Upgrade::ask(&endpoint);
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
}
