//! An authentication hook of our own: several keys, and exactly the checks of a policy.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use jsonwebtoken::{
    DecodingKey, Header, Validation,
    crypto::{JwtVerifier, aws_lc::DEFAULT_PROVIDER},
    decode, decode_header,
    errors::ErrorKind,
};
use rmqtt::{
    context::ServerContext,
    hook::{Handler, HookResult, Parameter, Register, ReturnType, Type},
    types::{AuthResult, ConnectInfo},
};
use serde_json::{Map, Value};

use super::{Bound, HookKey, VerifyingKey};
use crate::{
    error::{Error, Result},
    policy::Policy,
    scenario::{Algorithm, Check, Group, OnAnonymous, Protocol, TokenIn, UnknownKid},
};

/// Above all others: this hook decides alone.
const PRIORITY: u32 = 1000;

/// Verifies tokens by a policy.
pub(super) struct Checker {
    keys: Vec<Key>,
    policy: Policy,
    iss: Option<String>,
    aud: Vec<String>,
    bound: BTreeMap<String, Bound>,
}

struct Key {
    algorithm: Algorithm,
    kid: Option<String>,
    decoding: DecodingKey,
}

/// What a CONNECT brings.
#[derive(Clone, Copy)]
struct Bearer<'a> {
    client_id: &'a str,
    username: Option<&'a str>,
    password: Option<&'a [u8]>,
}

impl Checker {
    pub(super) fn new(
        keys: &[HookKey],
        policy: &Policy,
        iss: Option<String>,
        aud: Vec<String>,
        bound: BTreeMap<String, Bound>,
    ) -> Result<Self> {
        let keys = keys.iter().map(Key::new).collect::<Result<_>>()?;
        Ok(Self { keys, policy: policy.clone(), iss, aud, bound })
    }

    /// Whether a CONNECT is let in at `now` (seconds since 1970).
    ///
    /// # Errors
    /// With the group of the defect that was found first.
    fn admit(
        &self,
        token_in: TokenIn,
        bearer: Bearer<'_>,
        now: f64,
    ) -> std::result::Result<(), Group> {
        let is_anonymous = bearer.username.is_none() && bearer.password.is_none();
        if is_anonymous && self.policy.anonymous == OnAnonymous::Accept {
            return Ok(());
        }
        let token = match token_in {
            TokenIn::Password => bearer.password,
            TokenIn::Username => bearer.username.map(str::as_bytes),
        };
        match token.map(std::str::from_utf8) {
            None | Some(Ok("")) => Err(Group::Placement),
            Some(Err(_)) => Err(Group::Structure),
            Some(Ok(token)) => self.check(token, bearer, now),
        }
    }

    /// Checks a token at `now` (seconds since 1970).
    ///
    /// # Errors
    /// With the group of the defect that was found first.
    fn check(&self, token: &str, bearer: Bearer<'_>, now: f64) -> std::result::Result<(), Group> {
        let header = decode_header(token).map_err(|_| unreadable(token))?;
        // Nothing that a token calls critical is understood here (RFC 7515, 4.1.11).
        if header.crit.is_some() {
            return Err(Group::Header);
        }
        let claims = self.verified(token, &header)?;
        if let Some(missing) = self.policy.requires.iter().find(|name| !claims.contains_key(*name))
        {
            return Err(if matches!(missing.as_str(), "exp" | "nbf" | "iat") {
                Group::Time
            } else {
                Group::Identity
            });
        }
        let leeway = self.policy.leeway.as_secs_f64();
        // "On or after" (RFC 7519, 4.1.4): a token ends at the very instant of its `exp`.
        if self.policy.checks(Check::Exp)
            && time(&claims, "exp")?.is_some_and(|exp| now >= exp + leeway)
        {
            return Err(Group::Time);
        }
        if self.policy.checks(Check::Nbf)
            && time(&claims, "nbf")?.is_some_and(|nbf| now < nbf - leeway)
        {
            return Err(Group::Time);
        }
        let text = |name: &str| claims.get(name).and_then(Value::as_str);
        if self.policy.checks(Check::Iss)
            && (self.iss.is_none() || text("iss") != self.iss.as_deref())
        {
            return Err(Group::Identity);
        }
        if self.policy.checks(Check::Aud) && !self.is_for_us(claims.get("aud")) {
            return Err(Group::Identity);
        }
        let is_bearers = |(claim, bound): (&String, &Bound)| {
            let expected = match bound {
                Bound::ClientId => Some(bearer.client_id),
                Bound::Username => bearer.username,
            };
            expected.is_some() && text(claim) == expected
        };
        if self.bound.iter().all(is_bearers) { Ok(()) } else { Err(Group::Identity) }
    }

    /// The claims, once a key has verified the signature over them.
    fn verified(
        &self,
        token: &str,
        header: &Header,
    ) -> std::result::Result<Map<String, Value>, Group> {
        let usable = |key: &&Key| {
            let is_chosen = match (&self.policy.unknown_kid, &header.kid) {
                (UnknownKid::Refuse, Some(kid)) => key.kid.as_deref() == Some(kid),
                _ => true,
            };
            is_chosen && self.policy.algorithms.contains(&key.algorithm)
        };
        let named: Vec<&Key> = self.keys.iter().filter(usable).collect();
        if named.is_empty() {
            return Err(Group::Header);
        }
        let fitting =
            named.iter().filter(|key| crate::key::jwt_algorithm(key.algorithm) == header.alg);
        let mut group = Group::Algorithm;
        for key in fitting {
            let mut validation = Validation::new(header.alg);
            // Time and identity are checked by the policy, not by the library's defaults.
            validation.required_spec_claims.clear();
            (validation.validate_exp, validation.validate_nbf, validation.validate_aud) =
                (false, false, false);
            match decode::<Map<String, Value>>(token, &key.decoding, &validation) {
                Ok(token) => return Ok(token.claims),
                Err(error) => group = defect(error.kind()),
            }
        }
        Err(group)
    }

