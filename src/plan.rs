//! The plan: every default resolved, every conflict refused. Uses `base`, `scenario`, `token`.
//!
//! A [`Plan`] can be run; a scenario that could not be does not become one.

mod authentication;
pub mod authority;
mod bound;
pub mod broker;
pub mod budget;
mod carriers;
pub mod cells;
mod checks;
pub mod drops;
pub mod examine;
mod expiry;
pub mod fetching;
mod fit;
mod foreign;
mod ground;
pub mod issuance;
pub mod kinds;
mod later;
pub mod life;
mod model;
pub mod nodes;
mod parts;
pub mod promising;
mod range;
mod renewals;
pub mod scale;
pub mod schedule;
mod secret;
pub mod segment;
pub mod series;
pub mod split;
pub mod spread;
pub mod strict;
pub mod threshold;
pub mod timeline;
pub mod token_file;
pub mod turns;
mod volley;

use std::{net::IpAddr, path::PathBuf, sync::Arc, time::Duration};

use self::{
    broker::Broker,
    budget::Budget,
    cells::{Ask, Cells},
    drops::DropEvent,
    examine::Examiner,
    ground::Ground,
    issuance::{Issuance, is_of_others},
    model::attempts,
    nodes::NodeEvent,
    parts::{bounds, kinds_of, written_out},
    schedule::Schedule,
    segment::Segment,
    spread::Spread,
    threshold::Threshold,
    turns::Turns,
};
use crate::{
    base::{
        error::{Error, Result},
        host::Limits,
        tls::Tls,
    },
    scenario::{Load, Loaded, OnAnonymous, Protocol, Scenario, TokenIn, ValidityRule},
    token::{
        Minter, carrier::token_in, fraction, free_name, mould::Mould, oracle::Expected,
        policy::Policy, rows::Rows, template::Template,
    },
};

pub use self::{
    fit::{load, load_of_broker},
    model::{BATCH, Model, Waves},
};

/// Parts the random numbers that choose a kind from those that choose arrivals.
const KIND_STREAM: u64 = 0x6b69_6e64;

/// The moment of use of a token whose length is measured, in nanoseconds since 1970: seconds of today's length.
const MEASURED_AT: i64 = 1_800_000_000_000_000_000;

/// Where the canary is, where there is none: the port that discards (RFC 863).
const NOWHERE: &str = "127.0.0.1:9";

/// What a run will do.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The scenario's file, for commands that repeat a part of it.
    pub path: PathBuf,
    /// What the command line changed in it, as arguments, secrets left out.
    pub overrides: Vec<String>,
    /// What of the command line is not among them, by its keys: it may be secret.
    pub withheld: Vec<String>,
    /// The scenario with the overrides of the command line, and with the defaults that depend on
    /// others written out.
    pub scenario: Scenario,
    /// What the brokers promise.
    pub policy: Policy,
    /// Where clients publish to find out whether their tokens still count, where the broker looks at that.
    pub probe_topic: Option<Template>,
    /// What clients do beyond their first turn, where they do anything.
    pub turns: Option<Turns>,
    /// Keys of the scenario's `[policy]` that go over the profile.
    pub overridden: Vec<String>,
    /// What they compare claims with.
    pub expected: Expected,
    /// The cells, where this is a matrix.
    pub cells: Option<Cells>,
    /// What looks at tokens before they are sent, where that is wanted.
    examiner: Option<Arc<Examiner>>,
    /// The brokers.
    pub brokers: Vec<Broker>,
    /// Which client goes to which of them.
    pub spread: Spread,
    /// Protocol version of CONNECT.
    pub protocol: Protocol,
    /// The field of CONNECT that carries the token.
    pub token_in: TokenIn,
    /// The tokens of a file, where they come from there.
    pub rows: Option<Arc<Rows>>,
    /// How attempts come about.
    pub model: Model,
    /// Attempts in all; of a segment, its own.
    pub attempts: u64,
    /// Clients of the whole run.
    pub clients: u64,
    /// Where this is the share of one agent: which clients are its own.
    pub segment: Option<Segment>,
    /// Threads that drive clients.
    pub workers: usize,
    /// What all tokens are made from, kinds and keys included.
    pub mould: Mould,
    /// One token for so many clients in a row.
    pub reuse: u64,
    /// Whether all go by the names of the client whose token they bring.
    pub shares_names: bool,
    /// Who issues tokens and keys, where that is not the run itself.
    pub issuance: Arc<Issuance>,
    /// What happens to the brokers meanwhile.
    pub nodes: Vec<NodeEvent>,
    /// Tokens kept ready ahead of their use, where the scenario says so.
    pub ahead: Option<u64>,
    /// How TLS is spoken, where a broker is behind it.
    pub tls: Option<Arc<Tls>>,
    /// When clients lose their connections by an event of the run.
    pub drops: Vec<DropEvent>,
    /// What must hold at the end.
    pub thresholds: Vec<Threshold>,
    /// What must hold in each step of a search.
    pub slo: Vec<Threshold>,
    /// Sockets, descriptors and ports it needs.
    pub budget: Budget,
    /// What the user should know before it runs.
    pub warnings: Vec<String>,
}

