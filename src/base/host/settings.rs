//! Settings of this host that bound a run, as `tokenstorm doctor` shows them; `None` where this kernel or
//! container does not tell.

use std::{fs, path::Path};

use procfs::{Current, Meminfo};
use rtime_clock::adjtime::{Timex, adjtimex};
use rustix::process::{Resource, getrlimit};

/// What `adjtimex` answers when nothing keeps the clock right (`TIME_ERROR`).
const CLOCK_NOT_KEPT: i32 = 5;

/// Open files of this process: the soft and the hard limit; `None` without one.
pub fn open_files() -> (Option<u64>, Option<u64>) {
    let limit = getrlimit(Resource::Nofile);
    (limit.current, limit.maximum)
}

/// A number under `/proc/sys`, such as `net/core/somaxconn`.
pub fn sysctl(name: &str) -> Option<u64> {
    number(&format!("/proc/sys/{name}"))
}

/// The first number in a file.
fn number(path: &str) -> Option<u64> {
    fs::read_to_string(path).ok()?.split_whitespace().next()?.parse().ok()
}

/// Files open on the whole host.
pub fn files_open() -> Option<u64> {
    sysctl("fs/file-nr")
}

/// How the first CPU chooses its frequency; virtual machines mostly don't tell.
pub fn governor() -> Option<String> {
    let path = "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor";
    fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
}

/// How far the clock may be from true time by the kernel's own estimate, in microseconds, where
/// something keeps it right, NTP or the like.
pub fn clock_error() -> Option<u64> {
    let mut timex = Timex::new();
    match adjtimex(&mut timex) {
        Ok(state) if state != CLOCK_NOT_KEPT => Some(timex.0.maxerror.unsigned_abs()),
        _ => None,
    }
}

/// Memory that a process may still take, in bytes: what the host has, or the control group leaves.
pub fn memory_available() -> Option<u64> {
    let host = Meminfo::current().ok()?.mem_available?;
    Some(group_memory().map_or(host, |left| host.min(left)))
}

/// What the control group of this process (version 2) leaves, in bytes; `None` where it has no limit.
fn group_memory() -> Option<u64> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let own = groups.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let folder = Path::new("/sys/fs/cgroup").join(own);
    let read = |name: &str| fs::read_to_string(folder.join(name)).ok();
    let most: u64 = read("memory.max")?.trim().parse().ok()?;
    let used: u64 = read("memory.current")?.trim().parse().ok()?;
    // Files that were read once are given back when memory runs short.
    let stat = read("memory.stat").unwrap_or_default();
    let cached = stat.lines().find_map(|line| line.strip_prefix("inactive_file "));
    let cached: u64 = cached.and_then(|bytes| bytes.parse().ok()).unwrap_or_default();
    Some(most.saturating_sub(used.saturating_sub(cached)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_of_this_host_can_be_read() {
        let (soft, hard) = open_files();
        assert!(soft.unwrap_or(u64::MAX) <= hard.unwrap_or(u64::MAX));
        assert!(sysctl("net/core/somaxconn").is_some_and(|backlog| backlog > 0));
        assert!(memory_available().is_some_and(|bytes| bytes > 1 << 20));
        assert_eq!(sysctl("no/such/setting"), None);
    }
}
