//! What is known of a client beyond its connection, where clients live through several turns.

use super::{
    carried::Carried,
    key::Key,
    opening::{Opening, Who},
};
use crate::{
    client::attempt::{Attempt, Outcome},
    token::Bearer,
};

/// Why a turn began.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Purpose {
    /// It is the client's first.
    First,
    /// Its connection ended, at this instant.
    Return { dropped: u64 },
    /// It is none: a client asks for the token that it is to authenticate again with on this connection.
    Reauth { on: Key },
    /// Its token was to be renewed, which ends at this instant; while it waits for the next one, it has this connection.
    Renewal { old: Option<Key>, ends: i64 },
}

impl Purpose {
    /// The connection for which it only asks for a token, where it does.
    pub(super) fn asks_for(self) -> Option<Key> {
        match self {
            Self::Reauth { on } => Some(on),
            Self::First | Self::Return { .. } | Self::Renewal { .. } => None,
        }
    }
}

/// A client's way through its turns. In a box, and only where there are turns: what has none pays nothing.
#[derive(Debug)]
pub(super) struct Journey {
    pub(super) purpose: Purpose,
    /// An attempt that has its token does not set out before.
    pub(super) not_before: u64,
    /// When the client leaves, counted from its first CONNACK; the end of time before that.
    pub(super) leaves_at: u64,
    /// Attempts that failed since its connection ended, or asks for another token that came to nothing while it lives.
    pub(super) failures: u32,
    /// Its last turn that has begun.
    pub(super) last_turn: u32,
    /// The last token that the broker accepted from it.
    pub(super) token: Option<Carried>,
    /// The attempt that renews its token, or the ask for one, while that waits for it.
    pub(super) renewal: Option<Key>,
    /// The AUTH that was sent and has no answer.
    pub(super) asked: Option<Asked>,
    /// When a token was last accepted on its connection by AUTH, and the index of the token's kind.
    pub(super) renewed: Option<(u64, u16)>,
}

/// An AUTH under way, and what is known of the token in it.
#[derive(Debug)]
pub(super) struct Asked {
    /// The turn that its token is of.
    pub(super) turn: u32,
    /// Index of the kind of its token.
    pub(super) kind: u16,
    pub(super) opening: Box<Opening>,
}

impl Asked {
    /// It, ended like this; `who` has the connection.
    pub(super) fn attempt(&self, who: Who, outcome: Outcome, now: u64) -> Attempt {
        let bearer = Bearer { turn: self.turn, ..who.bearer };
        self.opening.attempt(Who { bearer, kind: usize::from(self.kind), ..who }, outcome, now)
    }
}

impl Journey {
    /// That of a client in its first turn.
    pub(super) fn first() -> Self {
        Self {
            purpose: Purpose::First,
            not_before: 0,
            leaves_at: u64::MAX,
            failures: 0,
            last_turn: 0,
            token: None,
            renewal: None,
            asked: None,
            renewed: None,
        }
    }
}
