//! What the host allows and how busy it is: limits, ports, CPU time, memory, TCP trouble.

pub mod dumps;
pub mod loopback;
pub mod network;
pub mod reading;
pub mod settings;
pub mod signals;

use std::{fs, ops::RangeInclusive, path::Path, thread};

use procfs::{Current, CurrentSI};
use rustix::{
    process::{Resource, getrlimit, setrlimit},
    time::{ClockId, clock_gettime},
};
use serde::{Deserialize, Serialize};

/// Range of local ports where the kernel's own can't be read: Linux's default.
const DEFAULT_PORTS: RangeInclusive<u16> = 32_768..=60_999;

/// What a run may use of this host.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Descriptors a process may have open, after raising the soft limit to the hard one.
    pub descriptors: u64,
    /// Local ports to connect from.
    pub ports: RangeInclusive<u16>,
    /// CPUs this process may use.
    pub cpus: usize,
}

impl Limits {
    /// Reads the limits of this process and host.
    pub fn read() -> Self {
        Self {
            descriptors: getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX),
            ports: ports(),
            cpus: cpus(),
        }
    }

    /// Raises the soft limit of open descriptors to the hard one; true where it stands there now.
    pub fn raise_descriptors() -> bool {
        let mut limit = getrlimit(Resource::Nofile);
        limit.current = limit.maximum;
        setrlimit(Resource::Nofile, limit).is_ok()
    }
}

fn ports() -> RangeInclusive<u16> {
    let text = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let mut numbers = text.split_whitespace().filter_map(|number| number.parse().ok());
    match (numbers.next(), numbers.next()) {
        (Some(first), Some(last)) if first < last => first..=last,
        _ => DEFAULT_PORTS,
    }
}

/// CPUs this process may use: its affinity mask and its cgroup's quota.
pub fn cpus() -> usize {
    thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// CPU time that this process has used, in nanoseconds.
pub fn process_cpu() -> u64 {
    nanoseconds(ClockId::ProcessCPUTime)
}

/// CPU time that this thread has used, in nanoseconds.
pub fn thread_cpu() -> u64 {
    nanoseconds(ClockId::ThreadCPUTime)
}

fn nanoseconds(id: ClockId) -> u64 {
    let time = clock_gettime(id);
    time.tv_sec as u64 * crate::base::clock::SECOND + time.tv_nsec as u64
}

/// Resident memory of this process in bytes; 0 where it can't be read.
pub fn resident() -> u64 {
    let pages = procfs::process::Process::myself()
        .and_then(|process| process.statm())
        .map_or(0, |memory| memory.resident);
    pages * procfs::page_size()
}

/// CPU time of the whole host in clock ticks: idle, and all together.
#[derive(Clone, Copy, Debug, Default)]
pub struct HostCpu {
    idle: u64,
    all: u64,
}

impl HostCpu {
    /// Reads the counters; zero where they can't be read.
    pub fn read() -> Self {
        let Ok(stat) = procfs::KernelStats::current() else { return Self::default() };
        let cpu = stat.total;
        let idle = cpu.idle + cpu.iowait.unwrap_or_default();
        let busy = cpu.user
            + cpu.nice
            + cpu.system
            + cpu.irq.unwrap_or_default()
            + cpu.softirq.unwrap_or_default();
        Self { idle, all: idle + busy + cpu.steal.unwrap_or_default() }
    }

    /// Share of the host's CPU that was idle since `earlier`, as a fraction of 1; `None` when the
    /// counters did not move.
    pub fn idle_since(&self, earlier: &Self) -> Option<f64> {
        let all = self.all.checked_sub(earlier.all).filter(|all| *all > 0)?;
        Some(self.idle.saturating_sub(earlier.idle) as f64 / all as f64)
    }
}

/// Counters of the host's TCP that tell of trouble which looks like a slow broker.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct TcpTrouble {
    /// Connections dropped because a listen backlog was full.
    pub listen_overflows: u64,
    /// SYN segments sent again; each costs a client a second or more.
    pub syn_retransmits: u64,
}

impl TcpTrouble {
    /// What has happened since an earlier reading.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        self.with(before, u64::saturating_sub)
    }

    /// The larger counts of two readings of one host.
    #[must_use]
    pub fn most(&self, other: &Self) -> Self {
        self.with(other, u64::max)
    }

    /// The counts of two hosts together.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        self.with(other, u64::saturating_add)
    }

    fn with(&self, other: &Self, of: fn(u64, u64) -> u64) -> Self {
        Self {
            listen_overflows: of(self.listen_overflows, other.listen_overflows),
            syn_retransmits: of(self.syn_retransmits, other.syn_retransmits),
        }
    }

    /// Reads `/proc/net/netstat`; zero where it can't be read.
    pub fn read() -> Self {
        let text = fs::read_to_string("/proc/net/netstat").unwrap_or_default();
        let counter = |name: &str| -> u64 {
            let mut lines = text.lines().filter(|line| line.starts_with("TcpExt:"));
            let (Some(names), Some(values)) = (lines.next(), lines.next()) else { return 0 };
            let at = names.split_whitespace().position(|column| column == name);
            at.and_then(|at| values.split_whitespace().nth(at)?.parse().ok()).unwrap_or_default()
        };
        Self {
            listen_overflows: counter("ListenOverflows"),
            syn_retransmits: counter("TCPSynRetrans"),
        }
    }
}

/// The CPU's model name, as the kernel gives it.
pub fn cpu_model() -> String {
    procfs::CpuInfo::current()
        .ok()
        .and_then(|info| info.model_name(0).map(str::to_owned))
        .unwrap_or_else(|| "unknown".into())
}

/// The kernel's name, release and architecture.
pub fn kernel() -> String {
    let name = rustix::system::uname();
    [name.sysname(), name.release(), name.machine()].map(std::ffi::CStr::to_string_lossy).join(" ")
}

/// The clock source of the kernel.
pub fn clock_source() -> String {
    fs::read_to_string(Path::new(
        "/sys/devices/system/clocksource/clocksource0/current_clocksource",
    ))
    .map_or_else(|_| "unknown".into(), |text| text.trim().to_owned())
}

/// The host's name.
pub fn name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_host_can_be_read() {
        let limits = Limits::read();
        assert!(
            limits.descriptors > 64 && limits.cpus > 0 && limits.ports.end() > limits.ports.start()
        );
        assert!(resident() > 0 && process_cpu() > 0);
        let start = HostCpu::read();
        assert!(start.all > start.idle);
    }
}
