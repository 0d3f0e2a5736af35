//! What comes before the start: who takes part, by which clocks, with which share, and whether all can.

use std::time::Duration;

use super::{Coordinator, agents};
use crate::{
    base::{
        clock::{Clock, nanoseconds},
        error::{Error, Result},
    },
    campaign::fleet::{
        BEAT, LOST,
        account::Account,
        capacity::{Capacity, ports, slights, weights},
        marks,
        member::Member,
        message::{Call, FromAgent, Order, Said, Task, bytes},
        name::Name,
        possible::check_embedded,
        relay::lost_before,
        task::Script,
    },
    campaign::labels,
    engine::{Options, gather::Embedded},
    plan::{Plan, segment::counts},
    record::results::environment::tool,
};

/// Round trips by which an agent's clock is compared.
const ROUNDS: u32 = 12;
/// How long one may take.
const ROUND: Duration = Duration::from_secs(2);
/// Agents that can't take part and are named in the error: one does not read more.
const MOST_OTHERS: usize = 16;
/// Warnings of an agent that are shown: a plan has a few.
const MOST_WARNINGS: usize = 100;

impl Coordinator {
    /// Waits until so many agents of this build have come.
    pub(super) fn call(&mut self, clock: Clock, options: &Options) -> Result<Vec<Capacity>> {
        let own = tool();
        let (mut came, mut others): (Vec<Capacity>, Vec<String>) = (Vec::new(), Vec::new());
        let (begun, mut called) = (clock.now(), None);
        options.screen.say(&format!("waiting for {}", agents(self.wanted.agents)));
        while came.len() < self.wanted.agents {
            self.check(options)?;
            let now = clock.now();
            if called.is_none_or(|called| now - called > nanoseconds(BEAT)) {
                called = Some(now);
                self.bus.publish(&self.subjects.call(), bytes(&Call { run: self.run.clone() }))?;
            }
            if now - begun > nanoseconds(self.wanted.timeout) {
                return Err(self.too_few(&came, &others));
            }
            let Some(FromAgent { said: Said::Here(here), .. }) = self.listen() else { continue };
            let is_known = came.iter().any(|known| known.agent == here.agent);
            let is_alike =
                (&*here.version, &*here.commit) == (own.version.as_str(), own.commit.as_str());
            if is_alike && here.is_plausible() {
                if !is_known {
                    came.push(*here);
                }
                continue;
            }
            let other = if is_alike {
                format!("`{}` on {} tells of what no host has", here.agent, here.host)
            } else {
                format!("`{}` on {} is {} ({})", here.agent, here.host, here.version, here.commit)
            };
            if others.len() < MOST_OTHERS && !others.contains(&other) {
                others.push(other);
            }
        }
        came.sort_by(|one, other| {
            let key =
                |of: &Capacity| (of.index.unwrap_or(u32::MAX), of.host.clone(), of.agent.clone());
            key(one).cmp(&key(other))
        });
        Ok(came)
    }

    fn too_few(&self, came: &[Capacity], others: &[String]) -> Error {
        let names: Vec<String> =
            came.iter().map(|agent| format!("`{}` on {}", agent.agent, agent.host)).collect();
        let came_in = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        let own = tool();
        let others = match others {
            [] => String::new(),
            others => format!(
                "; of another build than {} ({}): {}",
                own.version,
                own.commit,
                others.join(", ")
            ),
        };
        Error::not_measured(format!(
            "{} of {} agents came to group `{}` within {}: {came_in}{others}",
            came.len(),
            self.wanted.agents,
            self.wanted.group,
            humantime::format_duration(self.wanted.timeout),
        ))
        .hint("start `tokenstorm agent --nats URL` where clients are to come from, or give them longer: `--agents-timeout`")
    }

    /// Compares all clocks with this one, until `deadline` at most.
    pub(super) fn compare_clocks(
        &mut self,
        clock: Clock,
        deadline: u64,
        options: &Options,
    ) -> Result<()> {
        for round in 0..ROUNDS {
            if clock.now() > deadline {
                break;
            }
            let count = self.shared.members().len();
            let (mut began, mut told) = (vec![0_i64; count], vec![false; count]);
            let names: Vec<Name> =
                self.shared.members().iter().map(|member| member.name().clone()).collect();
            for (began, name) in began.iter_mut().zip(&names) {
                *began = clock.wall(clock.now());
                self.order(name, Order::Wall { round })?;
            }
            let (mut missing, sent) = (count, clock.now());
            while missing > 0 && clock.now() < deadline.min(sent + nanoseconds(ROUND)) {
                self.check(options)?;
                self.check_all_there(clock)?;
                let heard = self.listen();
                let at = clock.now();
                let now = clock.wall(at);
                let Some(FromAgent { agent, said: Said::Wall { round: of, wall } }) = heard else {
                    continue;
                };
                let index = names.iter().position(|name| *name == agent);
                if let Some(index) = index {
                    // Also by an answer of a round before, where the way is long.
                    self.shared.members()[index].heard = at;
                }
                // One that answers twice must not stand in for another.
                if let Some(index) = index.filter(|index| of == round && !told[*index]) {
                    told[index] = true;
                    self.shared.members()[index].clock(began[index], now, wall);
                    missing -= 1;
                }
            }
        }
        let members = self.shared.members();
        match members.iter().find(|member| member.uncertainty == u64::MAX) {
            None => Ok(()),
            Some(mute) => Err(Error::not_measured(format!(
                "agent {} did not say what its clock shows within {}",
                mute.shown(),
                humantime::format_duration(self.wanted.timeout)
            ))
            .hint("give agents longer: `--agents-timeout`")),
        }
    }

