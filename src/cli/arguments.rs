//! Reads the command line; what is wrong with it is told without a key or a token that was pasted there.

use std::{env, ffi::OsString};

use clap::Parser;

use super::Cli;
use crate::error::{Error, Result, showable::pasted};

impl Cli {
    /// Reads the arguments of this process. Help and version are printed, and end it; so are errors of the library's
    /// own, unless an argument that they repeat is a secret.
    ///
    /// # Errors
    /// When such an argument stands where none belongs.
    pub fn read() -> Result<Self> {
        let arguments: Vec<OsString> = env::args_os().collect();
        match Self::try_parse_from(&arguments) {
            Ok(read) => Ok(read),
            Err(error) => match secret_in(&arguments, &error.to_string()) {
                Some(told) => Err(told),
                None => error.exit(),
            },
        }
    }
}

/// The error in place of one that repeats a secret among the arguments.
fn secret_in(arguments: &[OsString], told: &str) -> Option<Error> {
    let texts: Vec<_> = arguments.iter().map(|argument| argument.to_string_lossy()).collect();
    let (at, what) = texts.iter().enumerate().find_map(|(at, text)| {
        let value = match text.split_once('=') {
            Some((name, value)) if is_option(name) => value,
            _ => text,
        };
        let what = pasted(value)?;
        let first = value.trim().lines().next().unwrap_or_default();
        told.contains(first).then_some((at, what))
    })?;
    let before = at.checked_sub(1).and_then(|at| texts.get(at)).filter(|text| is_option(text));
    let place = before.map(|option| format!(" after `{option}`")).unwrap_or_default();
    let what = what.words();
    Some(Error::usage(format!("an argument{place} is {what} (not shown)")).hint(
        "options that name a file take its path, not what is in it; others on this host can read arguments",
    ))
}

/// Whether an argument is the name of an option, such as `--tls-key`.
fn is_option(text: &str) -> bool {
    let name = text.strip_prefix("--").unwrap_or_default();
    name.len() <= 32
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c == '-')
}
