//! How long minting takes on this host, measured on a few tokens before the storm.

use std::time::Duration;

use crate::{
    base::{
        clock::Clock,
        error::{Error, Result},
    },
    plan::{Model, Plan},
    token::Minter,
};

/// Time spent on trying each kind of token, and all of them.
const TRIAL_NS: u64 = 10_000_000;
const TRIALS_NS: u64 = 300_000_000;
/// Memory that tokens kept ready may take.
const READY_BYTES: f64 = 256.0 * 1024.0 * 1024.0;
/// Share of the CPUs that minting is expected to get beside the clients and a broker on this host.
const SHARE: f64 = 0.5;
/// Descriptor of a token beside its bytes.
const OVERHEAD: f64 = 80.0;

/// What minting costs here.
#[derive(Clone, Copy, Debug, Default)]
pub struct Estimate {
    /// CPU seconds a token, over the mix.
    pub token_s: f64,
    /// Bytes of a token, over the mix.
    pub token_bytes: f64,
    /// Tokens that should be ready before the storm starts.
    pub ahead: u64,
    /// Time to mint those, on all CPUs.
    pub ahead_time: Duration,
    /// Time to mint all, on all CPUs.
    pub all_time: Duration,
    /// Whether the schedule has to wait for signatures all the same: tokens can't be minted fast
    /// enough, and those that memory allows to keep ready do not last.
    pub waits: bool,
}

impl Estimate {
    /// Mints a few tokens of each kind.
    ///
    /// # Errors
    /// When a token can't be signed, or is longer than CONNECT can carry.
    pub fn measure(plan: &Plan, clock: Clock, cpus: usize) -> Result<Self> {
        let mut minter = Minter::new(&plan.mould)?;
        let mut bytes = Vec::new();
        let (mut token_s, mut token_bytes) = (0.0, 0.0);
        let trial = TRIAL_NS.min(TRIALS_NS / plan.mould.kinds.len().max(1) as u64);
        let client = plan.attempts.saturating_sub(1);
        for (index, kind) in plan.mould.kinds.iter().enumerate() {
            // The first signature of a thread may gather randomness, which takes as long as a thousand others: with keys from
            // files some 30 ms, while those that were made for the run have done it.
            let make = |minter: &mut Minter, at: u64, bytes: &mut Vec<u8>| -> Result<()> {
                bytes.clear();
                let (password, _) = minter.mint(index, client, clock.wall(at), bytes)?;
                minter.countersign(password, 0, bytes)
            };
            make(&mut minter, clock.now(), &mut bytes)?;
            let start = clock.now();
            let mut count = 0_u64;
            while count < 2 || (clock.now() - start < trial && count < 20_000) {
                make(&mut minter, start, &mut bytes)?;
                count += 1;
            }
            // A header carries more.
            let token = plan.mould.shown(&bytes).token;
            if !plan.token_in.is_by_template() && token.len() > usize::from(u16::MAX) {
                return Err(Error::usage(format!(
                    "`{}` tokens have {} bytes, but CONNECT carries 65 535 at most",
                    kind.label,
                    token.len()
                ))
                .hint("shorten `[token.claims]`"));
            }
            token_s += kind.share * (clock.now() - start) as f64 / 1e9 / count as f64;
            token_bytes += kind.share * bytes.len() as f64;
        }
        let (ahead, waits) = ahead(plan, token_s / (cpus as f64 * SHARE), token_bytes, 1);
        let time = |tokens: u64| Duration::from_secs_f64(tokens as f64 * token_s / cpus as f64);
        Ok(Self {
            token_s,
            token_bytes,
            ahead,
            ahead_time: time(ahead),
            all_time: time(plan.attempts),
            waits,
        })
    }

    /// Tokens that a host with so many CPUs signs a second beside all else.
    pub fn signs_per_s(&self, cpus: usize) -> f64 {
        cpus as f64 * SHARE / self.token_s.max(1e-9)
    }

    /// Agents, on hosts like this one, that it takes so that no attempt waits for its signature.
    pub fn agents(&self, plan: &Plan, cpus: usize) -> u64 {
        let waits = |agents: u64| {
            let token_s = 1.0 / self.signs_per_s(cpus) / agents as f64;
            ahead(plan, token_s, self.token_bytes, agents).1
        };
        // So many sign as fast as attempts peak: nothing need be ahead.
        let peak = match &plan.model {
            Model::Open { rates, .. } => rates.peak(),
            Model::Closed { .. } | Model::Preconnect(_) => 0.0,
        };
        let enough = (peak / self.signs_per_s(cpus)).ceil().max(1.0) as u64;
        let (mut low, mut high) = (1, enough);
        while low < high {
            let middle = u64::midpoint(low, high);
            if waits(middle) { low = middle + 1 } else { high = middle }
        }
        low
    }
}

/// Tokens to keep ready, where one takes `token_s` seconds in the steady state: the largest lead
/// that the schedule ever has over minting, and half a second of the peak rate on top. `hosts` share them.
fn ahead(plan: &Plan, token_s: f64, token_bytes: f64, hosts: u64) -> (u64, bool) {
    if let Model::Preconnect(waves) = &plan.model {
        // A wave, no more and no less, whatever else is asked for: its tokens come before it.
        return (waves.size.min(plan.attempts), false);
    }
    let room = (READY_BYTES / (token_bytes + OVERHEAD)) as u64 * hosts;
    if let Some(ahead) = plan.ahead {
        return (ahead.clamp(1, room).min(plan.attempts), false);
    }
    let wanted = match (&plan.model, plan.schedule()) {
        (Model::Open { rates, .. }, Some(schedule)) => {
            let lead = schedule
                .enumerate()
                .map(|(count, due)| count as f64 - due as f64 / 1e9 / token_s)
                .fold(0.0, f64::max);
            (lead * 1.2 + rates.peak() * 0.5) as u64 + 64
        }
        // A token waits here until a slot is free: few, so that it is still young when it is used.
        (Model::Closed { concurrency, .. }, _) => {
            let few = u64::from(*concurrency) * 2;
            if plan.mould.ttl < Duration::from_mins(1) { few } else { (few * 4).clamp(512, 4096) }
        }
        (Model::Open { .. } | Model::Preconnect(_), _) => 0,
    };
    (wanted.min(room).min(plan.attempts), wanted.min(plan.attempts) > room)
}

#[cfg(test)]
mod tests;
