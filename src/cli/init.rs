//! `tokenstorm init`: types only.

use std::path::PathBuf;

use clap::Args;

use crate::scenario::Algorithm;

/// The versions of MQTT, as scenarios write them.
pub const VERSIONS: [&str; 2] = ["5", "4"];
/// What may carry the token, as scenarios write it.
pub const FIELDS: [&str; 4] = ["password", "username", "auth_data", "ws_header"];

/// `tokenstorm init`.
#[derive(Args, Debug)]
pub struct Init {
    /// The scenario that is written
    #[arg(default_value = "my-broker.toml")]
    pub file: PathBuf,
    /// Write over a file that is there
    #[arg(long)]
    pub force: bool,
    /// Only write: send no token
    #[arg(long)]
    pub no_try: bool,
    #[command(flatten)]
    pub told: Told,
}

/// What the scenario says. Without the broker and a key it is asked for, line by line.
#[derive(Args, Clone, Debug, Default)]
pub struct Told {
    /// Address of your broker: `mqtt://`, `mqtts://`, `ws://` or `wss://`, with host and port; or `embedded`
    #[arg(long, value_name = "URL", help_heading = "Broker")]
    pub target: Option<String>,
    /// You may load this broker, though it is not on this host
    #[arg(long, help_heading = "Broker")]
    pub authorized: bool,
    /// What it promises: one of `tokenstorm profiles`, or a file of your own [default: strict]
    #[arg(long, value_name = "NAME", help_heading = "Broker")]
    pub profile: Option<String>,
    /// MQTT 5.0 or 3.1.1 [default: 5]
    #[arg(long, value_name = "VERSION", value_parser = VERSIONS, help_heading = "Broker")]
    pub protocol: Option<String>,
    /// The authorities of its certificate, as PEM [default: those that this host trusts]
    #[arg(long, value_name = "FILE", help_heading = "Broker")]
    pub ca: Option<PathBuf>,
    /// What carries the token [default: password]
    #[arg(long, value_name = "FIELD", value_parser = FIELDS, help_heading = "Token")]
    pub token_in: Option<String>,
    /// The Authentication Method beside `auth_data`, such as OAUTH2-JWT
    #[arg(long, value_name = "NAME", help_heading = "Token")]
    pub auth_method: Option<String>,
    /// The private key that signs the tokens; the broker knows its public half: PEM, DER or JWK
    #[arg(long, value_name = "FILE", conflicts_with_all = ["secret_env", "secret_file"], help_heading = "Token")]
    pub key: Option<PathBuf>,
    /// The environment variable that holds the broker's HMAC secret
    #[arg(long, value_name = "NAME", conflicts_with = "secret_file", help_heading = "Token")]
    pub secret_env: Option<String>,
    /// The file that holds it
    #[arg(long, value_name = "FILE", help_heading = "Token")]
    pub secret_file: Option<PathBuf>,
    /// The algorithm of good tokens [default: the first that the key can do]
    #[arg(long, value_name = "ALG", value_parser = algorithm, help_heading = "Token")]
    pub algorithm: Option<Algorithm>,
    /// The `kid` of the key
    #[arg(long, value_name = "KID", help_heading = "Token")]
    pub kid: Option<String>,
    /// A claim, such as `iss=https://issuer.example` or `clientid={client_id}`; repeat for more
    #[arg(long = "claim", value_name = "NAME=VALUE", value_parser = claim, help_heading = "Token")]
    pub claims: Vec<(String, String)>,
    /// Client ids, a template as in `[identity]` [default: `storm-` and the client's number]
    #[arg(long, value_name = "TEMPLATE", help_heading = "Clients")]
    pub client_id: Option<String>,
    /// User names, likewise [default: `user-` and the client's number]
    #[arg(long, value_name = "TEMPLATE", help_heading = "Clients")]
    pub username: Option<String>,
}

/// A claim: its name, and its value as TOML or as a text.
///
/// # Errors
/// When one of them is missing.
pub fn claim(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').unwrap_or_default();
    let (name, value) = (name.trim(), value.trim());
    if name.is_empty() || value.is_empty() {
        return Err("must be NAME=VALUE, such as iss=https://issuer.example".into());
    }
    Ok((name.to_owned(), value.to_owned()))
}

fn algorithm(text: &str) -> Result<Algorithm, String> {
    Algorithm::named(text).ok_or_else(|| {
        let known = Algorithm::ALL.map(|algorithm| algorithm.to_string());
        format!("must be one of {}", known.join(", "))
    })
}
