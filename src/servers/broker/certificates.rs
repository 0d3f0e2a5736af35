//! Certificates for an embedded broker and its clients, made for the run and forgotten with it.

use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::PrivateKeyDer;

use super::ServerTls;
use crate::base::{
    error::{Error, Result},
    tls::{Made, OwnCertificate, made},
};

/// Whether an embedded broker asks its clients for a certificate.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Mutual {
    /// It does not.
    No,
    /// It does, and one is made for all of them.
    Shared,
    /// It does, and each has one that this authority (PEM) has signed.
    Own(String),
}

/// Makes an authority and a certificate for the broker, and what its clients need.
///
/// # Errors
/// When the system has no randomness.
pub fn make(mutual: Mutual) -> Result<(ServerTls, Made)> {
    made(mutual).map_err(|error| {
        Error::not_measured(format!("can't make certificates for the embedded broker: {error}"))
    })
}

fn made(mutual: Mutual) -> std::result::Result<(ServerTls, Made), rcgen::Error> {
    let authority = made::authority()?;
    let server_key = KeyPair::generate()?;
    let server = made::server()?.signed_by(&server_key, &authority)?;
    let own = if mutual == Mutual::Shared {
        let key = KeyPair::generate()?;
        let client = vec!["tokenstorm-client".to_owned()];
        let client = CertificateParams::new(client)?.signed_by(&key, &authority)?;
        let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
        Some(OwnCertificate::made(vec![client.der().clone()], key))
    } else {
        None
    };
    let tls = ServerTls {
        certificate: server.pem(),
        private_key: server_key.serialize_pem(),
        client_authority: match mutual {
            Mutual::No => None,
            Mutual::Shared => Some(authority.pem()),
            Mutual::Own(authority) => Some(authority),
        },
    };
    Ok((tls, Made { authority: authority.der().clone(), own }))
}
