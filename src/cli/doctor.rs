//! What on this host would limit a run, and what to change.

use std::net::{Ipv4Addr, SocketAddr};

use crate::{
    base::{
        host::{Limits, network, settings},
        numbers::{count, time},
    },
    client::{names::lookup, socket},
    plan::{
        Model, Plan,
        broker::{Broker, Place},
        budget::check_sources,
        scale,
    },
};

/// What an embedded broker takes for a connection: it is a process beside this one.
const EMBEDDED_BYTES: u64 = 20_000;
/// Seconds for which a connection that was closed keeps its port, and its place in conntrack.
const TIME_WAIT: u64 = 60;

/// What a limit means for the run.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Finding {
    /// It does not limit it.
    Fine,
    /// This host does not tell.
    Unknown,
    /// It may spoil what is measured.
    Beware,
    /// The run can't be made.
    Stops,
}

/// One line of the examination.
#[derive(Clone, Debug)]
pub struct Row {
    /// What was looked at.
    pub what: &'static str,
    /// How it is.
    pub value: String,
    /// How the scenario needs it.
    pub need: String,
    /// What that means.
    pub finding: Finding,
    /// What changes it, or what it means.
    pub advice: String,
}

/// Looks at everything; `plan` is the scenario that is to be run, where there is one.
pub fn examine(plan: Option<&Plan>, limits: &Limits) -> Vec<Row> {
    let mut rows = open_files(plan);
    rows.push(ports(plan, limits));
    rows.extend(sources(plan));
    rows.extend(names(plan));
    rows.extend(backlogs(plan));
    rows.push(reuse(plan));
    rows.push(conntrack(plan));
    rows.push(clock(plan));
    rows.push(governor());
    rows.push(cpus(plan, limits));
    rows.push(memory(plan));
    rows
}

/// A limit against a need, where both are numbers.
fn limit(
    what: &'static str,
    value: Option<u64>,
    need: Option<u64>,
    too_low: Finding,
    advice: String,
) -> Row {
    let shown = |number: Option<u64>| number.map_or_else(|| "-".to_owned(), count);
    let finding = match (value, need) {
        (None, _) => Finding::Unknown,
        (Some(value), Some(need)) if value < need => too_low,
        _ => Finding::Fine,
    };
    let advice = if finding > Finding::Unknown { advice } else { String::new() };
    Row { what, value: shown(value), need: shown(need), finding, advice }
}

fn open_files(plan: Option<&Plan>) -> Vec<Row> {
    let need = plan.map(|plan| plan.budget.sockets + plan.budget.own);
    let most = plan.map(|plan| plan.budget.most_sockets + plan.budget.own);
    // A broker on this host has its end of each connection.
    let both_ends = plan.map(|plan| plan.budget.own + plan.budget.sockets * ends(plan));
    let (soft, hard) = settings::open_files();
    let asked = need.unwrap_or_default();
    let soft = Row {
        finding: Finding::Fine,
        advice: "raised to the hard limit by the run itself".into(),
        ..limit(
            "open files, soft limit",
            Some(soft.unwrap_or(u64::MAX)),
            need,
            Finding::Fine,
            String::new(),
        )
    };
    let each = settings::sysctl("fs/nr_open");
    let all = settings::sysctl("fs/file-max").zip(settings::files_open());
    vec![
        soft,
        limit(
            "open files, hard limit",
            Some(hard.unwrap_or(u64::MAX)),
            need,
            Finding::Stops,
            format!("as root: `ulimit -Hn {asked}`; for a service `LimitNOFILE={asked}`"),
        )
        .or_beware(
            hard,
            most,
            "a broker that lets in what it should refuse would need so many: ",
        ),
        limit(
            "open files, most a process can have",
            each,
            need,
            Finding::Stops,
            format!("as root: `sysctl -w fs.nr_open={asked}`"),
        ),
        limit(
            "open files, left on this host",
            all.map(|(most, open)| most.saturating_sub(open)),
            both_ends,
            Finding::Stops,
            format!(
                "as root: `sysctl -w fs.file-max={}`",
                all.map_or(asked, |(_, open)| open + asked)
            ),
        ),
    ]
}

impl Row {
    /// The same, but to beware of where the value is below this need, which need not come up.
    fn or_beware(self, value: Option<u64>, most: Option<u64>, why: &str) -> Self {
        match (value, most) {
            (Some(value), Some(most)) if self.finding == Finding::Fine && value < most => {
                Self { finding: Finding::Beware, advice: format!("{why}{}", count(most)), ..self }
            }
            _ => self,
        }
    }
}

/// Whether a broker is on this host.
fn has_local(plan: &Plan) -> bool {
    plan.brokers.iter().any(Broker::is_loopback)
}

/// Ends of a connection that this host has: one, or two where a broker is on it too.
fn ends(plan: &Plan) -> u64 {
    if has_local(plan) { 2 } else { 1 }
}

