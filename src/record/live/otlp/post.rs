//! The way to a receiver.

use std::time::Duration;

use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use percent_encoding::percent_decode_str;
use prost::Message;
use reqwest::{
    Client,
    header::{CONTENT_TYPE, HeaderMap},
    redirect::Policy,
};

use super::super::Receiver;
use crate::base::{
    error::{Error, Result, plain::line},
    tls::{self, Trust},
    web::{self, Way, is_here},
};

/// How long a push may take.
const PATIENCE: Duration = Duration::from_secs(3);
const PROTOBUF: &str = "application/x-protobuf";
/// What says which headers go along, by the specification of OTLP exporters: `name=value,name=value`.
const HEADERS: &str = "OTEL_EXPORTER_OTLP_HEADERS";
/// The longest answer of a receiver that is shown.
const SHOWN: usize = 200;

/// Why a receiver does not have what was sent to it, in words.
type Sent = std::result::Result<(), String>;

/// Posts to a receiver.
pub(super) struct Post {
    client: Client,
    receiver: Receiver,
    headers: HeaderMap,
}

impl Post {
    /// A way to this receiver.
    ///
    /// # Errors
    /// When the environment has headers that are none, or there can be no client.
    pub(super) fn new(receiver: &Receiver) -> Result<Self> {
        let headers = headers(&std::env::var(HEADERS).unwrap_or_default())?;
        let way = way(receiver, &headers);
        if way == Way::Direct && receiver.url().scheme() == "http" && !is_here(receiver.url()) {
            crate::tell!("warning: what proves who pushes to `{receiver}` can be read on the way");
        }
        let client = web::client(tls::client_of(&Trust::default())?, way)
            .timeout(PATIENCE)
            .redirect(Policy::none())
            .build()
            .map_err(|why| {
                Error::not_measured(format!("can't push metrics: {}", web::why(&why)))
            })?;
        Ok(Self { client, receiver: receiver.clone(), headers })
    }

    pub(super) fn receiver(&self) -> &Receiver {
        &self.receiver
    }

    /// Sends what was seen.
    ///
    /// # Errors
    /// Why the receiver does not have it, in words.
    pub(super) async fn send(&self, message: ExportMetricsServiceRequest) -> Sent {
        let request = self.client.post(self.receiver.url().clone());
        let request = request.header(CONTENT_TYPE, PROTOBUF).headers(self.headers.clone());
        let said = |why: reqwest::Error| web::why(&why.without_url());
        let answer = request.body(message.encode_to_vec()).send().await.map_err(said)?;
        let status = answer.status();
        if !status.is_success() {
            return Err(format!("it answers {}", status.as_u16()));
        }
        // A receiver of a strange make has taken it all the same.
        let Ok(Some(body)) = web::body(answer).await else { return Ok(()) };
        let answer = ExportMetricsServiceResponse::decode(&*body).unwrap_or_default();
        match answer.partial_success {
            Some(part) if part.rejected_data_points > 0 => {
                let why: String = part.error_message.chars().take(SHOWN).collect();
                let count = part.rejected_data_points;
                Err(format!("it rejects {count} values: {}", line(&why)))
            }
            _ => Ok(()),
        }
    }
}

/// The way to a receiver: what is secret never goes through a proxy.
fn way(receiver: &Receiver, headers: &HeaderMap) -> Way {
    if receiver.has_secret() || !headers.is_empty() { Way::Direct } else { Way::AsEnvironmentSays }
}

/// The headers that the environment names, with their values decoded; they may be secret.
fn headers(text: &str) -> Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    for (number, pair) in (1..).zip(text.split(',').map(str::trim).filter(|pair| !pair.is_empty()))
    {
        let header = pair.split_once('=').and_then(|(name, value)| {
            // Not as in a query: `=`, `&` and `+` are themselves.
            let value = percent_decode_str(value.trim()).decode_utf8().ok()?;
            let mut value: reqwest::header::HeaderValue = value.parse().ok()?;
            value.set_sensitive(true);
            Some((name.trim().parse::<reqwest::header::HeaderName>().ok()?, value))
        });
        let (name, value) = header.ok_or_else(|| {
            Error::usage(format!("pair {number} of the variable `{HEADERS}` is no header"))
                .hint("write `name=value,name=value`, with `%2C` for a comma within a value")
        })?;
        headers.insert(name, value);
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_brings_no_secret_may_go_through_a_proxy() {
        let way =
            |url: &str, text: &str| way(&Receiver::parse(url).unwrap(), &headers(text).unwrap());
        assert_eq!(way("http://h:4318", ""), Way::AsEnvironmentSays);
        assert_eq!(way("http://h:4318", "x-key=1"), Way::Direct);
        for url in ["https://me@h", "https://:pass@h", "http://h?key=1"] {
            assert_eq!(way(url, ""), Way::Direct, "{url}");
        }
    }

    #[test]
    fn a_value_of_a_header_may_contain_what_separates_fields_of_a_query() {
        for value in ["Basic aHVudGVyMg==", "a&b=c&d", "a+b", "=", "&"] {
            let read = headers(&format!("x={},y=1", value.replace(' ', "%20"))).unwrap();
            assert_eq!(
                read["x"],
                value.parse::<reqwest::header::HeaderValue>().unwrap(),
                "{value}"
            );
            assert_eq!(read.len(), 2, "{value}");
        }
    }

    #[test]
    fn headers_are_read_as_the_specification_writes_them_and_no_value_is_shown() {
        let read = headers("Authorization=Basic%20aHVudGVyMg==, x-key = a+b%2Cc ,").unwrap();
        assert_eq!(
            (&read["authorization"], &read["x-key"]),
            (&"Basic aHVudGVyMg==".parse().unwrap(), &"a+b,c".parse().unwrap())
        );
        assert!(!format!("{read:?}").contains("aHVudGVyMg"));
        let wrong = headers("x=1,hunter2").unwrap_err().to_string();
        assert!(wrong.contains("pair 2") && !wrong.contains("hunter2"), "{wrong}");
    }
}
