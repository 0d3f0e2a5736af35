//! Where `--otlp` pushes to.

use std::fmt;

use url::Url;

use crate::base::error::{Error, Result};

/// The path of metrics below a base URL, by the specification of OTLP exporters.
const SIGNAL: &str = "v1/metrics";

/// A receiver of OTLP over HTTP. Shown, it has neither user nor password nor query.
#[derive(Clone, Eq, PartialEq)]
pub struct Receiver(Url);

impl Receiver {
    /// Reads the base URL of a receiver, such as `http://127.0.0.1:4318`. Metrics go to `v1/metrics` below it, as the
    /// specification of OTLP exporters has it; a path that ends so is taken as it is.
    ///
    /// # Errors
    /// When it is no URL of HTTP: with what it should be. What was given is not repeated, as it may hold a password.
    pub fn parse(text: &str) -> Result<Self> {
        let wrong = |why: &str| {
            Error::usage(format!("`--otlp` is no URL of a receiver: {why}"))
                .hint("write `http://host:4318`, or `https://` and whatever the receiver has below its host")
        };
        let mut url = Url::parse(text).map_err(|why| wrong(&why.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(wrong("its scheme is neither `http` nor `https`"));
        }
        let path = url.path().trim_end_matches('/');
        if !path.ends_with(&format!("/{SIGNAL}")) {
            let path = format!("{path}/{SIGNAL}");
            url.set_path(&path);
        }
        Ok(Self(url))
    }

    /// Where metrics go, with what is secret of it.
    pub fn url(&self) -> &Url {
        &self.0
    }

    /// Whether it brings a user or a password.
    pub fn has_secret(&self) -> bool {
        !self.0.username().is_empty() || self.0.password().is_some() || self.0.query().is_some()
    }
}

impl fmt::Display for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let port = self.0.port().map(|port| format!(":{port}")).unwrap_or_default();
        let host = self.0.host_str().unwrap_or_default();
        write!(f, "{}://{host}{port}{}", self.0.scheme(), self.0.path())
    }
}

impl fmt::Debug for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Receiver({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_go_below_the_base_as_the_specification_has_it() {
        for (base, url) in [
            ("http://127.0.0.1:4318", "http://127.0.0.1:4318/v1/metrics"),
            ("http://127.0.0.1:4318/", "http://127.0.0.1:4318/v1/metrics"),
            ("https://h/api/v1/otlp", "https://h/api/v1/otlp/v1/metrics"),
            ("https://h/api/v1/otlp/", "https://h/api/v1/otlp/v1/metrics"),
            ("https://h/own/v1/metrics", "https://h/own/v1/metrics"),
        ] {
            assert_eq!(Receiver::parse(base).unwrap().url().as_str(), url);
        }
    }

    #[test]
    fn a_password_is_sent_and_never_shown() {
        let receiver = Receiver::parse("http://me:hunter2@h:4318/x?key=hunter2").unwrap();
        assert!(receiver.has_secret() && receiver.url().password() == Some("hunter2"));
        assert_eq!(receiver.to_string(), "http://h:4318/x/v1/metrics");
        assert!(!format!("{receiver:?}").contains("hunter2"));
        for wrong in ["ftp://me:hunter2@h", "me:hunter2@h", "http://me:hunter2@h:999999"] {
            let why = Receiver::parse(wrong).unwrap_err();
            assert!(why.to_string().contains("`--otlp`") && why.way_out().is_some(), "{why}");
            assert!(!format!("{why:?}").contains("hunter2"), "{why:?}");
        }
    }
}