impl Plan {
    /// Resolves a scenario for this host.
    ///
    /// # Errors
    /// When the scenario can't be run as written: with key, value and a way out.
    pub fn new(loaded: &Loaded, limits: &Limits) -> Result<Self> {
        Self::checked(loaded, limits, None)
    }

    /// Resolves a matrix for this host: target, keys, claims and policy are the scenario's; load and mix are not.
    ///
    /// # Errors
    /// When it can't be run as asked: with key, value and a way out.
    pub fn matrix(loaded: &Loaded, limits: &Limits, ask: &Ask) -> Result<Self> {
        let mut loaded = loaded.clone();
        foreign::check_matrix(&loaded.scenario).map_err(|error| error.within(place_of(&loaded)))?;
        cells::prepare(&mut loaded.scenario);
        let mut ask = ask.clone();
        loop {
            let mut plan = Self::checked(&loaded, limits, Some(&ask))?;
            let unfit = plan.unfit()?;
            if unfit.is_empty() {
                plan.check_known(&ask)?;
                return Ok(plan);
            }
            ask.unfit.extend(unfit);
        }
    }

    /// Holds known findings against the cells that are sent.
    fn check_known(&mut self, ask: &Ask) -> Result<()> {
        let brokers: Vec<&str> = self.brokers.iter().map(|broker| broker.label.as_str()).collect();
        ask.known.check(&brokers)?;
        let kinds = &self.mould.kinds;
        let is_sent = |name: &str| kinds.iter().any(|kind| kind.label == name);
        self.warnings.extend(ask.known.unsent(is_sent));
        Ok(())
    }

    fn checked(loaded: &Loaded, limits: &Limits, ask: Option<&Ask>) -> Result<Self> {
        let plan =
            Self::resolve(loaded, limits, ask).map_err(|error| error.within(place_of(loaded)))?;
        plan.budget.check(plan.load()).map_err(|error| error.within(place_of(loaded)))?;
        Ok(plan)
    }

    /// Resolves a scenario, whether or not it fits this host.
    ///
    /// # Errors
    /// When the scenario can't be run as written anywhere.
    pub fn unchecked(loaded: &Loaded, limits: &Limits) -> Result<Self> {
        Self::resolve(loaded, limits, None).map_err(|error| error.within(place_of(loaded)))
    }

