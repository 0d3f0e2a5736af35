//! Collects what the workers have seen, second by second, and writes the run folder as the run goes.

mod absent;
pub(super) mod after;
mod agents;
mod cluster;
mod early;
mod ending;
mod files;
pub(super) mod lanes;
pub(super) mod live;
mod monitored;
mod snapshot;
pub(super) mod validity;

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, atomic::Ordering},
};

use self::{after::Death, cluster::Cluster, lanes::Lane, live::Telling, validity::Watch};
use super::{
    Finished, Hands, Lost, Options, events::Events, monitor::Monitor, nodes::Nodes, storm::Storm,
    target::Targets, worker::Report,
};
use crate::{
    base::{
        clock::SECOND,
        error::{Error, Result},
        host::Limits,
        words::Verdict,
    },
    client::attempt::{Outcome, Phase, advice},
    record::{
        measure::{Count, Mark, Measurements, latency::Quantile},
        results::{
            Environment, Folder, Jwks, Matrix, Place, Summary,
            absence::Absences,
            agents::Agent,
            authority,
            fetches::OAuth,
            judged::Aborted,
            keys::Seen,
            monitor::{Reading, Rows},
            operations::OperationStats,
            ruling::decide::{Expects, Terms, decide},
            summary::{Generator, Yardstick},
            tables, threshold,
            token_file::TokenFile,
            turns::Returns,
            whole::{check_conserved, measured},
        },
    },
    servers::{broker::KeyNews, canary::Canary},
};

/// Answers up to which it is told each second what became of keys; of more only at the end.
const MOST_TOLD: usize = 100_000;
/// How long a broker may take to listen whose host refuses connections: it may be starting.
const REFUSED: u64 = SECOND;

/// Collects one run.
#[derive(Debug)]
pub(super) struct Collector {
    storm: Arc<Storm>,
    workers: Vec<Lane>,
    /// Seconds that not all workers have left behind yet.
    seconds: BTreeMap<u64, Measurements>,
    next_second: u64,
    /// Seconds that all have left behind, and that are not in the folder yet.
    unwritten: Vec<(u64, Measurements)>,
    all: Measurements,
    /// What was settled after its second was written: it goes into the next.
    settled_late: Measurements,
    place: Place,
    folder: Option<Folder>,
    environment: Environment,
    watch: Watch,
    verifiers: BTreeMap<String, String>,
    /// What embedded brokers tell of key sets that are not the run's own.
    key_news: Vec<(usize, String, Arc<KeyNews>)>,
    generator: Generator,
    ended: u64,
    /// What headers of a matrix' tokens name.
    pub(super) canary: Option<Canary>,
    /// What happens to the issuer.
    pub(super) events: Option<Events>,
    /// What happens to brokers.
    pub(super) nodes: Option<Nodes>,
    cluster: Cluster,
    /// Whether brokers are there.
    absences: Absences,
    /// Who reads what both sides use.
    pub(super) monitor: Option<Monitor>,
    /// What it has read.
    readings: Vec<Reading>,
    rows: Option<Rows>,
    /// Warnings of the monitor that have been said.
    warned: usize,
    /// Readings that are in the folder.
    written: usize,
    /// Resident memory of those that drive the clients.
    resident: u64,
    /// They, where they are agents.
    agents: Option<Vec<Agent>>,
    /// What one core verifies, where the verifier is what is measured.
    pub(super) yardstick: Option<Yardstick>,
    /// The second at whose end most connections were open.
    peak_second: u64,
    /// Medians of each second, of `response` and of `connack`.
    medians: Vec<(Option<u64>, Option<u64>)>,
    /// The threshold that ended the run before its time.
    aborted: Option<Aborted>,
    /// Connections that were open at the end of the last closed second.
    open: u64,
    /// Workers have been told to end.
    is_stopping: bool,
    /// When it was last looked whether workers are late.
    looked: u64,
    /// The storm is over, and seconds are closed when they are past.
    closes_by_clock: bool,
    /// Connections that brokers had ended or refused when that was last looked at.
    known_trouble: u64,
    /// Of a matrix, when its broker went away, and after which cell.
    pub(super) deaths: Vec<Death>,
    telling: Telling,
}

