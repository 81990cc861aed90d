//! Sizes, durations, speeds and dates with their units: read from settings and options, and written for
//! people. Pure.
//!
//! Settings are exact (`10MiB` is read and written as `10MiB`). Measurements are rounded to three digits.

use std::fmt;
use std::time::Duration;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::limits::{GIB, KIB, MIB};

pub(crate) const SIZE_UNITS: [(&str, u64); 4] = [
    ("KiB", KIB),
    ("MiB", MIB),
    ("GiB", GIB),
    ("TiB", 1024 * GIB),
];
pub(crate) const TIME_UNITS_MS: [(&str, u64); 4] = [
    ("ms", 1),
    ("s", 1000),
    ("m", 60 * 1000),
    ("h", 60 * 60 * 1000),
];

// ── Settings: whole numbers, exact ───────────────────────────────────────────────────────────────

/// A whole number with a unit, such as `10MiB` or `5 s`, in the units' base. `None`: the text is not
/// such a number. `Some(None)`: it is, but it does not fit into 64 bits. A bare number is refused, so
/// that nobody has to guess its unit.
pub(crate) fn with_unit(text: &str, units: &[(&str, u64)]) -> Option<Option<u64>> {
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

/// Reads a duration as settings have it, such as `5s`, to the millisecond.
///
/// # Errors
/// A sentence, if the text is not a duration or does not fit into 64 bits.
pub(crate) fn parse_time(text: &str) -> Result<Duration, String> {
    match with_unit(text, &TIME_UNITS_MS).flatten() {
        Some(milliseconds) => Ok(Duration::from_millis(milliseconds)),
        None => Err("expected a duration with a unit (ms, s, m, h), such as 5s".to_owned()),
    }
}

/// Reads a size as settings have it, such as `4MiB`, in bytes.
///
/// # Errors
/// A sentence, if the text is not a size or does not fit into 64 bits.
pub(crate) fn parse_size(text: &str) -> Result<u64, String> {
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

// ── Measurements: with fractions, three digits ───────────────────────────────────────────────────

const TIMES_US: [(&str, f64); 6] = [
    ("us", 1.0),
    ("µs", 1.0),
    ("ms", 1e3),
    ("s", 1e6),
    ("m", 60e6),
    ("h", 3600e6),
];
const BYTES: [(&str, f64); 4] = [
    ("B", 1.0),
    ("KiB", KIB as f64),
    ("MiB", MIB as f64),
    ("GiB", GIB as f64),
];
const SPEEDS: [(&str, f64); 3] = [("kbit", 1e3), ("Mbit", 1e6), ("Gbit", 1e9)];

/// Reads a duration such as `3s` or `1.5ms`, in microseconds. Zero needs a unit as well.
///
/// # Errors
/// A sentence, if the text is not a duration.
pub fn parse_time_us(text: &str) -> Result<u64, String> {
    with_fraction(text, &TIMES_US).ok_or_else(|| {
        format!("\"{text}\" is not a duration: a number with a unit, such as 3s (us, ms, s, m, h)")
    })
}

/// Reads a size such as `4KiB` or `1.5MiB`, in bytes. A bare number is bytes.
///
/// # Errors
/// A sentence, if the text is not a size.
pub fn parse_bytes(text: &str) -> Result<u64, String> {
    with_fraction(text, &BYTES)
        .or_else(|| text.parse().ok())
        .ok_or_else(|| {
            format!("\"{text}\" is not a size: bytes, or a number with a unit, such as 4KiB (B, KiB, MiB, GiB)")
        })
}

/// Reads a link's speed such as `1Gbit`, in bits a second. The units are decimal, as for networks.
///
/// # Errors
/// A sentence, if the text is not a speed above zero.
pub fn parse_bits_per_second(text: &str) -> Result<u64, String> {
    match with_fraction(text, &SPEEDS) {
        Some(speed) if speed > 0 => Ok(speed),
        _ => Err(format!(
            "\"{text}\" is not the speed of a link, such as 1Gbit (kbit, Mbit, Gbit)"
        )),
    }
}

fn with_fraction(text: &str, units: &[(&str, f64)]) -> Option<u64> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, unit) = text.split_at(end);
    let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
    let value = number.parse::<f64>().ok()? * factor;
    (value <= 1e15).then_some(value.round() as u64)
}

/// Microseconds with three digits and the unit that suits: `49 µs`, `2.13 ms`, `1.50 s`.
pub fn show_time(us: f64) -> String {
    match us {
        us if us < 9.995 => format!("{us:.1} µs"),
        us if us < 999.5 => format!("{us:.0} µs"),
        us if us < 999_500.0 => format!("{} ms", three_digits(us / 1e3)),
        us => format!("{} s", three_digits(us / 1e6)),
    }
}

/// Bytes with three digits and the unit that suits: `448 B`, `1.50 KiB`, `16.4 MiB`.
pub fn show_bytes(bytes: f64) -> String {
    let (unit, factor) = BYTES
        .iter()
        .rev()
        .find(|(_, factor)| bytes >= *factor)
        .unwrap_or(&BYTES[0]);
    let is_whole = bytes < KIB as f64 && bytes.fract() == 0.0;
    if is_whole {
        format!("{bytes} {unit}")
    } else {
        format!("{} {unit}", three_digits(bytes / factor))
    }
}

