//! What a policy says of a token that tokenstorm did not make: fetched, or brought by the user.
//!
//! The oracle says what is wrong with it; here stands which of that the policy promises to refuse. Unknown is never good.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{
    base::error::Result,
    plan::Plan,
    scenario::{Check, Encoding, Group},
    token::{
        Must,
        braces::has_placeholder,
        catalogue::{defect, matching},
        oracle::{
            Expected, Fault, Faults, Oracle,
            foreign::{Alg, Foreign},
        },
        policy::Policy,
        recipe::{Also, Refusal},
        template::Template,
    },
};

/// Why both answers are right.
const UNKNOWN: &str = "nothing is promised of what this token is";

/// What must happen to a token, time apart.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Said {
    /// It is good while its times allow.
    Good,
    /// It must be refused.
    Refuse(Refusal),
    /// Nothing is promised.
    Either(Refusal),
}

impl Said {
    /// The same as kinds of token have it.
    pub fn must(self) -> Must {
        match self {
            Self::Good => Must::AcceptInTime,
            Self::Refuse(refusal) => Must::Refuse(refusal),
            Self::Either(refusal) => Must::Unpromised(refusal, UNKNOWN),
        }
    }
}

/// Why a token is not simply good.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Reason {
    /// It is no JWT.
    NoJwt,
    /// It is encrypted.
    Encrypted,
    /// The first fault that counts.
    Fault(Fault),
    /// A `typ` of which the profile says that it may be refused, or accepted.
    Typ,
}

impl Reason {
    /// Its name in results.
    pub fn name(self) -> String {
        match self {
            Self::NoJwt => "opaque".into(),
            Self::Encrypted => "jwe".into(),
            Self::Typ => "typ".into(),
            Self::Fault(fault) => word(fault),
        }
    }
}

/// The name of a fault in results: that of the claim or header parameter, where it is about one.
fn word(fault: Fault) -> String {
    match fault {
        Fault::AlgNone => "alg_none".into(),
        Fault::AlgMissing => "alg_missing".into(),
        Fault::AlgUnknown | Fault::AlgOther => "alg".into(),
        Fault::SignatureMissing => "signature_missing".into(),
        Fault::Typ => "typ".into(),
        Fault::Crit => "crit".into(),
        Fault::Unencoded => "b64".into(),
        Fault::NoExp => "exp_missing".into(),
        Fault::ExpType => "exp_type".into(),
        Fault::ExpTooFar => "exp_far".into(),
        Fault::NbfType => "nbf_type".into(),
        Fault::Lifetime => "lifetime".into(),
        Fault::Issuer => "iss".into(),
        Fault::Audience => "aud".into(),
        Fault::ClientId => "binds".into(),
        Fault::Confirmation => "cnf".into(),
        Fault::ClaimMissing => "claim_missing".into(),
        Fault::Duplicate => "duplicate".into(),
        fault if ENCODING.contains(&fault) => "encoding".into(),
        fault => format!("{fault:?}").to_lowercase(),
    }
}

/// Holds tokens of others against a policy.
#[derive(Debug)]
pub struct ForeignJudge {
    oracle: Oracle,
    /// The right `iss`, where it differs from client to client.
    iss: Option<Template>,
    /// The same of `aud`; empty where all clients have the same.
    aud: Vec<Template>,
    /// The thumbprints of the certificates that clients come with.
    certificates: Certificates,
    /// What the claims that the policy binds have to be, by their names.
    bound: Vec<(String, Template)>,
    /// Faults that the profile documents to be overlooked.
    overlooked: Faults,
    /// Entries about `typ` that the profile names as exceptions.
    types: Vec<&'static str>,
}

/// The certificates that clients come with.
#[derive(Debug)]
enum Certificates {
    /// The policy compares none.
    Unchecked,
    /// None at all.
    None,
    /// All the same, or one that nobody here knows.
    Shared,
    /// Each its own, with this thumbprint.
    Own(Template),
}

