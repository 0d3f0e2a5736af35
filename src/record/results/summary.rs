//! `summary.json`: the whole result. Times leave the program in microseconds.

use std::{collections::BTreeMap, path::Path};

use serde::{Deserialize, Serialize};

use super::{
    PhaseStats, Reason, Ruling,
    judged::{Aborted, Judged},
    writing::is_zero,
};
use crate::base::{
    error::{Error, Result},
    words::{Counts, OutcomeKind, Phase, Validity, Verdict},
};

/// The version of the format that this program writes.
pub const FORMAT: u32 = 1;

/// The whole result of a run.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[expect(missing_docs, reason = "the fields are those of the file, described in docs/results.md")]
#[expect(clippy::struct_excessive_bools, reason = "each is a key of the file")]
pub struct Summary {
    pub format: u32,
    pub partial: bool,
    pub tool: Tool,
    pub scenario: String,
    /// Names and values that its user gave it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    pub started_at: String,
    pub duration_s: f64,
    pub interrupted: bool,
    /// Where a threshold ended the run before its time: which one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aborted: Option<Aborted>,
    pub validity: Trust,
    /// What was asked: enough to ask a part of it again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<super::asked::Asked>,
    /// What it came to, decided at its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ruling: Option<Ruling>,
    /// `open` or `closed`.
    pub model: String,
    pub protocol: u8,
    pub profile: String,
    /// By how much the broker delays a refusal on purpose, by its profile.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub refusal_delay_s: f64,
    /// Brokers that the run started, and what verifies tokens in them.
    pub embedded: BTreeMap<String, String>,
    pub clients: u64,
    pub attempts: u64,
    pub abandoned: u64,
    /// Attempts that could not be judged because an event of the run had stopped their broker.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub excused: u64,
    /// Findings that `findings.csv` has no row for: it holds the first ones.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub findings_left_out: u64,
    /// Where every token that should have been good had to be refused: what was wrong with them, by groups of defects.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nothing_good: Vec<String>,
    /// Where nothing was promised of any token: each answer was right, and nothing was judged.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub nothing_promised: bool,
    pub outcomes: Counts<OutcomeKind>,
    /// Attempts by outcome and code, such as `tcp_failed` by `ECONNREFUSED`.
    #[serde(default)]
    pub codes: BTreeMap<OutcomeKind, BTreeMap<String, u64>>,
    pub verdicts: Counts<Verdict>,
    pub phases: Phases,
    pub by_token: BTreeMap<String, Part>,
    pub by_broker: BTreeMap<String, Part>,
    pub sessions: Sessions,
    /// Attempts that were asked once more by AUTH before they had their answer (MQTT 5.0, 4.12): their `connack` has that
    /// round trip in it.
    #[serde(default)]
    pub auth_challenged: u64,
    /// Attempts that were accepted by a CONNACK without their authentication method.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub auth_method_missing: u64,
    /// Whether the upgrade to WebSocket brought the tokens: `ws_upgrade` is how long their verdicts took then.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub upgrade_brings_token: bool,
    /// What connected clients did or met.
    #[serde(default)]
    pub operations: super::operations::Operations,
    /// What became of connections whose tokens ended.
    #[serde(default)]
    pub lifetime: super::operations::Lifetime,
    /// Tokens that clients renewed.
    #[serde(default)]
    pub renewals: super::turns::Renewals,
    /// Clients whose connection ended, and which may come back.
    #[serde(default)]
    pub returns: super::turns::Returns,
    /// Where agents drove the clients: how many, and which were lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agents: Option<super::agents::Crew>,
    /// Where a broker is behind TLS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsStats>,
    /// Where tokens were fetched: what came of that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oauth: Option<super::fetches::OAuth>,
    /// Where tokens came from a file: what became of its rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_file: Option<super::token_file::TokenFile>,
    /// Where the run brought an issuer along: what became of tokens while its keys came and went.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks: Option<super::Jwks>,
    /// What embedded brokers met when they fetched the key set of a server that is not the run's own, by their labels.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub key_sets: BTreeMap<String, super::fetches::KeySetCounts>,
    /// Brokers that answered differently at the same time.
    #[serde(default)]
    pub divergent: Vec<super::divergent::Divergent>,
    /// Where events stopped brokers: what that cost.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outages: Vec<super::outages::Outage>,
    /// Brokers that went away by themselves: a finding of the gravest kind.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub broker_gone: Vec<super::gone::BrokerGone>,
    /// Where it looks as if the broker took no more connections: verdicts do not follow from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection_limit: Option<super::full::Full>,
    /// Bare TCP connects that asked whether a broker was still there: outside all attempts.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub broker_checks: u64,
    /// Where `[monitor]` asks for it: what both sides used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub monitor: Option<super::monitor::Monitored>,
    /// Where the verifier is what is measured: what one core of this host verifies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub yardstick: Option<Yardstick>,
    /// Of a search: what it found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity: Option<super::series::Capacity>,
    /// Of a comparison with runs without tokens: what verifying costs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub control: Option<super::series::Control>,
    /// Of a sweep: its runs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sweep: Vec<super::series::SweepRun>,
    pub throughput: Throughput,
    pub generator: Generator,
    pub thresholds: Vec<Judged>,
}

/// Phases by name, in their order.
pub type Phases = BTreeMap<Phase, PhaseStats>;

/// Who wrote it.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[expect(missing_docs, reason = "the fields are those of the file")]
pub struct Tool {
    pub name: String,
    pub version: String,
    pub commit: String,
}

