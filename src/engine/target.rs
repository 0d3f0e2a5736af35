//! The brokers of a run: names resolved, embedded ones started.

use std::{
    collections::BTreeMap,
    net::{SocketAddr, ToSocketAddrs},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::Value;

use crate::{
    broker::{Bound, Embedded, HookKey, Settings, Verifier, VerifyingKey},
    error::{Error, Result},
    key::{self, material::random_secret},
    plan::{Plan, broker::Place},
    scenario::Check,
    token::{Kind, recipe::Form},
};

/// The brokers of a run. Embedded ones end when this is dropped.
#[derive(Debug)]
pub(super) struct Targets {
    pub(super) addresses: Vec<SocketAddr>,
    /// Embedded brokers by label: what verifies tokens in them.
    pub(super) verifiers: BTreeMap<String, String>,
    /// Whether a broker may share this host's CPU with the harness.
    pub(super) shares_host: bool,
    embedded: Vec<(String, Embedded)>,
}

impl Targets {
    /// Starts the embedded brokers and resolves the names of the others.
    pub(super) fn start(plan: &Plan) -> Result<Self> {
        let (mut addresses, mut verifiers, mut embedded) =
            (Vec::new(), BTreeMap::new(), Vec::new());
        for broker in &plan.brokers {
            let address = match &broker.place {
                Place::Embedded => {
                    let started = Embedded::start(&settings(plan)?)?;
                    verifiers.insert(broker.label.clone(), started.verifier().to_owned());
                    let address = started.address();
                    embedded.push((broker.label.clone(), started));
                    address
                }
                Place::Tcp { host, port } => resolve(plan, host, *port)?,
            };
            addresses.push(address);
        }
        let shares_host = addresses.iter().any(|address| address.ip().is_loopback());
        Ok(Self { addresses, verifiers, shares_host, embedded })
    }

    /// Labels of embedded brokers that have ended by themselves.
    pub(super) fn lost(&mut self) -> Vec<String> {
        let ended = self
            .embedded
            .iter_mut()
            .filter_map(|(label, broker)| broker.has_ended().then(|| label.clone()));
        ended.collect()
    }
}

/// The first address of a name that the source addresses can reach.
fn resolve(plan: &Plan, host: &str, port: u16) -> Result<SocketAddr> {
    let found: Vec<SocketAddr> = (host, port)
        .to_socket_addrs()
        .map_err(|error| {
            Error::not_measured(format!("the broker's name `{host}` can't be resolved: {error}"))
        })?
        .collect();
    let sources = plan.sources();
    let fits =
        |address: &&SocketAddr| sources.iter().all(|source| source.is_ipv4() == address.is_ipv4());
    // IPv4 first: where a broker listens on one family only, it is mostly that.
    let mut usable: Vec<&SocketAddr> = found.iter().filter(fits).collect();
    usable.sort_by_key(|address| !address.is_ipv4());
    let address = usable.first().copied().copied().ok_or_else(|| {
        Error::usage(format!(
            "`load.source_addresses` can't reach `{host}`: no address of the same family"
        ))
        .hint("IPv4 sources reach IPv4 brokers, IPv6 sources IPv6 brokers")
    })?;
    if !address.ip().is_loopback() && !plan.scenario.target.authorized {
        return Err(Error::usage(format!(
            "`{host}` is {}, which is not on this host",
            address.ip()
        ))
        .hint("if you may load it, say so: `--authorized`"));
    }
    Ok(address)
}

/// What an embedded broker is told: keys and checks follow from the plan.
pub(crate) fn settings(plan: &Plan) -> Result<Settings> {
    Ok(Settings {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        token_in: plan.token_in,
        verifier: verifier(plan)?,
    })
}

fn verifier(plan: &Plan) -> Result<Verifier> {
    let brings_nothing = |kind: &Kind| kind.recipe.form == Form::Nothing;
    if plan.is_anonymous() && plan.mould.kinds.iter().all(brings_nothing) {
        return Ok(Verifier::Anonymous);
    }
    let policy = &plan.policy;
    let claims = &plan.mould.claims;
    let iss = claims
        .get("iss")
        .and_then(Value::as_str)
        .filter(|_| policy.checks(Check::Iss))
        .map(str::to_owned);
    let aud = if policy.checks(Check::Aud) { audience(claims.get("aud")) } else { Vec::new() };
    let bound = policy
        .binds
        .iter()
        .map(|name| {
            let is_user = claims.get(name).and_then(Value::as_str) == Some("{username}");
            (name.clone(), if is_user { Bound::Username } else { Bound::ClientId })
        })
        .collect();
    let keys = &plan.mould.keys;
    // The plugin is never asked about a CONNECT without a user name, so it can't promise to let it in.
    if let ([] | [_], false) = (&keys[..], plan.is_anonymous()) {
        let key = match keys.first() {
            Some(key) => verifying(&key.verifying()),
            // Nobody brings a token, so any key refuses them all.
            None => VerifyingKey::Secret(STANDARD.encode(random_secret()?)),
        };
        let (exp, nbf) = (policy.checks(Check::Exp), policy.checks(Check::Nbf));
        return Ok(Verifier::Plugin { key, exp, nbf, iss, aud, bound });
    }
    let keys = keys
        .iter()
        .map(|key| HookKey {
            algorithm: key.algorithm,
            kid: key.kid.clone(),
            key: verifying(&key.verifying()),
        })
        .collect();
    Ok(Verifier::Hook { keys, policy: Box::new(policy.clone()), iss, aud, bound })
}

fn audience(claim: Option<&Value>) -> Vec<String> {
    match claim {
        Some(Value::String(one)) => vec![one.clone()],
        Some(Value::Array(several)) => {
            several.iter().filter_map(Value::as_str).map(str::to_owned).collect()
        }
        _ => Vec::new(),
    }
}

fn verifying(key: &key::VerifyingKey) -> VerifyingKey {
    match key {
        key::VerifyingKey::Secret(secret) => VerifyingKey::Secret(STANDARD.encode(secret)),
        key::VerifyingKey::PublicPem(pem) => VerifyingKey::PublicPem(pem.clone()),
    }
}
