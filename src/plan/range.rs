//! Ranges of numbers that a scenario may hold.

use std::{fmt::Display, ops::RangeInclusive};

use crate::base::error::{Error, Result};

/// Refuses a number outside of its range, in this unit.
pub(super) fn check_range<T: Copy + Display + PartialOrd>(
    key: &str,
    value: T,
    range: RangeInclusive<T>,
    unit: &str,
) -> Result<()> {
    if range.contains(&value) {
        return Ok(());
    }
    let (least, most) = range.into_inner();
    Err(Error::usage(format!("`{key}` is {value}, but must be {least} to {most}{unit}")))
}
