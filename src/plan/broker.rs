//! Where the brokers are: URLs taken apart, and what may be loaded without asking.

use std::{
    net::{IpAddr, Ipv4Addr},
    path::Path,
};

use url::{Host, Url};

use crate::{
    base::{
        error::{Error, Result},
        host::loopback::is_this_host,
        tls::Tls,
    },
    scenario::Target,
};

/// The path of a WebSocket where the URL has none: what most brokers listen on.
const WS_PATH: &str = "/mqtt";

/// One broker of the target.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Broker {
    /// What the results call it: its URL as written, but for a query, or `embedded` and the like.
    pub label: String,
    /// Where it is.
    pub place: Place,
    /// Whether it is behind TLS.
    pub tls: bool,
    /// The path of its WebSocket, where MQTT travels in one.
    pub ws: Option<String>,
}

/// Which broker it is that a run starts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Make {
    /// The crate `rmqtt`.
    Rmqtt,
    /// The crate `mqtt5`, which takes tokens by enhanced authentication alone.
    Mqtt5,
}

/// Where a broker is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Place {
    /// Started and stopped by the run, on a free loopback port.
    Embedded(Make),
    /// Reached over the network.
    Remote {
        /// A name or an address.
        host: String,
        /// The TCP port.
        port: u16,
    },
}

impl Broker {
    /// Whether the run starts it.
    pub fn is_embedded(&self) -> bool {
        self.embedded().is_some()
    }

    /// Which broker it is, where the run starts it.
    pub fn embedded(&self) -> Option<Make> {
        match self.place {
            Place::Embedded(make) => Some(make),
            Place::Remote { .. } => None,
        }
    }

    /// Whether it is certainly on this host.
    pub fn is_loopback(&self) -> bool {
        match &self.place {
            Place::Embedded(_) => true,
            Place::Remote { host, .. } => is_this_host(host),
        }
    }

    /// Its address, where that is written and no name.
    pub fn address(&self) -> Option<IpAddr> {
        match &self.place {
            Place::Embedded(_) => Some(Ipv4Addr::LOCALHOST.into()),
            Place::Remote { host, .. } => host.parse().ok(),
        }
    }
}

/// The schemes of brokers' URLs, with the port that each has by default (IANA), and whether there is TLS
/// and WebSocket.
const SCHEMES: [(&str, u16, bool, bool); 4] = [
    ("mqtt", 1883, false, false),
    ("mqtts", 8883, true, false),
    ("ws", 80, false, true),
    ("wss", 443, true, true),
];

/// Whether one of these is this embedded broker.
pub fn runs(brokers: &[Broker], make: Make) -> bool {
    brokers.iter().any(|broker| broker.embedded() == Some(make))
}

/// The brokers that a run starts.
const EMBEDDED: [(&str, Make, bool, bool); 5] = [
    ("embedded", Make::Rmqtt, false, false),
    ("embedded+tls", Make::Rmqtt, true, false),
    ("embedded+ws", Make::Rmqtt, false, true),
    ("embedded+wss", Make::Rmqtt, true, true),
    ("embedded-mqtt5", Make::Mqtt5, false, false),
];

const HINT: &str = "a broker is `mqtt://host:port`, `mqtts://host:port`, `ws://host:port/path`, `wss://host:port/path`, `embedded`, `embedded+tls`, `embedded+ws`, `embedded+wss` or `embedded-mqtt5`";

/// Whether a broker, as it is written, is one that is not certainly on this host.
pub fn is_away(written: &str) -> bool {
    parse(written).is_ok_and(|broker| !broker.is_loopback())
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
            let is_alike = |earlier: &&Broker| {
                earlier.is_embedded() && (earlier.tls, &earlier.ws) == (broker.tls, &broker.ws)
            };
            let earlier = brokers.iter().filter(is_alike).count();
            if earlier > 0 {
                broker.label = format!("{written}-{}", earlier + 1);
            }
        } else if brokers.iter().any(|earlier| earlier.label == broker.label) {
            return Err(Error::usage(format!("`target.brokers` names `{}` twice", broker.label))
                .hint("a broker that stands there twice would get twice the share: give it once"));
        }
        let label = &broker.label;
        if !broker.is_loopback() {
            if !target.authorized {
                return Err(Error::usage(format!("`{label}` is not on this host, and loading it is not authorized"))
                    .hint("if you may load it, say so: `--authorized`, or `authorized = true` under `[target]`"));
            }
            if !broker.tls {
                warnings.push(format!(
                    "tokens go to `{label}` unencrypted: whoever is on the way can read and use them"
                ));
            }
        }
        brokers.push(broker);
    }
    let mut makes = brokers.iter().filter_map(Broker::embedded);
    if let Some(first) = makes.next()
        && makes.any(|other| other != first)
    {
        return Err(Error::usage(
            "`target.brokers` has embedded brokers of two makes, which take tokens in other ways and promise other things",
        )
        .hint("make a run of each"));
    }
    if brokers.is_empty() {
        return Err(Error::usage("`target.brokers` is empty")
            .hint("write `brokers = [\"mqtt://127.0.0.1:1883\"]`"));
    }
    Ok(brokers)
}

