//! `tokenstorm broker`: the embedded broker on its own.

use std::{io::BufRead, net::SocketAddr, time::Duration};

use super::{resolve, say};
use crate::{
    base::error::{Error, Exit, Result, suggestion},
    cli, engine,
    plan::broker::{Make, runs},
    servers::broker::{
        KeySetRead, Settings, Verifier,
        mutant::{self, MUTANTS},
        serve,
    },
};

/// Serves until stdin closes (where the settings came from there) or a signal ends it.
pub(super) fn broker(arguments: &cli::Broker) -> Result<Exit> {
    let slowed_by = arguments.slowed_by.map(Duration::from);
    // Only the hook can be slowed, and nothing else has to be wrong with it.
    let mutant = arguments.mutant.as_deref().or(slowed_by.map(|_| "healthy"));
    let named = |name| {
        mutant::mutant(name).ok_or_else(|| {
            Error::usage(format!("there is no mutant `{name}`"))
                .hint(suggestion(name, MUTANTS.iter().map(|mutant| mutant.name)))
        })
    };
    let mutant = mutant.map(named).transpose()?;
    let mut settings = match &arguments.scenario {
        Some(scenario) => {
            let plan = resolve(scenario, &arguments.change)?;
            if plan.scenario.keys.values().any(|key| key.generate) {
                return Err(Error::usage("a key of this scenario is made for each run, so nobody could sign for this broker")
                    .hint("give the key a `secret_env`, a `secret_file` or a `private_key`"));
            }
            if plan.brokers.iter().any(|broker| broker.is_embedded() && broker.tls) {
                return Err(Error::usage("the certificate of `embedded+tls` is made for each run, so nobody could check this broker's")
                    .hint("`--target embedded` serves the same without TLS"));
            }
            if mutant.is_some() && runs(&plan.brokers, Make::Mqtt5) {
                return Err(Error::usage(
                    "`--mutant` and `--slowed-by` are of the broker `embedded`",
                )
                .hint("leave them out, or serve `--target embedded`"));
            }
            for warning in plan.plugin_warnings().iter().filter(|_| mutant.is_none()) {
                crate::tell!("warning: {warning}");
            }
            let ws = plan.brokers.iter().any(|broker| broker.is_embedded() && broker.ws.is_some());
            Settings { listen: arguments.listen, ws, ..engine::broker_settings(&plan, mutant)? }
        }
        None => from_stdin()?,
    };
    if let (Some(time), Verifier::Hook { slowed_by, .. }) = (slowed_by, &mut settings.verifier) {
        *slowed_by = time;
    }
    let follows_stdin = arguments.settings.is_some();
    let ready = |address: SocketAddr| {
        // The line that the starter waits for.
        let _ = say(&format!("ready {address}\n"));
    };
    serve(&settings, follows_stdin, ready, if follows_stdin { tell_starter } else { tell_person })?;
    Ok(Exit::Fine)
}

/// Tells the run that started this broker what came of fetching its key set, in a line.
fn tell_starter(read: &KeySetRead) {
    if let Ok(line) = serde_json::to_string(read) {
        let _ = say(&(line + "\n"));
    }
}

fn tell_person(read: &KeySetRead) {
    if let KeySetRead::Failed(why) = read {
        crate::tell!("warning: the key set could not be fetched: {why}");
    }
}

fn from_stdin() -> Result<Settings> {
    let mut line = String::new();
    std::io::stdin()
        .lock()
        .read_line(&mut line)
        .map_err(|error| Error::usage(format!("can't read the settings from stdin: {error}")))?;
    // What is wrong is said by its place only: the line holds keys.
    serde_json::from_str(&line).map_err(|error| {
        Error::usage(format!("the settings on stdin are wrong at column {}", error.column()))
    })
}
