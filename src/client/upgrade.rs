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
use crate::{
    client::attempt::{Code, Outcome},
    token::{carrier::InUpgrade, policy::REFUSALS},
};

/// The longest answer that is read before it is taken for something else, interim ones included.
const LONGEST_ANSWER: usize = 16 * 1024;

/// An upgrade that was asked for.
#[derive(Debug)]
pub(super) struct Upgrade {
    accept: String,
    answer: Vec<u8>,
    /// Bytes of interim answers.
    passed: usize,
    /// Whether the request brought the token, so that its answer says something of that.
    is_about_token: bool,
}

/// What one client's request has beside what all have; kept from its token to the request.
#[derive(Default)]
pub struct Additions {
    path: Option<Vec<u8>>,
    headers: Vec<u8>,
    is_about_token: bool,
}

impl std::fmt::Debug for Additions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Additions")
            .field("is_about_token", &self.is_about_token)
            .finish_non_exhaustive()
    }
}

impl From<InUpgrade<'_>> for Additions {
    fn from(it: InUpgrade<'_>) -> Self {
        Self {
            path: it.path.map(<[u8]>::to_vec),
            headers: it.headers.to_vec(),
            is_about_token: it.is_about_token,
        }
    }
}

impl Upgrade {
    /// The request, and what waits for its answer.
    pub(super) fn ask(endpoint: &Endpoint, own: Option<&Additions>) -> (Vec<u8>, Self) {
        let key = generate_key();
        let fixed = format!(
            " HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Protocol: mqtt\r\n",
            endpoint.host
        );
        let path = own.and_then(|it| it.path.as_deref()).unwrap_or(endpoint.path.as_bytes());
        let headers = own.map_or(&[][..], |it| &it.headers);
        let request = [b"GET ", path, fixed.as_bytes(), headers, b"\r\n"].concat();
        let waits = Self {
            accept: derive_accept_key(key.as_bytes()),
            answer: Vec::new(),
            passed: 0,
            is_about_token: own.is_some_and(|it| it.is_about_token),
        };
        (request, waits)
    }

    /// How an attempt ended whose request was answered so: where it brought the token, that may have been refused.
    pub(super) fn failure(&self, code: Code) -> Outcome {
        match code {
            Code::Status(status) if self.is_about_token && REFUSALS.contains(&status) => {
                Outcome::UpgradeRefused(status)
            }
            code => Outcome::WsFailed(code),
        }
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
