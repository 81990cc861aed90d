//! Values with units, in and out: `3s`, `50ms`, `4KiB`. Durations are microseconds in here.

const TIMES_US: [(&str, f64); 6] = [
    ("us", 1.0),
    ("µs", 1.0),
    ("ms", 1e3),
    ("s", 1e6),
    ("m", 60e6),
    ("h", 3600e6),
];

const SIZES: [(&str, f64); 4] = [
    ("B", 1.0),
    ("KiB", 1024.0),
    ("MiB", 1024.0 * 1024.0),
    ("GiB", 1024.0 * 1024.0 * 1024.0),
];

/// Microseconds of a duration such as `3s` or `1.5ms`. A unit is needed, for 0 too.
pub fn parse_time_us(text: &str) -> Result<u64, String> {
    parse(text, &TIMES_US).ok_or_else(|| {
        format!("\"{text}\" is not a duration: a number with a unit, such as 3s (us, ms, s, m, h)")
    })
}

/// Bytes of a size such as `4KiB`; a bare number is bytes.
pub fn parse_bytes(text: &str) -> Result<u64, String> {
    parse(text, &SIZES)
        .or_else(|| text.parse().ok())
        .ok_or_else(|| {
            format!("\"{text}\" is not a size: bytes, or a number with a unit, such as 4KiB (B, KiB, MiB, GiB)")
        })
}

/// Bits a second of a link, such as `1Gbit`. Decimal, as networks have it.
pub fn parse_bits_per_second(text: &str) -> Result<u64, String> {
    const SPEEDS: [(&str, f64); 3] = [("kbit", 1e3), ("Mbit", 1e6), ("Gbit", 1e9)];
    match parse(text, &SPEEDS) {
        Some(speed) if speed > 0 => Ok(speed),
        _ => Err(format!(
            "\"{text}\" is not a link's speed, such as 1Gbit (kbit, Mbit, Gbit)"
        )),
    }
}

fn parse(text: &str, units: &[(&str, f64)]) -> Option<u64> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, unit) = text.split_at(end);
    let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
    let value = number.parse::<f64>().ok()? * factor;
    (value <= 1e15).then_some(value.round() as u64)
}

/// Three digits and the unit that suits: `49 µs`, `2.13 ms`, `1.50 s`.
pub fn show_time(us: f64) -> String {
    match us {
        us if us < 9.995 => format!("{us:.1} µs"),
        us if us < 999.5 => format!("{us:.0} µs"),
        us if us < 999_500.0 => format!("{} ms", three_digits(us / 1e3)),
        us => format!("{} s", three_digits(us / 1e6)),
    }
}

pub fn show_bytes(bytes: f64) -> String {
    let (unit, factor) = SIZES
        .iter()
        .rev()
        .find(|(_, factor)| bytes >= *factor)
        .unwrap_or(&SIZES[0]);
    format!("{} {unit}", three_digits(bytes / factor))
}

fn three_digits(value: f64) -> String {
    match value {
        value if value < 9.995 => format!("{value:.2}"),
        value if value < 99.95 => format!("{value:.1}"),
        value => format!("{value:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_durations() {
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
    fn reads_sizes() {
        let read = ["4KiB", "600", "600B", "1.5MiB"].map(parse_bytes);
        assert_eq!(read, [4096, 600, 600, 1_572_864].map(Ok));
        for wrong in ["", "4KB", "KiB", "-4"] {
            assert!(parse_bytes(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn shows_three_digits() {
        let shown = [0.4, 49.0, 999.6, 2130.0, 55_000.0, 1_500_000.0].map(show_time);
        let expected = ["0.4 µs", "49 µs", "1.00 ms", "2.13 ms", "55.0 ms", "1.50 s"];
        assert_eq!(shown, expected);
        assert_eq!(show_bytes(0.0), "0.00 B");
        assert_eq!(show_bytes(16.4 * 1024.0 * 1024.0), "16.4 MiB");
    }
}
