//! What the parts of a scenario come to, each by itself: keys, names, kinds, promises, conditions.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use super::{
    authentication,
    broker::{Broker, Make},
    carriers,
    cells::{self, Ask, Cells},
    checks,
    issuance::{self, is_of_others},
    kinds::{self, Context},
    model::Model,
    series,
    threshold::{NOT_JUDGED, Threshold},
    token_file,
};
use crate::{
    base::{
        error::{Error, Result},
        tls::Tls,
    },
    scenario::{Algorithm, Condition, Jwks, Scenario, TokenIn},
    token::{
        Kind,
        carrier::token_in,
        key::SigningKey,
        names::{Names, Nkeys},
        policy::{self, Policy},
        rows::Rows,
        template::Template,
    },
};

/// Narrows a series to its first run, after what no broker has to be known for; gives the objectives of a search.
pub(super) fn flattened(scenario: &mut Scenario) -> Result<BTreeMap<String, Vec<String>>> {
    token_file::check(scenario)?;
    let objectives = series::flatten(scenario)?;
    checks::check(scenario)?;
    Ok(objectives)
}

/// The names of a scenario's clients, the authentication method among them.
pub(super) fn names_of(
    scenario: &Scenario,
    (brokers, tls): (&[Broker], Option<&Tls>),
    keys: (&[SigningKey], &Path),
    rows: Option<&Rows>,
) -> Result<Names> {
    let auth_method = authentication::method(scenario, brokers, keys.0)?.map(Arc::from);
    let ids = rows.and_then(|rows| rows.client_ids.clone());
    let certificates = tls.and_then(Tls::clients);
    let x5t_s256 = certificates.map(|all| Template::thumbprint(all.thumbprints()));
    let nkeys = keys.0.iter().find_map(Nkeys::of);
    let names = Names { x5t_s256, nkeys, auth_method, ..Names::with_ids(&scenario.identity, ids)? };
    let names = token_file::names(names, rows)?;
    let carriers = carriers::resolve(scenario, &names, brokers, keys)?.map(Arc::new);
    Ok(Names { carriers, ..names })
}

/// The keys of a scenario in the order of their names; relative paths start at `base`.
pub(super) fn load_keys(scenario: &Scenario, base: &Path) -> Result<Vec<SigningKey>> {
    let keys = scenario.keys.iter();
    let keys = keys.filter(|(name, _)| !carriers::only_countersigns(scenario, name));
    keys.map(|(name, key)| SigningKey::load(name, key, base)).collect()
}

/// The kinds of token: those of `[[mix]]`, or those of the catalogue where a matrix is asked for.
pub(super) fn kinds_of(
    context: Context<'_>,
    strict: &Policy,
    (ask, rows): (Option<&Ask>, Option<&Rows>),
    warnings: &mut Vec<String>,
) -> Result<(Vec<Kind>, Option<Cells>)> {
    let scenario = context.scenario;
    match (ask, rows) {
        (None, Some(rows)) => {
            checks::check_protocol(scenario.target.protocol, context.policy)?;
            Ok((token_file::kinds(context.scenario.target.protocol, rows)?, None))
        }
        (None, None) => {
            checks::check_protocol(scenario.target.protocol, context.policy)?;
            Ok((kinds::resolve(context, warnings)?, None))
        }
        (Some(ask), _) => {
            let (kinds, cells) = cells::resolve(context, strict, ask, scenario.seed)?;
            Ok((kinds, Some(cells)))
        }
    }
}

/// Algorithms of good tokens, where the policy does not name them: those of the keys, or whatever another server may sign
/// with.
pub(super) fn algorithms(scenario: &Scenario, keys: &[SigningKey]) -> Vec<Algorithm> {
    let mut algorithms: Vec<_> = keys.iter().map(|key| key.algorithm).collect();
    if is_of_others(scenario) {
        // A broker of the run verifies with these keys as well.
        let may_sign = |known: &Algorithm| !known.is_hmac() && known.is_registered();
        algorithms.extend(Algorithm::ALL.into_iter().filter(may_sign));
    }
    algorithms.sort_unstable();
    algorithms.dedup();
    algorithms
}