impl Certificates {
    fn of(plan: &Plan) -> Self {
        let tls = plan.scenario.target.tls.as_ref();
        match (&plan.mould.names.x5t_s256, tls) {
            _ if !plan.policy.checks(Check::Cnf) => Self::Unchecked,
            (Some(thumbprint), _) => Self::Own(thumbprint.clone()),
            (None, Some(tls)) if tls.cert.is_some() || tls.generate => Self::Shared,
            (None, _) => Self::None,
        }
    }

    /// Whether client `n` has the one of this thumbprint; `None` where that is not known.
    fn hold(&self, n: u64, thumbprint: &Value) -> Option<bool> {
        match self {
            Self::Unchecked => Some(true),
            Self::None => Some(false),
            Self::Shared => None,
            Self::Own(own) => Some(thumbprint.as_str() == Some(&own.text(n))),
        }
    }
}

/// Each `typ` that the catalogue has an entry for, without `application/` and in small letters.
const TYPES: [(&str, &str); 5] = [
    ("typ_lower", "jwt"),
    ("typ_access_token", "at+jwt"),
    ("typ_logout", "logout+jwt"),
    ("typ_dpop", "dpop+jwt"),
    ("typ_secevent", "secevent+jwt"),
];
/// The entry of a token without `typ`.
const NO_TYPE: &str = "typ_absent";

/// How base64url is not as it should be; the policy says whether that matters.
const ENCODING: [Fault; 5] =
    [Fault::Padding, Fault::Alphabet, Fault::Space, Fault::Character, Fault::LooseBits];

impl ForeignJudge {
    /// By the policy of a plan.
    ///
    /// # Errors
    /// When an exception of the policy names no entry of the catalogue.
    pub fn of(plan: &Plan) -> Result<Self> {
        let policy = &plan.policy;
        let claims = &plan.scenario.token.claims;
        let own = |name: &str| -> Result<Vec<Template>> {
            let value = claims.get(name).filter(|value| has_placeholder(value));
            let texts: Vec<&str> = match value {
                Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
                one => one.and_then(Value::as_str).into_iter().collect(),
            };
            texts.into_iter().map(|text| plan.mould.names.text(text)).collect()
        };
        let bound = policy.binds.iter().map(|name| {
            let text = claims.get(name).and_then(Value::as_str).unwrap_or("{client_id}");
            Ok((name.clone(), plan.mould.names.text(text)?))
        });
        // Compared here: the template may be more than a name of the connection.
        let expected = Expected { bound: BTreeMap::new(), ..plan.expected.clone() };
        let accepted = matching(&policy.accepts, "policy.accepts")?;
        let refused = matching(&policy.refuses, "policy.refuses")?;
        let mut overlooked = Faults::default();
        for entry in accepted.iter().filter_map(|name| defect(name)) {
            if let [fault] = entry.faults
                && *fault != Fault::Typ
            {
                overlooked.add(*fault);
            }
        }
        let types = accepted.into_iter().chain(refused);
        Ok(Self {
            oracle: Oracle::new([], policy.clone(), expected, plan.token_in)?,
            bound: bound.collect::<Result<_>>()?,
            iss: own("iss")?.into_iter().next(),
            aud: own("aud")?,
            certificates: Certificates::of(plan),
            overlooked,
            types: types.filter(|name| name.starts_with("typ_")).collect(),
        })
    }

