//! The matrix: which entry of the catalogue is sent in which version of MQTT, in which order, and what a strict broker
//! would do with it.

pub mod known;

use std::time::Duration;

use self::known::Known;
use super::{
    examine::{Reason, Skipped},
    kinds::{Context, check_allowed},
    threshold::NOT_JUDGED,
};
use crate::{
    base::error::{Error, Result},
    scenario::{Arrivals, Mix, Protocol, ReceiveTime, Scenario, Stage, TokenIn, TokenSource},
    token::{
        FRESH, Kind, Must, Recipe,
        carrier::token_in,
        catalogue::{all, defect, matching},
        mixed,
        policy::Policy,
        recipe::{Exp, Form},
    },
};

/// One good token follows so many cells: a broker that begins to refuse everybody is found out.
const BETWEEN_SENTINELS: usize = 16;
/// Sent whatever is asked for: by these a broker is recognised that lets everybody in, or nobody.
pub const SENTINELS: [&str; 3] = [FRESH, "wrong_key", "not_a_jwt"];
/// The mix entry of the good clients that storm meanwhile.
pub const BACKGROUND: &str = "background";
/// The kind of the good clients that are held, to see whether the broker is there.
pub const WITNESS: &str = "witness";
/// So many at each broker: fewer may end together by chance.
pub const WITNESSES: u64 = 3;
/// How long their tokens live: longer than any matrix takes.
const WITNESS_TTL: Duration = Duration::from_hours(1);
/// The kind of what is sent to find the edges of a verifier.
pub const PROBE: &str = "probe";

/// What a user wants of a matrix.
#[derive(Clone, Debug)]
pub struct Ask {
    /// Entries of the catalogue, `*` stands for any text; none means all.
    pub only: Vec<String>,
    /// How often each cell is sent.
    pub repeat: u64,
    /// Good clients a second that come meanwhile.
    pub background: Option<f64>,
    /// Where the canary listens: `host:port`.
    pub canary: String,
    /// The command that asks, without `--only`.
    pub command: String,
    /// Whether the edges of the verifier are to be found.
    pub probe: bool,
    /// Findings that are known: none of them fails the matrix.
    pub known: Known,
    /// What can't be sent for the values of the scenario: planning finds it out, and plans once more.
    pub unfit: Vec<Skipped>,
}

impl Default for Ask {
    fn default() -> Self {
        let canary = super::NOWHERE.to_owned();
        Self {
            only: Vec::new(),
            repeat: 1,
            background: None,
            canary,
            command: String::new(),
            probe: false,
            known: Known::default(),
            unfit: Vec::new(),
        }
    }
}

/// The cells of a matrix, as indices of the plan's kinds.
#[derive(Clone, Debug, Default)]
pub struct Cells {
    /// The kinds of a round, in the order in which they are sent.
    pub round: Vec<usize>,
    /// How often the round is sent.
    pub repeat: u64,
    /// The kind of the good clients that come meanwhile.
    pub background: Option<usize>,
    /// The kind of what is sent to find the edges of the verifier.
    pub probe: Option<usize>,
    /// The kind of the good clients that are held, to see whether the broker is there.
    pub witness: Option<usize>,
    /// How many of them come first.
    pub leading: u64,
    /// What a strict broker would do with each kind.
    pub strict: Vec<Must>,
    /// What is not sent, and why.
    pub skipped: Vec<Skipped>,
    /// Versions of MQTT that are not spoken.
    pub unspoken: Vec<Protocol>,
    /// The command that asked, without `--only`.
    pub command: String,
    /// Findings that are known: none of them fails the matrix.
    pub known: Known,
}

impl Cells {
    /// Kinds in this order, once, and nothing to compare with.
    pub(super) fn of(round: Vec<usize>) -> Self {
        Self { round, repeat: 1, ..Self::default() }
    }

    /// Adds a kind that is no cell, and says which it is.
    fn add_good(&mut self, kinds: &mut Vec<Kind>, kind: Option<Kind>) -> usize {
        kinds.extend(kind);
        self.strict.resize(kinds.len(), Must::AcceptInTime);
        kinds.len() - 1
    }

    /// Whether a kind is a cell of the matrix.
    pub fn is_cell(&self, kind: usize) -> bool {
        self.background != Some(kind) && !self.is_aside(kind)
    }

    /// Whether a kind is none that the matrix is about: what may remain unjudged of it is no threshold's matter.
    pub fn is_aside(&self, kind: usize) -> bool {
        self.probe == Some(kind) || self.witness == Some(kind)
    }

    /// Attempts that are cells.
    pub fn attempts(&self) -> u64 {
        self.round.len() as u64 * self.repeat
    }

