//! Reads the command line; what is wrong with it is told without a key or a token that was pasted there.

use std::{env, ffi::OsString};

use clap::{
    Parser,
    error::{ContextKind, ContextValue, ErrorKind},
};

use super::Cli;
use crate::{
    base::error::{Error, Result, showable::pasted},
    scenario::check_form,
};

impl Cli {
    /// Reads the arguments of this process. Help and version are printed, and end it; so are errors of the library's
    /// own, unless an argument that they repeat is a secret.
    ///
    /// # Errors
    /// When such an argument stands where none belongs.
    pub fn read() -> Result<Self> {
        let arguments: Vec<OsString> = env::args_os().collect();
        check_assignments(&arguments)?;
        match Self::try_parse_from(&arguments) {
            Ok(read) => Ok(read),
            Err(error) => match secret_in(&arguments, &error.to_string()) {
                Some(told) => Err(told),
                None if error.kind() == ErrorKind::UnknownArgument
                    && is_behind_assignment(&arguments, &error) =>
                {
                    Err(Error::usage("an argument behind `--set` belongs nowhere (not shown)")
                        .hint("key and value are one argument, in quotes where there is a space: `--set 'name=two words'`"))
                }
                None => error.exit(),
            },
        }
    }
}

/// Looks at the arguments of `--set` before the library does, which would show what stands behind one that is none.
fn check_assignments(arguments: &[OsString]) -> Result<()> {
    let mut rest = arguments.iter().map(|argument| argument.to_string_lossy());
    while let Some(argument) = rest.next().filter(|argument| argument != "--") {
        if argument == "--set" {
            rest.next().map_or(Ok(()), |assignment| check_form(&assignment))?;
        } else if let Some(assignment) = argument.strip_prefix("--set=") {
            check_form(assignment)?;
        }
    }
    Ok(())
}

/// Whether the argument that the library refuses stands behind an assignment, with no other option between: it may be the
/// rest of a value.
fn is_behind_assignment(arguments: &[OsString], error: &clap::Error) -> bool {
    let Some(ContextValue::String(refused)) = error.get(ContextKind::InvalidArg) else {
        return false;
    };
    let mut is_behind = false;
    for argument in arguments {
        let argument = argument.to_string_lossy();
        if is_behind && argument.split('=').next() == refused.split('=').next() {
            return true;
        }
        if argument.starts_with("--") {
            is_behind = argument == "--set" || argument.starts_with("--set=");
        }
    }
    false
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
