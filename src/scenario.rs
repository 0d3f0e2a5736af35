//! What is asked, as its author wrote it: TOML in, types out; nothing is resolved here. Uses `base`.
//!
//! A [`Scenario`] may still ask for the impossible; the plan refuses that. What is checked here is
//! what TOML and the types can know: unknown keys, wrong types, values outside a closed set.

pub mod bounds;
mod broker_file;
pub mod credentials;
pub mod events;
pub mod expiry;
pub mod issuer;
pub mod load;
mod loaded;
pub mod monitor;
pub mod needs;
pub mod oauth;
pub mod overrides;
pub mod promise;
pub mod protocol;
mod refusal;
pub mod series;
pub mod session;
pub mod target;
pub mod threshold;
mod values;
mod ws;

use std::{collections::BTreeMap, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use credentials::{Algorithm, Held, Identity, Key, Mix, Token, TokenSource};
pub use events::{Deed, Event, How, Order, Outage};
pub use expiry::{ByVersion, End, EndsOn, EndsWith, OnExpiry};
pub use issuer::{Issuer, IssuerTls, Jwks, WhenAway};
pub use load::{Arrivals, Closing, Load, LoadMode, ReceiveTime, Stage, ValidityRule};
pub use loaded::{Loaded, load, load_of_broker, parse};
pub use monitor::Monitor;
pub use oauth::{ClientAuth, ClientCertificate, Grant, OAuth, Send};
pub use overrides::{Overrides, check_form};
pub use promise::{
    Check, Codes, Encoding, Group, OnAnonymous, PolicySettings, Reauthentication, RefusesWith,
    SilentClose, UnknownKid,
};
pub use protocol::{Protocol, TokenIn};
pub use series::{Arm, Capacity, Control, Sweep, Without};
pub use session::{BackoffSettings, Jitter, Reconnect, Renew, SessionSettings};
pub use target::{Resolve, Target};
pub use threshold::Condition;
pub use ws::Ws;

/// One scenario file.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// The name of the scenario; run folders are named after it. Letters, digits, `-`, `_` and `.`. Default: that of its
    /// file.
    #[serde(default)]
    pub name: String,
    /// Every random choice follows from it: the same seed gives the same arrivals and the same mix.
    #[serde(default = "whole::<42, u64>")]
    pub seed: u64,
    /// Names and values of your own, such as `build = "1.2.3"`: they stand in `summary.json`, on the page, and as labels of
    /// `tokenstorm_run_info`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    /// Which brokers are stormed, and what they promise.
    pub target: Target,
    /// How many clients come, how fast, and how long they stay.
    pub load: Load,
    /// What the clients call themselves.
    #[serde(default)]
    pub identity: Identity,
    /// The keys that tokens are signed with, by name.
    #[serde(default)]
    pub keys: BTreeMap<String, Key>,
    /// What is in the tokens.
    #[serde(default)]
    pub token: Token,
    /// What accepted clients do, where that is more than to hold, ping and leave.
    pub session: Option<SessionSettings>,
    /// How clients fetch their tokens, where they do.
    pub oauth: Option<OAuth>,
    /// The authorization server that the run brings along.
    pub issuer: Option<Issuer>,
    /// What happens to it meanwhile.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<Event>,
    /// Which tokens the clients bring, in which share.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mix: Vec<Mix>,
    /// What the broker promises to check; overrides the profile where given.
    #[serde(default)]
    pub policy: PolicySettings,
    /// Whose CPU and memory are watched beside those of the harness.
    pub monitor: Option<Monitor>,
    /// The highest rate at which objectives hold is searched for.
    pub capacity: Option<Capacity>,
    /// The same load with and without tokens to verify is compared.
    pub control: Option<Control>,
    /// The same scenario at all combinations of some values.
    pub sweep: Option<Sweep>,
    /// Metric to conditions, such as `"connack{token:fresh}" = ["p99 < 250ms"]`; a table in place of the string may end
    /// the run: `{ condition = "p99 < 250ms", abort_on_fail = true, grace = "10s" }`.
    #[serde(default)]
    pub thresholds: BTreeMap<String, Vec<Condition>>,
}

