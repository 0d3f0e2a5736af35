//! Web servers that the program asks: the way there, and their answers, read within bounds, since whoever answers may be
//! anybody; and the small one with which it answers others (`server`).

mod proxy;
mod reach;
pub mod server;

pub use proxy::{is_proxied, proxy_note};
pub use reach::{Reach, is_here};

use std::time::Duration;

use rustls::ClientConfig;
use serde_json::Value;
use url::Url;

use crate::base::tls::{self, Trust, failure};

/// How long is waited for a TLS handshake where it is only asked whether there could be one.
const PROBE_TIME: Duration = Duration::from_secs(2);
/// Longest body that is read.
const LONGEST: usize = 1024 * 1024;

/// Which way requests go.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Way {
    /// By the proxy that the environment names for the host, if it names one; never so to this host itself.
    AsEnvironmentSays,
    /// Straight to the server: it is the run's own.
    Direct,
}

/// A client of web servers. Every client of the program is built here, since the library would send requests for this
/// host to a proxy, too.
pub fn client(tls: ClientConfig, way: Way) -> reqwest::ClientBuilder {
    let builder = reqwest::Client::builder().use_preconfigured_tls(tls).no_proxy();
    match way {
        Way::AsEnvironmentSays => builder.proxy(proxy::of_environment()),
        Way::Direct => builder,
    }
}

/// The body of an answer; nothing where it is longer than 1 MB.
///
/// # Errors
/// When it does not come whole.
pub async fn body(mut response: reqwest::Response) -> reqwest::Result<Option<Vec<u8>>> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        body.extend_from_slice(&chunk);
        if body.len() > LONGEST {
            return Ok(None);
        }
    }
    Ok(Some(body))
}

/// The keys of the key set (RFC 7517, 5) that a request asks for, which may be none.
///
/// # Errors
/// The word or the status that says why there is no key set.
pub async fn key_set(request: reqwest::RequestBuilder) -> Result<Vec<Value>, String> {
    let said = |error: reqwest::Error| word(&error).to_owned();
    let response = request.send().await.map_err(said)?;
    let status = response.status();
    if status != reqwest::StatusCode::OK {
        return Err(status.as_u16().to_string());
    }
    let body = body(response).await.map_err(said)?.ok_or("too_long")?;
    let mut set: Value = serde_json::from_str(&text(&body)).map_err(|_| "no_json")?;
    match set.get_mut("keys").map(Value::take) {
        Some(Value::Array(keys)) => Ok(keys),
        _ => Err("no_key_set".to_owned()),
    }
}

/// A body as text, without the mark that some editors and servers put before it (a byte order mark, which RFC 8259, 8.1,
/// forbids to write and allows to pass over), and without blanks around it.
pub fn text(body: &[u8]) -> String {
    String::from_utf8_lossy(body).trim_start_matches('\u{feff}').trim().to_owned()
}

/// What was wrong with a request, with what is behind it: the library's own text names the URL only.
pub fn why(error: &reqwest::Error) -> String {
    if let Some(refused) = failure::behind(error) {
        return format!("no TLS ({}): {refused}", failure::word(refused));
    }
    let mut text = if error.is_timeout() { "timeout".to_owned() } else { String::new() };
    let mut cause = std::error::Error::source(error);
    while let Some(next) = cause {
        if !text.is_empty() {
            text.push_str(": ");
        }
        text.push_str(&next.to_string());
        cause = next.source();
    }
    if text.is_empty() { error.to_string() } else { text }
}

/// The word for a request without an answer: that of TLS where TLS failed, `connect` where no connection came about,
/// `timeout`, and `broken` for all that broke off later.
pub fn word(error: &reqwest::Error) -> &'static str {
    match failure::behind(error) {
        Some(refused) => failure::word(refused),
        None if error.is_timeout() => "timeout",
        None if error.is_connect() => "connect",
        None => "broken",
    }
}

/// Whether a request failed before the server can have heard it: no connection, or no TLS on it. An error of TLS after that
/// says nothing of what the server has heard.
pub fn was_not_heard(error: &reqwest::Error) -> bool {
    error.is_connect()
}

/// Whether the server of an `http` URL speaks TLS at its port. Whoever asks has met something strange there.
pub async fn speaks_tls(url: &Url) -> bool {
    let (mut https, port) = (url.clone(), url.port_or_known_default());
    if https.set_scheme("https").is_err() || https.set_port(port).is_err() {
        return false;
    }
    let anyone = Trust { verify: false, ..Trust::default() };
    let asked = tls::client_of(&anyone)
        .ok()
        .and_then(|tls| client(tls, Way::AsEnvironmentSays).timeout(PROBE_TIME).build().ok());
    let Some(asked) = asked else { return false };
    match asked.head(https).send().await {
        Ok(_) => true,
        Err(error) => {
            let is_alert = matches!(failure::behind(&error), Some(rustls::Error::AlertReceived(_)));
            is_alert || !error.is_connect() && !error.is_timeout()
        }
    }
}
