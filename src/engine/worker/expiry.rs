//! What becomes of connections whose token ends: told by sessions, judged by the policy, recorded.

use super::{Key, Worker, ways::Way};
use crate::{
    base::clock::WALL_STEP,
    client::{
        attempt::Close,
        expire::{Expire, Fate},
        session::Ended,
        verdict::ending::{EndJudge, INTERRUPTED, Met},
    },
    engine::connection::{Connection, Held},
    record::measure::{
        Count,
        operations::{Operated, PendingEnd},
    },
};

impl Worker {
    /// Something happened to the connection of a client that stays: records it where it is what became of its token's end.
    pub(super) fn token_met(&mut self, place: usize, met: Met, now: u64) {
        let Some(connection) = self.connections.get(place) else { return };
        let Some(held) = connection.held().filter(|held| !held.is_decided) else { return };
        if held.session.is_on_trial() && matches!(met, Met::End(_)) {
            // The publish may have been denied: that says nothing about the token's end.
            self.recorder[Count::TrialEnds] += 1;
            return;
        }
        let Some(expire) = self.expire_of(connection, held, met, now) else { return };
        let in_gap = EndJudge::fate_in_gap(expire.deadline, now);
        if met == Met::Outlived && held.session.has_pinged_after() {
            self.recorder[Count::PingedAfter] += 1;
            self.recorder[Count::AnsweredAfter] += u64::from(held.session.was_answered_after());
        }
        let site = self.ways.get(usize::from(connection.way)).map(|way: &Way| way.site);
        match (met, site) {
            (Met::End(Ended::Closed(Close::Fin | Close::FinInPacket | Close::Rst)), Some(site))
                if matches!(expire.fate, Fate::Ended(_)) =>
            {
                let operated = Operated::Expire(expire);
                self.recorder.pend(PendingEnd { site, operated, in_gap });
            }
            _ => self.recorder.operated(&Operated::Expire(expire), self.storm.warm),
        }
        if let Some(held) = self.held_mut(place) {
            held.is_decided = true;
        }
    }

    /// The end of a session's token, if what it met is that.
    fn expire_of(
        &self,
        connection: &Connection,
        held: &Held,
        met: Met,
        now: u64,
    ) -> Option<Expire> {
        let storm = &self.storm;
        let kind = usize::from(connection.kind);
        let judge = storm.end_judge(storm.plan.mould.kinds[kind].protocol);
        let (accepted, token_kind) = connection.token(held);
        let token = (held.deadline, accepted);
        let session = &held.session;
        let is_asked = session.has_unanswered_auth();
        let fate = match met {
            Met::End(ended) if is_asked || session.has_just_authenticated() => {
                judge.fate_of_asked(token, ended, now, !is_asked)?
            }
            met => judge.fate(token.0, token.1, met, now)?,
        };
        let mut expire = Expire {
            bearer: connection.bearer,
            token_turn: held.token_turn,
            kind: token_kind,
            broker: usize::from(connection.broker),
            key: held.key,
            minted_for: held.minted_for,
            accepted,
            deadline: held.deadline,
            ended: now,
            fate,
            expected: judge.expected(),
            verdict: crate::client::verdict::Verdict::NotJudged,
        };
        let is_stepped = storm.clock.wall_step().abs() > WALL_STEP;
        expire.verdict = judge.verdict(fate, met, expire.delay(), is_stepped);
        Some(expire)
    }

    /// Has a session show its broker a publish.
    pub(super) fn publish_probe(&mut self, place: usize, now: u64) {
        let Some(connection) = self.connections.get(place) else { return };
        let Some(topic) = &self.storm.plan.probe_topic else { return };
        self.topic.clear();
        topic.render(connection.bearer.client, &mut self.topic);
        let topic = std::mem::take(&mut self.topic);
        if let Some(held) = self.held_mut(place) {
            held.session.publish(&topic, now);
        }
        self.topic = topic;
    }

    /// The run is interrupted: what became of tokens that have ended meanwhile.
    pub(super) fn record_interrupted(&mut self) {
        let now = self.storm.clock.now();
        let held = self.connections.iter().filter(|(_, it)| it.held().is_some());
        let keys: Vec<Key> = held.map(|(place, it)| Key::new(place, it.generation)).collect();
        for key in keys {
            self.token_met(key.place(), Met::Us(INTERRUPTED), now);
        }
    }
}
