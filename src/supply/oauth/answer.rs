//! What a token endpoint answers, read leniently: servers deviate from RFC 6749, 5.1 and 5.2, in what no client needs, and a
//! token is a token.

use std::time::Duration;

use oauth2::{
    AccessToken, HttpResponse, RefreshToken, Scope, StandardDeviceAuthorizationResponse,
    TokenResponse,
    basic::BasicTokenType,
    http::{HeaderValue, StatusCode, header::CONTENT_TYPE},
};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use url::form_urlencoded;

use crate::{base::web, scenario::bounds};

/// The longest that a server may have a client wait or a token last, in seconds: 100 years, as scenarios. What is above is
/// that long.
const LONGEST: u64 = bounds::LONGEST.as_secs();
/// The longest time between two questions of a device, in seconds: as long as a client waits at all (`load.connect_timeout`
/// goes up to 1 h).
const LONGEST_INTERVAL: u64 = 3600;
/// The longest OAuth error that is read, in bytes; those of the standards have up to 25. Another may be anything.
const LONGEST_ERROR: usize = 64;
/// How long a device's code is good, in seconds, where the server does not say it (RFC 8628, 3.2, wants it said).
const DEVICE_CODE_LIFETIME: u64 = 600;

/// An answer with tokens. Members of another type than text are as good as absent.
#[derive(Debug, Deserialize, Serialize)]
#[serde(default)]
pub(super) struct Answer {
    /// Empty where there is none.
    #[serde(deserialize_with = "access_token")]
    access_token: AccessToken,
    #[serde(deserialize_with = "id_token")]
    id_token: Option<AccessToken>,
    #[serde(deserialize_with = "refresh_token")]
    refresh_token: Option<RefreshToken>,
    /// In whole seconds.
    expires_in: Option<u64>,
}

impl Default for Answer {
    fn default() -> Self {
        Self {
            access_token: AccessToken::new(String::new()),
            id_token: None,
            refresh_token: None,
            expires_in: None,
        }
    }
}

impl Answer {
    /// The access token, where there is one.
    pub(super) fn access(&self) -> Option<&str> {
        Some(self.access_token.secret().as_str()).filter(|token| !token.is_empty())
    }

    /// The ID token, where there is one.
    pub(super) fn id(&self) -> Option<&str> {
        self.id_token.as_ref().map(|token| token.secret().as_str())
    }
}

/// Whatever the server calls its tokens, CONNECT carries their bytes.
static BEARER: BasicTokenType = BasicTokenType::Bearer;

impl TokenResponse for Answer {
    type TokenType = BasicTokenType;

    fn access_token(&self) -> &AccessToken {
        &self.access_token
    }

    fn token_type(&self) -> &BasicTokenType {
        &BEARER
    }

    fn expires_in(&self) -> Option<Duration> {
        self.expires_in.map(Duration::from_secs)
    }

    fn refresh_token(&self) -> Option<&RefreshToken> {
        self.refresh_token.as_ref()
    }

    fn scopes(&self) -> Option<&Vec<Scope>> {
        None
    }
}

fn text<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    let value = Value::deserialize(from)?;
    Ok(value.as_str().filter(|text| !text.is_empty()).map(str::to_owned))
}

fn access_token<'de, D: Deserializer<'de>>(from: D) -> Result<AccessToken, D::Error> {
    Ok(AccessToken::new(text(from)?.unwrap_or_default()))
}

fn id_token<'de, D: Deserializer<'de>>(from: D) -> Result<Option<AccessToken>, D::Error> {
    Ok(text(from)?.map(AccessToken::new))
}

fn refresh_token<'de, D: Deserializer<'de>>(from: D) -> Result<Option<RefreshToken>, D::Error> {
    Ok(text(from)?.map(RefreshToken::new))
}

