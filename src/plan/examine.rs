//! Every token of a matrix is looked at before it is sent: is it wrong as the catalogue claims, and in no other way?
//!
//! Values of a scenario may coincide with what an entry uses. So each entry is minted and looked at once while the matrix
//! is planned: one that would not be what it claims is left out, with the reason.

use std::{collections::BTreeMap, fmt, sync::Arc};

use super::{Plan, strict};
use crate::{
    base::{
        clock::{Clock, SECOND},
        error::{Error, Result},
    },
    scenario::{Algorithm, Check, Protocol, Scenario},
    token::{
        FRESH, Kind, Minter, Password,
        carrier::{Shown, token_in},
        key::{SigningKey, VerifyingKey},
        names::Names,
        oracle::{Bound, Fault, Faults, Oracle, Presented},
        placing::{Brought, Scratch},
        recipe::{Certificate, Twist},
    },
};

/// The longest field that CONNECT can carry (MQTT 3.1.1, 1.5.3 and 3.1.3.5).
const LONGEST_FIELD: usize = 65_535;

/// What looks at tokens.
#[derive(Debug)]
pub(super) struct Examiner {
    /// Looks at everything.
    oracle: Oracle,
    /// What is wrong even with the good tokens of the scenario.
    own: Faults,
}

/// An entry that is not sent.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Skipped {
    /// Its name.
    pub defect: &'static str,
    /// In which version of MQTT.
    pub protocol: Protocol,
    /// Why.
    pub reason: Reason,
}

/// Why an entry of the catalogue is not sent.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Reason {
    /// The catalogue says why.
    Inapplicable(&'static str),
    /// A field of its CONNECT would have this many bytes.
    TooLong(usize),
    /// It is a token of this many bytes, and good tokens of the scenario are longer.
    Shorter(usize),
    /// By a value of the scenario nothing would be wrong with it.
    Harmless,
    /// Good tokens of the scenario are wrong in the same way.
    LikeGood(Faults),
    /// By a value of the scenario it would be wrong in other ways.
    Otherwise {
        /// What would be wrong with it.
        found: Faults,
        /// What should be.
        claimed: Faults,
    },
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inapplicable(why) => f.write_str(why),
            Self::TooLong(bytes) => write!(
                f,
                "its token would have {bytes} bytes, and a field of CONNECT carries {LONGEST_FIELD} at most"
            ),
            Self::Shorter(bytes) => {
                write!(f, "the scenario's good tokens are longer than its {bytes} bytes")
            }
            Self::Harmless => f.write_str(
                "a value of the scenario coincides with what it uses: nothing would be wrong with its token",
            ),
            Self::LikeGood(faults) => {
                write!(f, "the scenario's good tokens are wrong in the same way ({faults:?})")
            }
            Self::Otherwise { found, claimed } => write!(
                f,
                "by a value of the scenario its token would be wrong in the ways {found:?}, not {claimed:?}"
            ),
        }
    }
}

impl Examiner {
    /// An examiner for tokens by these keys.
    ///
    /// # Errors
    /// When a key can't be used.
    pub(super) fn new(scenario: &Scenario, names: &Names, keys: &[SigningKey]) -> Result<Self> {
        let mut algorithms: Vec<Algorithm> = keys.iter().map(|key| key.algorithm).collect();
        algorithms.dedup();
        let (policy, expected) = strict::examiner(scenario, names, algorithms)?;
        let verifying: Vec<VerifyingKey> = keys.iter().map(SigningKey::verifying).collect();
        let keys = keys.iter().zip(&verifying);
        let parts = keys.map(|(key, verifying)| (key.algorithm, key.kid.clone(), verifying));
        let oracle = Oracle::new(parts, policy, expected, token_in(scenario))?;
        Ok(Self { oracle, own: Faults::default() })
    }

