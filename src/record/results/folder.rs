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
    PhaseStats, Summary, brokers,
    cells::{Beyond, parted},
    findings::{self, Start},
    moment::Moment,
    operations,
    sheets::{FINDINGS, LATENCY, OPERATIONS, TIMELINE, VERDICTS},
    timeline::Second,
    writing::{Cut, Growing, replace_in, replace_table, table, unwritable},
};
use crate::{
    base::{
        clock::{Clock, SECOND},
        error::{Error, Result, plain::json},
    },
    client::attempt::Phase,
    plan::Plan,
    record::measure::{
        Answer, Finding, MOST_FINDINGS, Measurements, latency::Latency, operations::Operated,
    },
    scenario::Scenario,
};

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
    clock: Clock,
    timeline: Growing,
    findings: Growing,
    /// Where there are several brokers.
    of_brokers: Option<Growing>,
    histograms: Growing,
    found: usize,
    /// What counts the same attempts.
    moment: Moment,
}

impl Folder {
    /// Makes the folder.
    ///
    /// # Errors
    /// When it can't be made, or one that the user named holds something.
    pub fn create(place: &Place, scenario: &Scenario, clock: Clock) -> Result<Self> {
        let path = &place.make().map_err(|error| unwritable(place.path(), &error))?;
        if fs::read_dir(path).map_err(|error| unwritable(path, &error))?.next().is_some() {
            return Err(occupied(path));
        }
        let start = Duration::from_nanos(clock.wall(0).max(0) as u64).as_secs_f64();
        let head = format!(
            "#[Histogram log format version 1.3]\n#unit: nanoseconds; time stamps and interval lengths: seconds\n\
             #[StartTime: {start:.3} (seconds since epoch)]\n\
             \"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",\"Interval_Compressed_Histogram\"\n"
        );
        let folder = Self {
            timeline: Growing::create(path, TIMELINE.name, TIMELINE.first_line().as_bytes())?,
            findings: Growing::create(path, FINDINGS.name, FINDINGS.first_line().as_bytes())?,
            histograms: Growing::create(path, "latency.hlog", head.as_bytes())?,
            of_brokers: None,
            moment: Moment::new(path),
            path: path.to_owned(),
            clock,
            found: 0,
        };
        folder.with_scenario(scenario)
    }

