//! The scenario that `init` writes, and what to do with it.

use std::{fmt::Write, path::Path};

use toml::Value;

use super::{SCHEMA, answers::is_ours};
use crate::{
    base::{
        release::{REPOSITORY, attached},
        shell::quoted,
    },
    cli::Told,
    scenario::{Algorithm, Check, Key},
};

/// The key in a file, for an algorithm.
pub(super) fn key_of(file: &Path, algorithm: Algorithm) -> Key {
    let is_jwk =
        file.extension().is_some_and(|extension| extension == "jwk" || extension == "json");
    let file = Some(file.to_owned());
    let (private_key, jwk) = if is_jwk { (None, file) } else { (file, None) };
    Key { generate: false, kid: None, private_key, jwk, ..Key::made(algorithm, "") }
}

/// The scenario, with a comment to whatever is likely to be changed; `checks` are those of its profile.
pub(super) fn scenario(told: &Told, file: &Path, checks: &[Check]) -> String {
    let mut out = String::new();
    // Writing to a `String` can't fail.
    let _ = write_all(&mut out, told, file, checks);
    out
}

fn write_all(out: &mut String, told: &Told, file: &Path, checks: &[Check]) -> std::fmt::Result {
    let shown = quoted(&file.display().to_string());
    writeln!(out, "#:schema {}", attached(REPOSITORY, SCHEMA).as_deref().unwrap_or(SCHEMA))?;
    writeln!(out, "# Question: does my broker take good tokens, and refuse the others?\n#")?;
    for (command, what) in commands(&shown) {
        writeln!(out, "#   {command:<59} # {what}")?;
    }
    target(out, told)?;
    out.push_str(LOAD);
    let client_id = told.client_id.as_deref().unwrap_or("storm-{n}");
    let username = told.username.as_deref().unwrap_or("user-{n}");
    writeln!(out, "\n# {{n}} is the number of the client.\n[identity]")?;
    writeln!(out, "client_id = {}\nusername = {}", text(client_id), text(username))?;
    key(out, told)?;
    writeln!(
        out,
        "\n[token]\n# `exp` - `iat`. `iat`, `exp` and `jti` come by themselves.\nttl = \"1h\"\n\n[token.claims]"
    )?;
    if told.claims.is_empty() {
        writeln!(out, "# What your broker compares, such as:")?;
        writeln!(out, "# iss = \"https://issuer.example\"\n# clientid = \"{{client_id}}\"")?;
    }
    for (name, value) in &told.claims {
        writeln!(out, "{} = {}", key_text(name), value_text(value))?;
    }
    policy(out, told, checks)?;
    out.push_str(REST);
    Ok(())
}

/// What the broker promises beside what its profile says: that it checks the claims that were told, since good tokens have
/// them. `checks` are those of the profile, whose list is replaced as a whole.
fn policy(out: &mut String, told: &Told, checks: &[Check]) -> std::fmt::Result {
    let has = |name: &str| told.claims.iter().any(|(known, _)| known == name);
    let mut all: Vec<String> = checks
        .iter()
        .filter_map(|check| Value::try_from(check).ok())
        .map(|it| it.to_string())
        .collect();
    let more =
        ["iss", "aud"].into_iter().filter(|name| has(name)).map(|name| format!("\"{name}\""));
    let more: Vec<String> = more.filter(|name| !all.contains(name)).collect();
    let is_more = !more.is_empty();
    all.extend(more);
    let is_bound = |value: &str| value == "{client_id}" || value == "{username}";
    let bound = told.claims.iter().filter(|(_, value)| is_bound(value));
    let bound: Vec<String> = bound.map(|(name, _)| text(name)).collect();
    let hidden = |is_shown: bool| if is_shown { "" } else { "# " };
    writeln!(
        out,
        "\n# What your broker promises beside its profile: the claims whose value it checks (this list replaces the\n\
         # profile's), the claims that must be those of the connection, and how far its clock may be off.\n[policy]"
    )?;
    writeln!(out, "{}checks = [{}]", hidden(is_more), all.join(", "))?;
    let is_any = !bound.is_empty();
    let bound = if is_any { bound.join(", ") } else { "\"clientid\"".to_owned() };
    writeln!(out, "{}binds = [{bound}]\n# leeway = \"5s\"", hidden(is_any))
}

