//! Which kinds of token the clients bring, and whether the scenario's claims serve the policy.

use std::{sync::Arc, time::Duration};

use super::{
    bound,
    broker::Broker,
    fetching::{ENDED_FOR, EXPIRED, FETCHED, STOLEN},
    foreign,
    issuance::{Issuance, is_foreign},
    strict, token_file,
};
use crate::{
    base::{
        clock::wall_seconds,
        error::{Error, Result, is_slip, suggestion, suggestion_of},
    },
    scenario::{Check, Group, Mix, Protocol, Scenario},
    token::{
        Defect, Kind, Must, Situation,
        braces::is_per_client,
        carrier::{holds_shown, token_in},
        catalogue::{defect, matching, names},
        given::Given,
        key::SigningKey,
        kid_of_another,
        mould::Mould,
        names::{Names, compile_claims},
        oracle::Expected,
        policy::Policy,
        recipe::{Exp, Refusal, Signer},
        rows::Rows,
    },
};

/// Why nothing is promised of an entry that is not judged.
const UNJUDGED: &str = "the mix says that it is not judged";

/// What a kind of token is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Use {
    /// Clients come with it.
    Mix,
    /// They authenticate again with it.
    Renewal,
}

/// Why an entry is no kind of token here.
#[derive(Debug)]
pub(super) enum Unfit {
    /// It is wrong as it is written.
    Wrong(Error),
    /// With these keys it can't be made, or nothing is promised of it.
    Inapplicable {
        /// Why.
        why: String,
        /// The same for who wrote the entry.
        error: Error,
    },
}

impl From<Error> for Unfit {
    fn from(error: Error) -> Self {
        Self::Wrong(error)
    }
}

impl Unfit {
    /// The error, with the place of the entry.
    pub(super) fn told(self, place: &str) -> Error {
        let (Self::Wrong(error) | Self::Inapplicable { error, .. }) = self;
        error.within(place)
    }
}

/// What kinds are resolved against.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The scenario.
    pub scenario: &'a Scenario,
    /// What the brokers promise.
    pub policy: &'a Policy,
    /// What they compare claims with.
    pub expected: &'a Expected,
    /// What a strict broker would compare them with.
    pub strict: &'a Expected,
    /// The keys of the scenario.
    pub keys: &'a [SigningKey],
    /// Who else issues tokens and keys.
    pub issuance: &'a Issuance,
}

impl Context<'_> {
    /// What decides whether an entry of the catalogue applies, for a key and a version of MQTT.
    pub fn situation(&self, key: Option<usize>, protocol: Protocol) -> Situation<'_> {
        let own = key.map(|index| &self.keys[index]);
        Situation {
            policy: self.policy,
            expected: self.expected,
            strict: self.strict,
            claims: &self.scenario.token.claims,
            algorithm: own.map(|key| key.algorithm),
            signature_length: own.map_or(0, SigningKey::signature_length),
            has_kid: own.is_some_and(|key| key.kid.is_some()),
            has_other_kid: own.is_some_and(|own| kid_of_another(own, self.keys).is_some()),
            token_in: token_in(self.scenario),
            has_user: !holds_shown(&self.scenario.identity.username),
            protocol,
            client_id: &self.scenario.identity.client_id,
            keys: self.keys,
        }
    }

    /// The key that signs an entry of the mix: its own, that of `[token]`, the issuer's, or the only one.
    ///
    /// # Errors
    /// When that is not said, or there is no such key.
    pub fn key_of(&self, entry: &Mix) -> Result<usize> {
        match self.issuance.signs() {
            Some(key) if entry.key.is_none() && self.scenario.token.key.is_none() => Ok(key),
            _ => key_of(entry, self.scenario, self.keys),
        }
    }

    /// What is promised of an entry: the policy's exceptions come first.
    ///
    /// # Errors
    /// When an exception names no entry of the catalogue.
    pub fn must(&self, defect: &Defect, situation: &Situation<'_>) -> Result<Must> {
        let must = (defect.must)(situation);
        let names = |patterns: &[String], key| -> Result<bool> {
            Ok(matching(patterns, key)?.contains(&defect.name))
        };
        let group = defect.group.unwrap_or(Group::Structure);
        Ok(match must {
            Must::Refuse(refusal) if names(&self.policy.accepts, "policy.accepts")? => {
                Must::Unpromised(refusal, "the policy says that it is accepted")
            }
            Must::AcceptInTime
                if defect.group.is_some() && names(&self.policy.accepts, "policy.accepts")? =>
            {
                Must::Unpromised(group.into(), "the policy says that it is accepted")
            }
            Must::AcceptInTime if names(&self.policy.refuses, "policy.refuses")? => {
                Must::Unpromised(group.into(), "the policy says that it is refused")
            }
            must => must,
        })
    }
}