fn whole<const N: u32, T: From<u32>>() -> T {
    N.into()
}

fn seconds<const N: u64>() -> Duration {
    Duration::from_secs(N)
}

fn yes() -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALLEST: &str = r#"
name = "smallest"
[target]
brokers = ["embedded"]
[load]
clients = 1
concurrency = 1
[[mix]]
token = "fresh"
share = 1
"#;

    fn error_of(text: &str) -> String {
        parse(text, &Overrides::default()).unwrap_err().to_string().trim().to_owned()
    }

    #[test]
    fn the_smallest_scenario_has_the_defaults_of_the_contract() {
        let scenario = parse(SMALLEST, &Overrides::default()).unwrap();
        assert_eq!(scenario.seed, 42);
        assert_eq!(scenario.load.connect_timeout.as_secs(), 10);
        assert_eq!(scenario.identity.client_id, "storm-{n}");
        assert_eq!(scenario.target.protocol, Protocol::V5);
        assert!(matches!(scenario.token.source, TokenSource::Mint));
    }

    #[test]
    fn an_unknown_key_is_refused_with_its_place_and_the_keys_allowed() {
        insta::assert_snapshot!(error_of(&SMALLEST.replace("clients = 1", "client = 1")), @"
        TOML parse error at line 6, column 1
          |
        6 | client = 1
          | ^^^^^^
        unknown field `client`, expected one of `mode`, `arrivals`, `stages`, `clients`, `concurrency`, `warmup`, `hold`, `connect_timeout`, `keep_alive`, `clean_start`, `source_addresses`, `for`, `wave`, `release`, `login_timeout`, `close`, `receive_time`, `validity`, `workers`
        ");
    }

    #[test]
    fn a_value_outside_its_set_is_refused_with_the_values_allowed() {
        let text = format!("{SMALLEST}\n[keys.main]\nalgorithm = \"RS265\"\ngenerate = true\n");
        insta::assert_snapshot!(error_of(&text), @"
        TOML parse error at line 13, column 13
           |
        13 | algorithm = \"RS265\"
           |             ^^^^^^^
        unknown variant `RS265`, expected one of `HS256`, `HS384`, `HS512`, `RS256`, `RS384`, `RS512`, `PS256`, `PS384`, `PS512`, `ES256`, `ES384`, `EdDSA`, `ed25519-nkey`
        ");
    }

    #[test]
    fn a_line_that_holds_a_secret_is_not_shown() {
        let text = format!("{SMALLEST}\n[keys.main]\nalgorithm = \"HS256\"\nsecret = 73313\n");
        let message = error_of(&text);
        assert!(message.contains("line 14") && message.contains("`keys.main.secret`"), "{message}");
        assert!(!message.contains("73313"), "{message}");
    }

    #[test]
    fn no_line_of_a_secret_over_several_lines_is_shown() {
        for quotes in ["\"\"\"", "'''"] {
            let text = format!(
                "{SMALLEST}\n[keys.main]\nalgorithm = \"HS256\"\nsecret = {quotes}\nhun\\qter2\u{1}{quotes}\n"
            );
            let message = error_of(&text);
            assert!(message.contains("`secret`: "), "{message}");
            assert!(!message.contains("qter2"), "{message}");
            let text = format!(
                "# {quotes}\n{SMALLEST}\n[keys.main]\nalgorithm = \"HS256\"\nsecret = 73313\n"
            );
            assert!(!error_of(&text).contains("73313"), "{}", error_of(&text));
            // What comes after such a string is shown as ever.
            let text = format!(
                "{SMALLEST}\n[keys.main]\nalgorithm = \"HS256\"\nsecret = {quotes}\nx{quotes}\n[policy]\nlewy = 4\n"
            );
            assert!(error_of(&text).contains("lewy = 4"), "{}", error_of(&text));
        }
    }

    #[test]
    fn a_scenario_survives_being_written_and_read_again() {
        let scenario = parse(SMALLEST, &Overrides::default()).unwrap();
        let again = parse(&toml::to_string(&scenario).unwrap(), &Overrides::default()).unwrap();
        assert_eq!(format!("{scenario:?}"), format!("{again:?}"));
    }
}
