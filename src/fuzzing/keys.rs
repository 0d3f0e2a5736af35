//! Files with keys.

use super::choice;
use crate::{
    scenario::{Algorithm, Held},
    token::key::SigningKey,
};

/// A JWK, or a set of them.
pub(super) fn jwk(input: &[u8]) {
    read(input, true);
}

/// PEM, DER, and all that is taken for it.
pub(super) fn pem(input: &[u8]) {
    read(input, false);
}

/// A key that is read is the same after it was sent to another process.
fn read(input: &[u8], is_jwk: bool) {
    let (which, file) = choice(input);
    let algorithm = Algorithm::ALL[usize::from(which) % Algorithm::ALL.len()];
    let Ok(key) = SigningKey::of_bytes(file, algorithm, is_jwk) else { return };
    let held = key.held();
    let again = match &held {
        Held::Private(der) => SigningKey::of_bytes(der, algorithm, false),
        Held::Secret(_) | Held::File(_) => return,
    };
    assert!(again.is_ok_and(|again| again.held() == held), "a key is not read again as the same");
}
