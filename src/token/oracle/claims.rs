//! Claims against the clock, the policy and the connection.

use serde_json::Value;

use super::{Bound, Fault, Faults, Oracle, Presented, json::Object};
use crate::{
    scenario::Check,
    token::names::{CNF, X5T_S256},
};

/// The end of the year 9999, in seconds since 1970.
const FARTHEST: f64 = 253_402_300_799.0;

/// The thumbprint that a token is bound to, where it is (RFC 8705, 3.1).
pub(super) fn thumbprint(claims: &Object) -> Option<&Value> {
    claims.get(CNF)?.get(X5T_S256)
}

impl Oracle {
    pub(super) fn check_claims(
        &self,
        claims: &Object,
        connect: Presented<'_>,
        now: f64,
        faults: &mut Faults,
    ) {
        self.check_times(claims, now, faults);
        self.check_identity(claims, connect, faults);
        let own = ["exp", "nbf", "iss", "aud"];
        for name in &self.policy.requires {
            let is_seen_otherwise =
                own.contains(&name.as_str()) || self.expected.bound.contains_key(name);
            if !is_seen_otherwise && !claims.contains_key(name) {
                faults.add(Fault::ClaimMissing);
            }
        }
    }

    fn check_times(&self, claims: &Object, now: f64, faults: &mut Faults) {
        let leeway = self.policy.leeway.as_secs_f64();
        let number = |name: &str| claims.get(name).map(Value::as_f64);
        let (exp, nbf, iat) = (number("exp"), number("nbf"), number("iat"));
        match exp {
            None if self.policy.requires("exp") => faults.add(Fault::NoExp),
            Some(None) if self.policy.checks(Check::Exp) => faults.add(Fault::ExpType),
            // "On or after" (RFC 7519, 4.1.4): a token ends at the very instant of its `exp`.
            Some(Some(exp)) if self.policy.checks(Check::Exp) && now >= exp + leeway => {
                faults.add(Fault::Expired);
            }
            Some(Some(exp)) if exp > FARTHEST => faults.add(Fault::ExpTooFar),
            _ => {}
        }
        match nbf {
            None if self.policy.requires("nbf") => faults.add(Fault::ClaimMissing),
            Some(None) if self.policy.checks(Check::Nbf) => faults.add(Fault::NbfType),
            Some(Some(nbf)) if self.policy.checks(Check::Nbf) && now < nbf - leeway => {
                faults.add(Fault::NotYetValid);
            }
            _ => {}
        }
        if let Some(Some(iat)) = iat
            && self.policy.checks(Check::Iat)
            && now < iat - leeway
        {
            faults.add(Fault::IatFuture);
        }
        if let (Some(Some(exp)), Some(Some(iat)), Some(longest)) =
            (exp, iat, self.policy.max_lifetime)
            && exp <= FARTHEST
            && exp - iat > longest.as_secs_f64()
        {
            faults.add(Fault::Lifetime);
        }
        let is_before = |end: Option<Option<f64>>, start: Option<Option<f64>>| matches!((end, start), (Some(Some(end)), Some(Some(start))) if end < start);
        if self.policy.checks(Check::Nbf) && is_before(exp, nbf) {
            faults.add(Fault::ExpBeforeNbf);
        }
        if self.policy.checks(Check::Iat) && is_before(exp, iat) {
            faults.add(Fault::ExpBeforeIat);
        }
    }

    fn check_identity(&self, claims: &Object, connect: Presented<'_>, faults: &mut Faults) {
        let text = |name: &str| claims.get(name).and_then(Value::as_str);
        let right = &self.expected;
        if self.policy.checks(Check::Iss)
            && (right.iss.is_none() || text("iss") != right.iss.as_deref())
            || self.policy.requires("iss") && !claims.contains_key("iss")
        {
            faults.add(Fault::Issuer);
        }
        if self.policy.checks(Check::Aud) && !self.is_for_us(claims.get("aud"))
            || self.policy.requires("aud") && !claims.contains_key("aud")
        {
            faults.add(Fault::Audience);
        }
        // A token without `cnf` is bound to no certificate.
        if self.policy.checks(Check::Cnf)
            && let Some(thumbprint) = thumbprint(claims)
            && thumbprint.as_str().map(str::as_bytes) != connect.certificate
        {
            faults.add(Fault::Confirmation);
        }
        for (claim, bound) in &right.bound {
            let (owner, fault) = match bound {
                Bound::ClientId => (Some(connect.client_id), Fault::ClientId),
                Bound::Username => (connect.username, Fault::Username),
            };
            if owner.is_none() || text(claim).map(str::as_bytes) != owner {
                faults.add(fault);
            }
        }
    }

    fn is_for_us(&self, aud: Option<&Value>) -> bool {
        let ours = |value: &Value| {
            value.as_str().is_some_and(|aud| self.expected.aud.iter().any(|ours| ours == aud))
        };
        match aud {
            Some(Value::Array(several)) => several.iter().any(ours),
            Some(one) => ours(one),
            None => false,
        }
    }
}