/// Resolves `[[mix]]`.
///
/// # Errors
/// When a name is unknown or taken, a share is not positive, a parameter or key is missing or
/// superfluous, or a defect does not apply under the policy.
pub fn resolve(context: Context<'_>, warnings: &mut Vec<String>) -> Result<Vec<Kind>> {
    let mut kinds: Vec<Kind> = Vec::new();
    for (index, entry) in context.scenario.mix.iter().enumerate() {
        let place = format!("`mix[{index}]`");
        let kind = kind(entry, Use::Mix, context, warnings).map_err(|unfit| unfit.told(&place))?;
        if kinds.iter().any(|earlier| earlier.label == kind.label) {
            return Err(Error::usage(format!(
                "{place}: there is another entry named `{}`",
                kind.label
            ))
            .hint("give each a `name` of its own, such as `name = \"expired-1s\"`"));
        }
        kinds.push(kind);
    }
    let sum: f64 = kinds.iter().map(|kind| kind.share).sum();
    if kinds.is_empty() {
        return Err(Error::usage("`mix` is empty: the clients need something to bring")
            .hint("write `[[mix]]` with `token = \"fresh\"` and `share = 1`"));
    }
    if sum <= 0.0 {
        return Err(Error::usage("all shares of the mix are 0: nobody would bring anything")
            .hint("give one a share, such as 1"));
    }
    for kind in &mut kinds {
        kind.share /= sum;
    }
    Ok(kinds)
}

