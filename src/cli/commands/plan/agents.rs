//! What each agent takes of a plan, as a table: `tokenstorm plan --agents N`.

use std::fmt::Write;

use crate::{
    base::{
        error::{Error, Result},
        host::{Limits, settings},
    },
    plan::{
        Plan,
        broker::Broker,
        scale::{Host, Resource, Share, Whole, decides},
    },
    report::style::{count, number, table},
    supply::estimate::Estimate,
};

/// A plan as so many agents share it.
#[derive(Debug)]
pub(super) struct Shared {
    agents: u64,
    whole: Whole,
    shares: Vec<Share>,
    budget_words: String,
    is_embedded: bool,
}

impl Shared {
    /// Shares a plan that so many agents can share.
    pub(super) fn new(plan: &Plan, estimate: &Estimate, limits: &Limits, agents: u64) -> Self {
        let mut host = Host::like_this(plan, limits, settings::memory_available());
        // Tokens that are kept ready: all of one host's, also where more share them.
        host.own_memory += (estimate.ahead as f64 * estimate.token_bytes) as u64;
        if plan.mints() && plan.mould.kinds.iter().any(|kind| kind.key.is_some()) {
            host.signs_per_s = Some(estimate.signs_per_s(limits.cpus));
            host.signing_agents = Some(estimate.agents(plan, limits.cpus));
        }
        let whole = Whole::of(plan);
        let budget = &plan.budget;
        Self {
            agents,
            shares: whole.shares(&host, agents),
            whole,
            budget_words: format!(
                "ports are {} x {} source {}",
                count(budget.each),
                count(budget.sources),
                budget.by_brokers()
            ),
            is_embedded: plan.brokers.iter().any(Broker::is_embedded),
        }
    }

    /// The table, and which resource decides.
    pub(super) fn render(&self) -> String {
        let whole = &self.whole;
        let plain = |what: &str, takes: String| vec![what.into(), takes, "-".into(), "-".into()];
        let attempts = match whole.attempts {
            0 => "-".into(),
            _ => count(whole.attempts_of_one(self.agents)),
        };
        let peak = whole.peak_per_s.map(|peak| peak / self.agents as f64);
        let mut rows = vec![
            plain("  attempts", attempts),
            plain("  connects/s at the peak", peak.map_or_else(|| "-".into(), number)),
            plain("  open at one time", count(whole.sockets_of_one(self.agents))),
        ];
        rows.extend(self.shares.iter().map(row));
        let mut out = String::new();
        // Writing to a `String` can't fail.
        let _ = writeln!(
            out,
            "  agents       {}, each with such a share, on hosts like this one; {}",
            count(self.agents),
            self.budget_words
        );
        out += &table(&["  one agent", "takes", "its host has", "agents at least"], &rows);
        if let Some(share) = decides(&self.shares) {
            let words = share.resource.words();
            let _ = match share.agents {
                Some(1) => writeln!(out, "  one agent is enough"),
                Some(agents) => {
                    writeln!(out, "  at least {} agents: {words} decide", count(agents))
                }
                None => writeln!(
                    out,
                    "  no number of such agents is enough: this host leaves none of its {words}"
                ),
            };
        }
        if self.is_embedded {
            let _ = writeln!(
                out,
                "  embedded brokers are on the coordinator's loopback: only agents on that host reach them"
            );
        }
        for share in self.short().filter(|share| !share.resource.is_hard()) {
            let _ = writeln!(
                out,
                "  warning: {} agents are few for their {}: {}",
                self.agents,
                share.resource.words(),
                meaning(share.resource)
            );
        }
        out + "\n"
    }

    /// Resources of which an agent has too little.
    fn short(&self) -> impl Iterator<Item = &Share> {
        self.shares.iter().filter(|share| share.agents.is_none_or(|agents| agents > self.agents))
    }

    /// Refuses a run that so many agents can't make.
    ///
    /// # Errors
    /// Names the resource that takes most agents, and how many.
    pub(super) fn check(&self) -> Result<()> {
        let short: Vec<Share> =
            self.short().copied().filter(|share| share.resource.is_hard()).collect();
        let Some(worst) = decides(&short) else { return Ok(()) };
        let words = worst.resource.words();
        Err(match worst.agents {
            Some(agents) => Error::usage(format!(
                "the run does not fit {} agents on hosts like this one: their {words} take {}",
                count(self.agents),
                count(agents)
            ))
            .hint(format!("{}, or `--agents {agents}`", way_out(worst.resource))),
            None => Error::usage(format!(
                "the run does not fit any number of agents on hosts like this one: they leave no {words} for clients"
            ))
            .hint(format!("{}; `tokenstorm doctor` shows all limits", way_out(worst.resource))),
        })
    }
}

fn row(share: &Share) -> Vec<String> {
    let shown = |amount: f64| match share.resource {
        Resource::Memory => format!("{} MiB", count((amount / 1_048_576.0).ceil() as u64)),
        Resource::Cores => format!("{amount:.2}"),
        Resource::Signing => format!("{}/s", number(amount)),
        Resource::Descriptors | Resource::Ports => count(amount as u64),
    };
    vec![
        format!("  {}", share.resource.words()),
        shown(share.takes),
        share.has.map_or_else(|| "-".into(), shown),
        share.agents.map_or_else(|| "-".into(), count),
    ]
}

/// What is seen in a run that has too little of it.
fn meaning(resource: Resource) -> &'static str {
    match resource {
        Resource::Signing => "attempts will wait for signatures, see phase `token`",
        _ => "attempts will begin late, see `start_delay`",
    }
}

fn way_out(resource: Resource) -> &'static str {
    match resource {
        Resource::Descriptors => "raise the hard limit of open files on each host",
        Resource::Ports => "give each agent more source addresses",
        _ => "hosts with more memory",
    }
}
