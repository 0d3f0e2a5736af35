//! Why a handshake failed, in a word: the `code` of `tls_failed`.

use std::io;

use rustls::{AlertDescription, CertificateError, Error, InvalidMessage};

use super::certificate::Odd;

/// The word for a message of a handshake that is longer than the 64 KB that `rustls` reads: a chain of certificates.
pub const TOO_LONG: &str = "handshake_too_long";

/// The word for an error of `rustls`. Alerts of the broker begin with `alert_` and have the names of
/// RFC 8446, 6; the others are ours.
pub fn word(error: &Error) -> &'static str {
    match error {
        Error::InvalidCertificate(why) => certificate(why),
        Error::AlertReceived(alert) => self::alert(*alert),
        Error::InvalidMessage(
            InvalidMessage::HandshakePayloadTooLarge | InvalidMessage::CertificatePayloadTooLarge,
        ) => TOO_LONG,
        Error::InvalidMessage(_)
        | Error::InappropriateMessage { .. }
        | Error::InappropriateHandshakeMessage { .. } => "not_tls",
        Error::PeerIncompatible(_) => "incompatible",
        Error::PeerMisbehaved(_) => "misbehaved",
        Error::NoApplicationProtocol => "no_application_protocol",
        Error::NoCertificatesPresented => "no_certificate",
        Error::InvalidCertRevocationList(_) => "bad_revocation_list",
        Error::DecryptError => "decrypt_error",
        Error::PeerSentOversizedRecord => "oversized_record",
        _ => "other",
    }
}

/// The error of TLS behind another, where that is it: most often the server's certificate is not trusted.
pub fn behind<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a Error> {
    let mut cause = Some(error);
    while let Some(next) = cause {
        // Errors of reading and writing hide what they are made of, sometimes twice.
        let mut innermost = next;
        while let Some(inner) = innermost.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            innermost = inner;
        }
        if let Some(found) = innermost.downcast_ref() {
            return Some(found);
        }
        cause = next.source();
    }
    None
}

fn certificate(why: &CertificateError) -> &'static str {
    use CertificateError as E;
    if let E::Other(other) = why
        && let Some(odd) = other.0.downcast_ref::<Odd>()
    {
        return odd.word();
    }
    match why {
        E::Expired | E::ExpiredContext { .. } => "certificate_expired",
        E::NotValidYet | E::NotValidYetContext { .. } => "certificate_not_yet_valid",
        E::Revoked => "certificate_revoked",
        E::UnknownIssuer => "unknown_issuer",
        E::NotValidForName | E::NotValidForNameContext { .. } => "wrong_name",
        E::InvalidPurpose | E::InvalidPurposeContext { .. } => "wrong_purpose",
        E::BadSignature => "bad_signature",
        E::ExpiredRevocationList | E::ExpiredRevocationListContext { .. } => {
            "revocation_list_expired"
        }
        // What webpki says of an authority's certificate in the place of a server's: self-signed ones mostly.
        E::Other(other) if other.to_string().contains("CaUsedAsEndEntity") => "authority_as_server",
        _ => "bad_certificate",
    }
}

fn alert(alert: AlertDescription) -> &'static str {
    use AlertDescription as A;
    match alert {
        A::CloseNotify => "alert_close_notify",
        A::UnexpectedMessage => "alert_unexpected_message",
        A::BadRecordMac => "alert_bad_record_mac",
        A::RecordOverflow => "alert_record_overflow",
        A::HandshakeFailure => "alert_handshake_failure",
        A::NoCertificate => "alert_no_certificate",
        A::BadCertificate => "alert_bad_certificate",
        A::UnsupportedCertificate => "alert_unsupported_certificate",
        A::CertificateRevoked => "alert_certificate_revoked",
        A::CertificateExpired => "alert_certificate_expired",
        A::CertificateUnknown => "alert_certificate_unknown",
        A::IllegalParameter => "alert_illegal_parameter",
        A::UnknownCA => "alert_unknown_ca",
        A::AccessDenied => "alert_access_denied",
        A::DecodeError => "alert_decode_error",
        A::DecryptError => "alert_decrypt_error",
        A::ProtocolVersion => "alert_protocol_version",
        A::InsufficientSecurity => "alert_insufficient_security",
        A::InternalError => "alert_internal_error",
        A::UserCanceled => "alert_user_canceled",
        A::MissingExtension => "alert_missing_extension",
        A::UnsupportedExtension => "alert_unsupported_extension",
        A::UnrecognisedName => "alert_unrecognized_name",
        A::CertificateRequired => "alert_certificate_required",
        A::NoApplicationProtocol => "alert_no_application_protocol",
        _ => "alert_other",
    }
}

/// Whether a word for a TLS handshake that failed says that a certificate is wanted: `certificate_required` since TLS 1.3,
/// `handshake_failure` before (RFC 5246, 7.4.6), and `bad_certificate` of brokers in Java.
pub fn wants_certificate(word: &str) -> bool {
    matches!(
        word,
        "alert_certificate_required" | "alert_handshake_failure" | "alert_bad_certificate"
    )
}