/// The load, which is the same for all.
const LOAD: &str = "
# Arrivals a second, and for how long; an accepted client stays as long as `hold`.
[load]
stages = [{ rate = 100, for = \"10s\" }]
hold = \"1s\"
";

/// What stands at the end, the same for all.
const REST: &str = "
# What clients bring, in which share. `tokenstorm token defects` lists all kinds.
[[mix]]
token = \"fresh\"
share = 80

[[mix]]
token = \"expired\"
by = \"1h\"
share = 20

# What must hold at the end: exit code 1 where it does not.
[thresholds]
\"verdict.false_accept\" = [\"count == 0\"]
\"verdict.false_reject\" = [\"count == 0\"]
# \"connack{token:fresh}\" = [\"p99 < 250ms\"]
";

fn target(out: &mut String, told: &Told) -> std::fmt::Result {
    let url = told.target.as_deref().unwrap_or("embedded");
    let protocol = told.protocol.as_deref().unwrap_or("5");
    writeln!(out, "\n# Several brokers are a cluster. 5 is MQTT 5.0, 4 is 3.1.1.\n[target]")?;
    writeln!(out, "brokers = [{}]\nprotocol = {protocol}", text(url))?;
    if let Some(field) = told.token_in.as_deref().filter(|field| *field != "password") {
        writeln!(out, "token_in = {}", text(field))?;
    }
    if let Some(method) = &told.auth_method {
        writeln!(out, "auth_method = {}", text(method))?;
    }
    let default = if is_ours(url) { None } else { Some("strict") };
    if let Some(profile) = told.profile.as_deref().or(default) {
        writeln!(out, "# What it promises: one of `tokenstorm profiles`, or a file of your own.")?;
        writeln!(out, "profile = {}", text(profile))?;
    }
    if told.authorized {
        writeln!(out, "# You may load it.\nauthorized = true")?;
    }
    if let Some(ca) = &told.ca {
        writeln!(out, "\n[target.tls]\nca = {}", text(&ca.display().to_string()))?;
    }
    Ok(())
}

fn key(out: &mut String, told: &Told) -> std::fmt::Result {
    let algorithm = told.algorithm.unwrap_or(Algorithm::HS256);
    writeln!(out, "\n[keys.main]\nalgorithm = {}", text(&algorithm.to_string()))?;
    let path = |path: &Path| text(&path.display().to_string());
    match told {
        Told { secret_env: Some(name), .. } => writeln!(out, "secret_env = {}", text(name))?,
        Told { secret_file: Some(file), .. } => writeln!(out, "secret_file = {}", path(file))?,
        Told { key: Some(file), .. } => {
            let is_jwk = key_of(file, algorithm).jwk.is_some();
            let name = if is_jwk { "jwk" } else { "private_key" };
            writeln!(out, "{name} = {}", path(file))?;
        }
        _ => writeln!(
            out,
            "# A new one for each run, which the embedded broker is told.\ngenerate = true"
        )?,
    }
    if let Some(kid) = &told.kid {
        writeln!(out, "kid = {}", text(kid))?;
    }
    Ok(())
}

/// The commands that come next, and what each is for.
fn commands(file: &str) -> [(String, &'static str); 3] {
    [
        (format!("tokenstorm matrix {file}"), "every kind of wrong token, once"),
        (format!("tokenstorm run {file}"), "the load below"),
        (
            format!("tokenstorm run verifier-throughput --broker {file}"),
            "one of `tokenstorm scenarios`",
        ),
    ]
}

/// What to do next, where the broker takes a good token; else how to look at one.
pub(super) fn next(file: &Path, is_in: bool) -> String {
    if !is_in {
        let file = quoted(&file.display().to_string());
        return format!(
            "\nwhat the broker got:\n  tokenstorm token mint {file} | tokenstorm token inspect\n"
        );
    }
    let commands = commands(&quoted(&file.display().to_string()));
    let lines = commands.iter().map(|(command, what)| format!("  {command:<59} {what}\n"));
    format!("\nnext:\n{}", lines.collect::<String>())
}

/// A text as TOML has it.
fn text(text: &str) -> String {
    Value::from(text).to_string()
}

/// The name of a key, in quotes where it needs them.
fn key_text(name: &str) -> String {
    let is_bare = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if !name.is_empty() && name.chars().all(is_bare) { name.to_owned() } else { text(name) }
}

/// A value: TOML where it is that, else a text.
fn value_text(value: &str) -> String {
    let is_toml = toml::from_str::<toml::Table>(&format!("value = {value}"))
        .is_ok_and(|table| table.len() == 1);
    if is_toml { value.to_owned() } else { text(value) }
}
