//! What is made ready of a kind of token, once a thread: header, claims compiled into pieces, signer.

use std::borrow::Cow;

use base64::{Engine, engine::general_purpose::STANDARD};
use jsonwebtoken::crypto::JwtSigner;
use serde_json::{Map, Value};

use super::{
    Kind,
    braces::constant,
    encode::append_base64,
    given::{Given, Moment},
    jwe::Envelope,
    mould::Mould,
    names::{Names, Nkeys, compile_claims},
    recipe::{Bearer, Exp, Form, Kid, Recipe, Signer, Twist},
    template::{Piece, Template},
};
use crate::{
    base::error::{Error, Result},
    token::key::{SigningKey, rsa::RawRsa},
};

/// How many digits of a token's own end an unknown `kid`: a broker that remembers one has to be asked about others.
pub(super) const KID_DIGITS: usize = 16;

/// What is ready made of a kind of token.
pub(super) struct Press {
    pub(super) recipe: Recipe,
    /// Moments that the scenario gives.
    pub(super) given: Given,
    /// The JSON of the header.
    pub(super) header: Vec<u8>,
    /// Where in it the digits of an unknown `kid` are.
    pub(super) kid_digits: Option<usize>,
    /// `base64url(header).`
    pub(super) prefix: Vec<u8>,
    pub(super) payload: Vec<Piece>,
    pub(super) signer: Option<Box<dyn JwtSigner>>,
    /// The key as numbers, for blocks of our own.
    pub(super) raw: Option<RawRsa>,
    pub(super) envelope: Option<Envelope>,
}

impl Press {
    /// Makes a kind ready.
    pub(super) fn new(kind: &Kind, mould: &Mould) -> Result<Self> {
        let recipe = &kind.recipe;
        let own = kind.key.map(|index| &mould.keys[index]);
        let signer = match recipe.signer {
            Signer::None => None,
            Signer::Own => own,
            other => mould
                .derived
                .iter()
                .find(|(key, signer, _)| Some(*key) == kind.key && *signer == other)
                .map(|(.., key)| &**key),
        };
        if recipe.signer != Signer::None && kind.key.is_some() && signer.is_none() {
            return Err(Error::not_measured(format!("nobody can sign `{}`", kind.label)));
        }
        let mut header = header(kind, mould, own, signer)?;
        if let Twist::Header(change) = recipe.twist {
            change(&mut header);
        }
        let kid_digits = match recipe.kid {
            Kid::Unknown => {
                let kid = unknown_kid(&mould.keys);
                let at = header.windows(kid.len()).position(|window| window == kid.as_bytes());
                at.map(|at| at + kid.len() - KID_DIGITS)
            }
            _ => None,
        };
        let mut prefix = Vec::new();
        append_base64(&header, &mut prefix);
        if let Twist::HeaderText(change) = recipe.twist {
            change(&mut prefix);
        }
        prefix.push(b'.');
        let given = given(recipe, mould)?;
        Ok(Self {
            recipe: recipe.clone(),
            given,
            header,
            kid_digits,
            prefix,
            payload: payload(kind, mould, &given)?,
            signer: signer.map(SigningKey::signer).transpose()?,
            raw: match recipe.twist {
                Twist::Block(_) => own.and_then(SigningKey::raw_rsa),
                _ => None,
            },
            envelope: match (&recipe.form, own) {
                (Form::Jwe(how), Some(key)) => Some(Envelope::new(*how, key)),
                _ => None,
            },
        })
    }
}

/// The JSON of a header.
fn header(
    kind: &Kind,
    mould: &Mould,
    own: Option<&SigningKey>,
    signer: Option<&SigningKey>,
) -> Result<Vec<u8>> {
    let recipe = &kind.recipe;
    let mut header = Map::new();
    // A key of another curve signs under the name of the right algorithm.
    let named = if recipe.signer == Signer::OtherCurve { own } else { signer };
    let algorithm = named.map_or_else(|| "none".to_owned(), |key| key.algorithm.to_string());
    header.insert("alg".into(), algorithm.into());
    header.insert("typ".into(), "JWT".into());
    let kid = match recipe.kid {
        Kid::Own => own.and_then(|key| key.kid.clone()),
        Kid::Unknown => Some(unknown_kid(&mould.keys)),
        Kid::Text(text) => Some(text.to_owned()),
        Kid::Long(length) => Some("k".repeat(length)),
        Kid::OfAnother => own.and_then(|own| kid_of_another(own, &mould.keys)).map(str::to_owned),
        Kid::Absent => None,
    };
    if let Some(kid) = kid {
        header.insert("kid".into(), kid.into());
    }
    for (name, text) in recipe.header {
        let mut text = text.replace("$canary", &mould.canary);
        if let (true, Some(key)) = (text.contains("$jwk"), signer) {
            text = text.replace("$jwk", &key.public_jwk().to_string());
        }
        if let (true, Some(key)) = (text.contains("$x5c"), signer) {
            text = text.replace("$x5c", &STANDARD.encode(key.self_signed()?));
        }
        set(&mut header, name, &text)?;
    }
    Ok(Value::Object(header).to_string().into_bytes())
}

