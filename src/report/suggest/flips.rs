//! The settings of a policy that are tried, one by one.

use std::time::Duration;

use crate::{
    plan::promising::Promising,
    scenario::{Algorithm, Check, Encoding, OnAnonymous, PolicySettings, UnknownKid},
};

/// Claims that a broker may demand (RFC 7519, 4.1).
const REGISTERED: [&str; 7] = ["aud", "exp", "iat", "iss", "jti", "nbf", "sub"];
/// Leeways that verifiers have: of libraries, and a second more, where they compare whole seconds.
const LEEWAYS: [u64; 11] = [1, 2, 5, 10, 30, 31, 60, 61, 120, 300, 301];

/// One setting that is turned to its other value.
#[derive(Clone, Debug)]
pub(super) enum Flip {
    /// Whether the value of a claim is checked.
    Checks(Check),
    /// Whether its absence is refused.
    Requires(String),
    /// Whether it has to be that of the connection.
    Binds(String),
    /// Whether another algorithm is accepted.
    Accepts(Algorithm),
    /// How far after `exp` and before `nbf` both answers are right.
    Leeway(Duration),
    /// What becomes of a `kid` that names no key.
    UnknownKid,
    /// How exactly base64url is demanded.
    Encoding,
    /// What becomes of who brings nothing.
    Anonymous,
}

/// All that is worth trying from a policy on.
pub(super) fn flips(promising: &Promising, from: &PolicySettings) -> Vec<Flip> {
    let checks =
        [Check::Exp, Check::Nbf, Check::Iat, Check::Iss, Check::Aud, Check::Typ, Check::Cnf];
    let bound = promising.strictest().binds.unwrap_or_default();
    let claims = REGISTERED.map(str::to_owned).into_iter().chain(bound.clone());
    let own = from.algorithms.clone().unwrap_or_default();
    let is_akin = |other: &Algorithm| own.iter().any(|own| own.family() == other.family());
    let mut all: Vec<Flip> = Vec::new();
    all.extend([Flip::Anonymous, Flip::UnknownKid, Flip::Encoding]);
    all.extend(checks.map(Flip::Checks));
    all.extend(claims.map(Flip::Requires));
    all.extend(bound.into_iter().map(Flip::Binds));
    all.extend(Algorithm::ALL.into_iter().filter(is_akin).map(Flip::Accepts));
    if from.leeway.is_none() {
        all.extend(LEEWAYS.map(|leeway| Flip::Leeway(Duration::from_secs(leeway))));
    }
    all
}

impl Flip {
    /// Turns it.
    pub(super) fn apply(&self, settings: &mut PolicySettings) {
        match self {
            Self::Checks(check) => toggle(&mut settings.checks, check),
            Self::Requires(claim) => toggle(&mut settings.requires, claim),
            Self::Binds(claim) => toggle(&mut settings.binds, claim),
            Self::Accepts(algorithm) => toggle(&mut settings.algorithms, algorithm),
            Self::Leeway(leeway) => settings.leeway = Some(*leeway),
            Self::UnknownKid => {
                let is_ignored = settings.unknown_kid == Some(UnknownKid::Ignore);
                let other = if is_ignored { UnknownKid::Refuse } else { UnknownKid::Ignore };
                settings.unknown_kid = Some(other);
            }
            Self::Encoding => {
                let is_lenient = settings.encoding == Some(Encoding::Lenient);
                let other = if is_lenient { Encoding::Strict } else { Encoding::Lenient };
                settings.encoding = Some(other);
            }
            Self::Anonymous => {
                let is_accepted = settings.anonymous == Some(OnAnonymous::Accept);
                let other = if is_accepted { OnAnonymous::Refuse } else { OnAnonymous::Accept };
                settings.anonymous = Some(other);
            }
        }
    }
}

impl Flip {
    /// Says nothing of it.
    pub(super) fn forget(&self, settings: &mut PolicySettings) {
        match self {
            Self::UnknownKid => settings.unknown_kid = None,
            Self::Encoding => settings.encoding = None,
            Self::Anonymous => settings.anonymous = None,
            // What is in a list counts there, and another leeway promises another time.
            _ => {}
        }
    }
}

/// Takes one out of a list, or puts it in.
fn toggle<T: Clone + PartialEq>(list: &mut Option<Vec<T>>, one: &T) {
    let list = list.get_or_insert_default();
    match list.iter().position(|known| known == one) {
        Some(at) => _ = list.remove(at),
        None => list.push(one.clone()),
    }
}
