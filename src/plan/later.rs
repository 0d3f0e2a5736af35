//! About how much a run does beyond first turns, as far as that follows from its plan: what else may end a connection nobody
//! knows.

use super::Plan;
use crate::{
    base::clock::SECOND,
    scenario::{OnExpiry, Reconnect, Renew},
};

/// What a run does beyond first turns, at a broker that accepts whom it should.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Later {
    /// Clients that come back.
    pub returns: u64,
    /// Tokens that are renewed by connecting again.
    pub renewals: u64,
    /// Tokens that are renewed on the connection that lives, by AUTH.
    pub reauthentications: u64,
    /// Tokens that these turns need which are not sent already.
    pub tokens: u64,
}

impl Later {
    /// Attempts of later turns.
    pub fn attempts(&self) -> u64 {
        self.returns + self.renewals
    }
}

impl Plan {
    /// What it does beyond first turns: tokens that are renewed, clients whose connections an event of the run drops, and those
    /// whose broker ends them with their tokens. How long tokens last of a server that is not the run's own is not known.
    pub fn later(&self) -> Later {
        let Some(turns) = &self.turns else { return Later::default() };
        let clients = self.clients as f64;
        let comes_back = turns.reconnect != Reconnect::None;
        let dropped: f64 = self.drops.iter().map(|drop| drop.share * clients).sum();
        let (hold, life) = (self.load().hold().as_secs_f64(), self.lives().0.as_secs_f64());
        let often = |each: f64| clients * (hold / each.max(1.0)).floor();
        let is_known = self.knows_lives();
        let ends = self.policy.expiry.on_expiry(self.protocol) == Some(OnExpiry::Disconnect);
        let before = turns.renew_before as f64 / SECOND as f64;
        let renewed =
            if turns.renews() && is_known { often((life - before).max(life / 2.0)) } else { 0.0 };
        let is_by_auth = turns.renew == Renew::Reauthenticate;
        let (renewals, reauthentications) =
            if is_by_auth { (0.0, renewed) } else { (renewed, 0.0) };
        let ended = if ends && is_known && !turns.renews() {
            often(life + turns.wait(0, 0.5).as_secs_f64())
        } else {
            0.0
        };
        let returns = if comes_back { dropped + ended } else { 0.0 };
        let fresh = if turns.reconnect == Reconnect::FreshToken { returns } else { 0.0 };
        Later {
            returns: returns as u64,
            renewals: renewals as u64,
            reauthentications: reauthentications as u64,
            tokens: (fresh + renewed) as u64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        base::host::Limits,
        scenario::{Loaded, Overrides, parse},
    };

    /// What 100 clients do that hold for 20 s.
    fn later(more: &str) -> Later {
        let text = format!(
            "name = \"a\"\n[target]\nbrokers = [\"mqtt://127.0.0.1:9\"]\n[load]\nclients = 100\nconcurrency = 10\n\
             hold = \"20s\"\n[keys.main]\nalgorithm = \"HS256\"\ngenerate = true\n[[mix]]\ntoken = \"fresh\"\nshare = 1\n\
             {more}"
        );
        let scenario = parse(&text, &Overrides::default()).unwrap();
        let loaded = Loaded::new("a.toml", scenario);
        Plan::unchecked(&loaded, &Limits::read()).unwrap().later()
    }

    #[test]
    fn turns_follow_from_lifetimes_and_from_events_of_the_run() {
        let drop = "[[events]]\nat = \"8s\"\ndo = \"drop_clients\"\nshare = 0.5\n";
        let session = |keys: &str| format!("{drop}[session]\n{keys}\n");
        let same = later(&session("reconnect = \"same_token\""));
        assert_eq!(same, Later { returns: 50, renewals: 0, reauthentications: 0, tokens: 0 });
        let fresh = later(&session("reconnect = \"fresh_token\""));
        assert_eq!(fresh, Later { returns: 50, renewals: 0, reauthentications: 0, tokens: 50 });
        // Each token is renewed when 5 s of its 10 s are left.
        let ttl = "[token]\nttl = \"10s\"\n";
        let renewed = later(&format!("{ttl}{}", session("renew = \"reconnect\"")));
        assert_eq!(renewed, Later { returns: 0, renewals: 400, reauthentications: 0, tokens: 400 });
        // Else it ends twice while its client holds, and each time a broker that promises it ends the connection.
        let ends = "[session]\nreconnect = \"fresh_token\"\nbackoff = { first = \"0s\" }\n";
        let ended = later(&format!("[token]\nttl = \"9s\"\n{ends}"));
        assert_eq!(ended, Later { returns: 200, renewals: 0, reauthentications: 0, tokens: 200 });
        let kept = later(&format!("[token]\nttl = \"9s\"\n[policy]\non_expiry = \"keep\"\n{ends}"));
        assert_eq!(kept, Later::default());
    }
}