/// What the brokers promise: by the profile that is named, or that suits them.
pub(super) fn policy_of(
    scenario: &Scenario,
    base: &Path,
    brokers: &[Broker],
    jwks: Option<&Jwks>,
    algorithms: Vec<Algorithm>,
) -> Result<Policy> {
    if let (true, Some((name, _))) = (
        brokers.iter().any(Broker::is_embedded),
        scenario.keys.iter().find(|(_, key)| key.algorithm == Algorithm::Nkey),
    ) {
        return Err(Error::usage(format!(
            "`keys.{name}.algorithm` is ed25519-nkey, and embedded brokers know nothing of NATS"
        ))
        .hint("use EdDSA, which signs with the same keys, or a NATS server: docs/nats.md"));
    }
    let default = match brokers.iter().find_map(Broker::embedded) {
        Some(Make::Mqtt5) => "mqtt5",
        Some(Make::Rmqtt) if jwks.is_none() => "rmqtt",
        _ => "strict",
    };
    let profile = scenario.target.profile.as_deref().unwrap_or(default);
    let mut policy = match &scenario.target.promise {
        Some(held) => {
            Policy::over(profile.to_owned(), (**held).clone(), &scenario.policy, algorithms)?
        }
        None => Policy::resolve(profile, base, &scenario.policy, algorithms)?,
    };
    if let Some(jwks) = jwks {
        issuance::keys_within(&mut policy, jwks);
    }
    Ok(policy)
}

/// What must hold at the end, and in each step of a search.
pub(super) fn bounds(
    scenario: &Scenario,
    objectives: &BTreeMap<String, Vec<String>>,
    kinds: &[Kind],
    brokers: &[Broker],
) -> Result<(Vec<Threshold>, Vec<Threshold>)> {
    let plain = |of: &Vec<String>| of.iter().map(|text| text.as_str().into()).collect();
    let objectives = objectives.iter().map(|(metric, of)| (metric.clone(), plain(of))).collect();
    let slo = thresholds(&objectives, "capacity.slo", kinds, brokers)?;
    series::check_slo(&slo)?;
    let mut thresholds = thresholds(&scenario.thresholds, "thresholds", kinds, brokers)?;
    // A search goes on until most attempts fail.
    if objectives.is_empty() && !scenario.thresholds.contains_key(NOT_JUDGED) {
        thresholds.push(Threshold::of_every_run());
    }
    Ok((thresholds, slo))
}

/// Parses `[thresholds]`, or objectives of the same form.
pub(super) fn thresholds(
    written: &BTreeMap<String, Vec<Condition>>,
    section: &str,
    kinds: &[Kind],
    brokers: &[Broker],
) -> Result<Vec<Threshold>> {
    let labels: Vec<&str> = kinds.iter().map(|kind| kind.label.as_str()).collect();
    let urls: Vec<&str> = brokers.iter().map(|broker| broker.label.as_str()).collect();
    let mut thresholds = Vec::new();
    for (metric, conditions) in written {
        if conditions.is_empty() {
            return Err(Error::usage(format!("`{section}.\"{metric}\"` holds no condition"))
                .hint("write `[\"p99 < 250ms\"]` or `[\"count == 0\"]`, or leave it out"));
        }
        for Condition { condition, abort_after } in conditions {
            let threshold = Threshold::parse(section, metric, condition, &labels, &urls)?;
            thresholds.push(threshold.aborting(*abort_after)?);
        }
    }
    Ok(thresholds)
}

/// The scenario with what was left open decided: run again on another host, it is the same run.
pub(super) fn written_out(
    scenario: &Scenario,
    base: &Path,
    policy: &Policy,
    model: &Model,
    workers: usize,
) -> Scenario {
    let mut resolved = scenario.clone();
    if let Some(tls) = &mut resolved.target.tls {
        for file in tls.files().into_iter().filter_map(|(_, file, _)| file) {
            *file = policy::whole(&base.join(&*file));
        }
    }
    // Not that of one that comes with the program: no folder has it.
    if let Some(file) = resolved.token.file.as_mut().filter(|file| base.join(&**file).is_file()) {
        *file = policy::whole(&base.join(&*file));
    }
    resolved.target.profile = Some(policy.profile.clone());
    resolved.policy = policy.settings();
    if is_of_others(scenario) {
        // A list that nobody wrote promises nothing, and would if it were written.
        resolved.policy.algorithms = resolved.policy.algorithms.filter(|_| policy.names_algorithms);
    } else {
        resolved.token.ttl = Some(scenario.token.ttl());
    }
    let brings = token_in(scenario);
    resolved.target.token_in = (brings != TokenIn::Template).then_some(brings);
    resolved.load.mode = Some(model.mode());
    resolved.load.hold = Some(scenario.load.hold());
    resolved.load.workers = u16::try_from(workers).ok();
    resolved
}