/// Resolves an entry of `[[mix]]`, or one like it.
///
/// # Errors
/// As [`resolve`], in two kinds.
pub(super) fn kind(
    entry: &Mix,
    used: Use,
    context: Context<'_>,
    warnings: &mut Vec<String>,
) -> std::result::Result<Kind, Unfit> {
    let Context { scenario, policy, keys, .. } = context;
    let name = entry.token.as_str();
    let defect = defect(name).ok_or_else(|| {
        Error::usage(format!("there is no token kind `{name}`")).hint(suggestion_of(
            name,
            names(),
            "tokenstorm token defects",
        ))
    })?;
    if !(entry.share.is_finite() && entry.share >= 0.0) {
        return Err(Error::usage(format!("`share` is {}, but must be 0 or more", entry.share))
            .hint("leave the entry out, or give it a share such as 20")
            .into());
    }
    let fetches = context.issuance.fetching.is_some();
    let is_fetched = fetches && FETCHED.contains(&defect.name);
    // Of a token that is waited for until it has ended.
    let soon = (is_fetched && defect.name == EXPIRED).then_some(ENDED_FOR);
    let by = match (entry.by, soon.or_else(|| defect.default_by())) {
        (Some(_), None) => return Err(Error::usage(format!("`{name}` takes no `by`")).into()),
        (Some(Duration::ZERO), Some(_)) => {
            return Err(Error::usage(format!("`by` is 0s, which is no `{name}` token"))
                .hint("write `by = \"1h\"`")
                .into());
        }
        (by, default) => by.or(default).unwrap_or_default(),
    };
    if (defect.build)(by).again {
        return Err(Error::usage(format!("`{name}` is an entry of the matrix alone"))
            .hint(
                "in a run, `session.renew_with` says with which tokens clients authenticate again",
            )
            .into());
    }
    if fetches && !is_fetched && defect.needs_key() {
        return Err(Error::usage(format!(
            "`{name}` needs the signing key, but `token.source` is `oauth`"
        ))
        .hint(
            "the server signs: bring `fresh`, `expired`, `stolen`, and kinds without a signature, such as `not_a_jwt`",
        )
        .into());
    }
    let is_signed = defect.needs_key() && !is_fetched;
    let key = is_signed.then(|| context.key_of(entry)).transpose()?;
    // Only tokens of no key in particular follow a rotation.
    let follows = entry.key.is_none() && key.is_some() && key == context.issuance.signs();
    let later = if follows { context.issuance.timeline.later_signers() } else { Vec::new() };
    let situation = context.situation(key, scenario.target.protocol);
    if let Some(key) = key.map(|index| &keys[index]) {
        check_allowed(key, policy)?;
    }
    // A connection is that of one subject, whatever a broker compares in CONNECT (MQTT 5.0, 4.12.1).
    let is_of_another = used == Use::Renewal && defect.name == STOLEN;
    let must = if is_of_another {
        Must::Refuse(Group::Identity.into())
    } else {
        context.must(defect, &situation)?
    };
    let group = Refusal::from(defect.group.unwrap_or(Group::Structure));
    let must = match must {
        _ if entry.judged => must,
        Must::Unpromised(refusal, _) | Must::Refuse(refusal) => Must::Unpromised(refusal, UNJUDGED),
        Must::AcceptInTime => Must::Unpromised(group, UNJUDGED),
    };
    let unpromised = match must {
        Must::Unpromised(_, why) if entry.judged => Some(why),
        _ => None,
    };
    if let Some(why) = unpromised.or_else(|| (defect.inapplicable)(&situation)) {
        // What can't be built is no more to be had unjudged.
        let unjudged = match unpromised {
            Some(_) => ", or write `judged = false`: then both answers are right",
            None => "",
        };
        let error = Error::usage(format!("`{name}` does not apply: {why}")).hint(format!(
            "leave it out of the mix, or let `[policy]` promise what it breaks{unjudged}"
        ));
        return Err(Unfit::Inapplicable { why: why.to_owned(), error });
    }
    check_label(entry)?;
    let recipe = (defect.build)(by);
    let is_timed = matches!(recipe.exp, Exp::Ago(_)) || recipe.nbf_after.is_some();
    // Claims are whole seconds: a token is wrong by up to a second more than asked for.
    if defect.group.is_some() && is_timed && by < policy.leeway {
        warnings.push(format!(
            "`{}` is wrong by {} to a second more, which reaches into the policy's leeway of {}: there both answers are right",
            entry.label(),
            humantime::format_duration(by),
            humantime::format_duration(policy.leeway)
        ));
    }
    Ok(Kind {
        label: entry.label().to_owned(),
        defect,
        recipe,
        must,
        key,
        later,
        protocol: scenario.target.protocol,
        share: entry.share,
    })
}

/// Refuses a name that files and metrics can't have.
fn check_label(entry: &Mix) -> Result<()> {
    let label = entry.label();
    if label.chars().all(|c| c.is_ascii_alphanumeric() || "-_.()=".contains(c)) {
        return Ok(());
    }
    Err(Error::usage(format!("`name` is `{label}`")).hint("use letters, digits, `-`, `_` and `.`"))
}

/// Refuses a key whose good tokens would have to be refused.
pub(super) fn check_allowed(key: &SigningKey, policy: &Policy) -> Result<()> {
    if policy.algorithms.contains(&key.algorithm) {
        return Ok(());
    }
    Err(Error::usage(format!(
        "key `{}` signs with {}, which `policy.algorithms` does not allow: none of its tokens is good",
        key.name, key.algorithm
    ))
    .hint("name the algorithm under `policy.algorithms`, or leave that out: then those of the keys are allowed"))
}

fn key_of(entry: &Mix, scenario: &Scenario, keys: &[SigningKey]) -> Result<usize> {
    let names = || keys.iter().map(|key| key.name.as_str());
    let Some(name) = entry.key.as_deref().or(scenario.token.key.as_deref()) else {
        return match keys.len() {
            1 => Ok(0),
            0 => Err(Error::usage(format!("`{}` needs a key, but `[keys]` is empty", entry.token)).hint(
                "add `[keys.main]` with `algorithm = \"HS256\"` and `generate = true`, or a `secret`",
            )),
            _ => Err(Error::usage("there are several keys, and neither `key` nor `token.key` says which")
                .hint(suggestion("", names()))),
        };
    };
    names().position(|known| known == name).ok_or_else(|| {
        let place = if entry.key.is_some() { "key" } else { "token.key" };
        let wrong = if is_slip(name, names()) {
            format!("there is no key `{name}` under `[keys]`")
        } else {
            format!("`{place}` names no key under `[keys]` (what it is may be a secret, and is not shown)")
        };
        Error::usage(wrong).hint(suggestion(name, names()))
    })
}

