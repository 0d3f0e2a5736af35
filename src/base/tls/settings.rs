//! What is asked of TLS, as `[target.tls]` of a scenario has it.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::base::error::showable::REDACTED;

/// `[target.tls]` of a scenario. Paths start from the scenario's folder.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tls {
    /// PEM file of the authorities that the brokers' certificates are checked by. Default: those that this host trusts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
    /// PEM file of revoked certificates (CRL), one list an authority that has revoked any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crl: Option<PathBuf>,
    /// PEM file of the clients' own certificate, with the authorities between: mutual TLS. `"per_client"`: each has one of its
    /// own, made ahead and signed by `client_ca`; `{x5t_s256}` in `[token.claims]` is its thumbprint (RFC 8705, 3.1).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cert: Option<PathBuf>,
    /// PEM file of its private key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<PathBuf>,
    /// PEM file of the authority that signs the certificates of `cert = "per_client"`. Embedded brokers alone: one is made for
    /// the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_ca: Option<PathBuf>,
    /// PEM file of its private key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_ca_key: Option<PathBuf>,
    /// Embedded brokers only: they ask for a client certificate, and one is made for the run.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub generate: bool,
    /// The name that the broker's certificate must have, and that is sent (SNI). Default: the host of the URL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_name: Option<String>,
    /// Protocols to offer (ALPN), such as `["mqtt"]`. Default: none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub alpn: Vec<String>,
    /// `"1.2"` or `"1.3"`: the only version to speak. Default: both.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<TlsVersion>,
    /// `false`: any certificate will do. Whoever is on the way can then read and use the tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verify: Option<bool>,
    /// Whether clients resume sessions of those before them, as devices that come back do.
    pub resumption: bool,
    /// What is in the files, as far as it was read already; nothing that is written anywhere.
    #[serde(skip)]
    #[schemars(skip)]
    pub held: TlsFiles,
}

/// What is in the files of `[target.tls]`, as one process sends it to another: PEM, a text.
#[derive(Clone, Default, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct TlsFiles {
    /// In the file of the authorities.
    pub ca: Option<String>,
    /// In the file of revoked certificates.
    pub crl: Option<String>,
    /// In the file of the clients' own certificate.
    pub cert: Option<String>,
    /// In the file of its private key.
    pub key: Option<String>,
    /// In the file of the authority that signs certificates of clients.
    pub client_ca: Option<String>,
    /// In the file of its private key.
    pub client_ca_key: Option<String>,
}

/// What `target.tls.cert` is where each client has a certificate of its own.
pub(crate) const PER_CLIENT: &str = "per_client";

impl fmt::Debug for TlsFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

impl Tls {
    /// Whether each client has a certificate of its own.
    pub fn is_per_client(&self) -> bool {
        self.cert.as_deref() == Some(Path::new(PER_CLIENT))
    }

    /// Each key that may name a file: the name, where there is one, and where the contents are held.
    pub fn files(&mut self) -> [(&'static str, Option<&mut PathBuf>, &mut Option<String>); 6] {
        let is_per_client = self.is_per_client();
        let Self { ca, crl, cert, key, client_ca, client_ca_key, held, .. } = self;
        [
            ("ca", ca.as_mut(), &mut held.ca),
            ("crl", crl.as_mut(), &mut held.crl),
            ("cert", cert.as_mut().filter(|_| !is_per_client), &mut held.cert),
            ("key", key.as_mut(), &mut held.key),
            ("client_ca", client_ca.as_mut(), &mut held.client_ca),
            ("client_ca_key", client_ca_key.as_mut(), &mut held.client_ca_key),
        ]
    }
}

impl TlsFiles {
    /// What is in the file that this key of `[target.tls]` names.
    pub fn of(&self, key: &str) -> Option<&str> {
        let held = match key {
            "ca" => &self.ca,
            "crl" => &self.crl,
            "cert" => &self.cert,
            "key" => &self.key,
            "client_ca" => &self.client_ca,
            "client_ca_key" => &self.client_ca_key,
            _ => &None,
        };
        held.as_deref()
    }
}

/// A version of TLS; `1.3` without quotes is read as well, as `--set` makes it a number.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(try_from = "Written")]
#[schemars(with = "String")]
pub enum TlsVersion {
    /// TLS 1.2 (RFC 5246).
    #[serde(rename = "1.2")]
    V12,
    /// TLS 1.3 (RFC 8446).
    #[serde(rename = "1.3")]
    V13,
}

/// A version as it is written.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Text(String),
    Number(f64),
}

impl TryFrom<Written> for TlsVersion {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let text = match written {
            Written::Text(text) => text,
            Written::Number(number) => number.to_string(),
        };
        match text.as_str() {
            "1.2" => Ok(Self::V12),
            "1.3" => Ok(Self::V13),
            other => Err(format!("unknown version of TLS `{other}`, expected \"1.2\" or \"1.3\"")),
        }
    }
}