/// Resolves `[target.tls]`; `None` where no broker is behind TLS.
///
/// # Errors
/// When it can't be used, or would say nothing.
pub fn tls(
    target: &Target,
    brokers: &[Broker],
    base: &Path,
    warnings: &mut Vec<String>,
) -> Result<Option<Tls>> {
    if !brokers.iter().any(|broker| broker.tls) {
        return match &target.tls {
            Some(_) => Err(Error::usage("`[target.tls]` is given, but no broker is behind TLS")
                .hint("write `mqtts://` or `wss://`, or leave it out")),
            None => Ok(None),
        };
    }
    let settings = target.tls.clone().unwrap_or_default();
    let is_foreign = |broker: &&Broker| broker.tls && !broker.is_embedded();
    let has_foreign = brokers.iter().any(|broker| is_foreign(&broker));
    let mut tls = Tls::load(&settings, base)?;
    let embedded = brokers.iter().any(|broker| broker.tls && broker.is_embedded());
    if settings.generate && has_foreign {
        return Err(Error::usage(
            "`target.tls.generate` makes a certificate that no broker but an embedded one knows",
        )
        .hint("give `target.tls.cert` and `target.tls.key`, and leave it out (`--set target.tls.generate=false`)"));
    }
    if tls.clients().is_some_and(|own| own.authority_for_run().is_some()) && has_foreign {
        return Err(Error::usage(
            "`target.tls.cert` is `per_client` without `client_ca`: the authority would be made for the run, and no broker but an embedded one knows it",
        )
        .hint("give `target.tls.client_ca` and `target.tls.client_ca_key`: an authority that the broker trusts"));
    }
    let has_file = settings.cert.is_some() && !settings.is_per_client();
    if embedded
        && (has_file
            || settings.client_ca.is_some()
            || settings.server_name.is_some()
            || settings.crl.is_some())
    {
        return Err(Error::usage(
            "`target.tls` has `cert`, `crl` or `server_name`, but an embedded broker and its certificates are made for each run",
        )
        .hint("leave them out; `generate = true` makes a client certificate too"));
    }
    for broker in brokers.iter().filter(is_foreign) {
        if let Place::Remote { host, .. } = &broker.place {
            tls.server_name(host)?;
        }
        if !tls.verifies() {
            warnings.push(format!(
                "`target.tls.verify` is off: whoever answers for `{}` gets the tokens",
                broker.label
            ));
        }
    }
    if has_foreign {
        tls.prepare()?;
    }
    Ok(Some(tls))
}

/// Whether a broker can be written so, by its URL alone.
///
/// # Errors
/// When it can't, and why.
pub fn check(written: &str) -> Result<()> {
    parse(written).map(drop)
}

fn parse(written: &str) -> Result<Broker> {
    // A query may hold a token: it goes to the broker and nowhere else.
    let label = written.split('?').next().unwrap_or_default().to_owned();
    let path = |is_ws: bool, path: &str| is_ws.then(|| path.to_owned());
    if let Some((_, make, tls, ws)) = EMBEDDED.iter().find(|(name, ..)| *name == written) {
        return Ok(Broker {
            label,
            place: Place::Embedded(*make),
            tls: *tls,
            ws: path(*ws, WS_PATH),
        });
    }
    // The URL itself is not shown where it may hold a password.
    let may_hold_secret = written.contains('@');
    let shown = if may_hold_secret { "a broker's URL".into() } else { format!("`{label}`") };
    if !written.contains("://") {
        let example = if may_hold_secret { "host:port" } else { &label };
        return Err(Error::usage(format!("{shown} has no scheme"))
            .hint(format!("{HINT}: write `mqtt://{example}`")));
    }
    let url = Url::parse(written)
        .map_err(|error| Error::usage(format!("{shown} is wrong: {error}")).hint(HINT))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Error::usage("a broker's URL holds a user name or password").hint(
            "who the clients are is said by `[identity]` and `[token]`; leave the URL at `mqtt://host:port`",
        ));
    }
    let Some((scheme, port, tls, ws)) =
        SCHEMES.iter().find(|(scheme, ..)| *scheme == url.scheme()).copied()
    else {
        return Err(
            Error::usage(format!("{shown}: no broker is reached by `{}`", url.scheme())).hint(HINT)
        );
    };
    let has_path = !matches!(url.path(), "" | "/");
    if url.fragment().is_some() || (!ws && (has_path || url.query().is_some())) {
        return Err(Error::usage(format!("{shown} is no broker"))
            .hint(format!("only `ws://` and `wss://` have a path: write `{scheme}://host:port`")));
    }
    let host = match url.host() {
        Some(Host::Domain(name)) if !name.is_empty() => {
            // `url` leaves the host of a scheme that it does not know as it is written.
            name.trim_start_matches('[').trim_end_matches(']').to_owned()
        }
        Some(Host::Ipv4(address)) => address.to_string(),
        Some(Host::Ipv6(address)) => address.to_string(),
        _ => return Err(Error::usage(format!("{shown} names no host")).hint(HINT)),
    };
    if url.port() == Some(0) {
        return Err(Error::usage(format!("{shown} names port 0")).hint(HINT));
    }
    let after_host = written.split_once("://").map_or("", |(_, rest)| rest);
    let asked = match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None if after_host.contains('/') => url.path().to_owned(),
        None => WS_PATH.to_owned(),
    };
    let place = Place::Remote { host, port: url.port().unwrap_or(port) };
    Ok(Broker { label, place, tls, ws: path(ws, &asked) })
}

#[cfg(test)]
mod tests;