    fn with_scenario(self, scenario: &Scenario) -> Result<Self> {
        let mut shown = scenario.clone();
        for key in shown.keys.values_mut() {
            *key = key.redacted();
        }
        shown.identity = shown.identity.redacted();
        shown.target.ws = shown.target.ws.map(|ws| ws.redacted());
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

    /// When a storm started that did so at an instant of the run's clock.
    fn start(&self, at: u64) -> Start {
        Start { at, wall: self.clock.wall(at) }
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
    /// `late` is what was settled since the second before was written.
    pub fn second(
        &mut self,
        plan: &Plan,
        storm: u64,
        second: u64,
        (seen, late): (&Measurements, &Measurements),
    ) {
        let row = Second::of(second, seen, plan.limit(Phase::Connack));
        self.timeline.append_rows([(parted(&row), (row.dropped, row.back, row.renewed))]);
        if plan.brokers.len() > 1 {
            let file = self.of_brokers.get_or_insert_with(|| brokers::begin(&self.path));
            brokers::append(file, plan, second, seen);
        }
        let latency = |phase| {
            let mut latency = seen.latency(phase, None, None, None);
            latency.join(&late.latency(phase, None, None, None));
            latency
        };
        self.histograms.append_with(|| interval(second, storm, latency));
        self.findings(plan, storm, &seen.findings);
        for found in [&seen.found, &late.found] {
            self.operated(plan, storm, found);
        }
    }

    /// Appends what was settled after the last second.
    pub fn rest(&mut self, plan: &Plan, storm: u64, second: u64, late: &Measurements) {
        let latency = |phase| late.latency(phase, None, None, None);
        self.histograms.append_with(|| interval(second, storm, latency));
        self.operated(plan, storm, &late.found);
    }

    /// Appends operations of clients that are findings, as far as there is room for them.
    fn operated(&mut self, plan: &Plan, storm: u64, found: &[Operated]) {
        let kept = &found[..found.len().min(MOST_FINDINGS - self.found)];
        let start = self.start(storm);
        let rows = kept.iter().map(|operated| findings::of_operation(plan, start, operated));
        if self.findings.append_rows(rows) {
            self.found += kept.len();
        }
    }

    /// Appends findings, as far as there is room for them.
    pub fn findings(&mut self, plan: &Plan, storm: u64, findings: &[Finding]) {
        let kept = &findings[..findings.len().min(MOST_FINDINGS - self.found)];
        let start = self.start(storm);
        let rows = kept.iter().map(|finding| findings::of_attempt(plan, start, finding));
        if self.findings.append_rows(rows) {
            self.found += kept.len();
        }
    }

    /// Ends `findings.csv` with the number of findings that it has no row for; nothing where it has all.
    pub fn end_findings(&mut self, left_out: u64) {
        if left_out > 0 {
            self.findings.append_rows([findings::left_out(left_out)]);
        }
    }

    /// Files that could not be written any more since this was last asked.
    pub fn cuts(&mut self) -> Vec<Cut> {
        let files = [&mut self.timeline, &mut self.findings, &mut self.histograms];
        files.into_iter().chain(&mut self.of_brokers).filter_map(Growing::cut).collect()
    }

    /// Says that a file could not be written on which no other depends: the run is what it was, and goes on.
    pub fn spare(&self, written: Result<()>) {
        if let Err(error) = written {
            crate::tell!("warning: {error}");
        }
    }

    /// Writes `summary.json`, `verdicts.csv` and `operations.csv`, which count the same, at one instant.
    ///
    /// # Errors
    /// When they can't be written.
    pub fn counts(&mut self, summary: &Summary, plan: &Plan, all: &Measurements) -> Result<()> {
        let files = self.counted(summary, plan, all)?;
        self.moment.write(&files.each_ref().map(|(name, bytes)| (*name, &bytes[..])))
    }

    /// Writes them for the last time.
    ///
    /// # Errors
    /// When they can't be written.
    pub fn end(&mut self, summary: &Summary, plan: &Plan, all: &Measurements) -> Result<()> {
        self.counts(summary, plan, all)?;
        let files = self.counted(summary, plan, all)?;
        self.moment.end(&files.each_ref().map(|(name, bytes)| (*name, &bytes[..])))
    }

    /// The files that count the same, with their bytes.
    fn counted(
        &self,
        summary: &Summary,
        plan: &Plan,
        all: &Measurements,
    ) -> Result<[(&'static str, Vec<u8>); 3]> {
        Ok([
            ("summary.json", self.text(summary)?),
            (VERDICTS.name, self.verdicts(plan, all)?),
            (OPERATIONS.name, operations::rows(&self.path, plan, all)?),
        ])
    }

    /// The bytes of `verdicts.csv`.
    fn verdicts(&self, plan: &Plan, all: &Measurements) -> Result<Vec<u8>> {
        let mut counted = Vec::<(_, u64)>::new();
        for (tally, count) in all.tallies() {
            let kind = plan.mould.kinds[tally.kind].label.as_str();
            let place = (kind, plan.brokers[tally.broker].label.as_str());
            let code = tally.outcome.code().to_string();
            let row = (place, tally.expected.name(), tally.outcome.name(), code, tally.verdict);
            match counted.last_mut() {
                // Ends that differ here and not in words: by FIN, within a packet or before.
                Some((last, sum)) if *last == row => *sum += count,
                _ => counted.push((row, count)),
            }
        }
        table(&self.path, &VERDICTS, counted)
    }

    /// Writes `latency.csv`.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn latencies(&self, plan: &Plan, all: &Measurements) -> Result<()> {
        let kinds = with_all(plan.mould.kinds.iter().map(|kind| kind.label.as_str()));
        let brokers = with_all(plan.brokers.iter().map(|broker| broker.label.as_str()));
        let answers = [
            ("all", None),
            ("accepted", Some(Answer::Accepted)),
            ("refused", Some(Answer::Refused)),
        ];
        let mut rows = Vec::new();
        for phase in Phase::ALL {
            for (kind, token) in &kinds {
                for (broker, url) in &brokers {
                    for (outcome, answer) in answers {
                        let latency = all.latency(phase, *kind, *broker, answer);
                        if let Some(stats) = PhaseStats::new(&latency, plan.limit(phase)) {
                            rows.push(((phase, token, url, outcome), columns(stats)));
                        }
                    }
                }
            }
        }
        replace_table(&self.path, &LATENCY, rows)
    }
}

/// The histograms of a second, as lines of the log.
fn interval(second: u64, storm: u64, latency: impl Fn(Phase) -> Latency) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    let mut serializer = V2DeflateSerializer::new();
    let mut log = IntervalLogWriterBuilder::new().begin_log_with(&mut text, &mut serializer)?;
    for phase in Phase::ALL {
        let Some(times) = latency(phase).times else { continue };
        let start = Duration::from_nanos(storm + second * SECOND);
        log.write_histogram(&times, start, Duration::from_secs(1), Tag::new(phase.name()))
            .map_err(|error| io::Error::other(error.to_string()))?;
    }
    Ok(text)
}

fn with_all<'a>(labels: impl Iterator<Item = &'a str>) -> Vec<(Option<usize>, &'a str)> {
    let own = labels.enumerate().map(|(index, label)| (Some(index), label));
    std::iter::once((None, "all")).chain(own).collect()
}

/// The cells of a distribution, and the names of those that lie beyond them.
fn columns(mut stats: PhaseStats) -> impl Serialize {
    let mut beyond = Beyond::default();
    let cells = stats.percentiles().map(|(name, time)| beyond.cell(name, Some(*time)));
    let [least, mean] = [stats.min_us, stats.mean_us].map(|time| time.map(|us| us.to_string()));
    (stats.count, stats.unfinished, least, mean, cells, beyond.text())
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
    if fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(occupied(path));
    }
    Ok(())
}

fn occupied(path: &Path) -> Error {
    Error::not_measured(format!("`{}` holds something already", path.display()))
        .hint("give `--out` a folder that is empty or does not exist")
}