    fn faults(
        &self,
        kind: &Kind,
        brought: &Brought<'_>,
        certificate: Option<&str>,
        at: i64,
    ) -> Faults {
        let presented = Presented {
            protocol: kind.protocol,
            client_id: brought.client_id,
            username: brought.username,
            password: brought.password,
            method: brought.method,
            data: brought.data,
            carried: brought.carried,
            certificate: certificate.map(str::as_bytes),
            is_malformed: brought.odd.is_some(),
        };
        self.oracle.faults(presented, at as f64 / SECOND as f64)
    }
}

/// What the catalogue claims to be wrong with a kind, as far as this scenario shows it.
fn claimed(kind: &Kind, oracle: &Oracle) -> Faults {
    let expected = oracle.expected();
    let has = |wanted| expected.bound.values().any(|bound| *bound == wanted);
    let mut unseen = Faults::default();
    for (is_seen, fault) in [
        (has(Bound::ClientId), Fault::ClientId),
        (has(Bound::Username), Fault::Username),
        (oracle.policy().checks(Check::Cnf), Fault::Confirmation),
        (kind.protocol == Protocol::V4, Fault::NoUsername),
    ] {
        if !is_seen {
            unseen.add(fault);
        }
    }
    Faults::of(kind.defect.faults).without(unseen)
}

impl Plan {
    /// Looks at what client `n` with this kind of token is about to bring; `at` is the moment of use, in nanoseconds
    /// since 1970. Does nothing where no matrix is planned.
    ///
    /// # Errors
    /// When it is not wrong as the catalogue claims, or wrong in another way too: nothing could be concluded from it.
    pub fn examine(
        &self,
        (kind, n): (usize, u64),
        at: i64,
        given: (Password, Shown<'_>),
    ) -> Result<()> {
        let Some(examiner) = &self.examiner else { return Ok(()) };
        let kind = &self.mould.kinds[kind];
        let mut scratch = Scratch::default();
        let brought = self.brought(kind, n, given, &mut scratch);
        let certificate = self.thumbprint_of(kind, n);
        let found =
            examiner.faults(kind, &brought, certificate.as_deref(), at).without(examiner.own);
        let claimed = claimed(kind, &examiner.oracle).without(examiner.own);
        if found == claimed {
            return Ok(());
        }
        Err(Error::not_measured(format!(
            "a token `{}` is wrong in the ways {found:?}, but should be in {claimed:?}: this is a bug of tokenstorm",
            kind.label
        ))
        .hint("please report it, with the scenario"))
    }

    /// The client by whose names client `n` goes: itself, but where all share one's token and names.
    pub fn named(&self, n: u64) -> u64 {
        self.mould.first_client + if self.shares_names { self.minted_as(n) } else { n }
    }

    /// The thumbprint of the certificate that client `n` comes with, where it has one of its own.
    fn thumbprint_of(&self, kind: &Kind, n: u64) -> Option<String> {
        let is_own = kind.recipe.certificate == Certificate::Own;
        let thumbprint = self.mould.names.x5t_s256.as_ref().filter(|_| is_own)?;
        Some(thumbprint.text(self.named(n)))
    }

    fn brought<'a>(
        &'a self,
        kind: &Kind,
        n: u64,
        given: (Password, Shown<'a>),
        scratch: &'a mut Scratch,
    ) -> Brought<'a> {
        scratch.fields(&self.mould.names, &kind.recipe, self.token_in, self.named(n), given)
    }

