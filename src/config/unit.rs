//! Numbers with a unit, read and written: `10MiB`, `5s`. Pure.

use std::fmt;
use std::time::Duration;

use crate::limits::{GIB, KIB, MIB};

pub(super) const SIZE_UNITS: [(&str, u64); 4] = [
    ("KiB", KIB),
    ("MiB", MIB),
    ("GiB", GIB),
    ("TiB", 1024 * GIB),
];
pub(super) const TIME_UNITS_MS: [(&str, u64); 4] = [
    ("ms", 1),
    ("s", 1000),
    ("m", 60 * 1000),
    ("h", 60 * 60 * 1000),
];

/// A number with a unit, such as `10MiB` or `5 s`. `None`: it is not one. `Some(None)`: it is, but
/// past what 64 bits hold. The unit is required, so that nobody has to guess one.
pub(super) fn with_unit(text: &str, units: &[(&str, u64)]) -> Option<Option<u64>> {
    let text = text.trim();
    let end = text.find(|character: char| !character.is_ascii_digit())?;
    let (digits, unit) = text.split_at(end);
    let (_, factor) = units.iter().find(|(name, _)| *name == unit.trim_start())?;
    if digits.is_empty() {
        return None;
    }
    Some(
        digits
            .parse::<u64>()
            .ok()
            .and_then(|number| number.checked_mul(*factor)),
    )
}

/// A duration as settings are written, such as `5s`.
///
/// # Errors
/// It is none, or too long to count: a sentence.
pub fn parse_time(text: &str) -> Result<Duration, String> {
    match with_unit(text, &TIME_UNITS_MS).flatten() {
        Some(milliseconds) => Ok(Duration::from_millis(milliseconds)),
        None => Err("expected a duration with a unit (ms, s, m, h), such as 5s".to_owned()),
    }
}

/// A size as settings are written, such as `4MiB`.
///
/// # Errors
/// It is none, or too large to count: a sentence.
pub fn parse_size(text: &str) -> Result<u64, String> {
    let bytes = with_unit(text, &SIZE_UNITS).flatten();
    bytes.ok_or_else(|| "expected a size with a unit (KiB, MiB, GiB), such as 4MiB".to_owned())
}

/// Displays bytes with the largest unit that leaves a whole number.
#[derive(Clone, Copy, Debug)]
pub struct Size(pub u64);

impl fmt::Display for Size {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match largest_unit(self.0, &SIZE_UNITS) {
            Some((number, unit)) => write!(formatter, "{number}{unit}"),
            None => write!(formatter, "{}", self.0),
        }
    }
}

/// Displays a duration, in whole milliseconds, with the largest unit that leaves a whole number.
#[derive(Clone, Copy, Debug)]
pub struct Time(pub Duration);

impl fmt::Display for Time {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let milliseconds = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        let (number, unit) = largest_unit(milliseconds, &TIME_UNITS_MS).unwrap_or((0, "ms"));
        write!(formatter, "{number}{unit}")
    }
}

fn largest_unit<'units>(number: u64, units: &[(&'units str, u64)]) -> Option<(u64, &'units str)> {
    let fits = |(_, factor): &&(&str, u64)| number != 0 && number.is_multiple_of(*factor);
    units
        .iter()
        .rev()
        .find(fits)
        .map(|(unit, factor)| (number / factor, *unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_display_in_the_unit_a_human_would_choose() {
        assert_eq!(Size(10 * MIB).to_string(), "10MiB");
        assert_eq!(Size(1024 * GIB).to_string(), "1TiB");
        assert_eq!(Size(1500).to_string(), "1500");
        assert_eq!(Size(0).to_string(), "0");
        assert_eq!(Time(Duration::ZERO).to_string(), "0ms");
        assert_eq!(Time(Duration::from_millis(1500)).to_string(), "1500ms");
        assert_eq!(Time(Duration::from_secs(3600)).to_string(), "1h");
    }
}