    fn is_for_us(&self, aud: Option<&Value>) -> bool {
        let ours = |value: &Value| {
            value.as_str().is_some_and(|aud| self.aud.iter().any(|ours| ours == aud))
        };
        match aud {
            Some(Value::Array(several)) => several.iter().any(ours),
            Some(one) => ours(one),
            None => false,
        }
    }

    /// The answer of the broker to a defect, as near to the policy's as rmqtt can say it.
    fn refusal(&self, group: Group, protocol: Protocol) -> AuthResult {
        match self
            .policy
            .codes(group, protocol)
            .iter()
            .find(|code| matches!(code, 4 | 5 | 0x86 | 0x87))
        {
            Some(4 | 0x86) => AuthResult::BadUsernameOrPassword,
            _ => AuthResult::NotAuthorized,
        }
    }
}

/// What is wrong with a token whose header can't be read: its `alg`, where only that is unknown.
fn unreadable(token: &str) -> Group {
    let header = token.split('.').next().unwrap_or_default();
    let header = URL_SAFE_NO_PAD.decode(header).unwrap_or_default();
    let header: Map<String, Value> = serde_json::from_slice(&header).unwrap_or_default();
    match header.get("alg").and_then(Value::as_str).map(str::parse::<jsonwebtoken::Algorithm>) {
        Some(Err(_)) => Group::Algorithm,
        _ => Group::Structure,
    }
}

/// What is wrong with a token that a key of its algorithm did not verify.
fn defect(error: &ErrorKind) -> Group {
    match error {
        ErrorKind::Base64(_) | ErrorKind::Json(_) | ErrorKind::Utf8(_) => Group::Structure,
        _ => Group::Signature,
    }
}

/// A time claim: a JSON number or nothing (RFC 7519, 2, `NumericDate`).
fn time(claims: &Map<String, Value>, name: &str) -> std::result::Result<Option<f64>, Group> {
    match claims.get(name) {
        None => Ok(None),
        Some(value) => value.as_f64().map(Some).ok_or(Group::Time),
    }
}

impl Key {
    fn new(key: &HookKey) -> Result<Self> {
        let wrong = |error: &dyn std::fmt::Display| {
            Error::usage(format!("the broker can't use a key: {error}"))
        };
        let decoding = match &key.key {
            VerifyingKey::Secret(base64) => DecodingKey::from_secret(
                &STANDARD.decode(base64).map_err(|_| wrong(&"it is not base64"))?,
            ),
            VerifyingKey::PublicPem(pem) => match key.algorithm {
                Algorithm::ES256 | Algorithm::ES384 => DecodingKey::from_ec_pem(pem.as_bytes()),
                Algorithm::EdDSA => DecodingKey::from_ed_pem(pem.as_bytes()),
                _ => DecodingKey::from_rsa_pem(pem.as_bytes()),
            }
            .map_err(|error| wrong(&error))?,
        };
        // Found out now that it does not fit, and not at the first client.
        let _: Box<dyn JwtVerifier> = (DEFAULT_PROVIDER.verifier_factory)(
            &crate::key::jwt_algorithm(key.algorithm),
            &decoding,
        )
        .map_err(|error| wrong(&error))?;
        Ok(Self { algorithm: key.algorithm, kid: key.kid.clone(), decoding })
    }
}

struct AuthHook {
    token_in: TokenIn,
    checker: Arc<Checker>,
}

/// Puts the hook into a broker.
pub(super) async fn register(context: &ServerContext, token_in: TokenIn, checker: Arc<Checker>) {
    let register: Box<dyn Register> = context.extends.hook_mgr().register();
    register
        .add_priority(Type::ClientAuthenticate, PRIORITY, Box::new(AuthHook { token_in, checker }))
        .await;
    register.start().await;
    // Dropping the register would take its hooks out again.
    Box::leak(Box::new(register));
}

impl AuthHook {
    fn decide(&self, connect: &ConnectInfo) -> AuthResult {
        let protocol = if connect.proto_ver() == 5 { Protocol::V5 } else { Protocol::V4 };
        let bearer = Bearer {
            client_id: connect.client_id().as_ref(),
            username: connect.username().map(AsRef::as_ref),
            password: connect.password().map(AsRef::as_ref),
        };
        match self.checker.admit(self.token_in, bearer, crate::clock::wall_seconds()) {
            Ok(()) => AuthResult::Allow(false, None),
            Err(group) => self.checker.refusal(group, protocol),
        }
    }
}

#[async_trait]
impl Handler for AuthHook {
    async fn hook(&self, parameter: &Parameter, accumulated: Option<HookResult>) -> ReturnType {
        match parameter {
            Parameter::ClientAuthenticate(connect) => {
                (false, Some(HookResult::AuthResult(self.decide(connect))))
            }
            _ => (true, accumulated),
        }
    }
}

#[cfg(test)]
mod tests;
