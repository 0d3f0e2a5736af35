//! The number by which a connection of a worker is found again.

/// What epoll gives back for a connection: its place, and which one in that place.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Key(u64);

impl Key {
    /// The worker's bell.
    pub(super) const BELL: Self = Self(u64::MAX);

    pub(super) fn new(place: usize, generation: u32) -> Self {
        Self(u64::from(generation) << 32 | place as u64)
    }

    pub(super) fn from_data(data: u64) -> Self {
        Self(data)
    }

    pub(super) fn data(self) -> u64 {
        self.0
    }

    pub(super) fn place(self) -> usize {
        self.0 as u32 as usize
    }

    pub(super) fn generation(self) -> u32 {
        (self.0 >> 32) as u32
    }
}
