//! What `init` asks for, where the command line does not say it: a line a question, on stdin.

use std::{
    env,
    io::{self, BufRead, IsTerminal},
    path::Path,
};

use super::{algorithm_of, check_files};
use crate::{
    base::error::{
        Error, Result,
        plain::{self, Paint},
        showable::pasted,
    },
    cli::{FIELDS, Told, VERSIONS},
    plan::broker,
    token::policy::profile_settings,
};

/// One question.
struct Question {
    /// In words.
    what: &'static str,
    /// The option that answers it.
    option: &'static str,
    /// What an empty line means; nothing where there has to be an answer.
    default: &'static str,
    /// What may be answered; anything where this is empty.
    choices: &'static [&'static str],
    /// What else it has to be.
    check: Option<fn(&str) -> Result<()>>,
}

fn target(answer: &str) -> Result<()> {
    if let Some(what) = pasted(answer) {
        return Err(Error::usage(format!("that is {}, and not the URL of a broker", what.words())));
    }
    broker::check(answer)
}

fn key(answer: &str) -> Result<()> {
    match answer.strip_prefix('$') {
        Some(variable) if env::var_os(variable).is_none() => {
            Err(Error::usage(format!("the variable `{}` is not set", plain::line(variable)))
                .hint("set it, and run `init` again; or name a file"))
        }
        Some(_) => Ok(()),
        None => {
            let told = Told { key: Some(answer.into()), ..Told::default() };
            check_files(&told)?;
            algorithm_of(Path::new(answer), Path::new("")).map(drop)
        }
    }
}

fn profile(answer: &str) -> Result<()> {
    profile_settings(answer, Path::new("")).map(drop)
}

/// Claims as they are written in one line, with commas or without.
fn claims(answer: &str) -> Result<Vec<(String, String)>> {
    if answer == CLAIMS.default {
        return Ok(Vec::new());
    }
    let claims =
        answer.split_whitespace().map(|claim| crate::cli::claim(claim.trim_end_matches(',')));
    claims.collect::<std::result::Result<_, _>>().map_err(Error::usage)
}

const TARGET: Question = Question {
    what: "Where is your broker?",
    option: "--target",
    default: "mqtt://127.0.0.1:1883",
    choices: &[],
    check: Some(target),
};
const KEY: Question = Question {
    what: "Which private key signs the tokens? Its file (PEM, DER or JWK), or $NAME of a variable with an HMAC secret",
    option: "--key FILE` or `--secret-env NAME",
    default: "",
    choices: &[],
    check: Some(key),
};
const PROTOCOL: Question = Question {
    what: "Which version of MQTT: 5, or 4 for 3.1.1?",
    option: "--protocol",
    default: "5",
    choices: &VERSIONS,
    check: None,
};
const PROFILE: Question = Question {
    what: "Which broker is it? A name of `tokenstorm profiles`, or `strict` to test against the standards",
    option: "--profile",
    default: "strict",
    choices: &[],
    check: Some(profile),
};
const TOKEN_IN: Question = Question {
    what: "What carries the token: password, username, auth_data or ws_header?",
    option: "--token-in",
    default: "password",
    choices: &FIELDS,
    check: None,
};
const METHOD: Question = Question {
    what: "Which authentication method?",
    option: "--auth-method",
    default: "OAUTH2-JWT",
    choices: &[],
    check: None,
};
const CLAIMS: Question = Question {
    what: "Which claims does it check? Such as: iss=https://issuer.example aud=mqtt clientid={client_id}",
    option: "--claim",
    default: "none",
    choices: &[],
    check: Some(|answer| claims(answer).map(drop)),
};

/// What was told, and what is asked for: everything, where the broker or its key was not told; else nothing.
pub(super) fn asked(mut told: Told) -> Result<Told> {
    if told.target.is_some() && has_key(&told) {
        return Ok(told);
    }
    if io::stdin().is_terminal() {
        crate::tell!(
            "Press Enter to take the value in brackets. Press Ctrl-C to stop; then nothing is written.\n"
        );
    }
    TARGET.ask(&mut told.target)?;
    if !has_key(&told) {
        let mut answer = None;
        KEY.ask(&mut answer)?;
        let answer = answer.unwrap_or_default();
        match answer.strip_prefix('$') {
            Some(variable) => told.secret_env = Some(variable.to_owned()),
            None => told.key = Some(answer.into()),
        }
    }
    PROTOCOL.ask(&mut told.protocol)?;
    PROFILE.ask(&mut told.profile)?;
    TOKEN_IN.ask(&mut told.token_in)?;
    if told.token_in.as_deref() == Some("auth_data") {
        METHOD.ask(&mut told.auth_method)?;
    }
    if told.claims.is_empty() {
        let mut answer = None;
        CLAIMS.ask(&mut answer)?;
        told.claims = claims(&answer.unwrap_or_default())?;
    }
    Ok(told)
}

/// Whether the broker is one that the run brings along.
pub(super) fn is_ours(target: &str) -> bool {
    target.starts_with("embedded")
}

/// Whether it is known which key signs: a broker of the run is told one that is made.
fn has_key(told: &Told) -> bool {
    let Told { key, secret_env, secret_file, target, .. } = told;
    key.is_some()
        || secret_env.is_some()
        || secret_file.is_some()
        || target.as_deref().is_some_and(is_ours)
}

impl Question {
    /// Asks, unless it was told already, until there is an answer.
    fn ask(&self, told: &mut Option<String>) -> Result<()> {
        let Self { what, option, default, choices, check } = self;
        let shown = if default.is_empty() { String::new() } else { format!(" [{default}]") };
        while told.is_none() {
            crate::tell!("{}{shown}", what.bold());
            let mut line = String::new();
            let read = io::stdin().lock().read_line(&mut line);
            let read =
                read.map_err(|error| Error::usage(format!("can't read an answer: {error}")))?;
            if read == 0 {
                return Err(Error::usage(format!("there is no answer to: {what}"))
                    .hint(format!("say it on the command line: `{option}`")));
            }
            let answer = if line.trim().is_empty() { default } else { line.trim() };
            let is_choice = choices.is_empty() || choices.contains(&answer);
            if !is_choice {
                crate::tell!("It is one of: {}.", choices.join(", "));
            }
            if answer.is_empty() || !is_choice {
                continue;
            }
            match check.map_or(Ok(()), |check| check(answer)) {
                Ok(()) => *told = Some(answer.to_owned()),
                // Whoever types can type again.
                Err(error) if io::stdin().is_terminal() => {
                    let hint = error.way_out().map_or_else(String::new, |hint| format!("\n{hint}"));
                    crate::tell!("{error}{hint}\n");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