    fn resolve(loaded: &Loaded, limits: &Limits, ask: Option<&Ask>) -> Result<Self> {
        let mut scenario = loaded.scenario.clone();
        let mut warnings = loaded.left_out.clone();
        let ground = Ground::of(&mut scenario, loaded, &mut warnings)?;
        let rows = ground.rows.as_deref();
        let context = ground.context(&scenario);
        let (mut kinds, cells) = kinds_of(context, &ground.strict, (ask, rows), &mut warnings)?;
        series::bring_password(&scenario, &mut kinds)?;
        let renew_with = renewals::resolve(context, &mut kinds, &mut warnings)?;
        kinds::check(&scenario, &ground.policy, &ground.names, (&ground.brokers, rows))?;
        let base = loaded.folder();
        let Ground { objectives, keys, brokers, spread, tls, policy, rows, names, .. } = ground;
        let Ground { probe_topic, issuance, expected, strictly, .. } = ground;
        let keeps = kinds::sign_differently(&kinds, &keys) || is_of_others(&scenario);
        let turns = turns::resolve(&scenario, &kinds, renew_with, keeps)?;
        let examiner =
            cells.as_ref().map(|_| Examiner::new(&scenario, &names, &keys)).transpose()?;
        cells::load(&mut scenario, ask.zip(cells.as_ref()));
        let scenario = &scenario;
        let workers =
            scenario.load.workers.map_or((limits.cpus / 2).clamp(1, 16), usize::from).max(1);
        let model = Model::resolve(&scenario.load, workers, &mut warnings)?;
        let attempts = attempts(&scenario.load, &model, scenario.seed)?;
        checks::check_lengths(&names, attempts)?;
        token_file::check_clients(rows.as_deref(), scenario, attempts)?;
        checks::check_mix(&kinds, &issuance, scenario, attempts)?;
        let (thresholds, slo) = bounds(scenario, &objectives, &kinds, &brokers)?;
        checks::warn_of_plugin(&policy, issuance.known_keys(keys.len()), &mut warnings, &brokers);
        checks::warn_of_short(&keys, &mut warnings);
        checks::warn_of_generated(scenario, &brokers, &issuance.published(), &mut warnings);
        issuance.warn_of_events(&model, &scenario.load, &mut warnings);
        issuance.warn_of_first_keys(&policy, &brokers, (&model, &scenario.load), &mut warnings);
        checks::warn_of_overridden(loaded, &policy, &mut warnings)?;
        let nodes = nodes::resolve(scenario, &brokers, &model, &mut warnings)?;
        let drops = drops::resolve(scenario, &model, &mut warnings)?;
        let budget = Budget::resolve(
            scenario,
            &model,
            &policy,
            (attempts, model.schedule(scenario.seed, attempts)),
            kinds::held_share(&kinds, &policy),
            (&brokers, &spread, workers),
            limits,
        )?;
        let bound = strictly.bound.into_keys().collect();
        let canary = ask.map_or(NOWHERE, |ask| &ask.canary);
        let mould = kinds::mould(scenario, (kinds, keys, names), bound, canary)?;
        Self {
            path: loaded.path.clone(),
            overrides: loaded.overrides.clone(),
            withheld: loaded.withheld.clone(),
            protocol: scenario.target.protocol,
            token_in: token_in(scenario),
            reuse: scenario.token.reuse.max(1),
            shares_names: false,
            ahead: scenario.token.ahead,
            mould,
            scenario: written_out(scenario, base, &policy, &model, workers),
            policy,
            overridden: overridden(&loaded.scenario),
            probe_topic,
            turns,
            expected,
            cells,
            examiner: examiner.map(Arc::new),
            issuance: Arc::new(issuance),
            nodes,
            drops,
            brokers,
            spread,
            rows,
            model,
            attempts,
            clients: attempts,
            segment: None,
            workers,
            tls: tls.map(Arc::new),
            thresholds,
            slo,
            budget,
            warnings,
        }
        .padded()
    }

    /// Gives good tokens the length that the scenario asks for, by a claim.
    fn padded(mut self) -> Result<Self> {
        let mut warnings = Vec::new();
        self.warn_of_short_hold(&mut warnings);
        self.warnings.append(&mut warnings);
        let Some(wanted) = self.scenario.token.bytes.map(|bytes| bytes as usize) else {
            return Ok(self);
        };
        let Some(kind) =
            self.mould.kinds.iter().position(|kind| kind.defect.is_good() && kind.key.is_some())
        else {
            return Err(Error::usage(
                "`token.bytes` is given, but the mix has no `fresh` tokens that the run signs",
            )
            .hint("add them to the mix, or leave `token.bytes` out"));
        };
        let mut token = Vec::new();
        Minter::new(&self.mould)?.mint(kind, self.attempts - 1, MEASURED_AT, &mut token)?;
        let name = free_name(&self.mould.claims, "pad");
        // What is in base64 takes four bytes for three; `,"":""` are six.
        let room = wanted.checked_sub(token.len()).map(|more| more * 3 / 4);
        let pad = room.and_then(|room| room.checked_sub(6 + name.len()));
        let Some(pad) = pad.filter(|_| wanted <= 65_535) else {
            return Err(Error::usage(format!(
                "`token.bytes` is {wanted}, but must be {} to 65535: without padding, tokens have {}",
                token.len() + (4 * (6 + name.len())).div_ceil(3),
                token.len()
            )));
        };
        self.mould.claims.insert(name, "x".repeat(pad).into());
        Ok(self)
    }

    /// `[load]` as written, for its durations and switches.
    pub fn load(&self) -> &Load {
        &self.scenario.load
    }