impl Collector {
    /// A collector for a run that used `rss` bytes of memory before it minted its first token.
    pub(super) fn new(
        storm: &Arc<Storm>,
        place: Place,
        environment: Environment,
        limits: &Limits,
        targets: &Targets,
        rss: u64,
    ) -> Self {
        Self {
            workers: Vec::new(),
            seconds: BTreeMap::new(),
            next_second: 0,
            unwritten: Vec::new(),
            all: storm.recorder(),
            settled_late: storm.recorder(),
            place,
            folder: None,
            environment,
            watch: Watch::new(limits.cpus, targets.shares_host),
            verifiers: targets.verifiers.clone(),
            key_news: targets.key_news(),
            generator: Generator {
                rss_start_bytes: rss,
                rss_peak_open_bytes: rss,
                ..Generator::default()
            },
            ended: storm.start,
            canary: None,
            events: None,
            nodes: None,
            cluster: Cluster::default(),
            absences: Absences::default(),
            monitor: None,
            readings: Vec::new(),
            rows: None,
            warned: 0,
            written: 0,
            resident: rss,
            agents: None,
            yardstick: None,
            peak_second: 0,
            medians: Vec::new(),
            aborted: None,
            open: 0,
            is_stopping: false,
            looked: storm.start,
            closes_by_clock: false,
            known_trouble: 0,
            deaths: Vec::new(),
            telling: Telling::of(&storm.plan),
            storm: Arc::clone(storm),
        }
    }

    /// Collects until all workers are done, or nothing can be measured.
    pub(super) fn collect(&mut self, hands: &dyn Hands, options: &mut Options) -> Result<()> {
        // This thread, which writes files once a second, must not take a CPU from one that drives clients.
        let _ = rustix::process::setpriority_process(None, 10);
        options.screen.storm();
        self.watch.look(self.storm.clock.now(), true);
        self.publish(options);
        while self.workers.iter().any(Lane::is_waited_for) {
            let late = self.look_at_lanes();
            if !late.is_empty() {
                for worker in &late {
                    options.screen.warn(&worker.words());
                }
                // What the others have seen is written without it.
                self.write_seconds(options)?;
            }
            if let Some((worker, report)) = self.next_report()? {
                self.take(worker, report);
                self.ask_hands(hands);
                let closed = self.next_second;
                self.write_seconds(options)?;
                if self.next_second > closed {
                    self.publish(options);
                }
            }
            for news in hands.news() {
                options.screen.warn(&news);
            }
            if let Some(error) = hands.failure() {
                return Err(error);
            }
            let is_to_stop = self.aborted.is_some() || options.stop.load(Ordering::Relaxed);
            if !self.is_stopping && is_to_stop {
                self.is_stopping = true;
                self.telling.ends(self.storm.clock.now().saturating_sub(self.storm.start));
                hands.stop();
            }
            if !self.is_stopping {
                self.check_reached()?;
            }
        }
        options.screen.done();
        self.ended = self.storm.clock.now();
        self.telling.ends(self.ended.saturating_sub(self.storm.start));
        self.storm.knocker.rest(&options.stop);
        if let Some(nodes) = &mut self.nodes {
            nodes.end();
        }
        self.warn(options);
        self.storm.gate.is_watched(None);
        if let Some(monitor) = &mut self.monitor {
            monitor.look();
            monitor.stop();
        }
        Ok(())
    }

    /// Closes what is left, and settles it: nothing more is sent.
    ///
    /// # Errors
    /// When it can't be written.
    pub(super) fn conclude(&mut self, options: &mut Options) -> Result<()> {
        self.closes_by_clock = false;
        self.write_seconds(options)?;
        self.settle_the_rest();
        self.publish(options);
        Ok(())
    }

