//! What a scenario takes from the host of its run. A plan makes no traffic and signs nothing that anybody gets, so that it
//! needs none of it: in its place stands something of the same form, and the plan says so.

use std::{
    env,
    fs::File,
    io::ErrorKind,
    path::{Path, PathBuf},
};

use crate::{
    base::{
        error::{Error, Result, showable},
        tls::{made, settings::Tls},
    },
    plan::broker,
    scenario::{Key, Loaded, Scenario},
    token::key::SigningKey,
};

/// Puts stand-ins in the place of keys, secrets and certificates that are not on this host, and allows what a run would have
/// to be allowed; says what that was.
///
/// # Errors
/// When a stand-in can't be made.
pub(super) fn stand_in(loaded: &mut Loaded) -> Result<Vec<String>> {
    let base = loaded.path.parent().unwrap_or_else(|| Path::new("")).to_owned();
    let scenario = &mut loaded.scenario;
    let mut notes = Vec::new();
    for (name, key) in &mut scenario.keys {
        let Some((of, what)) = missing(key, &base) else { continue };
        let made = Key { kid: key.kid.clone(), ..Key::made(key.algorithm, "") };
        *key = key.holding(SigningKey::load(name, &made, &base)?.held());
        notes.push(format!(
            "`keys.{name}.{of}` names {what} here: a key of `{}` that is made for the plan stands for it",
            key.algorithm
        ));
    }
    notes.extend(variables(scenario));
    if let Some(oauth) = &mut scenario.oauth
        && let Some(file) = oauth.client_secret_file.take_if(|file| is_elsewhere(file, &base))
    {
        oauth.client_secret = Some("stands for one that is not here".into());
        let shown = showable::file(&file, &base);
        notes.push(format!(
            "`oauth.client_secret_file` names {shown}, which is not here: the plan needs no secret"
        ));
    }
    if let Some(tls) = &mut scenario.target.tls {
        notes.extend(certificates(tls, &base)?);
    }
    let target = &mut scenario.target;
    if !target.authorized {
        // What else is wrong with them is told by the plan.
        let is_away = |written: &&String| broker::is_away(written);
        if let Some(away) = target.brokers.iter().find(is_away) {
            let shown = away.split('?').next().unwrap_or_default();
            notes.push(format!("`{shown}` is not on this host: a run needs `--authorized`"));
            target.authorized = true;
        }
    }
    Ok(notes)
}

/// What a key is taken from that is not here, where that is certainly a file or a variable and no
/// secret in the wrong place: the scenario's name for that, and what is said of it.
fn missing(key: &Key, base: &Path) -> Option<(&'static str, String)> {
    let files =
        [("secret_file", &key.secret_file), ("private_key", &key.private_key), ("jwk", &key.jwk)];
    let file = files.into_iter().find_map(|(of, file)| Some((of, file.as_ref()?)));
    if let Some((of, file)) = file.filter(|(_, file)| is_elsewhere(file, base)) {
        return Some((of, format!("{}, which is not", showable::file(file, base))));
    }
    let is_unset = |name: &&String| showable::is_variable(name) && env::var_os(name).is_none();
    let variable = key.secret_env.as_ref().filter(is_unset)?;
    Some(("secret_env", format!("`{variable}`, which is not set")))
}

/// Puts a variable that is set into the place of those that are not: what is in it is looked at by
/// nobody, as nothing is fetched.
fn variables(scenario: &mut Scenario) -> Vec<String> {
    let is_set = |name: &str| env::var(name).is_ok_and(|value| !value.is_empty());
    let Some((other, _)) = env::vars().find(|(_, value)| !value.is_empty()) else {
        return Vec::new();
    };
    let oauth = scenario.oauth.as_mut().map(|oauth| {
        [
            ("oauth.client_secret_env", &mut oauth.client_secret_env),
            ("oauth.password_env", &mut oauth.password_env),
            ("oauth.refresh_token_env", &mut oauth.refresh_token_env),
            ("oauth.subject_token_env", &mut oauth.subject_token_env),
        ]
    });
    let issuer = scenario.issuer.as_mut().map(|issuer| {
        [
            ("issuer.client_secret_env", &mut issuer.client_secret_env),
            ("issuer.password_env", &mut issuer.password_env),
        ]
    });
    let control = scenario
        .control
        .as_mut()
        .map(|control| ("control.password_env", &mut control.password_env));
    let named = oauth.into_iter().flatten().chain(issuer.into_iter().flatten()).chain(control);
    let unset = named.filter_map(|(key, variable)| {
        let name = variable.take_if(|name| showable::is_variable(name) && !is_set(name))?;
        *variable = Some(other.clone());
        Some(format!("`{key}` names `{name}`, which is not set here: the plan needs no secret"))
    });
    unset.collect()
}

/// Whether a file is not here. What else keeps it from being read is an error of the plan.
fn is_missing(path: &Path) -> bool {
    let kinds = [ErrorKind::NotFound, ErrorKind::NotADirectory];
    File::open(path).is_err_and(|error| kinds.contains(&error.kind()))
}

/// Whether what is named is certainly a file, and not here.
fn is_elsewhere(file: &Path, base: &Path) -> bool {
    is_missing(&base.join(file)) && showable::certain_file(file, base).is_some()
}

/// Puts a certificate that is made for the plan in the place of those that are not here.
fn certificates(tls: &mut Tls, base: &Path) -> Result<Vec<String>> {
    let named = tls.files().map(|(key, file, _)| (key, file.cloned()));
    let missing: Vec<_> = named
        .into_iter()
        .filter_map(|(key, file)| Some((key, file.filter(|file| is_elsewhere(file, base))?)))
        .collect();
    if missing.is_empty() {
        return Ok(Vec::new());
    }
    let made =
        rcgen::generate_simple_self_signed(["plan.invalid".to_owned()]).map_err(|error| {
            Error::not_measured(format!("no certificate can be made for the plan: {error}"))
        })?;
    let is_missing = |name: &str| missing.iter().any(|(key, _)| *key == name);
    if is_missing("ca") {
        tls.held.ca = Some(made.cert.pem());
    }
    if is_missing("crl") {
        tls.crl = None;
    }
    if is_missing("cert") || is_missing("key") {
        // One that is here would not fit the other that is made.
        (tls.held.cert, tls.held.key) =
            (Some(made.cert.pem()), Some(made.signing_key.serialize_pem()));
    }
    let note = |(key, file): &(&str, PathBuf)| {
        let shown = showable::file(file, base);
        format!("`target.tls.{key}` names {shown}, which is not on this host: it was not looked at")
    };
    if is_missing("client_ca") || is_missing("client_ca_key") {
        let authority = made::authority().map_err(|error| {
            Error::not_measured(format!("no authority can be made for the plan: {error}"))
        })?;
        (tls.held.client_ca, tls.held.client_ca_key) =
            (Some(authority.pem()), Some(authority.key().serialize_pem()));
    }
    Ok(missing.iter().map(note).collect())
}
