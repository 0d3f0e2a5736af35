//! `tokenstorm plan`: what a run would do.

mod agents;
mod elsewhere;
mod lifetime;

use std::{fmt::Write, path::PathBuf};

use self::agents::Shared;
use super::say;
use crate::{
    base::{
        clock::{Clock, SECOND, nanoseconds},
        error::{Error, Exit, Result},
        host::Limits,
    },
    campaign::fleet::possible,
    plan::{self, Model, Plan},
    report::style::{count, number, table},
    scenario::{Overrides, Scenario, TokenIn},
    supply::estimate::Estimate,
    token::recipe::Exp,
};

/// What `fresh` is where a server issues the tokens: whether it is good is seen when it comes.
const ISSUED: &str = "what the authorization server gives this client, judged by what it says";

/// Plans scenarios and prints the plans; for so many agents, where that is asked for.
pub(super) fn plan(
    scenarios: &[PathBuf],
    overrides: &Overrides,
    agents: Option<u64>,
) -> Result<Exit> {
    let limits = Limits::read();
    let clock = Clock::start();
    for path in scenarios {
        let mut loaded = plan::load(path, overrides)?;
        let notes = elsewhere::stand_in(&mut loaded)?;
        // What does not fit one host may fit several.
        let plan = match agents {
            None => Plan::new(&loaded, &limits)?,
            Some(_) => Plan::unchecked(&loaded, &limits)?,
        };
        crate::campaign::series::check(&loaded)?;
        let place = |error: Error| error.within(format!("scenario `{}`", path.display()));
        if let Some(agents) = agents {
            possible::check(&plan, &loaded.scenario, agents).map_err(place)?;
        }
        let estimate = if plan.mints() {
            Estimate::measure(&plan, clock, limits.cpus)?
        } else {
            Estimate::default()
        };
        let shared = agents.map(|agents| Shared::new(&plan, &estimate, &limits, agents));
        say(&render(&loaded.scenario, &plan, &estimate, &notes))?;
        if let Some(shared) = shared {
            say(&shared.render())?;
            shared.check().map_err(place)?;
        }
    }
    Ok(Exit::Fine)
}

fn render(written: &Scenario, plan: &Plan, estimate: &Estimate, notes: &[String]) -> String {
    let mut out = String::new();
    // Writing to a `String` can't fail.
    let _ = write_all(&mut out, written, plan, estimate);
    for note in notes {
        let _ = writeln!(out, "  note: {note}");
    }
    out
}

fn write_all(
    out: &mut String,
    written: &Scenario,
    plan: &Plan,
    estimate: &Estimate,
) -> std::fmt::Result {
    let is_even = plan.spread.in_turn() == plan.brokers.len();
    let brokers: Vec<String> = plan
        .brokers
        .iter()
        .enumerate()
        .map(|(at, broker)| {
            if is_even {
                return broker.label.clone();
            }
            format!("{} ({:.1} %)", broker.label, 100.0 * plan.spread.share(at))
        })
        .collect();
    writeln!(out, "{} ({})", plan.scenario.name, plan.path.display())?;
    writeln!(
        out,
        "  brokers      {}, MQTT {}",
        brokers.join(", "),
        if u8::from(plan.protocol) == 5 { "5.0" } else { "3.1.1" }
    )?;
    if let Some(tls) = &plan.tls {
        writeln!(out, "  tls          {}", tls.words())?;
    }
    writeln!(out, "  tokens in    {}", carried(plan))?;
    writeln!(out, "  promises     {}", promises(plan))?;
    if let Some(series) = crate::campaign::series::words(written) {
        writeln!(out, "  series       {series}; what follows is its first run")?;
    }
    writeln!(out, "  attempts     {}", attempts(plan))?;
    writeln!(
        out,
        "  hold         {}, connect timeout {}",
        shown(plan.load().hold()),
        shown(plan.load().connect_timeout)
    )?;
    let budget = &plan.budget;
    writeln!(
        out,
        "  sockets      about {} at one time, {} if all tokens are let in; {} descriptors are there",
        count(budget.sockets),
        count(budget.most_sockets),
        count(budget.descriptors),
    )?;
    writeln!(
        out,
        "  ports        {} = {} x {} source {}",
        count(budget.ports()),
        count(budget.each),
        count(budget.sources),
        budget.by_brokers(),
    )?;
    issuance(out, plan)?;
    tokens(out, plan, estimate)?;
    for threshold in &plan.thresholds {
        if let Some(grace) = threshold.abort_after {
            let (metric, condition) = (&threshold.metric, &threshold.condition);
            let after =
                if grace.is_zero() { String::new() } else { format!(" after {}", shown(grace)) };
            writeln!(out, "  ends early   where `{metric}` {condition} does not hold{after}")?;
        }
    }
    writeln!(out, "  token end    {}", ends(plan))?;
    lifetime::write(out, plan, estimate)?;
    writeln!(out, "  workers      {}", plan.workers)?;
    let counts = counts(plan);
    let rows: Vec<Vec<String>> = plan
        .mould
        .kinds
        .iter()
        .zip(counts)
        .map(|(kind, number)| {
            let key = kind.key.map_or_else(
                || "-".into(),
                |index| {
                    let key = &plan.mould.keys[index];
                    let later = kind.later.iter().map(|key| plan.mould.keys[*key].name.as_str());
                    let names: Vec<&str> =
                        std::iter::once(key.name.as_str()).chain(later).collect();
                    format!("{} ({})", names.join(", then "), key.algorithm)
                },
            );
            let is_issued = kind.defect.is_good() && plan.issuance.fetching.is_some();
            let what = match &plan.rows {
                Some(_) => "as the token file has it",
                None if is_issued => ISSUED,
                None => kind.defect.summary,
            };
            vec![format!("  {}", kind.label), number, key, what.into()]
        })
        .collect();
    writeln!(out, "{}", table(&["  tokens", "attempts", "key", "what it is"], &rows))?;
    for warning in &plan.warnings {
        writeln!(out, "  warning: {warning}")?;
    }
    Ok(())
}