/// What all tokens of a scenario are made from: these kinds, with these keys, for clients of these names.
///
/// # Errors
/// When another key can't be derived from one of these.
pub fn mould(
    scenario: &Scenario,
    (kinds, keys, names): (Vec<Kind>, Vec<SigningKey>, Names),
    bound: Vec<String>,
    canary: &str,
) -> Result<Mould> {
    Ok(Mould {
        seed: scenario.seed,
        derived: derived(&kinds, &keys)?,
        keys: Arc::new(keys),
        kinds,
        claims: scenario.token.claims.clone(),
        bound,
        names,
        first_client: 0,
        canary: canary.to_owned(),
        ttl: scenario.token.ttl(),
        ttl_jitter: scenario.token.ttl_jitter,
        exp_at: scenario.token.exp_at,
    })
}

/// Keys that are made of the scenario's, for kinds that another signs.
///
/// # Errors
/// When the system has no randomness.
pub fn derived(
    kinds: &[Kind],
    keys: &[SigningKey],
) -> Result<Vec<(usize, Signer, Arc<SigningKey>)>> {
    let mut made: Vec<(usize, Signer, Arc<SigningKey>)> = Vec::new();
    let signed = |kind: &Kind| kind.keys().map(|key| (key, kind.recipe.signer)).collect::<Vec<_>>();
    for (index, signer) in kinds.iter().flat_map(signed) {
        if made.iter().any(|(key, made, _)| *key == index && *made == signer) {
            continue;
        }
        let key = &keys[index];
        let new = match signer {
            Signer::Own | Signer::None => None,
            Signer::Stranger => Some(key.stranger()?),
            Signer::Confused(form) => key.confused(form),
            Signer::Secret(secret) => Some(key.with_secret(secret)),
            Signer::OtherHash => {
                SigningKey::other_hash(key.algorithm).map(|other| key.with_algorithm(other))
            }
            Signer::OtherPadding => {
                SigningKey::other_padding(key.algorithm).map(|other| key.with_algorithm(other))
            }
            Signer::OtherCurve => key.of_other_curve()?,
        };
        made.extend(new.map(|new| (index, signer, Arc::new(new))));
    }
    Ok(made)
}

/// Checks that `[token]` serves what the policy promises.
///
/// # Errors
/// When it says something that can't be, or lacks something.
pub(super) fn check(
    scenario: &Scenario,
    policy: &Policy,
    names: &Names,
    (brokers, rows): (&[Broker], Option<&Rows>),
) -> Result<()> {
    bound::check(scenario, policy, names, brokers)?;
    if let Some(rows) = rows {
        if token_file::asks_policy(rows) {
            foreign::check(scenario, policy, names)?;
        }
    } else if is_foreign(scenario) {
        foreign::check(scenario, policy, names)?;
    } else {
        check_claims(scenario, policy, names)?;
    }
    check_fit(scenario, policy, brokers.iter().any(Broker::is_embedded))
}

/// Checks that the claims of tokens that are minted can serve what the policy promises.
///
/// # Errors
/// When a claim comes by itself, a checked claim has no right value, or a bound claim is the same for all.
fn check_claims(scenario: &Scenario, policy: &Policy, names: &Names) -> Result<()> {
    let claims = &scenario.token.claims;
    compile_claims(claims, names, &[], &[])?;
    let given = Given::of(claims)?;
    given.check(wall_seconds())?;
    check_age(&given, scenario, policy)?;
    for (check, name) in [(Check::Iss, "iss"), (Check::Aud, "aud")] {
        if policy.checks(check) && !claims.contains_key(name) {
            return Err(Error::usage(format!(
                "the policy checks `{name}`, but `token.claims.{name}` has no right value"
            ))
            .hint(format!(
                "add `{name} = \"...\"` under `[token.claims]`, or take it out of `policy.checks`"
            )));
        }
    }
    for name in &policy.binds {
        // A user name that all share is no client's own: somebody else's token would be as good.
        let value = claims.get(name).and_then(serde_json::Value::as_str);
        let is_own = |text: &str| names.text(text).is_ok_and(|text| text.is_per_client());
        if !value.is_some_and(is_own) {
            return Err(not_the_clients(name));
        }
    }
    let missing = policy.requires.iter().find(|name| {
        !claims.contains_key(*name) && !matches!(name.as_str(), "iat" | "exp" | "jti")
    });
    if let Some(name) = missing.filter(|name| *name == "nbf") {
        return Err(Error::usage(format!(
            "the policy requires `{name}`, but fresh tokens have none"
        ))
        .hint("write `nbf = \"now\"` under `[token.claims]`, or drop it from `policy.requires`"));
    }
    if let Some(name) = missing {
        return Err(Error::usage(format!("the policy requires `{name}`, but `token.claims` has none"))
            .hint("a fresh token would have to be refused: add the claim, or drop it from `policy.requires`"));
    }
    Ok(())
}

