//! Secrets that a scenario writes or names, and what must not hold one.

use std::{env, path::Path};

use url::Url;

use crate::{
    base::{
        error::{
            Error, Result,
            showable::{self, REDACTED},
        },
        host::reading,
    },
    scenario::OAuth,
    token::{names::Names, template::Template},
};

/// A secret as the source of a template: as it is written, or, where it comes from the environment or from a file, with
/// its braces written twice, since it is taken literally then. None where none is given.
///
/// # Errors
/// When it is given twice, its variable is not set, its file can't be read, or it was taken out of this file.
pub(super) fn secret(
    key: &str,
    text: Option<&String>,
    variable: Option<&str>,
    file: Option<&Path>,
) -> Result<Option<String>> {
    let secret = literal_secret(key, text, variable, file)?;
    Ok(if text.is_some() { secret } else { secret.map(|secret| with_braces_twice(&secret)) })
}

/// The template of a text that is taken as it is.
fn with_braces_twice(text: &str) -> String {
    text.replace('{', "{{").replace('}', "}}")
}

/// A secret that is written, in the environment or in a file, as it is; none where none is given.
///
/// # Errors
/// When it is given twice, its variable is not set, its file can't be read, or it was taken out of this file.
pub(super) fn literal_secret(
    key: &str,
    text: Option<&String>,
    variable: Option<&str>,
    file: Option<&Path>,
) -> Result<Option<String>> {
    let given = [text.is_some(), variable.is_some(), file.is_some()];
    if given.iter().filter(|given| **given).count() > 1 {
        return Err(Error::usage(format!("`{key}` is given more than once"))
            .hint(format!("keep one of `{key}`, `{key}_env` and `{key}_file`")));
    }
    if text.is_some_and(|text| text == REDACTED) {
        return Err(Error::usage(format!("`{key}` was taken out of this file"))
            .hint(format!("put it back, or name where it is: `{key}_env = \"NAME\"`")));
    }
    let not_empty = |secret: String, named: &dyn Fn() -> String| {
        if secret.is_empty() { Err(Error::usage(named())) } else { Ok(Some(secret)) }
    };
    if let Some(variable) = variable {
        let secret = env::var(variable).map_err(|_| {
            let named = showable::variable(variable);
            Error::usage(format!("`{key}_env` names {named}, which is not set, or no text"))
                .hint(format!("it takes the name of an environment variable: `export NAME=...`, then `{key}_env = \"NAME\"`"))
        })?;
        let empty =
            || format!("`{key}_env` names {}, which is empty", showable::variable(variable));
        return not_empty(secret, &empty);
    }
    if let Some(file) = file {
        // Whether the folder is the scenario's or was written is not known here: the name has to be shown by itself.
        let name = Path::new(file.file_name().unwrap_or_default());
        let named = showable::file(name, file.parent().unwrap_or(file));
        let text = reading::read_text(file, reading::LONGEST_TEXT).map_err(|error| {
            Error::usage(format!("`{key}_file` names {named}, which can't be read: {error}"))
                .hint("relative paths start from the scenario's folder; it takes the path of a file, not what is in it")
        })?;
        let text = text.strip_suffix('\n').unwrap_or(&text);
        let text = text.strip_suffix('\r').unwrap_or(text).to_owned();
        return not_empty(text, &|| format!("`{key}_file` names {named}, which is empty"));
    }
    Ok(text.cloned())
}

/// The secret of a client of `[oauth]`, called by this key; a relative path of its file starts at `base`.
///
/// # Errors
/// As [`secret`].
pub(super) fn client_secret(key: &str, oauth: &OAuth, base: &Path) -> Result<Option<String>> {
    let file = oauth.client_secret_file.as_ref().map(|file| base.join(file));
    secret(key, oauth.client_secret.as_ref(), oauth.client_secret_env.as_deref(), file.as_deref())
}

/// What is in the file that a key names; a relative path starts at `base`.
///
/// # Errors
/// When it can't be read.
pub(super) fn file_of(key: &str, path: &Path, base: &Path) -> Result<Vec<u8>> {
    reading::read(&base.join(path), reading::LONGEST_TEXT).map_err(|error| {
        let named = showable::file(path, base);
        Error::usage(format!("`{key}` names {named}, which can't be read: {error}"))
            .hint("relative paths start from the scenario's folder")
    })
}

/// A secret as a template; what is in it is not shown.
///
/// # Errors
/// When a placeholder is unknown.
pub(super) fn secret_template(key: &str, text: &str, names: &Names) -> Result<Template> {
    names.text(text).map_err(|_| {
        Error::usage(format!(
            "`{key}` holds a brace that is no placeholder (its value is not shown)"
        ))
        .hint("the placeholders here are `{n}`, `{client_id}`, `{username}`; a brace that is meant as one is written twice: `{{`, `}}`")
    })
}

/// Refuses what in a URL may be a secret, and would stand in results and errors.
pub(super) fn check_plain(key: &str, url: &Url) -> Result<()> {
    if url.username().is_empty() && url.password().is_none() && url.query().is_none() {
        return Ok(());
    }
    Err(Error::usage(format!("`{key}` has a user, a password or a query in it (not shown)"))
        .hint("secrets have keys of their own, such as `client_secret_env`"))
}

#[cfg(test)]
mod tests;