    /// The kind of attempt `n` of `attempts`: cells are spread evenly among the others.
    pub fn kind_of(&self, n: u64, attempts: u64) -> usize {
        let (n, attempts) = match (n.checked_sub(self.leading), self.witness) {
            (None, Some(witness)) => return witness,
            (n, _) => (n.unwrap_or_default(), attempts.saturating_sub(self.leading)),
        };
        let before = |n: u64| {
            (u128::from(n) * u128::from(self.attempts()) / u128::from(attempts.max(1))) as u64
        };
        let turn = before(n);
        let length = self.round.len() as u64;
        match self.background {
            Some(background) if before(n + 1) == turn => background,
            _ => {
                // Each round begins elsewhere: what a broker does every so many answers must not fall on one kind always.
                let (round, place) = (turn / length, turn % length);
                let shift = if round == 0 { 0 } else { mixed(round, length) % length };
                self.round[((place + shift) % length) as usize]
            }
        }
    }
}

/// Cells a second where no background is asked for. They do not wait for one another, so that the whole takes little
/// longer than the slowest; and no broker is idle when hundreds come at once: Mosquitto lets 100 wait to be accepted.
pub const CELLS_A_SECOND: f64 = 400.0;
/// How long a matrix in a background lasts at least.
const BACKGROUND_TIME: Duration = Duration::from_secs(5);