fn ports(plan: Option<&Plan>, limits: &Limits) -> Row {
    let each = u64::from(limits.ports.end() - limits.ports.start()) + 1;
    let Some(plan) = plan else {
        return limit(
            "local ports, each source address and broker",
            Some(each),
            None,
            Finding::Fine,
            String::new(),
        );
    };
    let budget = &plan.budget;
    Row {
        value: format!(
            "{} = {} x {} {}",
            count(budget.ports()),
            count(each),
            budget.sources,
            budget.by_brokers()
        ),
        ..limit(
            "local ports x source addresses x brokers",
            Some(budget.ports()),
            Some(budget.sockets),
            Finding::Stops,
            format!(
                "{} addresses in `load.source_addresses` for each family of brokers, or as root `sysctl -w net.ipv4.ip_local_port_range=\"1024 65535\"`",
                budget.sources_needed()
            ),
        )
    }
}

fn sources(plan: Option<&Plan>) -> Option<Row> {
    let plan = plan.filter(|plan| !plan.sources().is_empty())?;
    let checked = check_sources(plan.load());
    Some(Row {
        what: "source addresses",
        value: plan.sources().len().to_string(),
        need: "all of this host".into(),
        finding: if checked.is_ok() { Finding::Fine } else { Finding::Stops },
        advice: checked.err().map(|error| error.to_string()).unwrap_or_default(),
    })
}

/// Whether the brokers' names have addresses, and this host a way to them; nothing is sent to the brokers.
fn names(plan: Option<&Plan>) -> Vec<Row> {
    let mut rows = Vec::new();
    for broker in plan.map(|plan| &plan.brokers[..]).unwrap_or_default() {
        let Place::Remote { host, port } = &broker.place else { continue };
        let found = lookup(host, *port);
        let (finding, advice) = match &found {
            Err(error) => (Finding::Stops, format!("{host}: {error}")),
            Ok(addresses) => match addresses.iter().map(|address| socket::route(*address)).min() {
                Some(Err(why)) => {
                    (Finding::Stops, format!("this host has no way to {host}: {why}"))
                }
                _ => (Finding::Fine, String::new()),
            },
        };
        let value = found.map_or_else(
            |_| "no address".into(),
            |addresses| {
                let mut shown: Vec<String> =
                    addresses.iter().map(|address| address.ip().to_string()).collect();
                shown.dedup();
                shown.join(", ")
            },
        );
        rows.push(Row { what: "a broker's address", value, need: host.clone(), finding, advice });
    }
    rows
}

/// The address of a broker that certainly is on this host.
fn local(broker: &Broker) -> Option<SocketAddr> {
    match &broker.place {
        Place::Remote { port, .. } if broker.is_loopback() => {
            // One that is no address is `localhost`.
            Some(SocketAddr::new(broker.address().unwrap_or(Ipv4Addr::LOCALHOST.into()), *port))
        }
        _ => None,
    }
}

fn backlogs(plan: Option<&Plan>) -> Vec<Row> {
    let need = plan.map(|plan| plan.budget.burst);
    let asked = need.unwrap_or_default();
    let late =
        "so many may come within 100 ms, and those beyond it wait 1 s and more in `tcp_connect`";
    let is_local = plan.is_none_or(has_local);
    let mut rows = Vec::new();
    if is_local {
        rows.push(limit(
            "somaxconn, the longest backlog here",
            settings::sysctl("net/core/somaxconn"),
            need,
            Finding::Beware,
            format!(
                "{late}. As root, before the broker starts: `sysctl -w net.core.somaxconn={asked}`"
            ),
        ));
    }
    for broker in plan.map(|plan| &plan.brokers[..]).unwrap_or_default() {
        let Some(address) = local(broker) else { continue };
        let advice = format!("{late}. A longer one is a setting of the broker at {address}");
        let backlog = network::backlog(address).map(u64::from);
        let mut row = limit("backlog of the broker", backlog, need, Finding::Beware, advice);
        if backlog.is_none() {
            row.advice = format!("nothing listens at {address} now");
        }
        rows.push(row);
    }
    rows
}

/// Whether ports are free again when they are needed again.
fn reuse(plan: Option<&Plan>) -> Row {
    let value = settings::sysctl("net/ipv4/tcp_tw_reuse");
    let is_remote = plan.is_some_and(|plan| !plan.brokers.iter().all(Broker::is_loopback));
    // Ports that rest at one time, if all connections were closed by us.
    let resting = plan.map(|plan| within(plan, TIME_WAIT));
    let ports = plan.map_or(u64::MAX, |plan| plan.budget.ports());
    let is_short = resting.is_some_and(|resting| resting > ports);
    let is_reused = matches!((value, is_remote), (Some(1), _) | (Some(2), false));
    Row {
        what: "tcp_tw_reuse",
        value: value.map_or_else(|| "-".into(), |value| value.to_string()),
        need: match resting {
            Some(_) if is_short => if is_remote { "1" } else { "1 or 2" }.into(),
            Some(_) => "any".into(),
            None => "-".into(),
        },
        finding: match value {
            None => Finding::Unknown,
            Some(_) if is_short && !is_reused => Finding::Beware,
            Some(_) => Finding::Fine,
        },
        advice: match resting {
            Some(resting) if is_short && !is_reused => format!(
                "up to {} connections end within {TIME_WAIT} s, and as many ports rest: as root `sysctl -w net.ipv4.tcp_tw_reuse=1`, or more source addresses",
                count(resting)
            ),
            _ => String::new(),
        },
    }
}

