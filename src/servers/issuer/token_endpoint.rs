//! The token endpoint (RFC 6749, 3.2): who asks, by which grant, and what is given.

use std::collections::HashMap;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use serde_json::{Map, Value, json};
use url::form_urlencoded;

use super::{Shared, claims::Subject, grants::Device};
use crate::{
    base::clock::{SECOND, nanoseconds},
    scenario::oauth::{ACCESS_TOKEN, DEVICE_CODE, JWT_BEARER, TOKEN_EXCHANGE},
    token::{braces::filled, key::SigningKey, template::Template},
};

/// The grants that are served, as discovery has them.
pub(super) const GRANTS: [&str; 5] =
    ["client_credentials", "password", "refresh_token", DEVICE_CODE, TOKEN_EXCHANGE];

/// How long a device code lasts, in seconds.
const DEVICE_CODE_TTL: u64 = 600;

/// The parameters of a request's body.
pub(super) type Form = HashMap<String, String>;

/// Why nothing is given: an error of RFC 6749, 5.2 or of an extension.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Refused(pub(super) &'static str, pub(super) &'static str);

impl Refused {
    pub(super) fn status(self) -> u16 {
        match self.0 {
            "invalid_client" => 401,
            "server_error" => 500,
            _ => 400,
        }
    }
}

type Given<T> = Result<T, Refused>;

/// Text of a parameter.
fn get<'a>(form: &'a Form, name: &str) -> Option<&'a str> {
    form.get(name).map(String::as_str)
}

/// A client, and what it asks for.
fn asked(client_id: String, form: &Form) -> Subject {
    Subject {
        client_id,
        username: None,
        scope: get(form, "scope").map(str::to_owned),
        audience: get(form, "audience").or_else(|| get(form, "resource")).map(str::to_owned),
    }
}

fn broken<E>(_: E) -> Refused {
    Refused("server_error", "no token can be made")
}

impl Shared {
    fn now(&self) -> i64 {
        self.clock.wall(self.clock.now()).div_euclid(SECOND as i64)
    }

    /// The answer to a token request.
    pub(super) fn grant(&self, authorization: Option<&str>, form: &Form) -> Given<Value> {
        let client_id = self.authenticated(authorization, form)?;
        let asked = asked(client_id.clone(), form);
        match get(form, "grant_type").unwrap_or_default() {
            "client_credentials" => self.issue(&asked, false, Map::new()),
            "password" => {
                let owner = Subject { username: Some(self.owner(form)?), ..asked };
                self.issue(&owner, true, Map::new())
            }
            "refresh_token" => {
                let token = get(form, "refresh_token").unwrap_or_default();
                let known = self.grants.use_refresh_token(token, &client_id);
                let known = known.ok_or(Refused("invalid_grant", "no such refresh token"))?;
                self.issue(&known, true, Map::new())
            }
            DEVICE_CODE => {
                let code = get(form, "device_code").unwrap_or_default();
                let device = self.grants.device(code);
                let device = device.filter(|device| device.subject.client_id == client_id);
                let device = device.ok_or(Refused("invalid_grant", "no such device code"))?;
                let has_ended = self.clock.now() > device.ends;
                if !has_ended && self.clock.now() < device.approved {
                    return Err(Refused("authorization_pending", "not approved yet"));
                }
                self.grants.forget_device(code);
                if has_ended {
                    return Err(Refused("expired_token", "the device code has ended"));
                }
                self.issue(&device.subject, true, Map::new())
            }
            TOKEN_EXCHANGE => {
                let subject = get(form, "subject_token").unwrap_or_default();
                let claims = self.verified(subject);
                let claims =
                    claims.ok_or(Refused("invalid_grant", "the subject token is no good"))?;
                let sub = claims.get("sub").and_then(Value::as_str).map(str::to_owned);
                let more = Map::from_iter([("issued_token_type".into(), ACCESS_TOKEN.into())]);
                self.issue(&Subject { username: sub, ..asked }, false, more)
            }
            _ => Err(Refused("unsupported_grant_type", "see the discovery document")),
        }
    }

