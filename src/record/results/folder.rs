//! The files of a run, written as it goes: what was measured two seconds ago can be read, whatever
//! happens to the program.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use hdrhistogram::serialization::{
    V2DeflateSerializer,
    interval_log::{IntervalLogWriterBuilder, Tag},
};
use serde::Serialize;

use super::{
    PhaseStats, Summary,
    brokers::BrokerSeconds,
    cells::{BEYOND, Beyond},
    moment::Moment,
    time::{microseconds, percentile},
    writing::{Cut, Growing, replace_in, unwritable},
};
use crate::{
    base::words::{Counts, OutcomeKind},
    base::{
        clock::{Clock, SECOND, nanoseconds},
        error::{Error, Result, plain::json},
    },
    client::attempt::{Attempt, Phase},
    plan::Plan,
    record::measure::{Answer, Count, Finding, MOST_FINDINGS, Measurements},
    scenario::Scenario,
};

/// Columns of `timeline.csv`: the fields of a [`TimelineRow`].
const TIMELINE: &str = "second,started,accepted,refused,failed,open,connack_p50_us,connack_p99_us,start_delay_p99_us,beyond";
/// Columns of `findings.csv`.
const FINDINGS: &str =
    "client,token,broker,scheduled_us,started_us,ended_us,outcome,code,verdict,replay";

/// Where a run folder is to be.
#[derive(Clone, Debug)]
pub enum Place {
    /// Where the user wants it: it must not be there already, or be empty.
    Named(PathBuf),
    /// Wherever it has a name of its own: one that is taken gets a number.
    Fresh(PathBuf),
}

impl Place {
    /// The path, if nobody takes it first.
    pub fn path(&self) -> &Path {
        match self {
            Self::Named(path) | Self::Fresh(path) => path,
        }
    }

    /// Makes the folder, and says where it is.
    ///
    /// # Errors
    /// When it can't be made.
    pub fn make(&self) -> io::Result<PathBuf> {
        let path = match self {
            Self::Named(path) => return fs::create_dir_all(path).map(|()| path.clone()),
            Self::Fresh(path) => path,
        };
        if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            fs::create_dir_all(parent)?;
        }
        let mut made = path.clone();
        for number in 2_u32.. {
            match fs::create_dir(&made) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    made = PathBuf::from(format!("{}-{number}", path.display()));
                }
                other => return other.map(|()| made),
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }
}

/// A run folder that is being written.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    timeline: Growing,
    findings: Growing,
    /// Where there are several brokers.
    of_brokers: Option<BrokerSeconds>,
    histograms: Growing,
    found: usize,
    /// What counts the same attempts.
    moment: Moment,
}

#[derive(Serialize)]
struct TimelineRow {
    second: u64,
    started: u64,
    accepted: u64,
    refused: u64,
    failed: u64,
    open: u64,
    connack_p50_us: Option<f64>,
    connack_p99_us: Option<f64>,
    start_delay_p99_us: Option<f64>,
    beyond: String,
}

impl Folder {
    /// Makes the folder.
    ///
    /// # Errors
    /// When it can't be made, or one that the user named holds something.
    pub fn create(place: &Place, scenario: &Scenario, clock: Clock) -> Result<Self> {
        let path = &place.make().map_err(|error| unwritable(place.path(), &error))?;
        let fail = |error: io::Error| unwritable(path, &error);
        if fs::read_dir(path).map_err(fail)?.next().is_some() {
            return Err(Error::not_measured(format!(
                "`{}` holds something already",
                path.display()
            ))
            .hint("give `--out` a folder that is empty or does not exist"));
        }
        let start = Duration::from_nanos(clock.wall(0).max(0) as u64).as_secs_f64();
        let head = format!(
            "#[Histogram log format version 1.3]\n#unit: nanoseconds; time stamps and interval lengths: seconds\n\
             #[StartTime: {start:.3} (seconds since epoch)]\n\
             \"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",\"Interval_Compressed_Histogram\"\n"
        );
        let folder = Self {
            timeline: Growing::create(path, "timeline.csv", format!("{TIMELINE}\n").as_bytes())?,
            findings: Growing::create(path, "findings.csv", format!("{FINDINGS}\n").as_bytes())?,
            histograms: Growing::create(path, "latency.hlog", head.as_bytes())?,
            of_brokers: None,
            moment: Moment::new(path),
            path: path.to_owned(),
            found: 0,
        };
        folder.with_scenario(scenario)
    }

