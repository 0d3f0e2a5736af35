//! The certificates that an issuer shows: a good one, and one that has expired.

use std::sync::Arc;

use rcgen::{Issuer, KeyPair, date_time_ymd};
use rustls::{ServerConfig, sign::SingleCertAndKey};
use tokio_rustls::TlsAcceptor;

use crate::{
    base::{
        error::{Error, Result},
        tls::{OwnCertificate, made},
    },
    plan::authority::Identity,
};

/// What it shows itself with.
pub(super) struct Identities {
    pub(super) good: TlsAcceptor,
    pub(super) expired: Option<TlsAcceptor>,
    /// What those who ask it in this run trust it by, as PEM: the authority of a certificate that was made, or the
    /// certificate that was given.
    pub(super) authority: Option<String>,
}

impl Identities {
    pub(super) fn load(identity: &Identity) -> Result<Self> {
        match identity {
            Identity::Generated => generated().map_err(|error| {
                Error::not_measured(format!("can't make certificates for the issuer: {error}"))
            })?,
            Identity::Given { good, expired } => Ok(Self {
                good: acceptor(&good.0, &good.1, "cert")?,
                expired: match expired {
                    Some((cert, key)) => Some(acceptor(cert, key, "expired_cert")?),
                    None => None,
                },
                authority: certificates(&good.0),
            }),
        }
    }
}

/// The certificates of a file as PEM, without a key that may stand beside them.
fn certificates(file: &[u8]) -> Option<String> {
    let mut blocks = pem::parse_many(file).ok()?;
    blocks.retain(|block| block.tag() == "CERTIFICATE");
    (!blocks.is_empty()).then(|| pem::encode_many(&blocks))
}

fn generated() -> std::result::Result<Result<Identities>, rcgen::Error> {
    let authority = made::authority()?;
    let signed = |expired: bool| -> std::result::Result<(String, String), rcgen::Error> {
        let key = KeyPair::generate()?;
        let mut server = made::server()?;
        if expired {
            server.not_before = date_time_ymd(2020, 1, 1);
            server.not_after = date_time_ymd(2021, 1, 1);
        }
        let issuer: &Issuer<'_, KeyPair> = &authority;
        Ok((server.signed_by(&key, issuer)?.pem(), key.serialize_pem()))
    };
    let (good, expired) = (signed(false)?, signed(true)?);
    let pem = authority.pem();
    let load = || {
        Ok(Identities {
            good: acceptor(good.0.as_bytes(), good.1.as_bytes(), "cert")?,
            expired: Some(acceptor(expired.0.as_bytes(), expired.1.as_bytes(), "expired_cert")?),
            authority: Some(pem),
        })
    };
    Ok(load())
}

fn acceptor(cert: &[u8], key: &[u8], name: &str) -> Result<TlsAcceptor> {
    let key_name = name.replace("cert", "key");
    let own = OwnCertificate::read(
        (&format!("issuer.tls.{name}"), cert),
        (&format!("issuer.tls.{key_name}"), key),
    )?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let certified = own.certified(&provider)?;
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::usage(format!("`issuer.tls` can't be used: {error}")))?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
    Ok(TlsAcceptor::from(Arc::new(config)))
}