    /// Closes the seconds that all workers have left behind, and writes them once there is a folder.
    fn write_seconds(&mut self, options: &mut Options) -> Result<()> {
        let mut behind = self.left_behind();
        if self.closes_by_clock {
            let now = self.storm.clock.now();
            behind = behind.min(now.saturating_sub(self.storm.start) / SECOND);
        }
        let last = self.seconds.keys().next_back().copied().unwrap_or_default();
        while self.next_second < behind && self.next_second <= last {
            let second = self.next_second;
            self.next_second += 1;
            let mut seen = self.seconds.remove(&second).unwrap_or_else(|| self.storm.recorder());
            self.storm.knocker.tell(&mut seen, self.storm.start);
            // Here, and not report by report: of many agents, a second is merged once into the whole. Signs are followed
            // second by second, and not kept.
            let signs = std::mem::take(&mut seen.signs);
            self.all.merge(&seen);
            seen.signs = signs;
            seen[Count::Open] = self.workers.iter_mut().map(|worker| worker.open_at(second)).sum();
            self.open = seen[Count::Open];
            if seen[Count::Open] > self.generator.open_peak {
                (self.generator.open_peak, self.peak_second) = (seen[Count::Open], second);
            }
            self.medians.push((median(&seen, Phase::Response), median(&seen, Phase::Connack)));
            if seen[Count::Open] >= self.generator.open_peak {
                self.generator.rss_peak_open_bytes =
                    self.generator.rss_peak_open_bytes.max(self.resident);
            }
            self.watch.sees(second, &self.storm.plan, &seen);
            let are_firsts_over = self.all.first_turns() >= self.storm.plan.attempts;
            let are_away = self.all[Count::Drops] > self.all.ends_of_returns();
            let is_storm = !are_firsts_over || are_away || seen[Count::Started] > 0;
            self.watch.look(self.storm.clock.now(), is_storm);
            self.warn(options);
            options.screen.second(&self.snapshot(second, &seen, are_firsts_over));
            self.unwritten.push((second, seen));
        }
        if self.has_reached() {
            self.open_folder()?;
            let (summary, cuts) = self.write_closed();
            for cut in cuts {
                options.screen.warn(&cut.words());
            }
            if let Some(summary) = summary {
                self.judge_early(&summary, options);
            }
        }
        Ok(())
    }

    /// Writes what is closed and not written, and what is known of the whole so far, where that is news. What can't be
    /// written does not end a run that goes on: the files that end there come with it.
    fn write_closed(&mut self) -> (Option<Summary>, Vec<files::CutAt>) {
        let from = self.unwritten.first().map_or(self.next_second, |(second, _)| *second);
        let summary = self.write_news();
        (summary, self.look_at_files(from))
    }

    fn write_news(&mut self) -> Option<Summary> {
        let unwritten = std::mem::take(&mut self.unwritten);
        if let Some(folder) = &mut self.folder {
            for (second, seen) in &unwritten {
                let late = std::mem::replace(&mut self.settled_late, self.storm.recorder());
                folder.second(&self.storm.plan, self.storm.start, *second, (seen, &late));
            }
        }
        self.write_readings();
        let is_news = !unwritten.is_empty();
        for (second, seen) in unwritten {
            self.follow(second, seen);
        }
        self.settle(false);
        if !is_news {
            return None;
        }
        let summary = self.summary(true, false);
        self.telling.judged(&self.storm.plan, &summary);
        self.write_so_far(&summary);
        Some(summary)
    }

    /// Writes what is known of the whole so far. What can't be written is tried again in the next second, and at the end,
    /// which says so.
    fn write_so_far(&mut self, summary: &Summary) {
        if let Some(folder) = &mut self.folder {
            let _ = folder.counts(summary, &self.storm.plan, &self.all);
        }
        let Some(folder) = &self.folder else { return };
        let _ = self.matrix(true).map(|matrix| matrix.write(folder));
        let _ = self.write_authority(folder, true);
        let _ = self.write_agents();
    }

    /// The cells, where the plan has any.
    fn matrix(&self, partial: bool) -> Option<Matrix> {
        let cells = self.storm.plan.cells.as_ref()?;
        let fetches = self.canary.as_ref().map(Canary::fetches).unwrap_or_default();
        let died = self.died_at();
        let matrix = Matrix::new(&self.storm.plan, cells, &self.all, (fetches, died));
        Some(Matrix { partial, ..matrix })
    }

    /// Writes who asked the issuer for what, what happened to it, and what became of its keys' tokens.
    fn write_authority(&self, folder: &Folder, partial: bool) -> Result<()> {
        self.write_events(folder)?;
        let Some(events) = &self.events else { return Ok(()) };
        authority::write(folder.path(), &events.issuer.visits())?;
        if partial && self.all.answers.len() > MOST_TOLD {
            return Ok(());
        }
        let (plan, start) = (&self.storm.plan, self.storm.start);
        authority::write_keys(folder.path(), plan, &self.all.answers, start)
    }

