//! What no type of a scenario refuses, found by its place: values that JSON has not, and secrets that were pasted where
//! a path or a name belongs.

use toml::{Table, Value};

use crate::base::error::{
    Error, Result,
    showable::{Pasted, holds_private_key, pasted},
};

/// What a key of a scenario takes, told by its name.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Takes {
    /// The path of a file.
    Path,
    /// The name of an environment variable.
    Variable,
    /// The name of a key, a profile, or another name.
    Name,
    /// A secret itself.
    Secret,
    /// Something else.
    Other,
}

fn takes(path: &[&str]) -> Takes {
    let last = path.iter().rev().find(|part| part.parse::<usize>().is_err());
    let name = last.copied().unwrap_or_default();
    let is_claim = path.contains(&"claims");
    let is_tls = path.contains(&"tls");
    match name {
        _ if is_claim => Takes::Other,
        "secret" | "client_secret" | "password" => Takes::Secret,
        "private_key" | "jwk" | "ca" | "crl" | "cert" | "file" | "expired_cert" | "expired_key" => {
            Takes::Path
        }
        "key" if is_tls => Takes::Path,
        _ if name.ends_with("_file") => Takes::Path,
        _ if name.ends_with("_env") => Takes::Variable,
        "key" | "keys" | "client_key" | "signature_key" | "private_key_jwt" | "profile" | "kid" => {
            Takes::Name
        }
        _ => Takes::Other,
    }
}

/// Looks at every value of a scenario.
///
/// # Errors
/// When one is a date or no finite number, or a secret stands where a path or a name belongs; nothing of a secret is
/// shown.
pub(super) fn check(table: &Table) -> Result<()> {
    of_table(table, &mut Vec::new())
}

fn of_table<'a>(table: &'a Table, path: &mut Vec<&'a str>) -> Result<()> {
    for (name, value) in table {
        // A claim may have any name: the JSON of an `acl` as well.
        let is_claim = path.contains(&"claims");
        if holds_private_key(name) || !is_claim && pasted(name).is_some() {
            let place = if path.is_empty() { "the scenario".into() } else { shown(path) };
            return Err(Error::usage(format!("a name in {place} is a secret or a file's content (not shown)"))
                .hint("names are short: `[keys.main]`; the key itself is in a file, `private_key = \"key.pem\"`"));
        }
        path.push(name);
        of_value(value, path)?;
        path.pop();
    }
    Ok(())
}

fn of_value<'a>(value: &'a Value, path: &mut Vec<&'a str>) -> Result<()> {
    match value {
        Value::Table(table) => of_table(table, path),
        Value::Array(items) => items.iter().try_for_each(|item| of_value(item, path)),
        Value::String(text) => of_text(text, path),
        Value::Float(number) if !number.is_finite() => Err(Error::usage(format!(
            "{} is `{value}`, which is no number that JSON has",
            shown(path)
        ))
        .hint(format!("write a number, or a text: `\"{value}\"`"))),
        Value::Datetime(date) => {
            Err(Error::usage(format!("{} is the date `{date}`, which JSON has not", shown(path)))
                .hint(as_json(date)))
        }
        _ => Ok(()),
    }
}

/// How a date may be written instead.
fn as_json(date: &toml::value::Datetime) -> String {
    let text = date.to_string();
    let seconds = text.parse::<jiff::Timestamp>().map(jiff::Timestamp::as_second);
    match seconds {
        Ok(seconds) => format!("write a text, `\"{text}\"`, or seconds since 1970, `{seconds}`"),
        Err(_) => format!("write a text, `\"{text}\"`"),
    }
}

fn of_text(text: &str, path: &[&str]) -> Result<()> {
    let takes = takes(path);
    let wanted = match takes {
        Takes::Path => "the path of a file",
        Takes::Variable => "the name of an environment variable",
        Takes::Name => "a name",
        Takes::Other if holds_private_key(text) => {
            return Err(Error::usage(format!("{} holds a private key (not shown)", shown(path)))
                .hint("put the key into a file, and name that: `private_key = \"key.pem\"`"));
        }
        Takes::Secret | Takes::Other => return Ok(()),
    };
    let is_no_name = takes == Takes::Variable && !text.chars().all(is_of_name);
    // A `kid` is any text (RFC 7515, 4.1.4): JSON and several lines are no sign of a secret there.
    let is_kid = path.last() == Some(&"kid") && !holds_private_key(text);
    let found =
        pasted(text).filter(|what| !(is_kid && matches!(what, Pasted::Json | Pasted::Lines)));
    let Some(what) = found.map(Pasted::words).or(is_no_name.then_some("another text")) else {
        return Ok(());
    };
    Err(Error::usage(format!(
        "{} takes {wanted}, but its value is {what} (not shown)",
        shown(path)
    ))
    .hint(way_out(takes, path)))
}

fn is_of_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-')
}

fn way_out(takes: Takes, path: &[&str]) -> String {
    let name = path.last().copied().unwrap_or_default();
    match takes {
        Takes::Path => format!(
            "put it into a file beside the scenario, which nobody else can read, and write `{name} = \"{}\"`",
            if name == "jwk" { "key.jwk" } else { "key.pem" }
        ),
        Takes::Variable => format!("`export NAME=...` first, then `{name} = \"NAME\"`"),
        _ if name == "profile" => {
            "name a profile, or the path of its file: docs/profiles.md has them all".into()
        }
        _ => "a key is defined under `[keys.NAME]`, and is called NAME elsewhere".into(),
    }
}

