//! The agents, as the run's collector sees those who drive its clients.

use std::{collections::BTreeMap, sync::atomic::Ordering};

use super::Coordinator;
use crate::{
    base::{error::Error, host::TcpTrouble},
    campaign::fleet::{capacity, message::Order, name::Short},
    engine::Hands,
    record::results::agents::Agent,
};

impl Hands for Coordinator {
    fn failure(&self) -> Option<Error> {
        self.shared.failure()
    }

    fn stop(&self) {
        let now = self.clock.map_or(0, |clock| clock.now());
        if now < self.start {
            self.shared
                .fail(Error::interrupted("interrupted before the storm: nothing was measured"));
        }
        self.shared.ending.store(now.max(1), Ordering::Release);
        self.order_all(|| Order::Stop);
    }

    fn minted_per_s(&self) -> f64 {
        self.shared.members().iter().map(|member| member.used.minted_per_s).sum()
    }

    fn cpu_ns(&self) -> u64 {
        let members = self.shared.members();
        let of_agents =
            members.iter().map(|member| member.used.cpu_ns).fold(0, u64::saturating_add);
        of_agents.saturating_add(crate::base::host::process_cpu().saturating_sub(self.cpu_before))
    }

    fn resident(&self) -> u64 {
        let agents: u64 = self.shared.members().iter().map(|member| member.used.resident).sum();
        agents + crate::base::host::resident()
    }

    fn agents(&self) -> Option<Vec<Agent>> {
        let members = self.shared.members();
        Some(
            members
                .iter()
                .enumerate()
                .map(|(index, member)| member.row(index, self.start, self.attempt))
                .collect(),
        )
    }

    fn busiest(&self) -> Option<f64> {
        let members = self.shared.members();
        let mut hosts: BTreeMap<&Short, f64> = BTreeMap::new();
        for member in members.iter() {
            // Shares of the last 5 s: those of one time may be added.
            *hosts.entry(&member.capacity.boot).or_default() +=
                member.used.busy.unwrap_or_default();
        }
        hosts.into_values().filter(|share| *share > 0.0).reduce(f64::max)
    }

    fn trouble(&self, own: TcpTrouble) -> Option<TcpTrouble> {
        // Agents of one host count the same.
        let mut hosts: BTreeMap<(&Short, &Short), Option<TcpTrouble>> = BTreeMap::new();
        let members = self.shared.members();
        for member in members.iter() {
            let host = hosts.entry((&member.capacity.boot, &member.capacity.network)).or_default();
            if !member.is_missing() {
                *host = Some(member.used.tcp.most(&host.unwrap_or_default()));
            }
        }
        let (boot, network) = capacity::place();
        if let Some(here) = hosts.get_mut(&(&boot, &network)) {
            *here = Some(own.most(&here.unwrap_or_default()));
        }
        hosts.into_values().try_fold(TcpTrouble::default(), |sum, host| Some(sum.and(&host?)))
    }

    fn news(&self) -> Vec<String> {
        std::mem::take(&mut *self.shared.news.lock())
    }
}
