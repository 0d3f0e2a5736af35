//! The brokers of a run: names resolved, embedded ones started.

use std::{
    collections::BTreeMap,
    fmt,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use rustls::{ClientConfig, pki_types::ServerName};
use url::Url;

use super::{
    monitor::Monitor,
    nodes::embedded::{Lost, Own},
};
use crate::{
    base::{
        error::{Error, Result},
        host::loopback::{is_loopback, is_this_host},
        launch::{free_port, is_taken},
        tls::{Made, Trust},
        web::{self, Reach},
    },
    client::{
        attempt::Phase,
        names::{lookup, reachable},
        socket,
        transport::{Endpoint, Transport},
    },
    plan::{
        Plan,
        broker::{self, Broker, Make, Place},
    },
    scenario::{Check, OnExpiry, Protocol, Resolve},
    servers::{
        broker::{
            Embedded, HookKey, JwksSource, KeyNews, ServerTls, Settings, Verifier, VerifyingKey,
            mutant::Mutant,
        },
        issuer::Issuer,
    },
    token::{
        Kind,
        key::{self, SigningKey, material::random_secret},
        recipe::Form,
    },
};

/// Ports that are tried in a row for an embedded broker.
const PORTS_TRIED: u32 = 4;

/// The brokers of a run. Embedded ones end when this is dropped.
#[derive(Debug)]
pub(super) struct Targets {
    /// In the order of the plan.
    pub(super) all: Vec<Target>,
    /// Embedded brokers by label: what verifies tokens in them.
    pub(super) verifiers: BTreeMap<String, String>,
    /// Whether a broker may share this host's CPU with the harness.
    pub(super) shares_host: bool,
    /// What the user should know before the storm.
    pub(super) warnings: Vec<String>,
    /// The embedded ones.
    pub(super) own: Own,
    /// The run's own authorization server, which outlives the brokers.
    pub(super) issuer: Option<Arc<Issuer>>,
}

/// Where embedded brokers may have their keys from.
#[derive(Debug, Default)]
pub(super) struct KeysFrom {
    /// The run's own authorization server.
    pub(super) issuer: Option<Arc<Issuer>>,
    /// The key set of another server, as its discovery document has it.
    pub(super) discovered: Option<Url>,
}

/// One broker of a run.
#[derive(Clone, Debug)]
pub(super) struct Target {
    /// Where it is.
    pub(super) spot: Spot,
    /// What its clients are set up with and the name its certificate must have, where it is behind TLS.
    pub(super) tls: Option<(ClientConfig, ServerName<'static>)>,
    /// Where its WebSocket is.
    pub(super) ws: Option<Arc<Endpoint>>,
}

/// Where a broker is.
#[derive(Clone, Debug)]
pub(super) enum Spot {
    /// At these addresses; clients take turns.
    At(Vec<SocketAddr>),
    /// At what each attempt finds this name to be.
    Named(Arc<str>, u16),
    /// Nowhere that this host could reach: what was to be reached, how the attempts fail, and in which phase.
    Nowhere(String, &'static str, Phase),
}

impl Target {
    /// How it is spoken to: with TLS settings of the caller's own, where there are any.
    pub(super) fn transport(&self, plan: &Plan) -> Transport {
        let tls = self.tls.as_ref().zip(plan.tls.as_ref());
        Transport {
            tls: tls.map(|((config, name), how)| (how.apart(config), name.clone())),
            certificates: plan.tls.as_ref().and_then(|tls| tls.clients().cloned()),
            ws: self.ws.clone(),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.spot {
            Spot::At(addresses) => {
                let shown: Vec<String> = addresses.iter().map(ToString::to_string).collect();
                f.write_str(&shown.join(" and "))
            }
            Spot::Named(host, port) => write!(f, "{host}:{port}"),
            Spot::Nowhere(host, ..) => f.write_str(host),
        }
    }
}

impl Targets {
    /// Starts the embedded brokers, which have their keys `from` there, and resolves the names of the others.
    /// Embedded ones that have a place in `elsewhere` are running there already.
    pub(super) fn start(
        plan: &Plan,
        from: &KeysFrom,
        elsewhere: &[Option<SocketAddr>],
    ) -> Result<Self> {
        let mut targets = Self {
            all: Vec::new(),
            verifiers: BTreeMap::new(),
            shares_host: false,
            warnings: Vec::new(),
            own: Own::default(),
            issuer: from.issuer.clone(),
        };
        for (number, broker) in plan.brokers.iter().enumerate() {
            let elsewhere = elsewhere.get(number).copied().flatten();
            let target = match (&broker.place, elsewhere) {
                (Place::Embedded(_), Some(address)) => started_elsewhere(broker, address)?,
                (Place::Embedded(_), None) => targets.start_embedded(plan, number, broker, from)?,
                (Place::Remote { host, port }, _) => {
                    let spot = targets.spot(plan, host, *port)?;
                    remote(plan, broker, host, *port, spot)?
                }
            };
            targets.all.push(target);
        }
        if plan.brokers.iter().any(Broker::is_embedded) {
            targets.own.keep()?;
            targets.warnings.extend(proxy_note(plan, from));
        }
        targets.warnings.extend(plan.scenario.monitor.iter().filter_map(Monitor::proxy_note));
        targets.shares_host = targets.all.iter().any(|target| match &target.spot {
            Spot::At(addresses) => addresses.iter().any(|address| is_loopback(address.ip())),
            Spot::Named(host, _) => is_this_host(host),
            Spot::Nowhere(..) => false,
        });
        Ok(targets)
    }

    fn start_embedded(
        &mut self,
        plan: &Plan,
        at: usize,
        broker: &Broker,
        from: &KeysFrom,
    ) -> Result<Target> {
        let mut settings = settings(plan, None, from)?;
        settings.ws = broker.ws.is_some();
        let mut tls = None;
        if broker.tls
            && let Some(how) = &plan.tls
        {
            let (server, made) = certificates(plan)?;
            settings.tls = Some(server);
            tls = Some((how.embedded(&made)?, how.server_name("localhost")?));
        }
        let news = Arc::<KeyNews>::default();
        let started = start_where_free(&mut settings, &news)?;
        self.verifiers.insert(broker.label.clone(), started.verifier().to_owned());
        let address = started.address();
        self.own.add(at, &broker.label, settings, started, news);
        let endpoint = |path: &String| endpoint(&address.to_string(), path);
        Ok(Target { spot: Spot::At(vec![address]), tls, ws: broker.ws.as_ref().map(endpoint) })
    }

    /// Where a broker is, as far as that is looked for before the storm.
    fn spot(&mut self, plan: &Plan, host: &str, port: u16) -> Result<Spot> {
        let is_name = host.parse::<IpAddr>().is_err();
        if is_name && plan.scenario.target.resolve == Resolve::Each {
            return Ok(Spot::Named(host.into(), port));
        }
        let found = match lookup(host, port) {
            Ok(found) => found,
            Err(why) => {
                self.warnings.push(format!("the name `{host}` can't be resolved: {why}"));
                return Ok(Spot::Nowhere(shown(host, port), "dns", Phase::Dns));
            }
        };
        let addresses = reachable(&found, plan.sources());
        if addresses.is_empty() {
            return Err(Error::usage(format!(
                "`{}` can't reach `{host}`, which is {}: no address of the same family",
                plan.load().sources_key(),
                found
                    .iter()
                    .map(|address| address.ip().to_string())
                    .collect::<Vec<_>>()
                    .join(" and ")
            ))
            .hint("IPv4 sources reach IPv4 brokers, IPv6 sources IPv6 brokers"));
        }
        if let Some(address) = addresses.iter().find(|address| !is_loopback(address.ip()))
            && !plan.scenario.target.authorized
        {
            return Err(Error::usage(format!(
                "`{host}` is {}, which is not on this host",
                address.ip()
            ))
            .hint("if you may load it, say so: `--authorized`"));
        }
        // Those without a route are left out where there are others: one without is all without.
        if let Some(why) = addresses.iter().find_map(|address| socket::route(*address).err()) {
            let unreached = addresses.iter();
            self.warnings
                .extend(unreached.map(|address| format!("this host can't reach {address}: {why}")));
            return Ok(Spot::Nowhere(shown(host, port), why, Phase::TcpConnect));
        }
        Ok(Spot::At(addresses))
    }

    /// Where the embedded brokers are, in the order of all brokers.
    pub(super) fn embedded_at(&self, plan: &Plan) -> Vec<Option<SocketAddr>> {
        let at = |(broker, target): (&Broker, &Target)| match &target.spot {
            Spot::At(addresses) if broker.is_embedded() => addresses.first().copied(),
            _ => None,
        };
        plan.brokers.iter().zip(&self.all).map(at).collect()
    }

    /// What embedded brokers tell of their keys, where a server has these that is not the run's own.
    pub(super) fn key_news(&self) -> Vec<(usize, String, Arc<KeyNews>)> {
        self.own.news()
    }

    /// The embedded brokers: what they are called, and their process ids.
    pub(super) fn processes(&self) -> Vec<(String, i32)> {
        self.own.processes()
    }

    /// Embedded brokers that have ended by themselves.
    pub(super) fn lost(&self) -> Vec<Lost> {
        self.own.lost()
    }
}

/// Starts an embedded broker at a port that is free. One that comes back must find it free again: it is not among those that
/// clients come from.
fn start_where_free(settings: &mut Settings, news: &Arc<KeyNews>) -> Result<Embedded> {
    let mut left = PORTS_TRIED;
    loop {
        settings.listen.set_port(free_port()?);
        left -= 1;
        match Embedded::start(settings, news) {
            // Somebody may have taken it between the look and the start.
            Err(_) if left > 0 && is_taken(settings.listen) => {}
            started => return started,
        }
    }
}

/// An embedded broker that another process has started.
fn started_elsewhere(broker: &Broker, address: SocketAddr) -> Result<Target> {
    if broker.tls {
        return Err(Error::usage(format!(
            "`{}` has a certificate that only the process knows which has started it",
            broker.label
        ))
        .hint("agents storm `embedded` and `embedded+ws`, and brokers of your own behind TLS"));
    }
    let ws = broker.ws.as_ref().map(|path| endpoint(&address.to_string(), path));
    Ok(Target { spot: Spot::At(vec![address]), tls: None, ws })
}

fn remote(plan: &Plan, broker: &Broker, host: &str, port: u16, spot: Spot) -> Result<Target> {
    let tls = match &plan.tls {
        Some(how) if broker.tls => how.foreign().zip(Some(how.server_name(host)?)),
        _ => None,
    };
    let ws = broker.ws.as_ref().map(|path| endpoint(&shown(host, port), path));
    Ok(Target { spot, tls, ws })
}

/// A host and port as a URL has them.
fn shown(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

fn endpoint(host: &str, path: &str) -> Arc<Endpoint> {
    Arc::new(Endpoint { host: host.to_owned(), path: path.to_owned() })
}

#[cfg(feature = "embedded")]
fn certificates(plan: &Plan) -> Result<(ServerTls, Made)> {
    use crate::servers::broker::certificates::{Mutual, make};
    let clients = plan.tls.as_ref().and_then(|tls| tls.clients());
    let is_shared = plan.scenario.target.tls.as_ref().is_some_and(|tls| tls.generate);
    make(match clients.and_then(|own| own.authority_for_run()) {
        Some(authority) => Mutual::Own(authority),
        None if is_shared => Mutual::Shared,
        None => Mutual::No,
    })
}

#[cfg(not(feature = "embedded"))]
fn certificates(_: &Plan) -> Result<(ServerTls, Made)> {
    Err(crate::servers::broker::without())
}

/// What an embedded broker is told: keys and checks follow from the plan.
pub(crate) fn settings(
    plan: &Plan,
    mutant: Option<&'static Mutant>,
    from: &KeysFrom,
) -> Result<Settings> {
    Ok(Settings {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        tls: None,
        ws: false,
        token_in: plan.token_in,
        verifier: verifier(plan, mutant, from)?,
    })
}

fn verifier(plan: &Plan, mutant: Option<&'static Mutant>, from: &KeysFrom) -> Result<Verifier> {
    if broker::runs(&plan.brokers, Make::Mqtt5) {
        // It counts in whole seconds, and lets a token in for one more.
        let leeway = plan.policy.leeway.as_secs().saturating_sub(1);
        let expected = plan.expected.clone();
        return Ok(Verifier::Mqtt5 { keys: hook_keys(&plan.mould.keys), expected, leeway });
    }
    let brings_nothing = |kind: &Kind| kind.recipe.form == Form::Nothing;
    if plan.is_anonymous() && plan.mould.kinds.iter().all(brings_nothing) {
        return Ok(Verifier::Anonymous);
    }
    let policy = &plan.policy;
    let expected = plan.expected.clone();
    let keys = &plan.mould.keys;
    if let Some(jwks) = source(plan, from)? {
        let policy = Box::new(policy.clone());
        return Ok(Verifier::Hook {
            keys: Vec::new(),
            policy,
            expected,
            mutant,
            jwks: Some(jwks),
            slowed_by: Duration::ZERO,
        });
    }
    // The plugin is never asked about a CONNECT without a user name, so it can't promise to let it in.
    if let ([] | [_], false, None) = (&keys[..], plan.is_anonymous(), mutant) {
        let key = match keys.first() {
            Some(key) => verifying(&key.verifying()),
            // Nobody brings a token, so any key refuses them all.
            None => VerifyingKey::Secret(STANDARD.encode(random_secret()?)),
        };
        let (exp, nbf) = (policy.checks(Check::Exp), policy.checks(Check::Nbf));
        // It knows no difference between versions.
        let is_ended = |it: &Protocol| policy.expiry.on_expiry(*it) == Some(OnExpiry::Disconnect);
        let ends = policy.protocols.iter().any(is_ended);
        return Ok(Verifier::Plugin { key, exp, nbf, expected, ends });
    }
    Ok(Verifier::Hook {
        keys: hook_keys(keys),
        policy: Box::new(policy.clone()),
        expected,
        mutant,
        jwks: None,
        slowed_by: Duration::ZERO,
    })
}

/// Keys as a verifier is told them.
fn hook_keys(keys: &[SigningKey]) -> Vec<HookKey> {
    let known = |key: &SigningKey| HookKey {
        algorithm: key.algorithm,
        kid: key.kid.clone(),
        key: verifying(&key.verifying()),
    };
    keys.iter().map(known).collect()
}

/// Where it takes its keys from, where that is a key set.
fn source(plan: &Plan, from: &KeysFrom) -> Result<Option<JwksSource>> {
    let Some(jwks) = &plan.issuance.jwks else { return Ok(None) };
    let issuer = from.issuer.as_deref();
    let is_foreign = plan.is_issued_elsewhere();
    let of_own = || issuer.map(Issuer::jwks_url);
    let found = if is_foreign { from.discovered.as_ref().map(Url::as_str) } else { of_own() };
    let url = jwks.url.as_deref().or(found).ok_or_else(|| {
        if is_foreign {
            Error::not_measured("`target.jwks.url` is missing, and no discovery document says where the key set is (`jwks_uri`)")
                .hint("write `[target.jwks]` with `url = \"https://...\"`")
        } else {
            Error::usage("`target.jwks.url` is missing, and the run's own issuer does not run here")
                .hint("`tokenstorm issuer SCENARIO --jwks-listen ADDRESS` runs it; its key set is at `/jwks`")
        }
    })?;
    let authorized = plan.scenario.target.authorized;
    let is_own = issuer.is_some_and(|issuer| url == issuer.jwks_url());
    check_reach(url, authorized || is_own)?;
    // Of another server: the one that clients fetch from, mostly, so what they trust the broker trusts.
    let fetching = plan.issuance.fetching.as_ref().map(|fetching| &fetching.trust);
    let trust = plan.issuance.jwks_trust.as_ref().or(fetching).filter(|_| !is_own);
    let made = issuer.and_then(Issuer::authority_pem).map(str::to_owned);
    Ok(Some(JwksSource {
        url: url.to_owned(),
        is_own,
        authority: trust.and_then(Trust::pem).or(made),
        verify: trust.is_none_or(|trust| trust.verify),
        authorized,
        cache: jwks.cache,
        refetch: jwks.refetch,
        min_interval: jwks.min_interval,
        timeout: jwks.timeout,
        when_away: jwks.when_away,
    }))
}

/// Refuses a key set that may not be asked for.
fn check_reach(url: &str, authorized: bool) -> Result<()> {
    let url = Url::parse(url)
        .map_err(|error| Error::usage(format!("`target.jwks.url` is no URL: {error}")))?;
    Reach::of(authorized).check("the server of the key set (`target.jwks`)", &url)
}

/// What the user should know of the way of embedded brokers to their keys.
fn proxy_note(plan: &Plan, from: &KeysFrom) -> Option<String> {
    let source = source(plan, from).ok().flatten().filter(|source| !source.is_own)?;
    web::proxy_note(&Url::parse(&source.url).ok()?)
}

fn verifying(key: &key::VerifyingKey) -> VerifyingKey {
    match key {
        key::VerifyingKey::Secret(secret) => VerifyingKey::Secret(STANDARD.encode(secret)),
        key::VerifyingKey::PublicPem(pem) => VerifyingKey::PublicPem(pem.clone()),
    }
}
