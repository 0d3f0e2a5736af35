//! What agents and coordinators send each other.

use crate::{
    campaign::fleet,
    record::measure::{
        Measurements,
        wire::{Decoder, Encoder},
    },
};

/// A message that is read is written and read again as the same.
pub(super) fn message(input: &[u8]) {
    let Some(written) = fleet::rewritten(input) else { return };
    assert_eq!(fleet::rewritten(&written), Some(written));
}

/// What was seen in a second is written and read again as the same.
pub(super) fn interval(input: &[u8]) {
    let Some(read) = decoded(input) else { return };
    let Ok(written) = Encoder::default().encode(&read) else { return };
    let again = decoded(&written).and_then(|read| Encoder::default().encode(&read).ok());
    assert!(again == Some(written), "what was written is read as something else");
}

/// Of a run of two kinds and two brokers.
fn decoded(bytes: &[u8]) -> Option<Measurements> {
    let mut into = Measurements::new(2, 2);
    Decoder::default().decode(bytes, &mut into).ok().map(|()| into)
}

#[cfg(test)]
mod tests;
