//! What is known of a client beyond its connection, where clients live through several turns.

use super::key::Key;
use crate::{
    client::verdict::foreign::Said,
    supply::{Ready, source::Handed},
};

/// Why a turn began.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Purpose {
    /// It is the client's first.
    First,
    /// Its connection ended, at this instant.
    Return { dropped: u64 },
    /// Its token was to be renewed, which ends at this instant; while it waits for the next one, it has this connection.
    Renewal { old: Option<Key>, ends: i64 },
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
    /// The attempt that renews its token, while that waits for it.
    pub(super) renewal: Option<Key>,
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
        }
    }
}

/// A token that may be sent again.
#[derive(Debug)]
pub(super) struct Carried {
    /// When it was last accepted as it had to be, in nanoseconds of the run's clock.
    pub(super) accepted: Option<u64>,
    pub(super) how: Again,
}

/// How it is had again.
#[derive(Debug)]
pub(super) enum Again {
    /// It is minted again: the same claims have the same signature. It is that of this turn, minted for this wall time.
    Minted { turn: u32, minted_for: i64 },
    /// It was kept.
    Kept(Box<Kept>),
}

/// A token that was kept.
pub(super) struct Kept {
    pub(super) bytes: Box<[u8]>,
    pub(super) ready: Ready,
    pub(super) said: Option<Said>,
    pub(super) is_jwt: bool,
}

impl std::fmt::Debug for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kept").field("ready", &self.ready).finish_non_exhaustive()
    }
}

impl Carried {
    /// That of a client which was handed it; kept where `keeps`.
    pub(super) fn of(handed: &Handed<'_>, keeps: bool) -> Self {
        let ready = handed.ready;
        let how = if keeps {
            let &Handed { said, is_jwt, .. } = handed;
            Again::Kept(Box::new(Kept { bytes: handed.bytes.into(), ready, said, is_jwt }))
        } else {
            Again::Minted { turn: ready.bearer.turn, minted_for: ready.minted_for }
        };
        Self { accepted: None, how }
    }
}

impl Kept {
    /// In the hands of its client again.
    pub(super) fn handed(&self) -> Handed<'_> {
        let &Self { ready, said, is_jwt, .. } = self;
        Handed { ready, bytes: &self.bytes, said, is_jwt }
    }
}
