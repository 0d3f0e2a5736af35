//! A scenario that asks its question of another broker (`--broker`): what that one has no use for is left out of it.
//!
//! It is done once, before anything is planned: what follows sees a scenario that somebody could have written.

use std::{collections::BTreeMap, path::Path};

use super::{
    ground::Ground,
    kinds::{Context, Unfit, Use, kind},
    place_of,
    threshold::token_of,
};
use crate::{
    base::error::{Error, Result},
    scenario::{self, Loaded, Mix, Overrides},
};

/// Reads a scenario as [`scenario::load()`] does, and leaves out of it what a broker that `--broker` put in has no use for:
/// kinds of token that its keys can't sign, or of which it promises nothing.
///
/// # Errors
/// When the scenario is wrong, or nothing is left of its mix.
pub fn load(path: &Path, overrides: &Overrides) -> Result<Loaded> {
    fitted(scenario::load(path, overrides)?, overrides)
}

/// The same of a scenario of which what it says of the broker and its tokens is enough: [`scenario::load_of_broker`].
///
/// # Errors
/// As [`load`].
pub fn load_of_broker(path: &Path, overrides: &Overrides) -> Result<Loaded> {
    fitted(scenario::load_of_broker(path, overrides)?, overrides)
}

fn fitted(mut loaded: Loaded, overrides: &Overrides) -> Result<Loaded> {
    if overrides.broker.is_some() {
        fit(&mut loaded).map_err(|error| {
            error.within(place_of(&loaded)).or_hint(
                "the question may need several brokers, an issuer or keys of certain names: its first lines say what (`tokenstorm scenarios show NAME`)",
            )
        })?;
    }
    Ok(loaded)
}

fn fit(loaded: &mut Loaded) -> Result<()> {
    // What is to be warned of is said by the plan.
    let mut unsaid = Vec::new();
    let mut first = loaded.scenario.clone();
    let ground = Ground::of(&mut first, loaded, &mut unsaid)?;
    let context = ground.context(&first);
    let mut left = Vec::new();
    let scenario = &mut loaded.scenario;
    retain(&mut scenario.mix, Use::Mix, context, &mut left)?;
    if scenario.mix.is_empty() && ground.rows.is_none() && left.is_empty() {
        return Err(Error::usage("its tokens come from a file, and the file of `--broker` names none").hint(
            "write `[token]` with `source = \"file\"` and `file = \"tokens.csv\"` into the file of `--broker`",
        ));
    }
    if scenario.mix.is_empty() && ground.rows.is_none() {
        let whys: Vec<String> =
            left.iter().map(|(label, why)| format!("`{label}`: {why}")).collect();
        return Err(Error::usage(
            "no kind of token in its mix is of use with the broker of `--broker`",
        )
        .hint(whys.join("; ")));
    }
    if let Some(session) = &mut scenario.session {
        retain(&mut session.renew_with, Use::Renewal, context, &mut left)?;
    }
    let renewed = scenario.session.iter().flat_map(|session| &session.renew_with);
    let kept: Vec<&str> = scenario.mix.iter().chain(renewed).map(Mix::label).collect();
    // What a name means that nothing ever had is for the plan to say.
    let gone = |token: &str| left.iter().any(|(label, _)| label == token) && !kept.contains(&token);
    let is_gone = |metric: &str| token_of(metric).is_some_and(gone);
    let mut judged = Vec::new();
    drop_gone(&mut scenario.thresholds, is_gone, &mut judged);
    if let Some(capacity) = &mut scenario.capacity {
        drop_gone(&mut capacity.slo, is_gone, &mut judged);
    }
    let told = left.iter().map(|(label, why)| {
        format!("`{label}` is left out, since the broker is that of `--broker`: {why}")
    });
    let told: Vec<String> = told.collect();
    loaded.left_out.extend(told.into_iter().chain(judged));
    Ok(())
}

/// Leaves out what is said of a metric of which there will be no values, and notes it.
fn drop_gone<V>(
    conditions: &mut BTreeMap<String, V>,
    is_gone: impl Fn(&str) -> bool,
    told: &mut Vec<String>,
) {
    conditions.retain(|metric, _| {
        let is_kept = !is_gone(metric);
        if !is_kept {
            told.push(format!("`{metric}` is not judged: its token is left out"));
        }
        is_kept
    });
}

/// Keeps the entries that are of use, and notes the others with the reason.
fn retain(
    entries: &mut Vec<Mix>,
    used: Use,
    context: Context<'_>,
    left: &mut Vec<(String, String)>,
) -> Result<()> {
    let mut kept = Vec::with_capacity(entries.len());
    for entry in entries.drain(..) {
        let unknown = entry.key.as_ref().filter(|key| !context.scenario.keys.contains_key(*key));
        let why = match (unknown, kind(&entry, used, context, &mut Vec::new())) {
            (Some(key), _) => format!("there is no key `{key}`"),
            (None, Err(Unfit::Inapplicable { why, .. })) => why,
            (None, Err(Unfit::Wrong(error))) => return Err(error),
            (None, Ok(_)) => {
                kept.push(entry);
                continue;
            }
        };
        left.push((entry.label().to_owned(), why));
    }
    *entries = kept;
    Ok(())
}