/// Whether the numbers can be trusted, and why.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Trust {
    /// Whether they can.
    pub verdict: Validity,
    /// Why, and what else to know.
    pub reasons: Vec<Reason>,
    /// Workers that did not end, whose last seconds are missing.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub missing_workers: u64,
}

/// The result of one kind of token, or of one broker.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[expect(missing_docs, reason = "the fields are those of the file")]
pub struct Part {
    pub attempts: u64,
    pub outcomes: Counts<OutcomeKind>,
    pub verdicts: Counts<Verdict>,
    pub phases: Phases,
    /// Of a kind of token with a name of its own: the entry of the catalogue that it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Of a broker that is behind TLS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsStats>,
    /// What became of connections whose tokens ended, where any did.
    #[serde(default, skip_serializing_if = "super::operations::Lifetime::is_empty")]
    pub lifetime: super::operations::Lifetime,
}

/// TLS handshakes that came to an end.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[expect(missing_docs, reason = "the fields are those of the file")]
pub struct TlsStats {
    pub handshakes: u64,
    /// Those that resumed an earlier session.
    pub resumed: u64,
    pub resumed_share: f64,
    /// Handshakes by version and cipher suite.
    pub suites: BTreeMap<String, u64>,
}

/// What one core of this host verifies of the tokens of a run, by `jsonwebtoken`, and how far the broker is from that.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Yardstick {
    /// Verifications a second of one core, by algorithm.
    pub per_s: BTreeMap<String, f64>,
    /// The same over the algorithms of the mix, by their shares.
    pub mixed_per_s: f64,
    /// Verdicts a second of the broker as a share of it.
    pub broker_share: Option<f64>,
}

impl Yardstick {
    /// By verifications a second of one core and the shares of the mix, of each algorithm; `None` of none.
    pub fn of(measured: &BTreeMap<String, (f64, f64)>) -> Option<Self> {
        let shares: f64 = measured.values().map(|(_, share)| share).sum();
        // Times add up, rates do not.
        let time: f64 = measured.values().map(|(per_s, share)| share / per_s).sum();
        (time > 0.0).then(|| Self {
            per_s: measured
                .iter()
                .map(|(name, (per_s, _))| (name.clone(), per_s.round()))
                .collect(),
            mixed_per_s: (shares / time).round(),
            broker_share: None,
        })
    }

    /// The same, with what a broker gave beside it.
    #[must_use]
    pub fn against(&self, verdicts_per_s: f64) -> Self {
        Self { broker_share: Some(verdicts_per_s / self.mixed_per_s), ..self.clone() }
    }
}

/// What became of accepted clients.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[expect(missing_docs, reason = "the fields are those of the file")]
pub struct Sessions {
    pub held: u64,
    pub dropped: u64,
    pub dropped_by_code: BTreeMap<String, u64>,
}

/// Attempts and verdicts a second.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[expect(missing_docs, reason = "the fields are those of the file")]
pub struct Throughput {
    /// `None` in the closed model.
    pub offered_per_s: Option<f64>,
    pub verdicts_per_s: f64,
    pub per_100ms: Per100Ms,
}

/// Verdicts in each 100 ms.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
#[expect(missing_docs, reason = "the fields are those of the file")]
pub struct Per100Ms {
    pub p1: u64,
    pub p50: u64,
    pub p99: u64,
    pub max: u64,
}

/// What the harness itself used.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[expect(missing_docs, reason = "the fields are those of the file")]
pub struct Generator {
    pub cpu_s: f64,
    pub cpu_us_per_attempt: f64,
    pub total_cpu_s: f64,
    pub rss_start_bytes: u64,
    pub rss_peak_open_bytes: u64,
    pub open_peak: u64,
    pub tokens_minted_per_s: f64,
    pub workers: usize,
}

impl Summary {
    /// The phase that is the time of a verdict on the token.
    pub fn verdict_phase(&self) -> Phase {
        if self.upgrade_brings_token { Phase::WsUpgrade } else { Phase::Connack }
    }

    /// Reads the summary of a run folder.
    ///
    /// # Errors
    /// When there is none, or it is of a newer format.
    pub fn read(folder: &Path) -> Result<Self> {
        let path = folder.join("summary.json");
        if !path.exists() {
            return Err(Error::usage(format!(
                "`{}` is no run folder: there is no `summary.json` in it",
                folder.display()
            ))
            .hint("`tokenstorm run` prints where it put its results, `results/<name>-<time>` unless told otherwise"));
        }
        super::read_json(&path).map(Self::without_timeouts)
    }

    /// Files do not say whether a percentile without a time is a timeout: where no attempt ran into one, none is.
    fn without_timeouts(mut self) -> Self {
        if self.outcomes[OutcomeKind::Timeout] > 0 {
            return self;
        }
        let parts = self.by_token.values_mut().chain(self.by_broker.values_mut());
        let all = parts.map(|part| &mut part.phases).chain([&mut self.phases]);
        all.flat_map(BTreeMap::values_mut).for_each(PhaseStats::without_timeouts);
        self
    }

    /// Attempts whose answer says something about their token.
    pub fn judged(&self) -> u64 {
        self.verdicts.of(Verdict::is_judged)
    }

    /// What a threshold ended, if it did: it has failed, whatever it came to after that.
    pub fn ended_by(&self, threshold: &Judged) -> Option<&'static str> {
        let aborted = self.aborted.as_ref()?;
        let is_it = aborted.metric == threshold.metric && aborted.condition == threshold.condition;
        is_it.then_some(match aborted.run {
            None => "ended the run early",
            Some(_) => "ended a run early",
        })
    }
}
