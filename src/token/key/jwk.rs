//! JSON Web Keys in files: one of a set is chosen, lenient in what does not change the key, exact in what does.

use serde_json::{Map, Value};

use super::{
    found::{Contents, contents},
    lenient::decoded,
};
use crate::{
    base::error::{Error, Result},
    scenario::Algorithm,
};

/// How many `kid`s of a set an error lists.
const LISTED: usize = 20;

/// A private or symmetric key (RFC 7517); members that are not needed are passed over.
pub(super) struct Jwk {
    members: Map<String, Value>,
}

impl std::fmt::Debug for Jwk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Jwk").field("kty", &self.text("kty")).finish_non_exhaustive()
    }
}

impl Jwk {
    /// Reads the key of an algorithm from a file: a JWK, or a set of them (RFC 7517, 5). `kid` chooses among several.
    ///
    /// # Errors
    /// When the file holds none, several, or one for something else; nothing of the key is shown.
    pub(super) fn read(file: &[u8], algorithm: Algorithm, kid: Option<&str>) -> Result<Self> {
        let (several, is_set) = match contents(file) {
            Contents::Json(Value::Object(members)) => match members.get("keys") {
                Some(Value::Array(keys)) => (keys.clone(), true),
                _ => (vec![Value::Object(members)], false),
            },
            Contents::Json(Value::Array(keys)) => (keys, true),
            other => return Err(no_jwk(&other, file)),
        };
        let keys: Vec<Self> = several
            .into_iter()
            .filter_map(|key| match key {
                Value::Object(members) => Some(Self { members }),
                _ => None,
            })
            .collect();
        let key = if is_set { choose(keys, algorithm, kid)? } else { only(keys)? };
        key.check(algorithm)?;
        Ok(key)
    }

    /// Its `kid`.
    ///
    /// # Errors
    /// When it is no text, as RFC 7517, 4.5 has it.
    pub(super) fn kid(&self) -> Result<Option<String>> {
        match self.members.get("kid") {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(kid)) => Ok(Some(kid.clone())),
            Some(_) => Err(Error::usage("the JWK's `kid` is no text (RFC 7517, 4.5)").hint(
                "write the `kid` that the broker knows the key by beside `jwk`: `kid = \"1\"`",
            )),
        }
    }

    /// A member that is text.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.members.get(name).and_then(Value::as_str)
    }

    /// Whether a member is there.
    pub(super) fn has(&self, name: &str) -> bool {
        self.members.get(name).is_some_and(|member| !member.is_null())
    }

    /// A member that is base64url, decoded: standard base64, padding and line breaks are taken as well.
    ///
    /// # Errors
    /// When it is missing, or no base64.
    pub(super) fn bytes(&self, name: &str) -> Result<Vec<u8>> {
        let kty = self.text("kty").unwrap_or_default();
        let wrong = |what: &str| {
            Error::usage(format!("the JWK of `kty` `{kty}` {what} `{name}`"))
                .hint("RFC 7518, section 6, has the members; they are base64url")
        };
        match self.members.get(name) {
            None | Some(Value::Null) => Err(wrong("has no member")),
            Some(Value::String(text)) => {
                decoded(text).ok_or_else(|| wrong("has no base64 as its member"))
            }
            Some(_) => Err(wrong("has no text as its member")),
        }
    }

    /// The secret of a symmetric key.
    ///
    /// # Errors
    /// When it has none.
    pub(super) fn secret(&self) -> Result<Vec<u8>> {
        self.bytes("k")
    }

    /// Whether it is a private or symmetric key that the algorithm signs with.
    fn fits(&self, algorithm: Algorithm) -> bool {
        self.check(algorithm).is_ok()
    }

    /// Refuses a key that is for another algorithm, for encryption, or public.
    fn check(&self, algorithm: Algorithm) -> Result<()> {
        let Some(kty) = self.text("kty") else {
            if self.text("private_key").is_some() {
                return Err(service_account(&self.members));
            }
            return Err(Error::usage("the JSON is no JWK: it has no `kty`")
                .hint("a JWK is an object with `kty` (RFC 7517, 4.1)"));
        };
        let curve = self.text("crv").unwrap_or_default();
        if let Some(fitting) = unfit(kty, curve, algorithm) {
            let is = if curve.is_empty() || kty == "RSA" || kty == "oct" {
                format!("`kty` `{}`", shown(kty))
            } else {
                format!("`kty` `{}` and `crv` `{}`", shown(kty), shown(curve))
            };
            return Err(Error::usage(format!("the JWK has {is}, which is no key for {algorithm}"))
                .hint(fitting));
        }
        if let Some(alg) = self.text("alg").filter(|alg| !is_named(alg, algorithm)) {
            let own = Algorithm::named(alg).filter(|own| unfit(kty, curve, *own).is_none());
            let hint = match own {
                Some(own) => format!("write `algorithm = \"{own}\"`; or, where the broker takes the key for {algorithm} too, take `alg` out of the file"),
                None => "take `alg` out of the file, where the broker verifies signatures by this key all the same".into(),
            };
            return Err(Error::usage(format!(
                "the JWK is for `{}` (its `alg`), but `algorithm` is {algorithm}: brokers that look at `alg` would refuse every token",
                shown(alg)
            ))
            .hint(hint));
        }
        if self.text("use") == Some("enc") {
            return Err(Error::usage("the JWK is for encryption (its `use` is `enc`)").hint(
                "name the key with `use` `sig`; or take `use` out of the file, where the broker verifies by this key all the same",
            ));
        }
        if let Some(Value::Array(uses)) = self.members.get("key_ops")
            && !uses.iter().any(|one| one == "sign")
        {
            return Err(Error::usage("the JWK is not for signing (its `key_ops` has no `sign`)").hint(
                "name the key whose `key_ops` has `sign`; or take `key_ops` out of the file, where the broker verifies by this key all the same",
            ));
        }
        let private = if algorithm.is_hmac() { "k" } else { "d" };
        if !self.has(private) {
            let what = if private == "k" {
                "the JWK has no `k`: the secret is not in it"
            } else {
                "the JWK has no `d`: it is the public half, which verifies and can't sign"
            };
            return Err(Error::usage(what).hint(
                "name the file with the private half of the key that the broker verifies by",
            ));
        }
        Ok(())
    }
}

