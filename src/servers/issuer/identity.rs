//! The certificates that an issuer shows: a good one, and one that has expired.

use std::sync::Arc;

use rcgen::{KeyPair, date_time_ymd};
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

/// A certificate and its private key, as PEM.
type Pair = (Vec<u8>, Vec<u8>);

impl Identities {
    pub(super) fn load(identity: &Identity) -> Result<Self> {
        match identity {
            Identity::Generated => {
                let (good, expired, authority) = generated().map_err(|error| {
                    Error::not_measured(format!("can't make certificates for the issuer: {error}"))
                })?;
                Self::of(&good, Some(&expired), Some(authority))
            }
            Identity::Given { good, expired } => {
                Self::of(good, expired.as_ref(), certificates(&good.0))
            }
        }
    }

    fn of((cert, key): &Pair, expired: Option<&Pair>, authority: Option<String>) -> Result<Self> {
        let good = acceptor(cert, key, "cert")?;
        let expired = expired.map(|(cert, key)| acceptor(cert, key, "expired_cert")).transpose()?;
        Ok(Self { good, expired, authority })
    }
}

/// The certificates of a file as PEM, without a key that may stand beside them.
fn certificates(file: &[u8]) -> Option<String> {
    let mut blocks = pem::parse_many(file).ok()?;
    blocks.retain(|block| block.tag() == "CERTIFICATE");
    (!blocks.is_empty()).then(|| pem::encode_many(&blocks))
}

/// One that is good, one that has expired, and their authority.
fn generated() -> std::result::Result<(Pair, Pair, String), rcgen::Error> {
    let authority = made::authority()?;
    let signed = |expired: bool| -> std::result::Result<Pair, rcgen::Error> {
        let key = KeyPair::generate()?;
        let mut server = made::server()?;
        if expired {
            server.not_before = date_time_ymd(2020, 1, 1);
            server.not_after = date_time_ymd(2021, 1, 1);
        }
        Ok((server.signed_by(&key, &authority)?.pem().into(), key.serialize_pem().into()))
    };
    Ok((signed(false)?, signed(true)?, authority.pem()))
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