    /// Index of the kind of token that client `n` brings.
    pub fn kind_of(&self, n: u64) -> usize {
        if let Some(kind) = self.kind_of_row(n, 0) {
            return kind;
        }
        if let Some(cells) = &self.cells {
            // One after the other each broker gets the same cell.
            let brokers = self.brokers.len() as u64;
            return cells.kind_of(n / brokers, self.attempts / brokers);
        }
        let drawn = fraction(self.mould.seed ^ KIND_STREAM, n / self.reuse);
        let mut sum = 0.0;
        let kinds = &self.mould.kinds;
        let own = kinds.iter().position(|kind| {
            sum += kind.share;
            drawn < sum
        });
        // Shares add up to 1 but for what rounding makes of them; behind them may be kinds that no client comes with.
        own.or_else(|| kinds.iter().rposition(|kind| kind.share > 0.0)).unwrap_or_default()
    }

    /// Whether clients of a kind are held until the rest is over.
    pub fn is_witness(&self, kind: usize) -> bool {
        self.cells.as_ref().is_some_and(|cells| cells.witness == Some(kind))
    }

    /// Whether a kind is none that the run is about: it counts neither in the default threshold nor in `degraded`.
    pub fn is_aside(&self, kind: usize) -> bool {
        self.cells.as_ref().is_some_and(|cells| cells.is_aside(kind))
    }

    /// The key that signs the good tokens of a matrix.
    pub fn signing_key(&self) -> Option<usize> {
        self.mould.kinds.iter().find_map(|kind| kind.key)
    }

    /// The client whose token client `n` brings: itself, or the first of its group where tokens are reused.
    pub fn minted_as(&self, n: u64) -> u64 {
        n / self.reuse * self.reuse
    }

    /// Index of the broker that client `n` connects to.
    pub fn broker_of(&self, n: u64) -> usize {
        self.spread.broker_of(n)
    }

    /// The due times of the open model; `None` in the closed one.
    pub fn schedule(&self) -> Option<Schedule> {
        let whole = self.model.schedule(self.mould.seed, self.clients)?;
        Some(match &self.segment {
            Some(segment) => whole.of_segment(segment),
            None => whole,
        })
    }

    /// How many rotations a kind has followed so many nanoseconds after the start of the storm: so it is known which of its
    /// keys signs a token for that moment.
    pub fn rotation(&self, kind: usize, offset: i64) -> usize {
        if self.mould.kinds[kind].later.is_empty() {
            return 0;
        }
        self.issuance.timeline.rotation_at(Duration::from_nanos(offset.max(0) as u64))
    }

    /// Attempts in all; 0 where a time ends the run, and nobody knows how many there will be.
    pub fn known_attempts(&self) -> u64 {
        match self.model {
            Model::Closed { length: Some(_), .. } => 0,
            _ => self.attempts,
        }
    }

    /// Whether it is known which keys the brokers can know.
    pub fn watches_keys(&self) -> bool {
        self.issuance.authority.is_some()
    }

    /// Whether a run that the generator limited counts as not measured.
    pub fn is_strict(&self) -> bool {
        self.load().validity == ValidityRule::Strict
    }

    /// What an embedded broker can't be told of this policy.
    pub fn plugin_warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        let keys = self.issuance.known_keys(self.mould.keys.len());
        checks::warn_of_plugin(&self.policy, keys, &mut warnings, &self.brokers);
        warnings
    }

    /// Whether everybody is let in, by promise.
    pub fn is_anonymous(&self) -> bool {
        self.policy.anonymous == OnAnonymous::Accept
    }

    /// Addresses to connect from; empty for the one that the kernel chooses.
    pub fn sources(&self) -> &[IpAddr] {
        &self.scenario.load.source_addresses
    }
}

/// What is written in `[policy]`, by its keys.
fn overridden(scenario: &Scenario) -> Vec<String> {
    toml::Table::try_from(&scenario.policy)
        .map(|policy| policy.keys().cloned().collect())
        .unwrap_or_default()
}

/// A scenario as tests write it.
#[cfg(test)]
pub(crate) fn loaded(text: &str) -> Loaded {
    let scenario = crate::scenario::parse(text, &crate::scenario::Overrides::default()).unwrap();
    Loaded::new("x.toml", scenario)
}

fn place_of(loaded: &Loaded) -> String {
    format!("scenario `{}`", loaded.path.display())
}
