//! Runs that many processes share: a coordinator deals out the clients of a plan to agents, all start at one instant, and what
//! they see comes back second by second over the bus and is merged without loss.
//!
//! ```text
//! coordinator                         agent
//!   Call          -->  all              who is there?
//!   Here          <--                   what it has: descriptors, ports, cores, memory, version
//!   Wall          <->                   its clock, by repeated round trips
//!   Prepare       -->                   scenario, keys, weights and index of its segment
//!   Ready         <--                   the barrier: it has planned, and knows how long it mints ahead
//!   Start         -->                   one absolute instant
//!   intervals     <--  Heard -->        acknowledged, sent again where no acknowledgement came
//!   beats         <->                   both sides notice when the other is gone
//!   Over          -->                   also to one that was lost and comes back
//! ```
//!
//! Agents run no command that comes over the bus, and load nothing off their host unless they were started so. What they are
//! told is checked before anything is made of it (`guard`), and so is what they tell (`account`, `measure/wire`).

mod account;
pub mod agent;
pub mod capacity;
pub mod coordinator;
mod guard;
mod inbox;
pub mod local;
mod marks;
mod member;
mod message;
pub mod name;
mod outbox;
pub mod possible;
mod relay;
mod tally;
mod task;

use std::time::Duration;

use self::name::Name;

/// Between two beats.
const BEAT: Duration = Duration::from_millis(500);
/// An agent of which nothing was heard for so long is lost: noticed within 5 s.
const LOST: Duration = Duration::from_secs(4);
/// One that beats and tells of no second for so long is lost as well: its clients are not driven.
const SILENT: Duration = Duration::from_secs(10);
/// A coordinator of which nothing was heard for so long is gone: agents stop within 10 s.
const ORPHANED: Duration = Duration::from_secs(8);

/// A message of either side, read and written again; `None` of one that is none.
pub(crate) fn rewritten(bytes: &[u8]) -> Option<Vec<u8>> {
    use message::{Call, FromAgent, ToAgent, Told, read};
    let json = read::<ToAgent>(bytes).map(|message| message::bytes(&message));
    json.or_else(|| read::<FromAgent>(bytes).map(|message| message::bytes(&message)))
        .or_else(|| read::<Call>(bytes).map(|message| message::bytes(&message)))
        .or_else(|| postcard::to_stdvec(&postcard::from_bytes::<Told>(bytes).ok()?).ok())
}

/// The subjects of a group of agents.
#[derive(Clone, Debug)]
pub struct Subjects(String);

impl Subjects {
    /// Those of a group.
    pub fn of(group: &Name) -> Self {
        Self(group.to_string())
    }

    /// Who is there?
    fn call(&self) -> String {
        format!("{}.call", self.0)
    }

    /// What an agent is told.
    fn agent(&self, agent: &Name) -> String {
        format!("{}.agent.{agent}", self.0)
    }

    /// What agents say in a run.
    fn said(&self, run: &Name) -> String {
        format!("{}.run.{run}.said", self.0)
    }

    /// What they have seen.
    fn seen(&self, run: &Name) -> String {
        format!("{}.run.{run}.seen", self.0)
    }

    /// That any coordinator is there.
    fn beats(&self) -> String {
        format!("{}.run.*.beat", self.0)
    }

    /// That its coordinator is there.
    fn beat(&self, run: &Name) -> String {
        format!("{}.run.{run}.beat", self.0)
    }
}