/// An answer in the form that the library insists on, and the OAuth error in it, where there is one.
pub(super) fn in_plain_form(mut answer: HttpResponse) -> (HttpResponse, Option<String>) {
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let Some(mut members) = members(answer.body()) else {
        // What is no object has no members, though the library would read an array as one.
        *answer.body_mut() = b"null".to_vec();
        return (answer, None);
    };
    let has =
        |name: &str| members.get(name).and_then(Value::as_str).is_some_and(|text| !text.is_empty());
    let is_given = ["access_token", "id_token", "device_code"].into_iter().any(has);
    let error = if is_given { None } else { error_in(&members) };
    if let Some(error) = &error {
        members.insert("error".into(), error.as_str().into());
        // Not `error_description`, which may be no text: nobody reads it, as it may repeat what the server was told.
        members.retain(|name, _| name == "error");
    }
    whole_seconds(&mut members);
    // A lifetime that is none is as good as absent.
    if members.get("device_code").is_some_and(Value::is_string) {
        members.entry("expires_in").or_insert(DEVICE_CODE_LIFETIME.into());
    }
    if answer.status().is_success() {
        let is_refusal = error.is_some();
        *answer.status_mut() = if is_refusal { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    }
    *answer.body_mut() = Value::Object(members).to_string().into_bytes();
    (answer, error)
}

/// What a client reads of the body of an answer: its plain form, and the times in it; `None` where there is no such status.
pub(crate) fn answer_in(status: u16, body: &[u8]) -> Option<(Vec<u8>, Vec<Duration>)> {
    let mut answer = HttpResponse::new(body.to_vec());
    *answer.status_mut() = StatusCode::from_u16(status).ok()?;
    let (plain, _) = in_plain_form(answer);
    let tokens = serde_json::from_slice::<Answer>(plain.body()).ok();
    let device = serde_json::from_slice::<StandardDeviceAuthorizationResponse>(plain.body()).ok();
    let of_device = device.iter().flat_map(|device| [device.interval(), device.expires_in()]);
    let times = tokens.and_then(|tokens| tokens.expires_in()).into_iter().chain(of_device);
    Some((plain.into_body(), times.collect()))
}

/// The members of an answer: of a JSON object, or of a form, as servers answered before RFC 6749.
fn members(body: &[u8]) -> Option<Map<String, Value>> {
    let text = web::text(body);
    if let Ok(Value::Object(members)) = serde_json::from_str(&text) {
        return Some(members);
    }
    let form: Map<String, Value> = form_urlencoded::parse(text.as_bytes())
        .map(|(name, value)| (name.into_owned(), value.into_owned().into()))
        .collect();
    let is_form = ["access_token", "id_token", "error"].iter().any(|name| form.contains_key(*name));
    is_form.then_some(form)
}

/// Times in whole seconds, or not at all: some servers write them as text, some with a fraction, and -1 or 0 for "never".
fn whole_seconds(members: &mut Map<String, Value>) {
    for (name, longest) in [("expires_in", LONGEST), ("interval", LONGEST_INTERVAL)] {
        let Some(value) = members.get(name) else { continue };
        let seconds = match value {
            Value::String(text) => text.trim().parse().ok(),
            value => value.as_f64(),
        };
        match seconds.filter(|seconds: &f64| *seconds >= 1.0 && seconds.is_finite()) {
            Some(seconds) => members.insert(name.into(), (seconds as u64).min(longest).into()),
            None => members.remove(name),
        };
    }
}

/// The OAuth error of an answer (RFC 6749, 5.2), also where it stands elsewhere, as with Google's and Okta's services.
fn error_in(members: &Map<String, Value>) -> Option<String> {
    let word = |value: &Value| {
        let word = value.as_str().filter(|word| !word.is_empty())?;
        Some(if word.len() > LONGEST_ERROR { nameless() } else { word.to_lowercase() })
    };
    let first = |members: &Map<String, Value>, names: &[&str]| {
        names.iter().find_map(|name| members.get(*name).and_then(word))
    };
    match members.get("error") {
        Some(Value::Object(inner)) => {
            Some(first(inner, &["error", "code", "type", "status"]).unwrap_or_else(nameless))
        }
        Some(Value::Array(errors)) => Some(errors.iter().find_map(word).unwrap_or_else(nameless)),
        Some(error @ Value::String(text)) if !text.is_empty() => word(error),
        Some(Value::Number(_) | Value::Bool(true)) => Some(nameless()),
        _ => first(members, &["error_code", "errorCode", "code"]),
    }
}

/// What an error without a word is called.
fn nameless() -> String {
    "other".into()
}

#[cfg(test)]
mod tests;