    fn with_scenario(self, scenario: &Scenario) -> Result<Self> {
        let mut shown = scenario.clone();
        for key in shown.keys.values_mut() {
            *key = key.redacted();
        }
        shown.oauth = shown.oauth.map(|oauth| oauth.redacted());
        shown.issuer = shown.issuer.map(|issuer| issuer.redacted());
        if let Some(url) = shown.monitor.as_mut().and_then(|monitor| monitor.prometheus.as_mut()) {
            *url = crate::scenario::monitor::shown(url);
        }
        // What stands in the query of a URL may be a token.
        let of_control = shown.control.iter_mut().flat_map(|control| &mut control.target);
        let of_events = shown.events.iter_mut().filter_map(|event| event.broker.as_mut());
        for broker in shown.target.brokers.iter_mut().chain(of_control).chain(of_events) {
            if let Some((url, _)) = broker.split_once('?') {
                *broker = format!("{url}?<redacted>");
            }
        }
        for command in shown.events.iter_mut().filter_map(|event| event.command.as_mut()) {
            *command = crate::base::launch::shown(command);
        }
        let text =
            toml::to_string_pretty(&shown).map_err(|error| unwritable(&self.path, &error))?;
        self.replace("scenario.toml", text.as_bytes())?;
        Ok(self)
    }

    /// Rows of `findings.csv` so far.
    pub fn found(&self) -> u64 {
        self.found as u64
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a file in the place of the one before, so that a reader sees one or the other.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn replace(&self, name: &str, bytes: &[u8]) -> Result<()> {
        replace_in(&self.path, name, bytes)
    }

    /// Writes a file of JSON.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn json(&self, name: &str, value: &impl Serialize) -> Result<()> {
        self.replace(name, &self.text(value)?)
    }

    /// The text of a file of JSON.
    fn text(&self, value: &impl Serialize) -> Result<Vec<u8>> {
        let text = serde_json::to_string_pretty(value);
        let text = text.map_err(|error| unwritable(&self.path, &error))?;
        Ok((json(&text) + "\n").into_bytes())
    }

    /// Appends a second: its row of the time line, its histograms, its findings.
    pub fn second(&mut self, plan: &Plan, storm: u64, second: u64, seen: &Measurements) {
        let row = timeline_row(second, seen, plan.load().connect_timeout);
        self.timeline.append_rows(|rows| rows.serialize(row));
        if plan.brokers.len() > 1 {
            let rows = self.of_brokers.get_or_insert_with(|| BrokerSeconds::begin(&self.path));
            rows.second(plan, second, seen);
        }
        self.histograms.append_with(|| interval(second, storm, seen));
        self.findings(plan, storm, &seen.findings);
    }

    /// Appends findings, as far as there is room for them.
    pub fn findings(&mut self, plan: &Plan, storm: u64, findings: &[Finding]) {
        let kept = &findings[..findings.len().min(MOST_FINDINGS - self.found)];
        let rows = kept.iter().map(|finding| finding_row(plan, storm, finding));
        if self
            .findings
            .append_rows(|out| rows.into_iter().try_for_each(|row| out.write_record(row)))
        {
            self.found += kept.len();
        }
    }

    /// Files that could not be written any more since this was last asked.
    pub fn cuts(&mut self) -> Vec<Cut> {
        let of_brokers = self.of_brokers.as_mut().and_then(BrokerSeconds::cut);
        let files = [&mut self.timeline, &mut self.findings, &mut self.histograms];
        files.into_iter().filter_map(Growing::cut).chain(of_brokers).collect()
    }

    /// Says that a file could not be written on which no other depends: the run is what it was, and goes on.
    pub fn spare(&self, written: Result<()>) {
        if let Err(error) = written {
            crate::tell!("warning: {error}");
        }
    }

    /// Writes `summary.json` and `verdicts.csv`, which count the same attempts, at one instant.
    ///
    /// # Errors
    /// When they can't be written.
    pub fn counts(&mut self, summary: &Summary, plan: &Plan, all: &Measurements) -> Result<()> {
        let (summary, verdicts) = (self.text(summary)?, self.verdicts(plan, all)?);
        self.moment.write(&[("summary.json", &summary), ("verdicts.csv", &verdicts)])
    }

    /// Writes them for the last time.
    ///
    /// # Errors
    /// When they can't be written.
    pub fn end(&mut self, summary: &Summary, plan: &Plan, all: &Measurements) -> Result<()> {
        self.counts(summary, plan, all)?;
        let (summary, verdicts) = (self.text(summary)?, self.verdicts(plan, all)?);
        self.moment.end(&[("summary.json", &summary), ("verdicts.csv", &verdicts)])
    }