    /// The answer to a device (RFC 8628, 3.2).
    pub(super) fn device(&self, authorization: Option<&str>, form: &Form) -> Given<Value> {
        let subject = asked(self.authenticated(authorization, form)?, form);
        let approved = self.clock.now() + nanoseconds(self.device_approval);
        let ends = self.clock.now() + DEVICE_CODE_TTL * SECOND;
        let code = self.grants.add_device(Device { subject, approved, ends }).map_err(broken)?;
        let user_code = &code[..8];
        Ok(json!({
            "device_code": code, "user_code": user_code, "interval": 1, "expires_in": DEVICE_CODE_TTL,
            "verification_uri": format!("{}/device", self.url),
        }))
    }

    /// What is known of a token (RFC 7662, 2.2).
    pub(super) fn introspect(&self, authorization: Option<&str>, form: &Form) -> Given<Value> {
        self.authenticated(authorization, form)?;
        Ok(match self.verified(get(form, "token").unwrap_or_default()) {
            Some(mut claims) => {
                claims.insert("active".into(), true.into());
                claims.into()
            }
            None => json!({ "active": false }),
        })
    }

    /// Revokes a token (RFC 7009, 2.1); one that is unknown is as good as revoked.
    pub(super) fn revoke(&self, authorization: Option<&str>, form: &Form) -> Given<()> {
        self.authenticated(authorization, form)?;
        let token = get(form, "token").unwrap_or_default();
        if let Some(claims) = self.verified(token) {
            self.grants.revoke(claims.get("jti").and_then(Value::as_str).unwrap_or_default());
        }
        self.grants.revoke_refresh_token(token);
        Ok(())
    }

    fn issue(&self, subject: &Subject, refreshes: bool, more: Map<String, Value>) -> Given<Value> {
        let (now, id) = (self.now(), self.grants.token_id().map_err(broken)?);
        let claims = self.press.access(subject, &self.names, now, &id);
        let keys = self.keys.read();
        let token = self.press.sign(keys.signing(), "at+jwt", claims).map_err(broken)?;
        let mut answer = more;
        answer.insert("access_token".into(), token.into());
        answer.insert("token_type".into(), "Bearer".into());
        answer.insert("expires_in".into(), self.press.ttl().into());
        if let Some(scope) = &subject.scope {
            answer.insert("scope".into(), scope.as_str().into());
            if scope.split(' ').any(|scope| scope == "openid") {
                let claims = self.press.identity(subject, now, &id);
                let token = self.press.sign(keys.signing(), "JWT", claims).map_err(broken)?;
                answer.insert("id_token".into(), token.into());
            }
        }
        if refreshes {
            let token = self.grants.refresh_token(subject.clone()).map_err(broken)?;
            answer.insert("refresh_token".into(), token.into());
        }
        Ok(answer.into())
    }

    /// The client that asks, if it can show that it is one.
    fn authenticated(&self, authorization: Option<&str>, form: &Form) -> Given<String> {
        let unknown = Refused("invalid_client", "no such client, or not its secret");
        if get(form, "client_assertion_type") == Some(JWT_BEARER) {
            let assertion = get(form, "client_assertion").unwrap_or_default();
            return self.asserted(assertion).ok_or(unknown);
        }
        let (id, secret) = match authorization.and_then(basic) {
            Some(shown) => shown,
            None => (
                get(form, "client_id").unwrap_or_default().to_owned(),
                get(form, "client_secret").unwrap_or_default().to_owned(),
            ),
        };
        let wanted = self.client_secret.as_ref().ok_or(unknown)?;
        let wanted = self.filled(wanted, &id, None);
        let is_it = verify_slices_are_equal(wanted.as_bytes(), secret.as_bytes()).is_ok();
        if is_it && !id.is_empty() { Ok(id) } else { Err(unknown) }
    }

