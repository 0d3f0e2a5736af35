//! What is read of a certificate where `webpki` reads nothing: it takes X.509 version 3 only, and brokers in the field show
//! version 1, as `openssl x509 -req` without extensions makes it.

use std::fmt;

use rustls::{
    CertificateError, DigitallySignedStruct, Error, OtherError,
    crypto::WebPkiSupportedAlgorithms,
    pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime},
};
use webpki::RawPublicKeyEntity;
use x509_parser::{
    certificate::X509Certificate, extensions::GeneralName, prelude::FromDer, public_key::PublicKey,
    time::ASN1Time, x509::X509Version,
};

/// The least length of an RSA key whose signatures can be checked here.
const LEAST_RSA_BITS: usize = 2048;

/// What is wrong with a certificate that has to be told apart from other faults.
#[derive(Clone, Copy, Eq, PartialEq, thiserror::Error)]
pub(super) enum Odd {
    #[error("it is of X.509 version 1, which has no names")]
    VersionOne,
    /// Its subjectAltName has no name that a client could ask for, or it has none.
    #[error("it has no name in subjectAltName, and its common name is not looked at")]
    NoNames,
}

impl Odd {
    /// The word for it in results.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::VersionOne => "certificate_version_1",
            Self::NoNames => "no_names",
        }
    }
}

// `rustls` shows errors that are not its own by their `Debug`.
impl fmt::Debug for Odd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<Odd> for Error {
    fn from(odd: Odd) -> Self {
        CertificateError::Other(OtherError(std::sync::Arc::new(odd))).into()
    }
}

/// Whether a certificate can be read at all, by whichever of the libraries.
pub(super) fn is_readable(certificate: &CertificateDer<'_>) -> bool {
    X509Certificate::from_der(certificate).is_ok()
        || webpki::anchor_from_trusted_cert(certificate).is_ok()
}

/// The public key of a certificate, as DER.
pub(super) fn public_key(
    certificate: &CertificateDer<'_>,
) -> Option<SubjectPublicKeyInfoDer<'static>> {
    let (_, read) = X509Certificate::from_der(certificate).ok()?;
    Some(SubjectPublicKeyInfoDer::from(read.public_key().raw.to_vec()))
}

/// Whether a certificate is that of an authority that may sign others (RFC 5280, 4.2.1.3 and 4.2.1.9).
pub(super) fn may_sign(certificate: &CertificateDer<'_>) -> bool {
    let Ok((_, read)) = X509Certificate::from_der(certificate) else { return false };
    let usage = read.key_usage().ok().flatten();
    read.is_ca() && usage.is_none_or(|usage| usage.value.key_cert_sign())
}

/// The name of whom a certificate is made out to, as DER.
pub(super) fn subject(certificate: &CertificateDer<'_>) -> Option<Vec<u8>> {
    let (_, read) = X509Certificate::from_der(certificate).ok()?;
    Some(read.subject().as_raw().to_vec())
}

/// The name of who signed it, as DER.
pub(super) fn issuer(certificate: &CertificateDer<'_>) -> Option<Vec<u8>> {
    let (_, read) = X509Certificate::from_der(certificate).ok()?;
    Some(read.issuer().as_raw().to_vec())
}

/// Whether a certificate names its own subject as its issuer, as that of a root does.
pub(super) fn is_self_issued(certificate: &CertificateDer<'_>) -> bool {
    subject(certificate).is_some_and(|own| issuer(certificate) == Some(own))
}

/// What is wrong with a certificate that `webpki` refused, where that has a name of its own.
pub(super) fn odd(certificate: &CertificateDer<'_>, refused: &Error) -> Option<Odd> {
    let (_, read) = X509Certificate::from_der(certificate).ok()?;
    if read.version() == X509Version::V1 {
        return Some(Odd::VersionOne);
    }
    let is_by_name = matches!(
        refused,
        Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. }
        )
    );
    (is_by_name && !has_names(&read)).then_some(Odd::NoNames)
}

/// Whether there is a name that a client could ask for: an address, or text that is a name and no address.
fn has_names(certificate: &X509Certificate<'_>) -> bool {
    let Ok(Some(names)) = certificate.subject_alternative_name() else { return false };
    names.value.general_names.iter().any(|name| match name {
        GeneralName::IPAddress(_) => true,
        GeneralName::DNSName(name) => {
            let name = name.strip_prefix("*.").unwrap_or(name);
            matches!(ServerName::try_from(name), Ok(ServerName::DnsName(_)))
        }
        _ => false,
    })
}

/// Checks the dates of a certificate.
pub(super) fn check_dates(certificate: &CertificateDer<'_>, now: UnixTime) -> Result<(), Error> {
    let (_, read) = X509Certificate::from_der(certificate)
        .map_err(|_| Error::InvalidCertificate(CertificateError::BadEncoding))?;
    let now = i64::try_from(now.as_secs()).ok().and_then(|now| ASN1Time::from_timestamp(now).ok());
    let Some(now) = now else { return Err(CertificateError::BadEncoding.into()) };
    let validity = read.validity();
    if now < validity.not_before {
        return Err(CertificateError::NotValidYet.into());
    }
    if now > validity.not_after {
        return Err(CertificateError::Expired.into());
    }
    Ok(())
}

/// Whether something was signed with the key of a certificate.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Signed {
    /// It was.
    Yes,
    /// It was not.
    No,
    /// Nobody here can tell: the key is of a kind, or the certificate in a form, that the library does not read.
    Unknown,
}

/// Checks the signature of a handshake with the public key alone, as with raw public keys (RFC 7250).
pub(super) fn signed(
    certificate: &CertificateDer<'_>,
    message: &[u8],
    signature: &DigitallySignedStruct,
    algorithms: &WebPkiSupportedAlgorithms,
) -> Signed {
    let Ok((_, read)) = X509Certificate::from_der(certificate) else { return Signed::Unknown };
    let is_weak = match read.public_key().parsed() {
        Ok(PublicKey::RSA(key)) => key.key_size() < LEAST_RSA_BITS,
        _ => false,
    };
    let known = algorithms.mapping.iter().find(|(scheme, _)| *scheme == signature.scheme);
    let key = SubjectPublicKeyInfoDer::from(read.public_key().raw);
    let (Some((_, candidates)), false, Ok(key)) =
        (known, is_weak, RawPublicKeyEntity::try_from(&key))
    else {
        return Signed::Unknown;
    };
    let mut answer = Signed::Unknown;
    for algorithm in *candidates {
        match key.verify_signature(*algorithm, message, signature.signature()) {
            Ok(()) => return Signed::Yes,
            Err(webpki::Error::InvalidSignatureForPublicKey) => answer = Signed::No,
            Err(_) => {}
        }
    }
    answer
}
