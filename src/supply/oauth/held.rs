//! How much memory tokens of an authorization server may take: each within what MQTT can carry, and all that are held at
//! one time within what the plan has counted.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use super::Failure;

/// The longest token of any kind, in bytes: what a field of CONNECT holds (MQTT 5.0, 1.5.4). Refresh tokens of servers have
/// a tenth of that.
pub(super) const LONGEST_TOKEN: usize = 65_535;
/// The word for a token that is longer.
pub(super) const TOKEN_TOO_LONG: &str = "token_too_long";
/// The word for a refresh token that is longer.
pub(super) const REFRESH_TOKEN_TOO_LONG: &str = "refresh_token_too_long";
/// The word for a token that does not fit beside those that are held.
pub(super) const TOO_MUCH_HELD: &str = "too_much_held";

/// The room for tokens.
#[derive(Debug)]
pub(super) struct Room {
    most: u64,
    taken: AtomicU64,
}

impl Room {
    /// Room for so many bytes.
    pub(super) fn of(most: u64) -> Arc<Self> {
        Arc::new(Self { most, taken: AtomicU64::new(0) })
    }

    /// Takes so many bytes of it, until what is returned is dropped.
    ///
    /// # Errors
    /// When less is left.
    pub(super) fn take(self: &Arc<Self>, bytes: u64) -> Result<Place, Failure> {
        let taken = self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |taken| {
            Some(taken.checked_add(bytes)?).filter(|sum| *sum <= self.most)
        });
        taken.map_err(|_| Failure::word(TOO_MUCH_HELD))?;
        Ok(Place { room: Arc::clone(self), bytes })
    }
}

/// A part of the room, given back when this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    room: Arc<Room>,
    bytes: u64,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.room.taken.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_that_is_given_back_can_be_taken_again_and_more_than_there_is_can_not() {
        let room = Room::of(10);
        let first = room.take(6).unwrap();
        assert_eq!(room.take(5).unwrap_err(), Failure::word(TOO_MUCH_HELD));
        assert_eq!(room.take(u64::MAX).unwrap_err(), Failure::word(TOO_MUCH_HELD));
        let rest = room.take(4).unwrap();
        drop(first);
        assert!(room.take(6).is_ok());
        drop(rest);
        assert!(room.take(10).is_ok());
    }
}
