//! Tokens that a client may send again.

use crate::{
    client::verdict::foreign::Said,
    supply::{Ready, source::Handed},
};

/// A token that may be sent again.
#[derive(Debug)]
pub(super) struct Carried {
    /// When it was last accepted as it had to be, in nanoseconds of the run's clock.
    pub(super) accepted: Option<u64>,
    /// Index of its kind: that of its client, or one that it authenticated again with.
    pub(super) kind: usize,
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
    pub(super) is_word: bool,
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
            let &Handed { said, is_jwt, is_word, .. } = handed;
            Again::Kept(Box::new(Kept { bytes: handed.bytes.into(), ready, said, is_jwt, is_word }))
        } else {
            Again::Minted { turn: ready.bearer.turn, minted_for: ready.minted_for }
        };
        Self { accepted: None, kind: ready.kind, how }
    }
}

impl Kept {
    /// In the hands of its client again.
    pub(super) fn handed(&self) -> Handed<'_> {
        let &Self { ready, said, is_jwt, is_word, .. } = self;
        Handed { ready, bytes: &self.bytes, said, is_jwt, is_word }
    }
}
