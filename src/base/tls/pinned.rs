//! The verifier of servers whose authorities are known, or that are known themselves: a certificate that stands in the file
//! of the authorities is trusted as it is, whatever it says of its use and its names.

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

/// Takes what an authority signed for the server's name, and what is known.
#[derive(Debug)]
pub(super) struct Pinned {
    /// `None` where no known certificate can be an authority.
    by_authority: Option<Arc<WebPkiServerVerifier>>,
    known: Vec<CertificateDer<'static>>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Pinned {
    /// Trusts the certificates of a file.
    ///
    /// # Errors
    /// When a list of revoked certificates can't be used.
    pub(super) fn new(
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
        Ok(Self { by_authority, known, algorithms })
    }

    /// What a signature is worth that the library refused: it reads no certificate of version 1.
    fn refused(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, TlsError> {
        match signed(certificate, message, signature, &self.algorithms) {
            Signed::Yes => Ok(HandshakeSignatureValid::assertion()),
            Signed::No => Err(CertificateError::BadSignature.into()),
            Signed::Unknown => Err(CertificateError::ApplicationVerificationFailure.into()),
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

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> std::result::Result<ServerCertVerified, TlsError> {
        let verified = match &self.by_authority {
            Some(verifier) => verifier.verify_server_cert(certificate, between, name, ocsp, now),
            None => Err(CertificateError::UnknownIssuer.into()),
        };
        let Err(error) = verified else { return verified };
        if is_final(&error) {
            return Err(error);
        }
        if self.known.iter().any(|known| known == certificate) {
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
        self.algorithms.supported_schemes()
    }
}