/// A `kid` that names no key, with zeros where each token has digits of its own.
fn unknown_kid(keys: &[SigningKey]) -> String {
    let mut prefix = "unknown-".to_owned();
    let is_taken = |prefix: &str| {
        keys.iter().filter_map(|key| key.kid.as_ref()).any(|kid| kid.starts_with(prefix))
    };
    while is_taken(&prefix) {
        prefix.push_str("x-");
    }
    prefix + &"0".repeat(KID_DIGITS)
}

/// The `kid` of a key of another family than this one's, which no key of this one's family has.
pub fn kid_of_another<'a>(own: &SigningKey, keys: &'a [SigningKey]) -> Option<&'a str> {
    let is_like = |key: &&SigningKey| key.algorithm.family() == own.algorithm.family();
    let is_taken =
        |kid: &&str| keys.iter().filter(is_like).any(|key| key.kid.as_deref() == Some(*kid));
    let others = keys.iter().filter(|key| !is_like(key));
    others.filter_map(|key| key.kid.as_deref()).find(|kid| !is_taken(kid))
}

/// Sets a member to a JSON text; an empty one takes it out.
fn set(object: &mut Map<String, Value>, name: &str, text: &str) -> Result<()> {
    if text.is_empty() {
        // Not `remove`, which would put the last member in its place.
        object.shift_remove(name);
        return Ok(());
    }
    let value = serde_json::from_str(text)
        .map_err(|error| Error::usage(format!("the catalogue's `{name}` is no JSON: {error}")))?;
    object.insert(name.to_owned(), value);
    Ok(())
}

/// Which of the moments that the scenario gives hold for a kind: not those that are what is wrong with it.
fn given(recipe: &Recipe, mould: &Mould) -> Result<Given> {
    let Given { iat, nbf } = Given::of(&mould.claims)?;
    let is_edited = |name: &str| recipe.edits().any(|(edited, _)| edited == name);
    Ok(Given {
        iat: iat.filter(|_| !is_edited("iat")),
        nbf: nbf.filter(|_| !is_edited("nbf") && recipe.nbf_after.is_none()),
    })
}

/// The claims of a kind, compiled.
fn payload(kind: &Kind, mould: &Mould, given: &Given) -> Result<Vec<Piece>> {
    let recipe = &kind.recipe;
    let mut claims = mould.claims.clone();
    let named = |name: &str| match name.strip_prefix('+') {
        Some(name) => free_name(&mould.claims, name),
        None => name.to_owned(),
    };
    let edits: Vec<(String, Cow<'_, str>)> =
        recipe.edits().map(|(name, text)| (named(name), text)).collect();
    let edited = |name: &str| edits.iter().any(|(edited, _)| edited == name);
    if let Some(text) = recipe.bound {
        for name in &mould.bound {
            set(&mut claims, name, text)?;
        }
    }
    claims.retain(|name, _| !edited(name));
    // A number is sent as it is written, unless the token has to be older.
    let is_old = matches!(recipe.exp, Exp::Ago(_));
    let is_written = |moment: &Option<Moment>| matches!(moment, Some(Moment::At(_))) && !is_old;
    let early = early_nbf(recipe).filter(|_| given.nbf.is_some());
    let mut times = Vec::new();
    if !is_written(&given.iat) {
        claims.shift_remove("iat");
        times.push(("iat", Piece::IssuedAt));
    }
    if recipe.exp != Exp::Absent {
        times.push(("exp", Piece::Expires));
    }
    if recipe.nbf_after.is_some() || given.nbf.is_some() && !is_written(&given.nbf) {
        times.push(("nbf", Piece::NotBefore));
    }
    if recipe.nbf_after.is_some() || !is_written(&given.nbf) || early.is_some() {
        claims.shift_remove("nbf");
    }
    if !claims.contains_key("jti") {
        times.push(("jti", Piece::TokenId));
    }
    times.retain(|(name, _)| !(edited(name) || *name == "nbf" && early.is_some()));
    let written = edits.iter().filter(|(_, text)| !text.is_empty());
    let mut texts: Vec<(&str, Vec<Piece>)> =
        written.map(|(name, text)| (name.as_str(), filled(text, mould))).collect();
    texts.extend(early.map(|text| ("nbf", filled(&text, mould))));
    let mut names = names_of(recipe.bearer, &mould.names)?;
    if let Some(own) = kind.key.and_then(|key| Nkeys::of(&mould.keys[key])) {
        names.nkeys = Some(own);
    }
    compile_claims(&claims, &names, &texts, &times)
}

/// The `nbf` of an entry that leaves `iat` out because its `exp` may lie in the past: before that, so that the end alone is
/// wrong. `None` for any other.
fn early_nbf(recipe: &Recipe) -> Option<Cow<'static, str>> {
    let text =
        |wanted: &str| recipe.edits().find(|(name, _)| *name == wanted).map(|(_, text)| text);
    // An entry whose end is its own; one that lacks `iat` alone, as a control does, keeps the `nbf` of the scenario.
    let is_without = recipe.exp != Exp::Ttl && text("iat").is_some_and(|text| text.is_empty());
    let end = text("exp").unwrap_or_default();
    // An instant before 1970 is the only one that is before 1970.
    let is_negative = end.starts_with('-') && end.parse::<f64>().is_ok();
    is_without.then_some(if is_negative { end } else { "0".into() })
}

