//! An authority and certificates of servers on this host, made for a run and forgotten with it.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, KeyUsagePurpose};

/// The names of a server on this host.
const NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// A new authority.
///
/// # Errors
/// When the system has no randomness.
pub fn authority() -> Result<CertifiedIssuer<'static, KeyPair>, rcgen::Error> {
    authority_of(0)
}

/// The same with up to so many authorities below it.
///
/// # Errors
/// As [`authority`].
pub fn authority_of(below: u8) -> Result<CertifiedIssuer<'static, KeyPair>, rcgen::Error> {
    let mut authority = CertificateParams::new(Vec::new())?;
    authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(below));
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    CertifiedIssuer::self_signed(authority, KeyPair::generate()?)
}

/// What the certificate of a server on this host says, before it is signed.
///
/// # Errors
/// When a name is none, which the names are not.
pub fn server() -> Result<CertificateParams, rcgen::Error> {
    CertificateParams::new(NAMES.map(str::to_owned).to_vec())
}
