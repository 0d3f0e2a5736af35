//! What is in the tokens of an issuer, and how they are signed.

use std::{cell::RefCell, collections::HashMap, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::crypto::JwtSigner;
use serde_json::{Map, Value, json};

use crate::{
    base::error::{Error, Result},
    plan::authority::Authority,
    token::{braces::filled, given::Given, key::SigningKey, names::Names},
};

/// Whom a token is for.
#[derive(Clone, Debug, Default)]
pub(super) struct Subject {
    pub(super) client_id: String,
    /// The resource owner, where there is one.
    pub(super) username: Option<String>,
    /// Scopes that were asked for.
    pub(super) scope: Option<String>,
    /// Audience or resource that was asked for.
    pub(super) audience: Option<String>,
}

/// What tokens are made with.
pub(super) struct Press {
    issuer: String,
    claims: Map<String, Value>,
    /// Moments among the claims.
    given: Given,
    ttl: Duration,
    token_bytes: Option<usize>,
}

thread_local! {
    /// Keys parsed by this thread, by issuer and index: a parsed key belongs to one thread.
    static SIGNERS: RefCell<HashMap<(String, usize), Box<dyn JwtSigner>>> = RefCell::default();
}

impl Press {
    pub(super) fn new(authority: &Authority, issuer: &str) -> Self {
        Self {
            issuer: issuer.to_owned(),
            claims: authority.claims.clone(),
            given: authority.given,
            ttl: authority.ttl,
            token_bytes: authority.settings.token_bytes.map(|bytes| bytes as usize),
        }
    }

    /// Lifetime of its tokens, in seconds.
    pub(super) fn ttl(&self) -> i64 {
        self.ttl.as_secs() as i64
    }

    /// The claims of an access token that is issued at `now` (seconds since 1970) under this id.
    pub(super) fn access(
        &self,
        subject: &Subject,
        names: &Names,
        now: i64,
        id: &str,
    ) -> Map<String, Value> {
        let put_in = Placeholders::of(subject, names);
        let mut claims = Map::new();
        for (name, value) in &self.claims {
            claims.insert(name.clone(), put_in.fill(value));
        }
        let mut add = |name: &str, value: Option<Value>| {
            if let Some(value) = value.filter(|_| !claims.contains_key(name)) {
                claims.insert(name.to_owned(), value);
            }
        };
        let sub = subject.username.as_ref().unwrap_or(&subject.client_id);
        add("iss", Some(self.issuer.as_str().into()));
        add("sub", Some(sub.as_str().into()));
        add("aud", subject.audience.as_deref().map(Value::from));
        add("scope", subject.scope.as_deref().map(Value::from));
        add("client_id", Some(subject.client_id.as_str().into()));
        self.timed(claims, now, id)
    }

    /// The claims of an ID token (`OpenID` Connect Core 1.0, 2).
    pub(super) fn identity(&self, subject: &Subject, now: i64, id: &str) -> Map<String, Value> {
        let sub = subject.username.as_ref().unwrap_or(&subject.client_id);
        let mut claims = Map::new();
        claims.insert("iss".into(), self.issuer.as_str().into());
        claims.insert("sub".into(), sub.as_str().into());
        claims.insert("aud".into(), subject.client_id.as_str().into());
        self.timed(claims, now, id)
    }

    fn timed(&self, mut claims: Map<String, Value>, now: i64, id: &str) -> Map<String, Value> {
        let moments = [
            ("iat", Some(self.given.iat.map_or(now, |moment| moment.of(now)))),
            ("nbf", self.given.nbf.map(|moment| moment.of(now))),
        ];
        for (name, moment) in moments {
            // A number is sent as it is written.
            if let Some(moment) = moment.filter(|_| !claims.get(name).is_some_and(Value::is_number))
            {
                claims.insert(name.into(), moment.into());
            }
        }
        claims.insert("exp".into(), (now + self.ttl()).into());
        claims.entry("jti").or_insert_with(|| id.into());
        claims
    }

    /// A signed token with these claims.
    pub(super) fn sign(
        &self,
        (index, key): (usize, &SigningKey),
        kind: &str,
        mut claims: Map<String, Value>,
    ) -> Result<String> {
        let mut header = json!({ "alg": key.algorithm.to_string(), "typ": kind });
        if let Some(kid) = &key.kid {
            header["kid"] = kid.as_str().into();
        }
        let header = URL_SAFE_NO_PAD.encode(header.to_string());
        if let Some(wanted) = self.token_bytes {
            let payload = Value::Object(claims.clone()).to_string().len() + ",\"pad\":\"\"".len();
            let now = header.len() + (payload + key.signature_length()).div_ceil(3) * 4 + 2;
            let filler = wanted.saturating_sub(now) / 4 * 3;
            claims.insert("pad".into(), "x".repeat(filler).into());
        }
        let mut token = header;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(Value::Object(claims).to_string(), &mut token);
        let signature = SIGNERS.with_borrow_mut(|signers| {
            let place = (self.issuer.clone(), index);
            let signer = match signers.entry(place) {
                std::collections::hash_map::Entry::Occupied(known) => known.into_mut(),
                std::collections::hash_map::Entry::Vacant(free) => free.insert(key.signer()?),
            };
            signer
                .try_sign(token.as_bytes())
                .map_err(|error| Error::not_measured(format!("a token can't be signed: {error}")))
        })?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Ok(token)
    }
}

/// What stands for the placeholders of claims.
struct Placeholders {
    client_id: String,
    username: String,
    number: String,
}

impl Placeholders {
    /// The client's number is told from its client id, where that is one of the scenario's clients.
    fn of(subject: &Subject, names: &Names) -> Self {
        let number = names.client_id.number_in(&subject.client_id);
        let username =
            subject.username.clone().or_else(|| Some(names.username.as_ref()?.text(number?)));
        Self {
            username: username.unwrap_or_else(|| subject.client_id.clone()),
            client_id: subject.client_id.clone(),
            number: number.map(|number| number.to_string()).unwrap_or_default(),
        }
    }

    fn fill(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => filled(text, |name| match name {
                "client_id" => Some(self.client_id.clone()),
                "username" => Some(self.username.clone()),
                "n" => Some(self.number.clone()),
                _ => None,
            })
            .into(),
            Value::Array(items) => items.iter().map(|item| self.fill(item)).collect(),
            Value::Object(members) => members
                .iter()
                .map(|(name, member)| (name.clone(), self.fill(member)))
                .collect::<Map<_, _>>()
                .into(),
            other => other.clone(),
        }
    }
}
