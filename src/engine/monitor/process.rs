//! What processes of this host use, by `/proc`.

use procfs::process::{self, Process};

use crate::{record::results::monitor::Usage, scenario};

/// Processes that are read together.
#[derive(Debug, Default)]
pub(super) struct Processes {
    /// Those that are known by their ids, and what they are called.
    fixed: Vec<(String, i32)>,
    /// Names of others, looked for until some are found.
    named: Vec<(String, Vec<i32>)>,
    is_own: bool,
}

impl Processes {
    /// Those that the scenario names, and these.
    pub(super) fn new(settings: &scenario::Monitor, embedded: Vec<(String, i32)>) -> Self {
        let ids = settings.pid.iter().map(|pid| (format!("process {pid}"), *pid));
        Self {
            fixed: embedded.into_iter().chain(ids).collect(),
            named: settings.process.iter().map(|name| (name.clone(), Vec::new())).collect(),
            is_own: false,
        }
    }

    /// This program.
    pub(super) fn own() -> Self {
        Self { is_own: true, ..Self::default() }
    }

    /// Who they are.
    pub(super) fn words(&self) -> Vec<String> {
        let names = self.named.iter().map(|(name, _)| format!("processes named {name}"));
        self.fixed.iter().map(|(name, _)| name.clone()).chain(names).collect()
    }

    /// What they use together; nothing where one of them can't be read: a part would look like the whole.
    pub(super) fn read(&mut self, warnings: &mut Vec<String>) -> Usage {
        if self.is_own {
            return Process::myself().ok().and_then(|own| usage(&own)).unwrap_or_default();
        }
        let mut all = Vec::new();
        for (name, pid) in &self.fixed {
            if let Some(usage) = Process::new(*pid).ok().and_then(|process| usage(&process)) {
                all.push(usage);
            } else {
                warnings.push(format!("{name} is not there, or can't be read: what it uses is left empty in monitor.csv"));
                return Usage::default();
            }
        }
        for (name, pids) in &mut self.named {
            if pids.is_empty() {
                *pids = find(name);
            }
            let usages = read_all(pids);
            if usages.is_empty() || usages.len() < pids.len() {
                let what = if usages.is_empty() {
                    "there is no process"
                } else {
                    "one has ended of the processes"
                };
                warnings.push(format!("{what} named `{name}`, or it can't be read: what it uses is left empty in monitor.csv"));
                // Who is there now is looked for the next time.
                pids.clear();
                return Usage::default();
            }
            all.extend(usages);
        }
        all.into_iter().reduce(|one, other| sum(&one, &other)).unwrap_or_default()
    }
}

fn read_all(pids: &[i32]) -> Vec<Usage> {
    pids.iter().filter_map(|pid| usage(&Process::new(*pid).ok()?)).collect()
}

fn sum(one: &Usage, other: &Usage) -> Usage {
    let add = |one: Option<u64>, other: Option<u64>| Some(one? + other?);
    Usage {
        cpu_s: one.cpu_s.zip(other.cpu_s).map(|(one, other)| one + other),
        rss_bytes: add(one.rss_bytes, other.rss_bytes),
        descriptors: add(one.descriptors, other.descriptors),
        threads: add(one.threads, other.threads),
        named: Vec::new(),
    }
}

/// Processes whose name (of at most 15 letters) or whose program's file is called so; never this one.
fn find(name: &str) -> Vec<i32> {
    let own = std::process::id() as i32;
    let Ok(all) = process::all_processes() else { return Vec::new() };
    let is_it = |process: &Process| {
        let Ok(stat) = process.stat() else { return false };
        // One that has ended and is not waited for yet is none: it would be missed as soon as it is.
        if stat.state == 'Z' {
            return false;
        }
        let of_kernel = stat.comm == name
            || name.len() > 15 && stat.comm == name[..name.floor_char_boundary(15)];
        of_kernel
            || process.exe().is_ok_and(|program| {
                program.file_name().is_some_and(|file| file.to_string_lossy() == name)
            })
    };
    all.flatten().filter(|process| process.pid != own && is_it(process)).map(|it| it.pid).collect()
}

fn usage(process: &Process) -> Option<Usage> {
    let stat = process.stat().ok()?;
    // A process that has ended and is not waited for yet has nothing any more.
    if stat.state == 'Z' {
        return None;
    }
    let ticks = procfs::ticks_per_second() as f64;
    Some(Usage {
        cpu_s: Some(precise(process).unwrap_or((stat.utime + stat.stime) as f64 / ticks)),
        rss_bytes: Some(stat.rss * procfs::page_size()),
        descriptors: process.fd_count().ok().map(|count| count as u64),
        threads: u64::try_from(stat.num_threads).ok(),
        named: Vec::new(),
    })
}

/// CPU time to the nanosecond, from the scheduler's own counts of all threads: ticks of 10 ms are too coarse for a wave.
/// Threads that have ended are missing, so that the larger of both counts is taken.
fn precise(process: &Process) -> Option<f64> {
    let ticks = procfs::ticks_per_second() as f64;
    let stat = process.stat().ok()?;
    let coarse = (stat.utime + stat.stime) as f64 / ticks;
    let tasks = process.tasks().ok()?;
    let mut all = 0;
    for task in tasks.flatten() {
        all += task.schedstat().ok()?.sum_exec_runtime;
    }
    Some((all as f64 / 1e9).max(coarse))
}