/// How tokens come about.
fn tokens(out: &mut String, plan: &Plan, estimate: &Estimate) -> std::fmt::Result {
    if let Some(rows) = &plan.rows {
        let (all, clients) = (count(rows.count() as u64), count(rows.clients()));
        writeln!(out, "  token file   {all} rows for {clients} clients")?;
    }
    if plan.mints() { minting(out, estimate) } else { Ok(()) }
}

/// Where CONNECT, or the request before it, has the token.
fn carried(plan: &Plan) -> String {
    match plan.token_in {
        TokenIn::Password => "the password".to_owned(),
        TokenIn::Username => "the user name".to_owned(),
        TokenIn::AuthData => "the authentication data".to_owned(),
        TokenIn::WsHeader => "`Authorization` of the WebSocket upgrade".to_owned(),
        TokenIn::Template => {
            let carriers = plan.mould.names.carriers.iter().flat_map(|it| it.all());
            let holds = carriers.filter(|(_, carrier)| carrier.holds_token());
            holds.map(|(key, _)| format!("`{key}`")).collect::<Vec<_>>().join(", ")
        }
    }
}

/// Attempts of each kind; of a run that a time ends, their shares.
fn counts(plan: &Plan) -> Vec<String> {
    if matches!(plan.model, Model::Closed { length: Some(_), .. }) {
        let shares = plan.mould.kinds.iter().map(|kind| kind.share * 100.0);
        return shares.map(|share| format!("{share:.1} %")).collect();
    }
    let mut counts = vec![0_u64; plan.mould.kinds.len()];
    for client in 0..plan.attempts {
        counts[plan.kind_of(client)] += 1;
    }
    counts.into_iter().map(count).collect()
}

fn minting(out: &mut String, estimate: &Estimate) -> std::fmt::Result {
    writeln!(
        out,
        "  minting      {} a token, {} bytes; {} ahead in {}, all in {}{}",
        shown_s(estimate.token_s),
        number(estimate.token_bytes),
        count(estimate.ahead),
        shown_s(estimate.ahead_time.as_secs_f64()),
        shown_s(estimate.all_time.as_secs_f64()),
        if estimate.waits {
            "; the schedule WILL WAIT for signatures: see phase `token`"
        } else {
            ""
        },
    )
}

/// Who issues tokens and keys, and what happens meanwhile.
fn issuance(out: &mut String, plan: &Plan) -> std::fmt::Result {
    let issuance = &plan.issuance;
    if let Some(authority) = &issuance.authority {
        let published: Vec<&str> =
            authority.published.iter().map(|key| plan.mould.keys[*key].name.as_str()).collect();
        let extra = authority.settings.extra_keys;
        writeln!(
            out,
            "  issuer       publishes {} and {extra} more keys; the first one signs",
            published.join(", ")
        )?;
    }
    if let Some(fetching) = &issuance.fetching {
        let settings = &fetching.settings;
        let grant = serde_json::to_value(settings.grant).unwrap_or_default();
        let grant = grant.as_str().unwrap_or_default();
        let when = if settings.prefetch { "before the storm" } else { "when it starts" };
        writeln!(
            out,
            "  fetching     each client {when}, by {grant}, {} at one time, {} retries",
            settings.connections, settings.retries
        )?;
    }
    if let Some(jwks) = &issuance.jwks {
        writeln!(
            out,
            "  key set      kept for {}, fetched every {} at most{}",
            shown(jwks.cache),
            shown(jwks.min_interval),
            if jwks.refetch { ", again for an unknown `kid`" } else { "" }
        )?;
    }
    for moment in &issuance.timeline.moments {
        writeln!(out, "  event        {:>6}  {}", shown(moment.at), moment.detail)?;
    }
    for event in &plan.nodes {
        let label = &plan.brokers[event.broker].label;
        let by = if event.command.is_some() { ", by its command" } else { "" };
        writeln!(out, "  event        {:>6}  {} {label}{by}", shown(event.at), event.name())?;
    }
    Ok(())
}