    /// Tells each its share.
    pub(super) fn deal(
        &mut self,
        plan: &Plan,
        embedded: &Embedded,
        clock: Clock,
        options: &Options,
    ) -> Result<()> {
        let is_private = self.bus.is_private()
            && self.shared.members().iter().all(|member| member.capacity.is_private);
        let script = Script::of(&self.written, plan, is_private, &self.run)?;
        self.marks = script.marks;
        let capacities: Vec<Capacity> =
            self.shared.members().iter().map(|member| member.capacity.clone()).collect();
        check_embedded(plan, &capacities)?;
        let weights = weights(&capacities, plan.sources().len(), plan.brokers.len());
        let ports = ports(&capacities);
        let shares = counts(plan.clients, &weights, plan.mould.seed, plan.reuse)?;
        let slights = slights(&capacities, &weights, plan.sources().len());
        for (_, slight) in &slights {
            options.screen.warn(slight);
        }
        if let Some(idle) = shares.iter().position(|share| *share == 0) {
            let why = slights.into_iter().find(|(place, _)| *place == idle).map(|(_, why)| why);
            return Err(Error::usage(format!(
                "agent `{}` on {} would have none of the {} clients",
                capacities[idle].agent, capacities[idle].host, plan.clients
            ))
            .hint(
                why.unwrap_or_else(|| {
                    "raise `load.clients` or the rate, or take fewer agents".into()
                }),
            ));
        }
        let now = clock.now();
        for (index, member) in self.shared.members().iter_mut().enumerate() {
            member.heard = now;
            (member.weight, member.ports) = (weights[index], ports[index]);
            member.account = Account::new(shares[index], plan.turns.is_some());
            let task = Task {
                scenario: script.scenario.clone(),
                keys: script.keys.clone(),
                promise: script.promise.clone(),
                tls: script.tls.clone(),
                weights: weights.clone(),
                index,
                ports: ports[index],
                ahead: member.ahead,
                uncertainty: member.uncertainty,
                embedded: embedded.clone(),
            };
            self.order(member.name(), Order::Prepare(Box::new(task)))?;
        }
        Ok(())
    }

    /// The barrier: waits until all are ready, until `deadline` at most.
    pub(super) fn wait_for_all(
        &mut self,
        plan: &Plan,
        clock: Clock,
        deadline: u64,
        options: &Options,
    ) -> Result<()> {
        let own = labels(plan);
        while self.shared.members().iter().any(|member| member.ready.is_none()) {
            self.check(options)?;
            self.check_all_there(clock)?;
            if clock.now() > deadline {
                let members = self.shared.members();
                let late = members.iter().filter(|member| member.ready.is_none());
                let late: Vec<String> = late.map(Member::shown).collect();
                return Err(Error::not_measured(format!(
                    "not ready within {}: {}",
                    humantime::format_duration(self.wanted.timeout),
                    late.join(", ")
                ))
                .hint("give them longer: `--agents-timeout`"));
            }
            let Some(FromAgent { agent, said }) = self.listen() else { continue };
            let mut members = self.shared.members();
            let Some(member) = members.iter_mut().find(|member| *member.name() == agent) else {
                continue;
            };
            member.heard = clock.now();
            match said {
                Said::Ready(ready) => {
                    let is_same = (&ready.kinds, &ready.brokers) == (&own.0, &own.1)
                        && (ready.clients, ready.attempts)
                            == (plan.clients, member.account.share());
                    if !is_same {
                        // Not in its words: they may be anything.
                        return Err(Error::not_measured(format!(
                            "agent {} makes another plan of the scenario: {} of {} clients with {} kinds of token at {} brokers, in place of {} of {} with {} at {}",
                            member.shown(),
                            ready.attempts,
                            ready.clients,
                            ready.kinds.len(),
                            ready.brokers.len(),
                            member.account.share(),
                            plan.clients,
                            own.0.len(),
                            own.1.len()
                        ))
                        .hint("coordinator and agents have to be of one build"));
                    }
                    if let Some(key) = marks::difference(&self.marks, &ready.marks) {
                        return Err(Error::usage(format!(
                            "agent {} has another `{key}` than the coordinator: its verdicts would be about other tokens, or another broker",
                            member.shown()
                        ))
                        .hint("put the same file below the agent's `--files`, or the same secret into its environment; or use `tls://` on both sides, over which they travel"));
                    }
                    for warning in ready.warnings.iter().take(MOST_WARNINGS) {
                        let of = format!("agent {}: {warning}", member.shown());
                        // All of one host say the same of it.
                        if !plan.warnings.iter().any(|own| own.as_str() == &**warning) {
                            options.screen.warn(&of);
                        }
                    }
                    member.ready = Some(ready);
                }
                Said::Failed { why, hint, is_usage } => {
                    let told = format!("agent {}: {why}", member.shown());
                    let error =
                        if is_usage { Error::usage(told) } else { Error::not_measured(told) };
                    return Err(match hint {
                        Some(hint) => error.hint(hint.to_string()),
                        None => error,
                    });
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Refuses to start without one that is gone.
    pub(super) fn check_all_there(&self, clock: Clock) -> Result<()> {
        let now = clock.now();
        let members = self.shared.members();
        let is_gone = |member: &&Member| now.saturating_sub(member.heard) > nanoseconds(LOST);
        match members.iter().find(is_gone) {
            None => Ok(()),
            Some(gone) => {
                let why = format!("nothing was heard of it for {} s", LOST.as_secs());
                Err(lost_before(gone, &why))
            }
        }
    }
}