fn not_the_clients(name: &str) -> Error {
    Error::usage(format!("the policy binds `{name}`, but `token.claims.{name}` is not the client's"))
        .hint(format!(
            "write `{name} = \"{{client_id}}\"` or `\"{{username}}\"` under `[token.claims]`; a user name needs `{{n}}` or `{{client_id}}` in it for that"
        ))
}

/// Checks that the right values of claims fit the broker, and how often a token is brought.
///
/// # Errors
/// When the embedded broker would have to compare a claim with other values for each client, or a token that is reused is
/// bound to one.
fn check_fit(scenario: &Scenario, policy: &Policy, embedded: bool) -> Result<()> {
    let claims = &scenario.token.claims;
    for (check, name) in [(Check::Iss, "iss"), (Check::Aud, "aud")] {
        if embedded
            && policy.checks(check)
            && !claims.get(name).is_some_and(strict::is_same_for_all)
        {
            return Err(Error::usage(format!(
                "the embedded broker checks `{name}` against one right value, but `token.claims.{name}` is not the same text for all clients"
            ))
            .hint(format!("write it without `{{n}}` and the like, or take `{name}` out of `policy.checks`")));
        }
    }
    let is_plain = |name: &&String| {
        let value = claims.get(*name).and_then(serde_json::Value::as_str);
        value.is_some_and(|text| matches!(text, "{client_id}" | "{username}"))
    };
    if let Some(name) = policy.binds.iter().find(|name| embedded && !is_plain(name)) {
        return Err(not_the_clients(name));
    }
    if scenario.token.reuse > 1
        && let Some((name, _)) = claims.iter().find(|(_, value)| is_per_client(value))
    {
        return Err(Error::usage(format!(
                "`token.reuse` is {}, but `token.claims.{name}` binds each token to one client",
                scenario.token.reuse
            ))
            .hint("drop the placeholder, or `reuse`; of a `[control]`, the arm: `arms = [\"without\", \"unique\"]`"));
    }
    Ok(())
}

/// Refuses an `iat` so old that good tokens would last longer than the policy lets them.
fn check_age(given: &Given, scenario: &Scenario, policy: &Policy) -> Result<()> {
    let (Some(issued), Some(longest)) = (given.iat, policy.max_lifetime) else { return Ok(()) };
    let now = wall_seconds() as i64;
    let life = Duration::from_secs(now.abs_diff(issued.of(now))) + scenario.token.ttl();
    if life <= longest {
        return Ok(());
    }
    let shown = humantime::format_duration;
    Err(Error::usage(format!(
        "`token.claims.iat` and `token.ttl` give tokens a life of {}, but `policy.max_lifetime` is {}: none would be good",
        shown(life),
        shown(longest)
    ))
    .hint("write `iat = \"now\"`, or leave it out"))
}

/// Whether a token of any kind has another signature each time that it is minted.
pub fn sign_differently(kinds: &[Kind], keys: &[SigningKey]) -> bool {
    kinds.iter().flat_map(Kind::keys).any(|key| !keys[key].algorithm.signs_alike())
}

/// Share of the clients that are to be accepted, and then hold.
pub fn held_share(kinds: &[Kind], policy: &Policy) -> f64 {
    let held = |kind: &&Kind| {
        let expired = matches!(kind.recipe.exp, Exp::Ago(by) if by > policy.leeway);
        let early = kind.recipe.nbf_after.is_some_and(|by| by > policy.leeway);
        matches!(kind.must, Must::AcceptInTime) && !expired && !early
    };
    kinds.iter().filter(held).map(|kind| kind.share).sum()
}
