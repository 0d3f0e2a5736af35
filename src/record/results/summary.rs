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

/// The whole result of a run, or of a series of runs.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is a key of the file")]
pub struct Summary {
    /// The version of the format. A newer version may add keys; only another format drops or
    /// renames one.
    pub format: u32,
    /// Whether the run was still going on, or was killed: true until its end.
    pub partial: bool,
    /// The program that wrote the file.
    pub tool: Tool,
    /// The name of the scenario.
    pub scenario: String,
    /// The names and values that `tags` of the scenario has.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    /// When the storm started (RFC 3339, UTC); of a series, when its first run did.
    pub started_at: String,
    /// Seconds from the first start of a client to the end of the run; of a series, with the rests
    /// between its runs.
    pub duration_s: f64,
    /// Whether the user ended the run: Ctrl-C, SIGTERM or SIGHUP.
    pub interrupted: bool,
    /// The threshold that ended the run early, by its `abort_on_fail`. `validity.reasons` says it
    /// in a sentence; `validity.verdict` ignores it. Of a sweep or a comparison with a
    /// control: that of the first run that was ended so. A search has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aborted: Option<Aborted>,
    /// Whether the numbers can be trusted.
    pub validity: Trust,
    /// What was asked. `tokenstorm replay` needs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<super::asked::Asked>,
    /// The conclusion of the run, decided once, when it ends. The exit code and all reports
    /// follow it. A run that was killed has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ruling: Option<Ruling>,
    /// The model of the load: `open`, `closed`, `churn` or `preconnect`.
    pub model: String,
    /// The version of MQTT: 4 is 3.1.1, 5 is 5.0.
    pub protocol: u8,
    /// The profile of the broker's promises.
    pub profile: String,
    /// Seconds by which the broker delays a refusal on purpose, as the profile says. `connack`
    /// contains the delay that really was.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub refusal_delay_s: f64,
    /// The brokers that the run started, by label, and what verifies tokens in each.
    pub embedded: BTreeMap<String, String>,
    /// Clients whose first turn has started, with those that were abandoned.
    pub clients: u64,
    /// Attempts that have an outcome, of all turns.
    pub attempts: u64,
    /// Attempts without an outcome when the run was interrupted, or ended by a threshold, or when
    /// their agent was lost. They are not in `attempts`.
    pub abandoned: u64,
    /// Attempts that could not be judged because an event had stopped their broker, or because it
    /// had said by DISCONNECT 0x8B that it shuts down.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub excused: u64,
    /// Findings without a row in `findings.csv`, which has the first ones: attempts that are not
    /// `correct`, and operations that are neither `correct` nor `not_judged`.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub findings_left_out: u64,
    /// The groups of defects that the fresh or fetched tokens had, if every one of them had to be
    /// refused. The run then exits with 3, unless a false accept makes it 1.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nothing_good: Vec<String>,
    /// Whether both answers were right for every token that was answered. Nothing was judged then,
    /// and the run exits with 3.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub nothing_promised: bool,
    /// Attempts by outcome, with those that are 0.
    pub outcomes: Counts<OutcomeKind>,
    /// Attempts by outcome and code, such as `tcp_failed` by `ECONNREFUSED`. A reason code of
    /// CONNACK is a decimal number.
    #[serde(default)]
    pub codes: BTreeMap<OutcomeKind, BTreeMap<String, u64>>,
    /// Attempts by verdict, with those that are 0.
    pub verdicts: Counts<Verdict>,
    /// The times of each phase that an attempt or an operation entered.
    pub phases: Phases,
    /// The results of each kind of token, by its name in the mix.
    pub by_token: BTreeMap<String, Part>,
    /// The results of each broker, by its label.
    pub by_broker: BTreeMap<String, Part>,
    /// The connections of accepted clients.
    pub sessions: Sessions,
    /// Attempts that the broker asked once more by AUTH 0x18 before it answered (MQTT 5.0, 4.12).
    /// Their `connack` contains that round trip.
    #[serde(default)]
    pub auth_challenged: u64,
    /// Attempts that were accepted by a CONNACK without their authentication method.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub auth_method_missing: u64,
    /// Whether the upgrade to WebSocket brought the tokens: `ws_upgrade` is then the time of their
    /// verdicts.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub upgrade_brings_token: bool,
    /// What connected clients did or met. Each operation is there, whether it came or not.
    #[serde(default)]
    pub operations: super::operations::Operations,
    /// What became of connections whose tokens ended, whatever is promised and whatever the clock
    /// did.
    #[serde(default)]
    pub lifetime: super::operations::Lifetime,
    /// The tokens that clients renewed. All counts are 0 with `renew = "none"`.
    #[serde(default)]
    pub renewals: super::turns::Renewals,
    /// The connections that ended before their clients wanted, and what followed each of them. A
    /// client counts once for each of its drops. Counts are 0 with `reconnect = "none"`.
    #[serde(default)]
    pub returns: super::turns::Returns,
    /// The agents that drove the clients, of a run with `--agents`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agents: Option<super::agents::Crew>,
    /// The TLS handshakes with all brokers, if one was completed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsStats>,
    /// What came of the requests for tokens, if an authorization server issues them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oauth: Option<super::fetches::OAuth>,
    /// What became of the rows of the token file, if tokens come from one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_file: Option<super::token_file::TokenFile>,
    /// What became of tokens while keys came and went, if the run has an issuer of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks: Option<super::Jwks>,
    /// The fetches of each embedded broker that takes its keys from another server than the run's
    /// own, by label. If one never had keys, the run exits with 3.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub key_sets: BTreeMap<String, super::fetches::KeySetCounts>,
    /// The brokers that answered differently at the same time: the first 100 differences of a run.
    /// Those of a series are in the folders of its runs.
    #[serde(default)]
    pub divergent: Vec<super::divergent::Divergent>,
    /// What it cost that events stopped brokers: an entry for each `stop_broker` that was done.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outages: Vec<super::outages::Outage>,
    /// The brokers that went away by themselves: an entry for each time. This is a finding of the
    /// gravest kind, and the run exits with 1.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub broker_gone: Vec<super::gone::BrokerGone>,
    /// When it looks as if the broker took no more connections. No verdict follows from it, since a
    /// change of keys looks the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection_limit: Option<super::full::Full>,
    /// Bare TCP connects that asked whether a broker was still there. They belong to no attempt.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub broker_checks: u64,
    /// What both sides used of their hosts, if the scenario has `[monitor]`. Of a search: in its
    /// last run that held. A sweep and a comparison with a control have none here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub monitor: Option<super::monitor::Monitored>,
    /// What one core of this host verifies of the tokens of the run, if it mints them: with
    /// `[monitor]`, in the models `preconnect` and `churn`, and of a search. A sweep and a comparison
    /// with a control have none here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub yardstick: Option<Yardstick>,
    /// What a search for the highest rate found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity: Option<super::series::Capacity>,
    /// What verifying costs, by a comparison with runs without tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub control: Option<super::series::Control>,
    /// The runs of a sweep: the rows of `sweep.csv`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sweep: Vec<super::series::SweepRun>,
    /// Attempts and verdicts per second, of first turns only.
    pub throughput: Throughput,
    /// What tokenstorm itself used.
    pub generator: Generator,
    /// Each threshold, and what became of it.
    pub thresholds: Vec<Judged>,
}