    /// The rows of `verdicts.csv`.
    fn verdicts(&self, plan: &Plan, all: &Measurements) -> Result<Vec<u8>> {
        let mut rows = csv::Writer::from_writer(Vec::new());
        let mut write =
            |row: &[&str]| rows.write_record(row).map_err(|error| unwritable(&self.path, &error));
        write(&["token", "broker", "expected", "outcome", "code", "verdict", "count"])?;
        let mut counted: Vec<([String; 6], u64)> = Vec::new();
        for (tally, count) in all.tallies() {
            let row = [
                plan.mould.kinds[tally.kind].label.as_str(),
                plan.brokers[tally.broker].label.as_str(),
                tally.expected.name(),
                tally.outcome.name(),
                &tally.outcome.code().to_string(),
                tally.verdict.name(),
            ]
            .map(str::to_owned);
            match counted.last_mut() {
                // Ends that differ here and not in words: by FIN, within a packet or before.
                Some((last, sum)) if *last == row => *sum += count,
                _ => counted.push((row, count)),
            }
        }
        for (row, count) in counted {
            let mut row: Vec<&str> = row.iter().map(String::as_str).collect();
            let count = count.to_string();
            row.push(&count);
            write(&row)?;
        }
        rows.into_inner().map_err(|error| unwritable(&self.path, &error))
    }

    /// Writes `latency.csv`.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn latencies(&self, plan: &Plan, all: &Measurements, timeout: u64) -> Result<()> {
        let mut rows = csv::Writer::from_writer(Vec::new());
        let mut write =
            |row: &[String]| rows.write_record(row).map_err(|error| unwritable(&self.path, &error));
        let head = "phase,token,broker,outcome,count,unfinished,min_us,mean_us,p50_us,p90_us,p95_us,p99_us,p999_us,p9999_us,max_us";
        write(&head.split(',').chain([BEYOND]).map(str::to_owned).collect::<Vec<_>>())?;
        let kinds = with_all(plan.mould.kinds.iter().map(|kind| kind.label.clone()));
        let brokers = with_all(plan.brokers.iter().map(|broker| broker.label.clone()));
        let answers = [
            ("all", None),
            ("accepted", Some(Answer::Accepted)),
            ("refused", Some(Answer::Refused)),
        ];
        for phase in Phase::ALL {
            for (kind, token) in &kinds {
                for (broker, url) in &brokers {
                    for (outcome, answer) in answers {
                        let latency = all.latency(phase, *kind, *broker, answer);
                        if let Some(stats) = PhaseStats::new(&latency, timeout) {
                            let place = [phase.name(), token.as_str(), url.as_str(), outcome]
                                .map(str::to_owned);
                            write(&[&place[..], &columns(&stats)].concat())?;
                        }
                    }
                }
            }
        }
        self.replace(
            "latency.csv",
            &rows.into_inner().map_err(|error| unwritable(&self.path, &error))?,
        )
    }
}

/// The histograms of a second, as lines of the log.
fn interval(second: u64, storm: u64, seen: &Measurements) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    let mut serializer = V2DeflateSerializer::new();
    let mut log = IntervalLogWriterBuilder::new().begin_log_with(&mut text, &mut serializer)?;
    for phase in Phase::ALL {
        let Some(times) = seen.latency(phase, None, None, None).times else { continue };
        let start = Duration::from_nanos(storm + second * SECOND);
        log.write_histogram(&times, start, Duration::from_secs(1), Tag::new(phase.name()))
            .map_err(|error| io::Error::other(error.to_string()))?;
    }
    Ok(text)
}

/// A row of `findings.csv`.
fn finding_row(plan: &Plan, storm: u64, finding: &Finding) -> [String; 10] {
    let attempt = &finding.attempt;
    // Times of day are for people, offsets from the start of the storm for programs.
    let offset = |at: u64| format!("{:.3}", microseconds(at as f64 - storm as f64));
    let kind = &plan.mould.kinds[attempt.kind];
    [
        attempt.client.to_string(),
        kind.label.clone(),
        plan.brokers[attempt.broker].label.clone(),
        offset(attempt.scheduled),
        offset(attempt.started),
        offset(attempt.ended),
        attempt.outcome.name().to_owned(),
        attempt.outcome.code().to_string(),
        finding.verdict.name().to_owned(),
        replay_of(plan, attempt),
    ]
}

/// The command that mints the token of an attempt again; none of one that was fetched.
pub fn replay_of(plan: &Plan, attempt: &Attempt) -> String {
    let kind = &plan.mould.kinds[attempt.kind];
    // No command mints what was asked in passing.
    if plan.is_fetched(attempt.kind) || plan.is_aside(attempt.kind) {
        return String::new();
    }
    let command = replay(plan, kind.named(), attempt.client, attempt.minted_for);
    match attempt.key.filter(|_| !kind.later.is_empty()) {
        // Which key signed follows from the moment in the run, which the command does not know.
        Some(key) => {
            let name = &plan.mould.keys[usize::from(key)].name;
            format!("{command} --set {}", quoted(&format!("mix.{}.key={name}", attempt.kind)))
        }
        None => command,
    }
}