fn three_digits(value: f64) -> String {
    match value {
        value if value < 9.995 => format!("{value:.2}"),
        value if value < 99.95 => format!("{value:.1}"),
        value => format!("{value:.0}"),
    }
}

// ── The clock ────────────────────────────────────────────────────────────────────────────────────

/// Seconds with the two units that a person would say: `3d 04h`, `4m 05s`, `12s`.
pub(crate) fn show_seconds(seconds: u64) -> String {
    const MINUTE: u64 = 60;
    const HOUR: u64 = 60 * MINUTE;
    const DAY: u64 = 24 * HOUR;
    match seconds {
        0..MINUTE => format!("{seconds}s"),
        MINUTE..HOUR => format!("{}m {:02}s", seconds / MINUTE, seconds % MINUTE),
        HOUR..DAY => format!("{}h {:02}m", seconds / HOUR, seconds % HOUR / MINUTE),
        DAY.. => format!("{}d {:02}h", seconds / DAY, seconds % DAY / HOUR),
    }
}

/// Seconds since 1970 as a date and time in UTC (RFC 3339): `2025-11-26T01:19:59Z`. `None` outside of
/// the years 0 to 9999.
pub(crate) fn show_utc(unix_seconds: i64) -> Option<String> {
    let instant = OffsetDateTime::from_unix_timestamp(unix_seconds).ok()?;
    instant.format(&Rfc3339).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_display_in_the_unit_a_human_would_choose() {
        assert_eq!(Size(10 * MIB).to_string(), "10MiB");
        assert_eq!(Size(1024 * GIB).to_string(), "1TiB");
        assert_eq!(Size(1500).to_string(), "1500");
        assert_eq!(Size(0).to_string(), "0");
        assert_eq!(Time(Duration::ZERO).to_string(), "0ms");
        assert_eq!(Time(Duration::from_millis(1500)).to_string(), "1500ms");
        assert_eq!(Time(Duration::from_secs(3600)).to_string(), "1h");
    }

    #[test]
    fn settings_need_a_unit() {
        assert_eq!(parse_time("5 s"), Ok(Duration::from_secs(5)));
        assert_eq!(parse_size("4MiB"), Ok(4 * MIB));
        for text in ["", "5", "s", "1.5s", "5S", "99999999999999999999s"] {
            assert!(parse_time(text).is_err(), "{text}");
        }
        for text in ["", "5", "KiB", "1.5MiB", "4MB", "99999999999999TiB"] {
            assert!(parse_size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn durations_may_have_a_fraction() {
        let read = ["3s", "0s", "1.5ms", "20us", "20µs", "2m", "1h"].map(parse_time_us);
        let expected = [3_000_000, 0, 1500, 20, 20, 120_000_000, 3_600_000_000];
        assert_eq!(read, expected.map(Ok));
        for wrong in [
            "",
            "3",
            "s",
            "-1s",
            "3 s",
            "3S",
            "1e3s",
            "1.2.3s",
            "9999999999h",
        ] {
            assert!(parse_time_us(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn sizes_may_have_a_fraction() {
        let read = ["4KiB", "600", "600B", "1.5MiB"].map(parse_bytes);
        assert_eq!(read, [4096, 600, 600, 1_572_864].map(Ok));
        for wrong in ["", "4KB", "KiB", "-4"] {
            assert!(parse_bytes(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn speeds_are_above_zero() {
        assert_eq!(parse_bits_per_second("1Gbit"), Ok(1_000_000_000));
        for wrong in ["", "0Mbit", "1Gb", "1000"] {
            assert!(parse_bits_per_second(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn measurements_have_three_digits() {
        let shown = [0.4, 49.0, 999.6, 2130.0, 55_000.0, 1_500_000.0].map(show_time);
        let expected = ["0.4 µs", "49 µs", "1.00 ms", "2.13 ms", "55.0 ms", "1.50 s"];
        assert_eq!(shown, expected);
        let shown = [0.0, 0.5, 30.0, 1536.0, 16.4 * MIB as f64].map(show_bytes);
        assert_eq!(shown, ["0 B", "0.50 B", "30 B", "1.50 KiB", "16.4 MiB"]);
    }

    #[test]
    fn seconds_are_read_at_a_glance() {
        let shown = [0, 59, 65, 4790, 90_000].map(show_seconds);
        assert_eq!(shown, ["0s", "59s", "1m 05s", "1h 19m", "1d 01h"]);
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        // As `date -u -d @SECONDS` gives them.
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_764_119_999, "2025-11-26T01:19:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (-1, "1969-12-31T23:59:59Z"),
        ] {
            assert_eq!(show_utc(seconds).as_deref(), Some(text));
        }
        for seconds in [i64::MIN, i64::MAX, 253_402_300_800] {
            assert_eq!(show_utc(seconds), None);
        }
    }
}