/// The only key of a file that is no set.
fn only(keys: Vec<Jwk>) -> Result<Jwk> {
    keys.into_iter().next().ok_or_else(|| Error::usage("the JSON is no JWK"))
}

/// The key of a set: the one of that `kid`, or the only one that the algorithm signs with.
fn choose(keys: Vec<Jwk>, algorithm: Algorithm, kid: Option<&str>) -> Result<Jwk> {
    let kids = |keys: &[&Jwk]| {
        let named = keys.iter().filter_map(|key| key.text("kid"));
        let list: Vec<String> = named.take(LISTED).map(|kid| format!("`{}`", shown(kid))).collect();
        if list.is_empty() { "none has a `kid`".to_owned() } else { list.join(", ") }
    };
    let count = keys.len();
    // The `kid` of the scenario goes over that of an only key, so that it need not name it.
    if count == 1 {
        return only(keys);
    }
    let all: Vec<&Jwk> = keys.iter().collect();
    if count == 0 {
        return Err(Error::usage("the key set is empty"));
    }
    let named: Vec<&Jwk> = match kid {
        Some(kid) => all.iter().copied().filter(|key| key.text("kid") == Some(kid)).collect(),
        None => all.clone(),
    };
    if let (true, Some(kid)) = (named.is_empty(), kid) {
        return Err(Error::usage(format!(
            "none of the {count} keys of the set has the `kid` `{kid}`"
        ))
        .hint(format!("there are: {}", kids(&all))));
    }
    if let ([key], Some(_)) = (&named[..], kid) {
        return Ok(Jwk { members: key.members.clone() });
    }
    let fitting: Vec<&Jwk> = named.into_iter().filter(|key| key.fits(algorithm)).collect();
    match fitting[..] {
        [key] => Ok(Jwk { members: key.members.clone() }),
        [] => Err(Error::usage(format!(
            "none of the {count} keys of the set is a private key that signs by {algorithm}"
        ))
        .hint(format!("its keys: {}", kids(&all)))),
        _ if kid.is_some() => Err(Error::usage(format!(
            "{} keys of the set sign by {algorithm} and have that one `kid`",
            fitting.len()
        ))
        .hint("put the one that the broker verifies by into a file of its own, without the set")),
        _ => Err(Error::usage(format!("{} keys of the set sign by {algorithm}", fitting.len()))
            .hint(format!("say which by its `kid`: {}", kids(&fitting)))),
    }
}

