//! What is stormed: a broker that runs, or one that is started for each trial.

use std::net::SocketAddr;

use crate::{
    base::{
        error::{Error, Result},
        launch::{PORT, PORT_VARIABLE, free_port, shown},
    },
    scenario::Loaded,
};

/// One of both builds.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Build {
    /// Brokers that run, at these URLs.
    At(Vec<String>),
    /// A command that starts one, and the URL it is stormed at, `{port}` in both replaced.
    By {
        /// For `sh`.
        command: String,
        /// `None` for that of the scenario, on loopback.
        url: Option<String>,
    },
    /// Whatever the scenario storms, such as an embedded broker.
    Scenario,
}

/// Where one trial of a build is stormed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Spot {
    pub(super) urls: Vec<String>,
    /// Where it listens when it is ready, and its port, where a command starts it.
    pub(super) address: Option<SocketAddr>,
}

impl Build {
    /// What it is, in words.
    pub fn words(&self) -> String {
        match self {
            // What stands in the query of a URL may be a token.
            Self::At(urls) => urls
                .iter()
                .map(|url| url.split('?').next().unwrap_or_default())
                .collect::<Vec<_>>()
                .join(", "),
            Self::By { command, .. } => shown(command),
            Self::Scenario => "the scenario's own target".into(),
        }
    }

    /// Looks, before anything is started, whether its trials can be made.
    pub(super) fn check(&self, loaded: &Loaded) -> Result<()> {
        if matches!(self, Self::By { .. }) {
            let keys = &loaded.scenario.keys;
            if let Some((name, _)) = keys.iter().find(|(_, key)| key.generate)
                && loaded.scenario.issuer.is_none()
            {
                return Err(Error::usage(format!(
                    "`keys.{name}` is made for each run, so that a broker that a command starts could not know it"
                ))
                .hint("give the key a `secret_env`, a `secret_file` or a `private_key`"));
            }
            self.spot(loaded)?;
        }
        Ok(())
    }

    /// Where its next trial is.
    ///
    /// # Errors
    /// When a command has no port to listen at.
    pub(super) fn spot(&self, loaded: &Loaded) -> Result<Spot> {
        let brokers = &loaded.scenario.target.brokers;
        let (command, url) = match self {
            Self::Scenario => return Ok(Spot { urls: brokers.clone(), address: None }),
            Self::At(urls) => return Ok(Spot { urls: urls.clone(), address: None }),
            Self::By { command, url } => (command, url),
        };
        let template =
            url.clone().unwrap_or_else(|| like(brokers.first().map_or("", String::as_str)));
        let takes_port = command.contains(PORT) || command.contains(PORT_VARIABLE);
        let filled = if takes_port && template.contains(PORT) {
            template.replace(PORT, &free_port()?.to_string())
        } else {
            template.clone()
        };
        let parsed = url::Url::parse(&filled).ok();
        let port = parsed.as_ref().and_then(url::Url::port);
        let (Some(url), Some(port)) = (parsed, port) else {
            if takes_port {
                return Err(Error::usage(format!("`{template}` names no port"))
                    .hint("write `{port}` where the command's own port belongs, such as `--target mqtt://127.0.0.1:{port}`"));
            }
            return Err(Error::usage(format!("`{}` is told no port, and `{template}` names none", shown(command)))
                .hint("write `{port}` where the command takes its port, or give the URL of its own port with `--target mqtt://127.0.0.1:PORT`"));
        };
        let host = url.host_str().unwrap_or("127.0.0.1");
        let host = if host == "localhost" { "127.0.0.1" } else { host };
        let address = format!("{host}:{port}").parse().map_err(|_| {
            Error::usage(format!(
                "a command starts a broker on this host, and `{host}` is no address of it"
            ))
            .hint("give its URL with an address, such as `--target mqtts://127.0.0.1:{port}`")
        })?;
        Ok(Spot { urls: vec![filled], address: Some(address) })
    }
}

/// The URL of a broker on loopback that speaks what the scenario's own target does.
fn like(broker: &str) -> String {
    let scheme = match broker.split_once("://") {
        Some((scheme, _)) => scheme,
        None => match broker.strip_prefix("embedded+") {
            Some("tls") => "mqtts",
            Some(other) => other,
            None => "mqtt",
        },
    };
    let path =
        broker.split_once("://").and_then(|(_, rest)| rest.split_once('/')).map(|(_, path)| path);
    let path = path.map(|path| format!("/{path}")).unwrap_or_default();
    format!("{scheme}://127.0.0.1:{PORT}{path}")
}

#[cfg(test)]
mod tests;