    /// The client that signed an assertion (RFC 7523, 3).
    fn asserted(&self, assertion: &str) -> Option<String> {
        let claims = verified_by(self.client_key.as_ref()?, assertion)?;
        let text = |name: &str| claims.get(name).and_then(Value::as_str);
        let is_current = claims.get("exp").and_then(Value::as_i64)? > self.now();
        let audience = match claims.get("aud")? {
            Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
            one => vec![one.as_str().unwrap_or_default()],
        };
        let is_own = text("iss") == text("sub")
            && audience.into_iter().any(|audience| {
                [&self.url, &self.root].into_iter().any(|own| {
                    audience == own || audience.strip_prefix(own.as_str()) == Some("/token")
                })
            });
        (is_current && is_own).then(|| text("sub").map(str::to_owned)).flatten()
    }

    /// The resource owner, if its password is right.
    fn owner(&self, form: &Form) -> Given<String> {
        let unknown = Refused("invalid_grant", "no such user, or not its password");
        let name = get(form, "username").unwrap_or_default();
        let wanted = self.password.as_ref().ok_or(unknown)?;
        let wanted = self.filled(wanted, "", Some(name));
        let shown = get(form, "password").unwrap_or_default();
        let is_it = verify_slices_are_equal(wanted.as_bytes(), shown.as_bytes()).is_ok();
        if is_it && !name.is_empty() { Ok(name.to_owned()) } else { Err(unknown) }
    }

    /// A secret of a client or a resource owner: what stands for its placeholders is told from its name.
    fn filled(&self, secret: &str, client_id: &str, username: Option<&str>) -> String {
        let names_user = self.names.username.as_ref();
        let number = match username {
            Some(name) => names_user.and_then(|own| own.number_in(name)),
            None => self.names.client_id.number_in(client_id),
        };
        let told = |template: &Template| number.map(|number| template.text(number));
        filled(secret, |name| match name {
            "n" => number.map(|number| number.to_string()),
            "client_id" if client_id.is_empty() => {
                Some(told(&self.names.client_id).unwrap_or_default())
            }
            "client_id" => Some(client_id.to_owned()),
            "username" => {
                let own = username.map(str::to_owned);
                Some(own.or_else(|| names_user.and_then(told)).unwrap_or_default())
            }
            _ => None,
        })
    }

    /// The claims of a token of this issuer's own, while it is good.
    fn verified(&self, token: &str) -> Option<Map<String, Value>> {
        let kid = member(token, 0)?.get("kid").and_then(Value::as_str).map(str::to_owned);
        let keys = self.keys.read();
        let claims = verified_by(keys.named(kid.as_deref())?, token)?;
        let number = |name: &str| claims.get(name).and_then(Value::as_i64);
        let id = claims.get("jti").and_then(Value::as_str)?;
        let is_good = number("exp")? > self.now() && !self.grants.is_revoked(id);
        is_good.then_some(claims)
    }
}

/// Client id and secret of the header `Authorization`, each form-encoded (RFC 6749, 2.3.1).
fn basic(header: &str) -> Option<(String, String)> {
    let (scheme, shown) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = STANDARD.decode(shown.trim()).ok()?;
    let text = String::from_utf8(decoded).ok()?;
    let (id, secret) = text.split_once(':')?;
    let decode = |text: &str| {
        let (name, _) = form_urlencoded::parse(text.as_bytes()).next()?;
        Some(name.into_owned())
    };
    Some((decode(id)?, decode(secret).unwrap_or_default()))
}

/// A segment of a token as JSON.
fn member(token: &str, index: usize) -> Option<Map<String, Value>> {
    let segment = URL_SAFE_NO_PAD.decode(token.split('.').nth(index)?).ok()?;
    serde_json::from_slice(&segment).ok()
}

/// The claims of a token, where a key signed it.
fn verified_by(key: &SigningKey, token: &str) -> Option<Map<String, Value>> {
    let (message, signature) = token.rsplit_once('.')?;
    let named = member(token, 0)?;
    let is_own = named.get("alg").and_then(Value::as_str) == Some(&key.algorithm.to_string());
    let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
    let is_signed = is_own && key.verifier().ok()?.verify(message.as_bytes(), &signature).is_ok();
    is_signed.then(|| member(token, 1)).flatten()
}