/// Why a key of this kind does not fit an algorithm, as the way out; `None` where it does.
fn unfit(kty: &str, curve: &str, algorithm: Algorithm) -> Option<String> {
    let other = |names: &str| {
        Some(format!(
            "write `algorithm = {names}`, or name the {} that the broker verifies by",
            if algorithm.is_hmac() { "secret" } else { "private key" }
        ))
    };
    match (kty, curve, algorithm.family()) {
        ("oct", _, "HMAC") | ("RSA", _, "RSA") | ("OKP", "Ed25519", "Ed25519") => None,
        ("EC", "P-256", _) if algorithm == Algorithm::ES256 => None,
        ("EC", "P-384", _) if algorithm == Algorithm::ES384 => None,
        ("oct", ..) => other("\"HS256\"`, `\"HS384\"` or `\"HS512\""),
        ("RSA", ..) => other("\"RS256\"`, or another of RS and PS, such as `\"PS256\""),
        ("EC", "P-256", _) => other("\"ES256\""),
        ("EC", "P-384", _) => other("\"ES384\""),
        ("OKP", "Ed25519", _) => other("\"EdDSA\""),
        ("EC" | "OKP", ..) => {
            Some("tokenstorm signs by P-256 (ES256), P-384 (ES384) and Ed25519 (EdDSA)".into())
        }
        _ => Some("`kty` is `oct`, `RSA`, `EC` or `OKP`, in this case (RFC 7518, 6.1)".into()),
    }
}

/// Whether an `alg` names an algorithm; Ed25519 has two names (RFC 8037, 3.1; RFC 9864, 2.2).
fn is_named(alg: &str, algorithm: Algorithm) -> bool {
    Algorithm::named(alg) == Some(algorithm)
        || algorithm.is_ed25519() && matches!(alg, "EdDSA" | "Ed25519")
}

/// A member of a file as an error may show it: short, and of plain letters.
fn shown(text: &str) -> String {
    let plain: String = text.chars().filter(|c| !c.is_control()).take(64).collect();
    match crate::base::error::showable::pasted(&plain) {
        Some(_) => "(not shown)".into(),
        None => plain,
    }
}

/// Why a file is no JWK.
fn no_jwk(contents: &Contents, file: &[u8]) -> Error {
    match contents {
        Contents::Empty => Error::usage("the file is empty"),
        Contents::Blocks(_) | Contents::Truncated(_) => {
            Error::usage("the file holds PEM or DER, not a JWK")
                .hint("write `private_key` in place of `jwk`")
        }
        Contents::Json(_) => Error::usage("the JSON is no JWK: it is neither an object nor a set"),
        _ => {
            let text = String::from_utf8_lossy(file);
            let text = text.trim_start_matches('\u{feff}');
            let place = match serde_json::from_str::<Value>(text) {
                Err(error) => format!(" (line {}, column {})", error.line(), error.column()),
                Ok(_) => String::new(),
            };
            Error::usage(format!("the file is no JSON{place}"))
                .hint("a JWK is a JSON object with `kty` (RFC 7517, 4)")
        }
    }
}

/// A service account's JSON, whose key is PEM.
pub(super) fn service_account(members: &Map<String, Value>) -> Error {
    let kid = members.get("private_key_id").and_then(Value::as_str).map(shown);
    let kid = kid.map(|kid| {
        format!("; who verifies by the account's certificates knows it as `kid = \"{kid}\"`")
    });
    Error::usage("the file is JSON, a service account's: the key is its member `private_key`").hint(
        format!(
            "`jq -r .private_key FILE > key.pem` takes it out; then `private_key = \"key.pem\"`{}",
            kid.unwrap_or_default()
        ),
    )
}
