//! A histogram that another process sent: its bytes are looked at before memory is made for what they claim.
//!
//! The format is HDR V2, deflated: a cookie and a length, then deflated a header of 40 bytes and the counts, each a number
//! of one to nine bytes, below zero for so many counts of zero (`HdrHistogram` V2, `ZigZag` LEB128-64b9B). The library makes
//! memory of the length that the header claims, four gigabytes at most, and for the longest time that it names.

use std::io::{Cursor, Read};

use flate2::read::ZlibDecoder;
use hdrhistogram::serialization::Deserializer;

use super::{LONGEST, Times, Unreadable};

/// Cookies of the format: deflated, and plain.
const DEFLATED: u32 = 0x1c84_9314;
const PLAIN: u32 = 0x1c84_9313;
/// Bytes of the header of a plain histogram.
const HEADER: usize = 40;
/// Bytes of a count at most.
const LONGEST_NUMBER: usize = 9;
/// Counts of a histogram at most: up to an hour, three digits have 33 of 1 024 and the two of the first half.
const MOST_COUNTS: u64 = 64 * 1024;

/// Reads histograms, keeping the memory that it needs for that.
#[derive(Default)]
pub(super) struct Reader {
    library: Deserializer,
    plain: Vec<u8>,
}

impl Reader {
    /// A histogram with the lower bound and so many digits as all others, in which something was counted.
    pub(super) fn read(&mut self, bytes: &[u8], digits: u8) -> Result<Times, Unreadable> {
        let damaged = Unreadable("a damaged histogram");
        self.inflate(bytes).ok_or(damaged)?;
        check(&self.plain, digits).ok_or(damaged)?;
        let times: Times =
            self.library.deserialize(&mut Cursor::new(&self.plain)).map_err(|_| damaged)?;
        if times.is_empty() { Err(damaged) } else { Ok(times) }
    }

    fn inflate(&mut self, bytes: &[u8]) -> Option<()> {
        let most = HEADER + MOST_COUNTS as usize * LONGEST_NUMBER;
        let (cookie, rest) = number(bytes)?;
        let (length, rest) = number(rest)?;
        if cookie != DEFLATED || length as usize != rest.len() {
            return None;
        }
        self.plain.clear();
        let mut inflated = ZlibDecoder::new(rest).take(most as u64 + 1);
        inflated.read_to_end(&mut self.plain).ok()?;
        (self.plain.len() <= most).then_some(())
    }
}

/// The first four bytes as a number, and what follows them.
fn number(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (number, rest) = bytes.split_first_chunk()?;
    Some((u32::from_be_bytes(*number), rest))
}

/// Looks at header and counts: those of a recorder of so many digits, as long as they say, and no more than there can be.
fn check(plain: &[u8], digits: u8) -> Option<()> {
    let long = |at: usize| Some(u64::from_be_bytes(*plain.get(at..)?.first_chunk()?));
    let (cookie, rest) = number(plain)?;
    let (length, rest) = number(rest)?;
    let (offset, rest) = number(rest)?;
    let (of, _) = number(rest)?;
    let (low, high) = (long(16)?, long(24)?);
    let counts = plain.get(HEADER..)?;
    let is_alike = (cookie, offset, of, low) == (PLAIN, 0, u32::from(digits), 1)
        && (2..=LONGEST).contains(&high)
        && length as usize == counts.len();
    if is_alike { check_counts(counts) } else { None }
}

fn check_counts(mut counts: &[u8]) -> Option<()> {
    let mut place = 0_u64;
    while !counts.is_empty() {
        let (number, rest) = zigzag(counts)?;
        counts = rest;
        place += match number {
            ..0 => number.unsigned_abs(),
            0.. if number <= i64::from(u32::MAX) => 1,
            _ => return None,
        };
        if place > MOST_COUNTS {
            return None;
        }
    }
    Some(())
}

/// A number of one to nine bytes: seven bits each, the lowest first; the ninth has eight.
fn zigzag(bytes: &[u8]) -> Option<(i64, &[u8])> {
    let mut number = 0_u64;
    for (at, byte) in bytes.iter().enumerate().take(LONGEST_NUMBER) {
        let is_ninth = at + 1 == LONGEST_NUMBER;
        let bits = if is_ninth { *byte } else { byte & 0x7F };
        number |= u64::from(bits) << (7 * at);
        if is_ninth || byte & 0x80 == 0 {
            let signed = (number >> 1).cast_signed() ^ -((number & 1).cast_signed());
            return Some((signed, &bytes[at + 1..]));
        }
    }
    None
}

#[cfg(test)]
mod tests;