/// Leaves out of a scenario what a matrix does not look at.
pub(super) fn prepare(scenario: &mut Scenario) {
    // Of thresholds, what may remain unjudged is a matter of a matrix as well.
    scenario.thresholds.retain(|metric, _| metric == NOT_JUDGED);
    scenario.events.clear();
    scenario.target.weights.clear();
    scenario.oauth = None;
    (scenario.token.source, scenario.token.file) = (TokenSource::Mint, None);
    scenario.token.reuse = 1;
    scenario.token.ahead = None;
    (scenario.token.exp_at, scenario.token.ttl_jitter) = (None, Duration::ZERO);
    scenario.session = None;
    scenario.monitor = None;
    (scenario.capacity, scenario.control, scenario.sweep) = (None, None, None);
    let load = &mut scenario.load;
    (load.mode, load.concurrency, load.clients) = (None, None, None);
    (load.r#for, load.wave, load.release) = (None, None, None);
    load.receive_time = ReceiveTime::User;
    load.stages.clear();
    (load.warmup, load.hold, load.clean_start) = (Duration::ZERO, Some(Duration::ZERO), true);
}

/// The load that sends all cells, to each broker, where this is a matrix.
pub(super) fn load(scenario: &mut Scenario, matrix: Option<(&Ask, &Cells)>) {
    let Some((ask, cells)) = matrix else { return };
    let leading = cells.leading;
    let cells = cells.attempts() as f64;
    let (rate, total) = match ask.background {
        None => (CELLS_A_SECOND, cells),
        Some(background) => {
            // As many cells a second as good clients, but no fewer seconds than a storm needs to be one.
            let time = BACKGROUND_TIME.as_secs_f64().max(cells / background);
            let total = background * time + cells;
            (total / time, total)
        }
    };
    let load = &mut scenario.load;
    load.arrivals = if ask.background.is_some() { Arrivals::Poisson } else { Arrivals::Constant };
    let brokers = scenario.target.brokers.len() as u64;
    load.clients = Some((total.ceil() as u64 + leading) * brokers);
    // Poisson arrivals may take longer than expected: the count ends it.
    let most = Duration::from_secs_f64(total / rate * 2.0 + 1.0);
    let rate = rate * brokers as f64;
    load.stages = vec![Stage { rate: Some(rate), ramp_to: None, r#for: most }];
}

/// The kinds of a matrix, and their order.
///
/// # Errors
/// When a pattern names nothing, or no key signs good tokens.
pub fn resolve(
    context: Context<'_>,
    strict: &Policy,
    ask: &Ask,
    seed: u64,
) -> Result<(Vec<Kind>, Cells)> {
    let scenario = context.scenario;
    let wanted = matching(&ask.only, "--only")?;
    let is_wanted =
        |name: &str| ask.only.is_empty() || SENTINELS.contains(&name) || wanted.contains(&name);
    check_target(context)?;
    let key = context.key_of(&Mix::only(FRESH, FRESH))?;
    check_allowed(&context.keys[key], context.policy)?;
    let strictly = Context { policy: strict, expected: context.strict, ..context };
    let mut kinds = Vec::new();
    let command = ask.command.clone();
    let known = ask.known.clone();
    let mut cells = Cells { repeat: ask.repeat, command, known, ..Cells::default() };
    // MQTT 3.1.1 has no authentication data.
    let is_data = token_in(scenario) == TokenIn::AuthData;
    let mut spoken = context.policy.protocols.clone();
    spoken.retain(|protocol| *protocol == Protocol::V5 || !is_data);
    for protocol in [Protocol::V4, Protocol::V5] {
        if !spoken.contains(&protocol) {
            cells.unspoken.push(protocol);
            continue;
        }
        for defect in all().filter(|defect| is_wanted(defect.name)) {
            let situation = context.situation(Some(key), protocol);
            let recipe: Recipe = (defect.build)(defect.default_by().unwrap_or_default());
            let is_it = |it: &&Skipped| (it.defect, it.protocol) == (defect.name, protocol);
            let unfit = || ask.unfit.iter().find(is_it).map(|unfit| unfit.reason.clone());
            let inapplicable = (defect.inapplicable)(&situation).map(Reason::Inapplicable);
            if let Some(reason) = inapplicable.or_else(unfit) {
                cells.skipped.push(Skipped { defect: defect.name, protocol, reason });
                continue;
            }
            kinds.push(Kind {
                label: format!("{}-v{}", defect.name, u8::from(protocol)),
                defect,
                key: matches!(recipe.form, Form::Jwt | Form::Jwe(_)).then_some(key),
                recipe,
                must: context.must(defect, &situation)?,
                later: Vec::new(),
                protocol,
                share: 0.0,
            });
            cells.strict.push(strictly.must(defect, &strictly.situation(Some(key), protocol))?);
        }
    }
    if !ask.only.is_empty() && !kinds.iter().any(|kind| wanted.contains(&kind.defect.name)) {
        let mut reasons: Vec<String> = cells
            .skipped
            .iter()
            .map(|skipped| format!("`{}`: {}", skipped.defect, skipped.reason))
            .collect();
        reasons.dedup();
        return Err(Error::usage(format!("`{}` does not apply here", ask.only.join("`, `")))
            .hint(reasons.join("; ")));
    }
    if kinds.is_empty() {
        return Err(Error::usage(
            "`policy.protocols` is empty: the broker would speak no version of MQTT",
        )
        .hint("write `protocols = [4, 5]`, or leave it out"));
    }
    cells.round = round(&kinds, seed);
    let last = spoken.last().copied().unwrap_or(scenario.target.protocol);
    // What most brokers speak: one that speaks a single version of MQTT mostly speaks the first.
    let first = spoken.iter().min_by_key(|protocol| u8::from(**protocol)).copied();
    let first = first.unwrap_or(last);
    let good = |label: &str| good_kind(label, key, last);
    if ask.background.is_some() {
        cells.background = Some(cells.add_good(&mut kinds, good(BACKGROUND)));
    }
    // As many good clients as cells, about: see `load`.
    let cells_share = if cells.background.is_some() { 0.5 } else { 1.0 };
    let count = kinds.len() - usize::from(cells.background.is_some());
    for (at, kind) in kinds.iter_mut().enumerate() {
        kind.share = if cells.background == Some(at) { 0.5 } else { cells_share / count as f64 };
    }
    if let Some(kind) = good_kind(WITNESS, key, first) {
        // A broker may refuse tokens that live for longer than it promises.
        let life = context.policy.max_lifetime.unwrap_or(WITNESS_TTL).min(WITNESS_TTL);
        let recipe = Recipe { exp: Exp::In(life), ..kind.recipe.clone() };
        cells.witness = Some(cells.add_good(&mut kinds, Some(Kind { recipe, ..kind })));
        cells.leading = WITNESSES;
    }
    if ask.probe {
        cells.probe = Some(cells.add_good(&mut kinds, good(PROBE)));
    }
    Ok((kinds, cells))
}

/// A kind of good tokens that is no cell.
fn good_kind(label: &str, key: usize, protocol: Protocol) -> Option<Kind> {
    let fresh = defect(FRESH)?;
    Some(Kind {
        label: label.to_owned(),
        defect: fresh,
        recipe: (fresh.build)(Duration::ZERO),
        must: Must::AcceptInTime,
        key: Some(key),
        later: Vec::new(),
        protocol,
        share: 0.0,
    })
}

/// A matrix speaks of claims that it can make wrong.
fn check_target(context: Context<'_>) -> Result<()> {
    for name in &context.policy.binds {
        if !context.strict.bound.contains_key(name) {
            return Err(Error::usage(format!(
                "the policy binds `{name}`, but a matrix can only make a claim wrong that is the client id or user name itself"
            ))
            .hint(format!("write `{name} = \"{{client_id}}\"` or `\"{{username}}\"` under `[token.claims]`")));
        }
    }
    Ok(())
}

/// All kinds once, in an order that follows from the seed, with good tokens in between, at the beginning and at the end.
fn round(kinds: &[Kind], seed: u64) -> Vec<usize> {
    let (fresh, mut others): (Vec<usize>, Vec<usize>) =
        (0..kinds.len()).partition(|index| kinds[*index].defect.is_good());
    others.sort_by_key(|index| mixed(seed, *index as u64));
    let mut round = fresh.clone();
    for (turn, some) in others.chunks(BETWEEN_SENTINELS).enumerate() {
        round.extend_from_slice(some);
        round.push(fresh[turn % fresh.len()]);
    }
    round
}

#[cfg(test)]
mod tests;