    /// What is told of keys that came and went.
    fn jwks(&self, partial: bool, end: u64) -> Option<Jwks> {
        let events = self.events.as_ref()?;
        // While the storm goes on, telling must not take the CPU that it needs.
        if partial && self.all.answers.len() > MOST_TOLD {
            return None;
        }
        let tallies = self.all.tallies();
        let (happened, visits) = (events.done(), events.issuer.visits());
        let told = Jwks::of(Seen {
            plan: &self.storm.plan,
            answers: &self.all.answers,
            happened: &happened,
            visits: &visits,
            start: self.storm.start,
            end,
            answered: tallies
                .iter()
                .filter(|(tally, _)| tally.outcome.is_answer())
                .map(|(_, count)| count)
                .sum(),
        });
        Some(Jwks { url: Some(events.issuer.jwks_url().to_owned()), ..told })
    }

    /// Makes the run folder when there is something to put into it: a run that reached no broker
    /// leaves none.
    fn open_folder(&mut self) -> Result<()> {
        if self.folder.is_none() {
            let (scenario, clock) = (&self.storm.plan.scenario, self.storm.clock);
            let folder = Folder::create(&self.place, scenario, clock)?;
            folder.json("environment.json", &self.environment)?;
            self.folder = Some(folder);
        }
        Ok(())
    }

    /// Whether any attempt got further than the TCP handshake, or failed for a reason of ours.
    fn has_reached(&self) -> bool {
        self.all.tallies().iter().any(|(tally, _)| {
            !matches!(
                tally.outcome,
                Outcome::TcpFailed(_) | Outcome::Timeout(Phase::Dns | Phase::TcpConnect)
            )
        })
    }

    /// Refuses to go on where no broker can be reached: each had an attempt that failed, and the time
    /// for a first answer is over.
    fn check_reached(&self) -> Result<()> {
        let first = self.all.mark(Mark::FirstStart).unwrap_or(u64::MAX);
        let tallies = self.all.tallies();
        // Where nothing listens, no answer is on its way; but an event may have stopped it.
        let is_refused = self.nodes.is_none()
            && tallies.iter().all(|(tally, _)| tally.outcome == Outcome::TcpFailed("ECONNREFUSED"));
        let patience =
            if is_refused { REFUSED.min(self.storm.timeout) } else { self.storm.timeout };
        let is_late = self.storm.clock.now().saturating_sub(patience) >= first;
        let is_over = !self.workers.iter().any(Lane::is_waited_for);
        let all_tried = (0..self.storm.targets.len())
            .all(|broker| tallies.iter().any(|(tally, _)| tally.broker == broker));
        if self.folder.is_some()
            || !(is_over || is_late && all_tried)
            || tallies.is_empty()
            || self.has_reached()
        {
            return Ok(());
        }
        let mut counts: BTreeMap<Outcome, u64> = BTreeMap::new();
        for (tally, count) in tallies {
            *counts.entry(tally.outcome).or_default() += count;
        }
        let reasons: Vec<String> = counts
            .iter()
            .map(|(outcome, count)| format!("{count} x {} ({})", outcome.name(), outcome.code()))
            .collect();
        let brokers: Vec<String> =
            self.storm.targets.iter().map(|target| format!("`{target}`")).collect();
        let usual =
            "start the broker, or check `[target] brokers`; `--target embedded` brings one along";
        let most = counts.iter().max_by_key(|(_, count)| **count);
        let told =
            most.and_then(|(outcome, _)| advice(outcome.kind(), &outcome.code().to_string()));
        Err(Error::not_measured(format!(
            "no broker answers at {}: {}",
            brokers.join(", "),
            reasons.join(", ")
        ))
        .hint(told.unwrap_or(usual)))
    }