/// A name that no claim has: this one, or the same with `_` after it.
pub fn free_name(claims: &Map<String, Value>, name: &str) -> String {
    let mut name = name.to_owned();
    while claims.contains_key(&name) {
        name.push('_');
    }
    name
}

/// A text of a recipe with what its `$` words stand for.
fn filled(text: &str, mould: &Mould) -> Vec<Piece> {
    let own = |name: &str| match mould.claims.get(name) {
        Some(Value::String(text)) => constant(text).unwrap_or_default(),
        Some(Value::Array(several)) => {
            several.first().and_then(Value::as_str).and_then(constant).unwrap_or_default()
        }
        _ => String::new(),
    };
    let escaped = |text: &str| {
        let quoted = Value::from(text).to_string();
        quoted[1..quoted.len() - 1].to_owned()
    };
    let literal = |text: String| Piece::Literal(text.into_bytes());
    let mut parts = text.split('$');
    let mut pieces = vec![literal(parts.next().unwrap_or_default().to_owned())];
    for part in parts {
        let (piece, rest) = if let Some(rest) = part.strip_prefix("now") {
            let (seconds, rest) = offset(rest);
            (Piece::At(seconds), rest)
        } else if let Some(rest) = part.strip_prefix("iss") {
            (literal(escaped(&own("iss"))), rest)
        } else if let Some(rest) = part.strip_prefix("ISS") {
            (literal(escaped(&own("iss").to_ascii_uppercase())), rest)
        } else if let Some(rest) = part.strip_prefix("aud") {
            (literal(escaped(&own("aud"))), rest)
        } else if let Some(rest) = part.strip_prefix('n') {
            (Piece::Number, rest)
        } else {
            (literal("$".to_owned()), part)
        };
        pieces.extend([piece, literal(rest.to_owned())]);
    }
    pieces
}

/// The seconds of `+60` or `-60`, and what stands behind it.
fn offset(text: &str) -> (i64, &str) {
    let sign = usize::from(text.starts_with(['+', '-']));
    let digits = text[sign..].bytes().take_while(|c| sign == 1 && c.is_ascii_digit()).count();
    let (seconds, rest) = text.split_at(sign + digits);
    (seconds.parse().unwrap_or_default(), rest)
}

/// What the client is called in its claims.
fn names_of(bearer: Bearer, own: &Names) -> Result<Names> {
    let mut names = own.clone();
    match bearer {
        Bearer::Own => {}
        Bearer::Another => {
            names.client_id = own.client_id.of_another();
            names.username = own.username.as_ref().map(Template::of_another);
            names.x5t_s256 = own.x5t_s256.as_ref().map(Template::of_another);
        }
        Bearer::AnotherCertificate => {
            names.x5t_s256 = own.x5t_s256.as_ref().map(Template::of_another);
        }
        Bearer::AnotherClientId => names.client_id = own.client_id.of_another(),
        Bearer::AnotherUsername => {
            names.username = own.username.as_ref().map(Template::of_another);
        }
        Bearer::Capitals => names.client_id = own.client_id.in_capitals(),
        Bearer::With(more) => names.client_id = own.client_id.with(more),
        Bearer::UsernameIsClientId => names.username = Some(own.client_id.clone()),
        Bearer::ClientIdIsUsername => names.client_id = own.text("{username}-{n}")?,
    }
    Ok(names)
}

/// Adds a member of a name that the object, as far as its text shows, has not: this one, or the same with `_` after it.
pub(super) fn add_free_member(object: &mut Vec<u8>, name: &str, value: &[u8]) {
    let mut name = format!("\"{name}\"");
    while holds(object, &name) {
        name.insert(name.len() - 1, '_');
    }
    add_member(object, &[name.as_bytes(), b":", value].concat());
}

/// Whether a text is in there.
pub(super) fn holds(json: &[u8], text: &str) -> bool {
    json.windows(text.len()).any(|window| window == text.as_bytes())
}

/// Adds a member to the end of a JSON object.
pub(super) fn add_member(object: &mut Vec<u8>, member: &[u8]) {
    object.pop();
    if object.last() != Some(&b'{') {
        object.push(b',');
    }
    object.extend_from_slice(member);
    object.push(b'}');
}