/// Phases by name, in their order.
pub type Phases = BTreeMap<Phase, PhaseStats>;

/// The program that wrote a file.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Tool {
    /// `tokenstorm`.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The commit of its sources; `-modified` follows if they were changed.
    pub commit: String,
}

/// Whether the numbers can be trusted, and why.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Trust {
    /// Whether they can.
    pub verdict: Validity,
    /// Why not, and what else there is to know, in sentences.
    pub reasons: Vec<Reason>,
    /// Threads that drove clients and did not end: their last seconds are missing. The run then
    /// exits with 3.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub missing_workers: u64,
}

/// The result of one kind of token, or of one broker.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Part {
    /// Its attempts that have an outcome.
    pub attempts: u64,
    /// The same by outcome.
    pub outcomes: Counts<OutcomeKind>,
    /// The same by verdict.
    pub verdicts: Counts<Verdict>,
    /// The times of each phase that one of them entered.
    pub phases: Phases,
    /// The entry of the catalogue that this kind of token is, if the mix gives it a name of its
    /// own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// The TLS handshakes with this broker, if one was completed. A kind of token has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsStats>,
    /// What became of connections whose tokens ended. What is counted for the whole run only is
    /// left out.
    #[serde(default, skip_serializing_if = "super::operations::Lifetime::is_empty")]
    pub lifetime: super::operations::Lifetime,
}