/// The command that mints a token of a run again.
///
/// Secrets that were given with `--set` are not in it, nor is a key that the run made for itself.
pub fn replay(plan: &Plan, label: &str, client: u64, at: i64) -> String {
    // A scenario that is built in is no file that `token mint` could read.
    if !plan.path.is_file() && plan.cells.is_some() {
        return format!("tokenstorm matrix --only {label}");
    }
    let scenario = plan.path.display().to_string();
    let (client, at) = (client.to_string(), seconds(at));
    let words = ["tokenstorm", "token", "mint", &scenario, "--token", label, "--client", &client];
    // To the nanosecond: claims are rounded up or down from it.
    let words = words.into_iter().chain(["--at", at.as_str()]);
    let words: Vec<String> =
        words.chain(plan.overrides.iter().map(String::as_str)).map(quoted).collect();
    words.join(" ")
}

/// Nanoseconds as a decimal number of seconds, without zeros that say nothing.
fn seconds(nanoseconds: i64) -> String {
    let second = SECOND as i64;
    let text = format!("{}.{:09}", nanoseconds.div_euclid(second), nanoseconds.rem_euclid(second));
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A word as a shell takes it.
pub fn quoted(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,".contains(c);
    if text.chars().all(is_plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

fn with_all(labels: impl Iterator<Item = String>) -> Vec<(Option<usize>, String)> {
    std::iter::once((None, "all".to_owned()))
        .chain(labels.enumerate().map(|(index, label)| (Some(index), label)))
        .collect()
}

fn columns(stats: &PhaseStats) -> Vec<String> {
    let optional = |value: Option<f64>| value.map(|value| value.to_string()).unwrap_or_default();
    let PhaseStats {
        count,
        unfinished,
        min_us,
        mean_us,
        p50_us,
        p90_us,
        p95_us,
        p99_us,
        p999_us,
        p9999_us,
        max_us,
    } = stats;
    let mut columns =
        vec![count.to_string(), unfinished.to_string(), optional(*min_us), optional(*mean_us)];
    let mut beyond = Beyond::default();
    for (name, time) in [
        ("p50", p50_us),
        ("p90", p90_us),
        ("p95", p95_us),
        ("p99", p99_us),
        ("p999", p999_us),
        ("p9999", p9999_us),
        ("max", max_us),
    ] {
        columns.push(beyond.cell(name, Some(*time)));
    }
    columns.push(beyond.text());
    columns
}

fn timeline_row(second: u64, seen: &Measurements, timeout: Duration) -> TimelineRow {
    let outcomes: Counts<OutcomeKind> =
        seen.tallies().into_iter().map(|(tally, count)| (tally.outcome.kind(), count)).collect();
    let mut beyond = Beyond::default();
    let mut time = |name, phase, percent| {
        let latency = seen.latency(phase, None, None, None);
        let time =
            (!latency.is_empty()).then(|| percentile(&latency, percent, nanoseconds(timeout)));
        beyond.number(name, time)
    };
    let connack_p50_us = time("connack_p50", Phase::Connack, 50.0);
    let connack_p99_us = time("connack_p99", Phase::Connack, 99.0);
    let start_delay_p99_us = time("start_delay_p99", Phase::StartDelay, 99.0);
    let (accepted, refused) = (outcomes[OutcomeKind::Accepted], outcomes[OutcomeKind::Refused]);
    TimelineRow {
        second,
        started: seen[Count::Started],
        accepted,
        refused,
        failed: seen.attempts() - accepted - refused,
        open: seen[Count::Open],
        connack_p50_us,
        connack_p99_us,
        start_delay_p99_us,
        beyond: beyond.text(),
    }
}

/// Whether a folder can be made and written, told before anything is measured.
///
/// # Errors
/// When it can't.
pub fn check_writable(place: &Place) -> Result<()> {
    let path = place.path();
    let parent =
        path.ancestors().find(|ancestor| ancestor.is_dir()).unwrap_or_else(|| Path::new("."));
    let probe = tempfile::Builder::new().prefix(".tokenstorm").tempfile_in(parent);
    probe.map(drop).map_err(|error| unwritable(path, &error))?;
    if matches!(place, Place::Fresh(_)) {
        return Ok(());
    }
    if path.is_file() {
        return Err(unwritable(path, &"it is a file"));
    }
    let holds_something = fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_some());
    if holds_something {
        return Err(Error::not_measured(format!("`{}` holds something already", path.display()))
            .hint("give `--out` a folder that is empty or does not exist"));
    }
    Ok(())
}