    /// Mints a token of each entry of a matrix and looks at it: returns the entries that the scenario's values keep from
    /// being what they claim, and takes down what is wrong with good tokens themselves.
    ///
    /// # Errors
    /// When a token can't be minted, or good tokens are longer than CONNECT can carry.
    pub(super) fn unfit(&mut self) -> Result<Vec<Skipped>> {
        let Some(mut examiner) = self.examiner.take().and_then(Arc::into_inner) else {
            return Ok(Vec::new());
        };
        let n = self.clients.saturating_sub(1);
        // The scenario may have claims that are good now and were not, or will not be, at another time.
        let now = Clock::start().wall(0);
        let mut minter = Minter::new(&self.mould)?;
        let mut minted: BTreeMap<&str, (Password, Vec<u8>)> = BTreeMap::new();
        let mut unfit = Vec::new();
        // Good tokens come first in each version of MQTT.
        for (at, kind) in self.mould.kinds.iter().enumerate() {
            let name = kind.defect.name;
            if !minted.contains_key(name) {
                let mut token = Vec::new();
                let (password, _) = minter.mint(at, n, now, &mut token)?;
                minter.countersign(password, 0, &mut token)?;
                minted.insert(name, (password, token));
            }
            let (password, bytes) = &minted[name];
            let shown = self.mould.shown(bytes);
            let token = shown.token;
            let mut scratch = Scratch::default();
            let brought = self.brought(kind, n, (*password, shown), &mut scratch);
            let unfit_for = brought.carried.and_then(|token| self.mould.names.unfit(token));
            let longest = longest(&brought);
            let certificate = self.thumbprint_of(kind, n);
            let found = examiner.faults(kind, &brought, certificate.as_deref(), now);
            if name == FRESH {
                if longest > LONGEST_FIELD {
                    return Err(Error::usage(format!(
                        "good tokens of this scenario have {longest} bytes, and a field of CONNECT carries {LONGEST_FIELD} at most"
                    ))
                    .hint("make `[token.claims]`, `kid` or `token.bytes` shorter"));
                }
                examiner.own = found;
                continue;
            }
            let claimed = claimed(kind, &examiner.oracle);
            let reason = match kind.recipe.twist {
                _ if unfit_for.is_some() => unfit_for.map(Reason::Inapplicable),
                _ if longest > LONGEST_FIELD => Some(Reason::TooLong(longest)),
                Twist::Length(length) if token.len() > length => Some(Reason::Shorter(length)),
                _ => unlike(found, claimed, examiner.own),
            };
            let (defect, protocol) = (name, kind.protocol);
            unfit.extend(reason.map(|reason| Skipped { defect, protocol, reason }));
        }
        if !examiner.own.is_empty() {
            self.warnings.push(format!(
                "to a strict verifier the scenario's good tokens are wrong in the ways {:?}: kinds that are wrong in no other way are left out",
                examiner.own
            ));
        }
        self.examiner = Some(Arc::new(examiner));
        Ok(unfit)
    }
}

/// Why a token is not what its entry claims, where it is not; `own` is wrong with good tokens, too.
fn unlike(found: Faults, claimed: Faults, own: Faults) -> Option<Reason> {
    let (left, wanted) = (found.without(own), claimed.without(own));
    if wanted.is_empty() && !claimed.is_empty() {
        return Some(Reason::LikeGood(claimed));
    }
    if left == wanted {
        return None;
    }
    Some(if left.is_empty() {
        Reason::Harmless
    } else {
        Reason::Otherwise { found: left, claimed: wanted }
    })
}

/// How many bytes the longest field of a CONNECT has.
fn longest(brought: &Brought<'_>) -> usize {
    let Brought { client_id, username, password, method, data, property, will, .. } = *brought;
    let fields = [Some(client_id), username, password, method, data, property, will];
    fields.into_iter().flatten().map(<[u8]>::len).max().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_left_out_where_it_is_not_what_it_claims() {
        let faults = Faults::of;
        let none = faults(&[]);
        let (aud, deep) = (faults(&[Fault::Audience]), faults(&[Fault::TooDeep]));
        assert_eq!(unlike(aud, aud, none), None);
        assert_eq!(unlike(none, none, none), None);
        assert_eq!(unlike(none, aud, none), Some(Reason::Harmless));
        let otherwise = Reason::Otherwise { found: deep, claimed: aud };
        assert_eq!(unlike(deep, aud, none), Some(otherwise));
        // What is wrong with good tokens does not count, and makes no defect.
        let both = faults(&[Fault::Audience, Fault::TooDeep]);
        assert_eq!(unlike(both, aud, deep), None);
        assert_eq!(unlike(deep, none, deep), None);
        assert_eq!(unlike(deep, deep, deep), Some(Reason::LikeGood(deep)));
    }
}