/// TLS handshakes that were completed.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct TlsStats {
    /// All of them.
    pub handshakes: u64,
    /// The ones that resumed an earlier session.
    pub resumed: u64,
    /// `resumed` as a share of `handshakes`, 0 to 1.
    pub resumed_share: f64,
    /// The handshakes by version and cipher suite.
    pub suites: BTreeMap<String, u64>,
}

/// What one core of this host verifies of the tokens of a run, by `jsonwebtoken`.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Yardstick {
    /// Verifications per second of one core, by algorithm.
    pub per_s: BTreeMap<String, f64>,
    /// The same over the algorithms of the mix, by their shares.
    pub mixed_per_s: f64,
    /// Verdicts per second of the broker divided by `mixed_per_s`; null if a search found no rate.
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

/// The connections of accepted clients.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Sessions {
    /// Connections that began to hold (`load.hold` above 0): one for each turn.
    pub held: u64,
    /// Held connections that ended before their client closed them.
    pub dropped: u64,
    /// The same by what ended them: the reason code of DISCONNECT, `disconnect` (of MQTT 3.1.1,
    /// which has no code), `fin`, `rst`, `ping_timeout`, `flood`, `protocol_error` (such as a
    /// second CONNACK) or `event` (`drop_clients` of the run).
    pub dropped_by_code: BTreeMap<String, u64>,
}

/// Attempts and verdicts per second, of first turns only.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Throughput {
    /// The scheduled rate of the arrivals that started. Null if there is no schedule, as in the
    /// closed model.
    pub offered_per_s: Option<f64>,
    /// Judged answers per second, overload included, from the first start to the last CONNACK. The
    /// hold does not count; of waves, only the time from each release to its last answer does.
    pub verdicts_per_s: f64,
    /// The verdicts in slots of 100 ms of that time.
    pub per_100ms: Per100Ms,
}

/// Verdicts in each slot of 100 ms. Of a series: the lowest `p1` and `p50`, and the highest `p99`
/// and `max` of its runs.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
pub struct Per100Ms {
    /// The 1st percentile.
    pub p1: u64,
    /// The median.
    pub p50: u64,
    /// The 99th percentile.
    pub p99: u64,
    /// The most in one slot.
    pub max: u64,
}

/// What tokenstorm itself used.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Generator {
    /// CPU time of the `workers`, in seconds, from their first start until their first turns are
    /// over. With agents: of all of them.
    pub cpu_s: f64,
    /// The same for each attempt that ended until then, in microseconds.
    pub cpu_us_per_attempt: f64,
    /// CPU time of the whole process in seconds, with minting and writing. With agents: of all of
    /// them and the coordinator.
    pub total_cpu_s: f64,
    /// Resident memory before the first token was minted, in bytes.
    pub rss_start_bytes: u64,
    /// Resident memory with the most connections open, in bytes.
    pub rss_peak_open_bytes: u64,
    /// The most connections that were open at the end of a second.
    pub open_peak: u64,
    /// Tokens per second that all minting threads together could have signed, by the time that they
    /// spent on it.
    pub tokens_minted_per_s: f64,
    /// Threads that drive clients.
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