fn promises(plan: &Plan) -> String {
    let policy = &plan.policy;
    let checks: Vec<String> =
        policy.checks.iter().map(|check| format!("{check:?}").to_lowercase()).collect();
    let list =
        |names: &[String]| if names.is_empty() { "nothing".to_owned() } else { names.join(", ") };
    let delay = if policy.refusal_delay.is_zero() {
        String::new()
    } else {
        format!("; refuses after {}", shown(policy.refusal_delay))
    };
    let over = match &plan.overridden[..] {
        [] => String::new(),
        keys => format!(" with `[policy]` over its {}", keys.join(", ")),
    };
    let most = match policy.max_connections {
        0 => String::new(),
        most => format!("; takes {most} connections, and refusals beyond that are not judged"),
    };
    format!(
        "profile `{}`{over}: checks {}; requires {}; binds {}; leeway {}{delay}{most}",
        policy.profile,
        list(&checks),
        list(&policy.requires),
        list(&policy.binds),
        shown(policy.leeway)
    )
}

fn attempts(plan: &Plan) -> String {
    match &plan.model {
        Model::Open { rates, .. } => {
            let last = plan.schedule().and_then(Iterator::last).unwrap_or_default();
            format!(
                "{} in {}, peak rate {}/s (open model, {} arrivals)",
                count(plan.attempts),
                shown_s(last as f64 / SECOND as f64),
                number(rates.peak()),
                format!("{:?}", plan.load().arrivals).to_lowercase()
            )
        }
        Model::Preconnect(waves) => format!(
            "{} in waves of {}, {} connections opened at one time, then CONNECTs {} (preconnect)",
            count(plan.attempts),
            count(waves.size),
            waves.opening,
            waves.rate.map_or_else(|| "all at once".into(), |rate| format!("{}/s", number(rate))),
        ),
        Model::Closed { concurrency, length: Some(length) } => {
            format!("for {}, {concurrency} under way at one time (churn)", shown(*length))
        }
        Model::Closed { concurrency, length: None } => {
            format!("{}, {concurrency} under way at one time (closed model)", count(plan.attempts))
        }
    }
}

/// When tokens end inside the run.
fn ends(plan: &Plan) -> String {
    if plan.rows.is_some() {
        return "as each token of the file says".into();
    }
    let own = plan.issuance.authority.as_ref().map(|authority| authority.ttl);
    let is_fetched = (0..plan.mould.kinds.len()).any(|kind| plan.is_fetched(kind));
    if is_fetched && plan.is_issued_elsewhere() {
        return "as their server says, which a plan can't know: fetched tokens may end during the run".into();
    }
    let ttl = own.filter(|_| is_fetched).unwrap_or(plan.mould.ttl);
    let hold = plan.load().hold();
    let has_lasting = is_fetched
        || plan.mould.kinds.iter().any(|kind| kind.key.is_some() && kind.recipe.exp == Exp::Ttl);
    if !has_lasting {
        return "no token of this mix ends during the run".into();
    }
    if let Some(at) = plan.mould.exp_at {
        return format!("{} after the start of the storm, all in one second", shown(at));
    }
    let jitter = plan.mould.ttl_jitter;
    let lives = if jitter.is_zero() || is_fetched {
        shown(ttl)
    } else {
        format!("{} to {}", shown(ttl), shown(ttl + jitter))
    };
    if ttl < hold {
        return format!("{lives} after each connect, while its client still holds");
    }
    match longest_use(plan) {
        Some(longest) if nanoseconds(ttl) < longest => {
            format!("{lives} after its first use, while others still bring it")
        }
        _ => format!("after the run: each lasts {lives}"),
    }
}

/// The longest time from the first use of a token to its last, in nanoseconds, as far as a schedule
/// tells.
fn longest_use(plan: &Plan) -> Option<u64> {
    let (mut first, mut longest) = (0, None);
    for (client, due) in (0..).zip(plan.schedule().filter(|_| plan.reuse > 1)?) {
        if client % plan.reuse == 0 {
            first = due;
        }
        longest = longest.max(Some(due - first));
    }
    longest
}

fn shown(duration: std::time::Duration) -> String {
    humantime::format_duration(duration).to_string()
}

fn shown_s(seconds: f64) -> String {
    crate::report::style::time(seconds * 1e6)
}