/// Connects a second that `churn` is expected to stay below on a host of few cores.
const CHURN_RATE: u64 = 10_000;

/// Attempts that may start within so many seconds, those of later turns among them.
fn within(plan: &Plan, seconds: u64) -> u64 {
    let first = match &plan.model {
        Model::Open { rates, .. } => ((rates.peak() * seconds as f64) as u64).min(plan.attempts),
        Model::Closed { length: Some(_), .. } => (CHURN_RATE * seconds).min(plan.attempts),
        Model::Closed { .. } | Model::Preconnect(_) => plan.attempts,
    };
    // When they come depends on the broker: at worst all together.
    first + plan.later().attempts()
}

fn conntrack(plan: Option<&Plan>) -> Row {
    let what = "conntrack entries left";
    let most = settings::sysctl("net/netfilter/nf_conntrack_max");
    let used = settings::sysctl("net/netfilter/nf_conntrack_count");
    let Some(left) = most.zip(used).map(|(most, used)| most.saturating_sub(used)) else {
        let advice = "no firewall keeps track of connections here".to_owned();
        return Row {
            what,
            value: "not loaded".into(),
            need: "-".into(),
            finding: Finding::Fine,
            advice,
        };
    };
    // A connection is open or rests, and has one entry.
    let need = plan.map(|plan| plan.budget.sockets.max(within(plan, 2 * TIME_WAIT)));
    let advice = format!(
        "beyond it the firewall drops SYNs. As root: `sysctl -w net.netfilter.nf_conntrack_max={}`",
        need.unwrap_or_default() + used.unwrap_or_default()
    );
    limit(what, Some(left), need, Finding::Beware, advice)
}

fn clock(plan: Option<&Plan>) -> Row {
    let error = settings::clock_error();
    let row = |need: &str, finding, advice: &str| Row {
        what: "clock",
        value: error.map_or_else(
            || "not kept right".into(),
            |error| format!("right to {}", time(error as f64)),
        ),
        need: need.into(),
        finding,
        advice: advice.into(),
    };
    match (plan, error) {
        (None, Some(_)) => row("-", Finding::Fine, ""),
        (None, None) => row("-", Finding::Unknown, "it matters for a broker on another host"),
        // Then it need not be right.
        (Some(plan), _) if plan.brokers.iter().all(Broker::is_loopback) => {
            row("any: the broker has the same", Finding::Fine, "")
        }
        (_, None) => row(
            "right",
            Finding::Beware,
            "`exp` and `nbf` are judged by two clocks: run `chronyd` or `systemd-timesyncd` on both hosts, or give `target.clock_uncertainty`",
        ),
        (_, Some(_)) => row(
            "right",
            Finding::Fine,
            "`target.clock_uncertainty` should be above this and the broker's",
        ),
    }
}

fn governor() -> Row {
    let governor = settings::governor();
    let (finding, advice) = match governor.as_deref() {
        None => {
            (Finding::Unknown, "a virtual machine does not see it: its host must not save power")
        }
        Some("performance") => (Finding::Fine, ""),
        Some(_) => (
            Finding::Beware,
            "clocks that change make latencies differ from run to run. As root: `cpupower frequency-set -g performance`",
        ),
    };
    Row {
        what: "CPU governor",
        value: governor.unwrap_or_else(|| "not told".into()),
        need: "performance".into(),
        finding,
        advice: advice.into(),
    }
}

fn cpus(plan: Option<&Plan>, limits: &Limits) -> Row {
    let shares = plan.is_some_and(has_local);
    let workers = plan.map_or(0, |plan| plan.workers);
    Row {
        what: "CPUs",
        value: limits.cpus.to_string(),
        need: match plan {
            Some(_) => format!("{workers} for clients, more for signing"),
            None => "-".into(),
        },
        finding: Finding::Fine,
        advice: if shares {
            "the broker is on this host and takes its share of them: good for tests, not for capacity".into()
        } else {
            String::new()
        },
    }
}

fn memory(plan: Option<&Plan>) -> Row {
    let need = plan.map(|plan| {
        // What a broker of another make takes itself is not known.
        let broker = if plan.brokers.iter().any(Broker::is_embedded) { EMBEDDED_BYTES } else { 0 };
        let each = scale::connection_bytes(plan) + broker + ends(plan) * scale::KERNEL_BYTES;
        plan.budget.sockets * each + scale::own_bytes(plan) + plan.fetching_bytes()
    });
    let mebibytes = |bytes: u64| bytes.div_ceil(1 << 20);
    limit(
        "memory left, in MiB",
        settings::memory_available().map(mebibytes),
        need.map(mebibytes),
        Finding::Stops,
        "fewer clients at one time (`load.hold`, `load.clients`), fewer kinds of token, or more memory".into(),
    )
}

#[cfg(test)]
mod tests;
