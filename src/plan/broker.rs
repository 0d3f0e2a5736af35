//! Where the brokers are: URLs taken apart, and what may be loaded without asking.

use std::net::IpAddr;

use url::{Host, Url};

use crate::{
    error::{Error, Result},
    scenario::Target,
};

/// The port of MQTT over TCP (IANA).
const MQTT_PORT: u16 = 1883;

/// One broker of the target.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Broker {
    /// What the results call it: its URL as written, or `embedded`.
    pub label: String,
    /// Where it is.
    pub place: Place,
}

/// Where a broker is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Place {
    /// Started and stopped by the run, on a free loopback port.
    Embedded,
    /// Reached over TCP.
    Tcp {
        /// A name or an address.
        host: String,
        /// The TCP port.
        port: u16,
    },
}

impl Broker {
    /// Whether the run starts it.
    pub fn is_embedded(&self) -> bool {
        self.place == Place::Embedded
    }

    /// Whether it is certainly on this host.
    pub fn is_loopback(&self) -> bool {
        match &self.place {
            Place::Embedded => true,
            Place::Tcp { host, .. } => {
                host == "localhost"
                    || host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
            }
        }
    }
}

/// Takes the brokers of `[target]` apart.
///
/// # Errors
/// When there is none, a URL is wrong, or a target that is not loopback is not authorized.
pub fn resolve(target: &Target, warnings: &mut Vec<String>) -> Result<Vec<Broker>> {
    let mut brokers: Vec<Broker> = Vec::new();
    for written in &target.brokers {
        let mut broker = parse(written).map_err(|error| error.within("`target.brokers`"))?;
        if broker.is_embedded() {
            let earlier = brokers.iter().filter(|earlier| earlier.is_embedded()).count();
            if earlier > 0 {
                broker.label = format!("embedded-{}", earlier + 1);
            }
        } else if brokers.contains(&broker) {
            return Err(Error::usage(format!("`target.brokers` names `{written}` twice"))
                .hint("a broker that stands there twice would get twice the share: give it once"));
        }
        if !broker.is_loopback() {
            if !target.authorized {
                return Err(Error::usage(format!("`{written}` is not on this host, and loading it is not authorized"))
                    .hint("if you may load it, say so: `--authorized`, or `authorized = true` under `[target]`"));
            }
            warnings.push(format!(
                "tokens go to `{written}` unencrypted: whoever is on the way can read and use them"
            ));
        }
        brokers.push(broker);
    }
    if brokers.is_empty() {
        return Err(Error::usage("`target.brokers` is empty")
            .hint("write `brokers = [\"mqtt://127.0.0.1:1883\"]`"));
    }
    Ok(brokers)
}

fn parse(written: &str) -> Result<Broker> {
    let label = written.to_owned();
    let hint = "a broker is `mqtt://host:port` or `embedded`";
    if written == "embedded" {
        return Ok(Broker { label, place: Place::Embedded });
    }
    let scheme = written.split(':').next().unwrap_or_default();
    if ["mqtts", "ws", "wss"].contains(&scheme) || written.starts_with("embedded+") {
        return Err(
            Error::usage(format!("`{written}`: this version speaks MQTT over TCP only")).hint(hint)
        );
    }
    // The URL itself is not shown where it may hold a password.
    let may_hold_secret = written.contains('@');
    let shown = if may_hold_secret { "a broker's URL".into() } else { format!("`{written}`") };
    if !written.contains("://") {
        let example = if may_hold_secret { "host:port" } else { written };
        return Err(Error::usage(format!("{shown} has no scheme"))
            .hint(format!("{hint}: write `mqtt://{example}`")));
    }
    let url = Url::parse(written)
        .map_err(|error| Error::usage(format!("{shown} is wrong: {error}")).hint(hint))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Error::usage("a broker's URL holds a user name or password").hint(
            "who the clients are is said by `[identity]` and `[token]`; leave the URL at `mqtt://host:port`",
        ));
    }
    if url.scheme() != "mqtt"
        || !matches!(url.path(), "" | "/")
        || url.query().is_some()
        || url.fragment().is_some()
    {
        return Err(Error::usage(format!("`{written}` is no broker")).hint(hint));
    }
    let host = match url.host() {
        Some(Host::Domain(name)) if !name.is_empty() => {
            // `url` leaves the host of a scheme that it does not know as it is written.
            name.trim_start_matches('[').trim_end_matches(']').to_owned()
        }
        Some(Host::Ipv4(address)) => address.to_string(),
        Some(Host::Ipv6(address)) => address.to_string(),
        _ => return Err(Error::usage(format!("`{written}` names no host")).hint(hint)),
    };
    match url.port() {
        Some(0) => Err(Error::usage(format!("`{written}` names port 0")).hint(hint)),
        port => Ok(Broker { label, place: Place::Tcp { host, port: port.unwrap_or(MQTT_PORT) } }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(brokers: &[&str], authorized: bool) -> Target {
        Target {
            brokers: brokers.iter().map(ToString::to_string).collect(),
            protocol: crate::scenario::Protocol::V5,
            token_in: crate::scenario::TokenIn::Password,
            profile: None,
            clock_uncertainty: std::time::Duration::ZERO,
            authorized,
        }
    }

    fn place(url: &str) -> Result<Place> {
        resolve(&target(&[url], false), &mut Vec::new()).map(|mut brokers| brokers.remove(0).place)
    }

    #[test]
    fn urls_are_taken_apart_and_the_port_defaults_to_1883() {
        let tcp = |host: &str, port| Place::Tcp { host: host.into(), port };
        assert_eq!(place("mqtt://127.0.0.1:1884").unwrap(), tcp("127.0.0.1", 1884));
        assert_eq!(place("mqtt://localhost").unwrap(), tcp("localhost", 1883));
        assert_eq!(place("mqtt://[::1]:1885").unwrap(), tcp("::1", 1885));
        assert_eq!(place("embedded").unwrap(), Place::Embedded);
    }

    #[test]
    fn what_is_no_broker_is_refused() {
        for url in [
            "http://127.0.0.1",
            "mqtt://",
            "mqtt://127.0.0.1:0",
            "mqtt://127.0.0.1/path",
            "127.0.0.1:1883",
            "mqtts://127.0.0.1",
            "embedded+tls",
            "mqtt://127.0.0.1:99999",
        ] {
            assert!(place(url).is_err(), "{url}");
        }
        let error = place("mqtt://user:hunter2@127.0.0.1").unwrap_err().to_string();
        assert!(!error.contains("hunter2"), "{error}");
    }

    #[test]
    fn a_target_off_this_host_needs_authorization_and_gets_a_warning() {
        assert!(
            place("mqtt://broker.example").unwrap_err().way_out().unwrap().contains("--authorized")
        );
        let mut warnings = Vec::new();
        resolve(&target(&["mqtt://broker.example"], true), &mut warnings).unwrap();
        assert!(warnings[0].contains("unencrypted"), "{warnings:?}");
    }

    #[test]
    fn several_embedded_brokers_have_names_of_their_own_and_a_url_stands_there_once() {
        let brokers = resolve(&target(&["embedded", "embedded"], false), &mut Vec::new()).unwrap();
        assert_eq!(brokers[1].label, "embedded-2");
        assert!(
            resolve(&target(&["mqtt://localhost", "mqtt://localhost"], false), &mut Vec::new())
                .is_err()
        );
    }
}
