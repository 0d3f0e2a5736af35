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
mod tests;