    /// What must happen to a token in the hands of client `n`, time apart, and why, where it is not good.
    pub fn said(&self, token: &Foreign, plan: &Plan, n: u64) -> (Said, Option<Reason>) {
        let refuse =
            |fault: Fault| (Said::Refuse(fault.group().into()), Some(Reason::Fault(fault)));
        let either = |reason| {
            let refusal = Refusal { group: Group::Structure, also: Also::AnyReason };
            (Said::Either(refusal), Some(reason))
        };
        if token.alg() == Alg::None {
            return refuse(Fault::AlgNone);
        }
        if token.is_encrypted() {
            return either(Reason::Encrypted);
        }
        if !token.is_jwt() {
            return either(Reason::NoJwt);
        }
        let mut faults = self.faults(token, plan, n);
        if self.oracle.policy().max_lifetime.is_none() {
            // A number is a number (RFC 7519, 4.1.4): it never ends.
            faults = faults.without(Faults::of(&[Fault::ExpTooFar]));
        }
        if !self.oracle.policy().names_algorithms {
            // Nobody has said which of those that are known are taken.
            faults = faults.without(Faults::of(&[Fault::AlgOther]));
        }
        let held = token.thumbprint().map(|it| self.certificates.hold(plan.named(n), it));
        match held {
            Some(None) => return either(Reason::Fault(Fault::Confirmation)),
            Some(Some(false)) => faults.add(Fault::Confirmation),
            Some(Some(true)) | None => {}
        }
        // Another reader may find another token in it.
        if faults.has(Fault::Duplicate) {
            return either(Reason::Fault(Fault::Duplicate));
        }
        let policy = self.oracle.policy();
        let is_open_type = policy.checks(Check::Typ) && self.is_open_type(token);
        let mut open = unpromised(policy);
        if is_open_type {
            open.add(Fault::Typ);
        }
        if let Some(fault) = faults.without(open).without(self.overlooked).iter().next() {
            return refuse(fault);
        }
        match faults.without(Faults::of(&[Fault::Typ])).iter().next() {
            Some(fault) => either(Reason::Fault(fault)),
            None if is_open_type => either(Reason::Typ),
            None => (Said::Good, None),
        }
    }

    /// From when on a token is good, in seconds since 1970, where the policy checks that.
    pub fn start(&self, token: &Foreign) -> Option<f64> {
        let checked = [(Check::Nbf, "nbf"), (Check::Iat, "iat")]
            .into_iter()
            .filter(|(check, _)| self.oracle.policy().checks(*check));
        checked.filter_map(|(_, name)| token.moment(name)).reduce(f64::max)
    }

    /// All that is wrong with a token but its signature and its times.
    fn faults(&self, token: &Foreign, plan: &Plan, n: u64) -> Faults {
        let n = plan.named(n);
        let mut faults = if self.iss.is_none() && self.aud.is_empty() {
            self.oracle.faults_of(token)
        } else {
            let shared = self.oracle.expected();
            let aud: Vec<String> = self.aud.iter().map(|aud| aud.text(n)).collect();
            let own = Expected {
                auth_method: None,
                iss: self.iss.as_ref().map(|iss| iss.text(n)).or_else(|| shared.iss.clone()),
                aud: if aud.is_empty() { shared.aud.clone() } else { aud },
                bound: BTreeMap::new(),
            };
            self.oracle.expecting(own).faults_of(token)
        };
        for (name, right) in &self.bound {
            if token.claim(name).and_then(Value::as_str) != Some(&right.text(n)) {
                faults.add(Fault::ClientId);
            }
        }
        faults
    }

    /// Whether the profile leaves open what becomes of a token of this `typ`.
    fn is_open_type(&self, token: &Foreign) -> bool {
        let entry = match token.typ() {
            None => Some(NO_TYPE),
            // As RFC 7519, 5.1 recommends it.
            Some("JWT") => None,
            Some(typ) => {
                let typ = typ.to_ascii_lowercase();
                let typ = typ.strip_prefix("application/").unwrap_or(&typ);
                TYPES.into_iter().find(|(_, known)| *known == typ).map(|(entry, _)| entry)
            }
        };
        entry.is_some_and(|entry| self.types.contains(&entry))
    }
}

/// Faults of which the policy promises nothing.
fn unpromised(policy: &Policy) -> Faults {
    // Nobody has said which extensions a broker understands.
    let mut open = Faults::of(&[Fault::Crit, Fault::Unencoded]);
    if !policy.checks(Check::Exp) {
        open.add(Fault::ExpType);
    }
    if policy.encoding == Encoding::Lenient {
        for fault in ENCODING {
            open.add(fault);
        }
    }
    if !policy.names_algorithms {
        open.add(Fault::AlgMissing);
        open.add(Fault::AlgUnknown);
    }
    open
}

#[cfg(test)]
mod tests;