    /// Writes what is written at the end.
    /// `lost` are the embedded brokers that ended by themselves.
    pub(super) fn finish(
        mut self,
        hands: &dyn Hands,
        options: &Options,
        lost: Vec<Lost>,
    ) -> Result<Finished> {
        let interrupted = options.stop.load(Ordering::Relaxed);
        if !interrupted {
            self.check_reached()?;
        }
        self.ask_hands(hands);
        self.watch.late = self.storm.gate.late();
        let idle = self.watch.least_idle();
        let wall_step = self.storm.clock.wall_step();
        self.watch.conclude(&mut self.environment, hands, wall_step, idle);
        // A run that was measured is told also where it can't be written.
        if let Some(canary) = &mut self.canary {
            canary.close();
        }
        let unmade = self.open_folder().err();
        self.write_closed();
        let late = std::mem::replace(&mut self.settled_late, self.storm.recorder());
        if let Some(folder) = &mut self.folder {
            folder.rest(&self.storm.plan, self.storm.start, self.next_second, &late);
        }
        self.watch.lost.clone_from(&lost);
        let mut summary = self.summary(false, interrupted);
        check_conserved(&self.all, &summary)?;
        let matrix = self.matrix(false);
        let is_strict = self.storm.plan.is_strict();
        let has_ended = summary.lifetime.expired > 0;
        let terms = Terms {
            is_strict,
            allows_lost_agents: options.allows_lost_agents,
            expects: Expects {
                ends: self.storm.plan.expects_ends(has_ended),
                reauths: self.storm.plan.expects_reauths(),
            },
        };
        summary.ruling = Some(decide(&summary, matrix.as_ref(), terms));
        let trouble = self.write_end(&summary, matrix.as_ref()).err().or(unmade);
        self.telling.judged(&self.storm.plan, &summary);
        self.publish(options);
        let folder = self.folder.as_ref().map_or_else(PathBuf::new, |it| it.path().to_owned());
        let (start, busy) = (self.storm.start, self.storm.gate.busy());
        let medians = self.medians.iter().map(|(response, _)| *response).collect();
        let absences = self.absences.all().to_vec();
        let cut = self.watch.cut.iter().map(files::CutAt::words).collect();
        let all = self.all;
        Ok(Finished {
            summary,
            matrix,
            folder,
            trouble,
            cut,
            all,
            start,
            busy,
            medians,
            lost,
            absences,
        })
    }

    /// What came of requests to an authorization server, where there are any.
    fn oauth(&self) -> Option<OAuth> {
        let fetcher = self.storm.fetcher.as_ref()?;
        Some(OAuth { key_set: fetcher.watched(), ..OAuth::from(&fetcher.stats()) })
    }

    fn summary(&self, partial: bool, interrupted: bool) -> Summary {
        let (plan, all) = (&self.storm.plan, &self.all);
        let clock = self.storm.clock;
        let end = if partial { clock.now() } else { self.ended };
        let start = all.mark(Mark::FirstStart).unwrap_or(self.storm.start);
        let mut summary = Summary {
            partial,
            interrupted,
            started_at: clock.rfc3339(self.storm.start),
            duration_s: end.saturating_sub(start) as f64 / SECOND as f64,
            validity: self.validity(interrupted),
            embedded: self.verifiers.clone(),
            generator: Generator {
                workers: self.generator.workers,
                ..tables::generator(all, &self.generator)
            },
            throughput: tables::throughput(plan, all, self.storm.start, self.storm.gate.busy()),
            oauth: self.oauth(),
            token_file: self
                .storm
                .shelf
                .as_ref()
                .and_then(|shelf| TokenFile::of(plan, all, shelf.unnamed())),
            jwks: self.jwks(partial, end),
            monitor: self.monitored(),
            returns: Returns::of(all, self.storm.start),
            aborted: self.aborted.clone(),
            ..measured(plan, all)
        };
        summary.yardstick = self
            .yardstick
            .as_ref()
            .map(|yardstick| yardstick.against(summary.throughput.verdicts_per_s));
        let told = self.key_news.iter().map(|(_, label, news)| (label.clone(), news.counts()));
        summary.key_sets = told.collect();
        let found: u64 = summary.operations.values().map(OperationStats::findings).sum();
        let findings = found + summary.verdicts.sum() - summary.verdicts[Verdict::Correct];
        let written = self.folder.as_ref().map_or(0, Folder::found);
        let late = all.found.len() as u64;
        let unsettled = all.pending.len() as u64 + late;
        summary.findings_left_out = findings.saturating_sub(written + unsettled);
        self.tell_of_brokers(&mut summary);
        self.tell_of_absences(&mut summary);
        summary.thresholds = threshold::judge(&plan.thresholds, plan, all, &summary);
        self.without_the_lost(&mut summary);
        summary
    }
}

/// The median of a phase, where it is a time.
fn median(seen: &Measurements, phase: Phase) -> Option<u64> {
    let latency = seen.latency(phase, None, None, None);
    match latency.percentile(50.0) {
        _ if latency.is_empty() => None,
        Quantile::Time(time) => Some(time),
        Quantile::Beyond => None,
    }
}
