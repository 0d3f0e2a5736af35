//! What is made ready of a kind of token, once a thread: header, claims compiled into pieces, signer.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Map, Value};

use super::{
    Kind,
    braces::constant,
    given::{Given, Moment},
    jwe::Envelope,
    mint::{Mould, Press, append_base64},
    recipe::{Bearer, Exp, Form, Kid, Recipe, Signer, Twist},
    template::{Names, Piece, compile_claims},
};
use crate::{
    error::{Error, Result},
    key::SigningKey,
};

/// The `kid` that names no key, before each token gets digits of its own: a broker that remembers an unknown one has to
/// be asked about others.
pub(super) const UNKNOWN_KID: &str = "unknown-0000000000000000";

/// Makes a kind ready.
pub(super) fn press(kind: &Kind, mould: &Mould) -> Result<Press> {
    let recipe = kind.recipe;
    let own = kind.key.map(|index| &mould.keys[index]);
    let signer = match recipe.signer {
        Signer::None => None,
        Signer::Own => own,
        other => mould
            .derived
            .iter()
            .find(|(key, signer, _)| Some(*key) == kind.key && *signer == other)
            .map(|(.., key)| key),
    };
    if recipe.signer != Signer::None && kind.key.is_some() && signer.is_none() {
        return Err(Error::not_measured(format!("nobody can sign `{}`", kind.label)));
    }
    let mut header = header(kind, mould, own, signer)?;
    if let Twist::Header(change) = recipe.twist {
        change(&mut header);
    }
    let mut prefix = Vec::new();
    append_base64(&header, &mut prefix);
    if let Twist::HeaderText(change) = recipe.twist {
        change(&mut prefix);
    }
    prefix.push(b'.');
    let given = given(&recipe, mould)?;
    Ok(Press {
        recipe,
        given,
        header,
        prefix,
        payload: payload(kind, mould, &given)?,
        signer: signer.map(SigningKey::signer).transpose()?,
        raw: match recipe.twist {
            Twist::Block(_) => own.and_then(SigningKey::raw_rsa),
            _ => None,
        },
        envelope: match (recipe.form, own) {
            (Form::Jwe(how), Some(key)) => Some(Envelope::new(how, key)),
            _ => None,
        },
    })
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
        // Each token has its own digits.
        Kid::Unknown => Some(UNKNOWN_KID.to_owned()),
        Kid::Text(text) => Some(text.to_owned()),
        Kid::Long(length) => Some("k".repeat(length)),
        Kid::OfAnother => {
            let is_other = |key: &&SigningKey| {
                own.is_some_and(|own| own.algorithm.family() != key.algorithm.family())
            };
            mould.keys.iter().filter(is_other).find_map(|key| key.kid.clone())
        }
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
    let is_edited = |name: &str| recipe.claims.iter().any(|(edited, _)| *edited == name);
    Ok(Given {
        iat: iat.filter(|_| !is_edited("iat")),
        nbf: nbf.filter(|_| !is_edited("nbf") && recipe.nbf_after.is_none()),
    })
}

/// The claims of a kind, compiled.
fn payload(kind: &Kind, mould: &Mould, given: &Given) -> Result<Vec<Piece>> {
    let recipe = &kind.recipe;
    let mut claims = mould.claims.clone();
    let edited = |name: &str| recipe.claims.iter().any(|(edited, _)| *edited == name);
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
    let mut texts = Vec::new();
    for (name, text) in recipe.claims.iter().filter(|(_, text)| !text.is_empty()) {
        texts.push((*name, timed(&filled(text, mould))));
    }
    texts.extend(early.map(|text| ("nbf", timed(text))));
    compile_claims(&claims, &names_of(recipe.bearer, &mould.names), &texts, &times)
}

/// The `nbf` of an entry that leaves `iat` out because its `exp` may lie in the past: before that, so that the end alone is
/// wrong. `None` for any other.
fn early_nbf(recipe: &Recipe) -> Option<&'static str> {
    let text = |wanted: &str| recipe.claims.iter().find(|(name, _)| *name == wanted);
    let is_without = matches!(text("iat"), Some((_, "")));
    let end = text("exp").map_or("", |(_, end)| *end);
    // An instant before 1970 is the only one that is before 1970.
    let is_negative = end.starts_with('-') && end.parse::<f64>().is_ok();
    is_without.then_some(if is_negative { end } else { "0" })
}

/// A text with the right values of claims put in.
fn filled(text: &str, mould: &Mould) -> String {
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
    text.replace("$iss", &escaped(&own("iss")))
        .replace("$ISS", &escaped(&own("iss").to_ascii_uppercase()))
        .replace("$aud", &escaped(&own("aud")))
}

/// A text whose `$now+N` and `$now-N` are instants.
fn timed(text: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    for (index, part) in text.split("$now").enumerate() {
        let mut rest = part;
        if index > 0 {
            let sign = usize::from(part.starts_with(['+', '-']));
            let digits =
                part[sign..].bytes().take_while(|c| sign == 1 && c.is_ascii_digit()).count();
            pieces.push(Piece::At(part[..sign + digits].parse().unwrap_or_default()));
            rest = &part[sign + digits..];
        }
        if !rest.is_empty() {
            pieces.push(Piece::Literal(rest.as_bytes().to_vec()));
        }
    }
    pieces
}

/// What the client is called in its claims.
fn names_of(bearer: Bearer, own: &Names) -> Names {
    let mut names = own.clone();
    match bearer {
        Bearer::Own => {}
        Bearer::Another => {
            names.client_id = own.client_id.of_another();
            names.username = own.username.of_another();
        }
        Bearer::AnotherClientId => names.client_id = own.client_id.of_another(),
        Bearer::AnotherUsername => names.username = own.username.of_another(),
        Bearer::Capitals => names.client_id = own.client_id.in_capitals(),
        Bearer::With(more) => names.client_id = own.client_id.with(more),
        Bearer::UsernameIsClientId => names.username = own.client_id.clone(),
        Bearer::ClientIdIsUsername => names.client_id = own.username.clone(),
    }
    names
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
