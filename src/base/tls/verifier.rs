//! The verifier of servers. Where authorities are known, or servers themselves, a certificate that stands in the file of the
//! authorities is trusted as it is, whatever it says of its use and its names. By `verify = false` any certificate will do,
//! also one that can't be read. What is signed must still be signed by it, where that can be checked.

use std::sync::Arc;

use rustls::{
    CertificateError, DigitallySignedStruct, Error as TlsError, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{
        CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
    },
    pki_types::{CertificateDer, CertificateRevocationListDer, ServerName, UnixTime},
};

use super::certificate::{Signed, check_dates, odd, signed};
use crate::base::error::{Error, Result};

/// Schemes that are offered to anyone beside those of the library, for old and for rare keys: nobody here can check their
/// signatures. The numbers are `rsa_pss_pss_sha256`, `_sha384` and `_sha512` (RFC 8446, 4.2.3), of keys that are for RSA-PSS
/// only.
const UNCHECKED: [SignatureScheme; 6] = [
    SignatureScheme::ED448,
    SignatureScheme::Unknown(0x0809),
    SignatureScheme::Unknown(0x080A),
    SignatureScheme::Unknown(0x080B),
    SignatureScheme::ECDSA_SHA1_Legacy,
    SignatureScheme::RSA_PKCS1_SHA1,
];

/// Takes certificates by whom they are of.
#[derive(Debug)]
pub(super) struct Verifier {
    whom: Whom,
    algorithms: WebPkiSupportedAlgorithms,
}

#[derive(Debug)]
enum Whom {
    /// Every certificate is taken.
    Anyone,
    /// What an authority signed for the server's name, and what is known.
    Known {
        /// `None` where no known certificate can be an authority.
        by_authority: Option<Arc<WebPkiServerVerifier>>,
        known: Vec<CertificateDer<'static>>,
    },
}

impl Verifier {
    /// Trusts everybody.
    pub(super) fn anyone(provider: &CryptoProvider) -> Self {
        Self { whom: Whom::Anyone, algorithms: provider.signature_verification_algorithms }
    }

    /// Trusts the certificates of a file.
    ///
    /// # Errors
    /// When a list of revoked certificates can't be used.
    pub(super) fn pinned(
        known: &[CertificateDer<'static>],
        revoked: &[CertificateRevocationListDer<'static>],
        provider: &Arc<CryptoProvider>,
    ) -> Result<Self> {
        let mut roots = RootCertStore::empty();
        // What can't be an authority can still be the server's own certificate.
        roots.add_parsable_certificates(known.iter().cloned());
        Self::of(roots, known.to_vec(), revoked, provider)
    }

    /// Trusts authorities, and no server itself.
    ///
    /// # Errors
    /// When a list of revoked certificates can't be used.
    pub(super) fn of(
        roots: RootCertStore,
        known: Vec<CertificateDer<'static>>,
        revoked: &[CertificateRevocationListDer<'static>],
        provider: &Arc<CryptoProvider>,
    ) -> Result<Self> {
        let verifier = |roots: RootCertStore| {
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
                .with_crls(revoked.iter().cloned())
                // A list says who is revoked; of authorities that have none, nobody is.
                .allow_unknown_revocation_status()
                .build()
                .map_err(|error| Error::usage(format!("`target.tls.crl` can't be used: {error}")))
        };
        let by_authority = (!roots.is_empty()).then(|| verifier(roots)).transpose()?;
        let algorithms = provider.signature_verification_algorithms;
        Ok(Self { whom: Whom::Known { by_authority, known }, algorithms })
    }

    /// What a signature is worth that the library refused: it reads no certificate of version 1.
    fn refused(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, TlsError> {
        match (signed(certificate, message, signature, &self.algorithms), &self.whom) {
            (Signed::Yes, _) | (Signed::Unknown, Whom::Anyone) => {
                Ok(HandshakeSignatureValid::assertion())
            }
            (Signed::No, _) => Err(CertificateError::BadSignature.into()),
            (Signed::Unknown, Whom::Known { .. }) => {
                Err(CertificateError::ApplicationVerificationFailure.into())
            }
        }
    }
}

/// Whether a fault counts against a known certificate as well.
fn is_final(error: &TlsError) -> bool {
    use CertificateError as E;
    let TlsError::InvalidCertificate(why) = error else { return false };
    matches!(
        why,
        E::Expired
            | E::ExpiredContext { .. }
            | E::NotValidYet
            | E::NotValidYetContext { .. }
            | E::Revoked
            | E::ExpiredRevocationList
            | E::ExpiredRevocationListContext { .. }
    )
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> std::result::Result<ServerCertVerified, TlsError> {
        let Whom::Known { by_authority, known } = &self.whom else {
            return Ok(ServerCertVerified::assertion());
        };
        let verified = match by_authority {
            Some(verifier) => verifier.verify_server_cert(certificate, between, name, ocsp, now),
            None => Err(CertificateError::UnknownIssuer.into()),
        };
        let Err(error) = verified else { return verified };
        if is_final(&error) {
            return Err(error);
        }
        if known.iter().any(|known| known == certificate) {
            check_dates(certificate, now)?;
            return Ok(ServerCertVerified::assertion());
        }
        Err(odd(certificate, &error).map_or(error, TlsError::from))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, TlsError> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
            .or_else(|_| self.refused(message, certificate, signature))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, TlsError> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
            .or_else(|_| self.refused(message, certificate, signature))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let mut schemes = self.algorithms.supported_schemes();
        if let Whom::Anyone = self.whom {
            schemes.extend(UNCHECKED);
        }
        schemes
    }
}