/// The place of a value; names that are no short words are left out.
fn shown(path: &[&str]) -> String {
    let part = |part: &&str| {
        let is_word = part.len() <= 64
            && part.chars().all(|c| is_of_name(c) || matches!(c, '{' | '}' | ':' | ','));
        if is_word { (*part).to_owned() } else { "...".to_owned() }
    };
    format!("`{}`", path.iter().map(part).collect::<Vec<_>>().join("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error_of(text: &str) -> Option<Error> {
        check(&toml::from_str(text).unwrap()).err()
    }

    /// What was pasted; the marker in it must not be shown.
    const PASTED: [&str; 6] = [
        "'''-----BEGIN PRIVATE KEY-----\nMIIEvgMARKERKCAQEA\n-----END PRIVATE KEY-----\n'''",
        "'{\"kty\":\"oct\",\"k\":\"MARKER\"}'",
        "'{\"keys\":[{\"kty\":\"oct\",\"k\":\"MARKER\"}]}'",
        "'eyJhbGciOiJIUzI1NiJ9.e30.MARKER'",
        "'MIIEvgIBADANBgkqhkiG9w0BAQEFAASCBKgwggSkAgEAAoIBAQCrDkEHsoptvWEtMARKER'",
        "['ok.pem', '''MARKER\nsecond line''']",
    ];

    #[test]
    fn no_key_that_takes_a_path_or_a_name_takes_what_belongs_into_it() {
        for key in [
            "keys.main.private_key",
            "keys.main.jwk",
            "keys.main.secret_file",
            "keys.main.secret_env",
            "keys.main.kid",
            "target.tls.ca",
            "target.tls.crl",
            "target.tls.cert",
            "target.tls.key",
            "issuer.tls.cert",
            "issuer.tls.key",
            "issuer.tls.expired_key",
            "issuer.client_secret_env",
            "issuer.keys",
            "oauth.client_secret_file",
            "oauth.client_secret_env",
            "oauth.password_env",
            "oauth.refresh_token_env",
            "oauth.subject_token_env",
            "oauth.private_key_jwt",
            "oauth.ca",
            "control.password_env",
            "token.key",
            "target.profile",
            "mix.key",
        ] {
            // A `kid` may have several lines.
            let most = PASTED.len() - usize::from(key == "keys.main.kid");
            for pasted in &PASTED[..most] {
                let error = error_of(&format!("{key} = {pasted}")).expect(key);
                let said = format!("{error} {}", error.way_out().unwrap());
                assert!(said.contains(&format!("`{key}`")), "{said}");
                assert!(said.contains("(not shown)") && !said.contains("MARKER"), "{said}");
            }
        }
        let said = error_of("keys.main.private_key = '-----BEGIN PRIVATE KEY-----'").unwrap();
        assert_eq!(
            said.to_string(),
            "`keys.main.private_key` takes the path of a file, but its value is a private key (not shown)"
        );
    }

    #[test]
    fn a_private_key_is_refused_wherever_it_stands_but_in_a_secret() {
        let key = PASTED[0];
        for text in [
            format!("name = {key}"),
            format!("target.brokers = [{key}]"),
            format!("token.claims.x = {{ y = [{key}] }}"),
            "[keys.'-----BEGIN PRIVATE KEY----- MARKER']\nx = 1".to_owned(),
            "['{\"kty\":\"oct\",\"k\":\"MARKER\"}']\nx = 1".to_owned(),
        ] {
            let said = error_of(&text).expect(&text).to_string();
            assert!(said.contains("(not shown)") && !said.contains("MARKER"), "{said}");
        }
        assert!(error_of(&format!("keys.main.secret = {key}")).is_none(), "HMAC takes any text");
        assert!(error_of("keys.main.secret_env = 'my secret'").is_some());
    }

    #[test]
    fn a_claim_may_have_any_name_but_a_private_key() {
        for name in ["{n}", "{{x}}", "[a]", "a\\nb", "https://example.org/{x}"] {
            for place in ["token.claims", "issuer.claims", "token.claims.acl"] {
                let text = format!("[{place}]\n\"{name}\" = 1\n");
                assert!(error_of(&text).is_none(), "{text}");
            }
        }
        let text = "[token.claims]\n\"-----BEGIN PRIVATE KEY----- MARKER\" = 1\n";
        assert!(!error_of(text).unwrap().to_string().contains("MARKER"));
    }

    #[test]
    fn paths_names_and_claims_are_left_alone() {
        let text = "keys.main = { private_key = '../keys/a b.pem', jwk = 'key', secret_env = 'broker.secret-1' }\n\
                    target = { profile = 'profiles/own.toml', brokers = ['mqtt://[::1]:1883'], tls.key = '/etc/x' }\n\
                    token.claims = { key = '{{\"a\":1}}', ca = 'x\ny', cert = '-----BEGIN CERTIFICATE-----' }";
        let text = text.replace("'x\ny'", "'''x\ny'''");
        assert!(error_of(&text).is_none(), "{:?}", error_of(&text));
    }

    #[test]
    fn dates_and_numbers_that_json_has_not_are_refused_with_what_to_write() {
        let date = error_of("token.claims.until = 2027-01-01T00:00:00Z").unwrap();
        assert_eq!(
            date.to_string(),
            "`token.claims.until` is the date `2027-01-01T00:00:00Z`, which JSON has not"
        );
        assert_eq!(
            date.way_out().unwrap(),
            "write a text, `\"2027-01-01T00:00:00Z\"`, or seconds since 1970, `1798761600`"
        );
        for value in ["2027-01-01", "07:32:00", "1979-05-27T07:32:00", "nan", "inf", "-inf", "+nan"]
        {
            for place in ["token.claims.a", "issuer.claims.a", "load.rate"] {
                let error = error_of(&format!("{place} = [{{ b = {value} }}]")).expect(value);
                assert!(error.to_string().contains(place) && error.way_out().is_some(), "{error}");
            }
        }
    }
}
