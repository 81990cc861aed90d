//! Text that others have written, made fit for a terminal: whoever may write a key must not be able to
//! move an operator's cursor with its name.

use std::fmt::Write;

/// The text with everything that is not to be seen as a character written as `\u{1b}`.
pub fn shown(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match is_visible(c) {
            true => out.push(c),
            false => write!(out, "{}", c.escape_unicode()).expect("a string"),
        }
    }
    out
}

/// Neither a control character nor one that is not seen itself: marks of direction, separators of lines,
/// joiners, tags.
pub fn is_visible(c: char) -> bool {
    let is_invisible = matches!(c,
        '\u{61C}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{2069}'
        | '\u{FEFF}' | '\u{E0000}'..='\u{E007F}');
    !c.is_control() && !is_invisible
}

/// JSON that says the same without a character that is not visible. Outside of strings it has none but
/// spaces and line ends, so each that is found is in a string.
pub fn visible_json(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        if is_visible(c) || c == '\n' {
            out.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            write!(out, "\\u{unit:04x}").expect("a string");
        }
    }
    out
}

/// Seconds since 1970 as a date and a time of UTC.
pub fn utc(secs: i64) -> String {
    const DAY: i64 = 24 * 60 * 60;
    let (days, of_day) = (secs.div_euclid(DAY), secs.rem_euclid(DAY));
    // Years that begin in March have their leap day at their end. 400 of them have 146 097 days.
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (month, carry) = if month < 10 {
        (month + 3, 0)
    } else {
        (month - 9, 1)
    };
    let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    let year = 400 * era + year + carry;
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// Seconds as a person says them, with two units: `3d 4h`, `4m 05s`, `12s`.
pub fn span(secs: u64) -> String {
    let (minutes, hours, days) = (secs / 60, secs / 3600, secs / 86_400);
    match secs {
        0..60 => format!("{secs}s"),
        60..3600 => format!("{minutes}m {:02}s", secs % 60),
        3600..86_400 => format!("{hours}h {:02}m", minutes % 60),
        _ => format!("{days}d {:02}h", hours % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_reaches_the_terminal_but_characters() {
        assert_eq!(shown("/workerbeats/größe 1"), "/workerbeats/größe 1");
        assert_eq!(shown("a\u{1b}[2J\n"), "a\\u{1b}[2J\\u{a}");
        assert_eq!(shown("\u{202e}x\u{9b}1m"), "\\u{202e}x\\u{9b}1m");
        assert_eq!(shown("a\u{200f}\u{2028}"), "a\\u{200f}\\u{2028}");
    }

    #[test]
    fn json_stays_what_it_is_without_what_cannot_be_seen() {
        let value =
            serde_json::json!({"storm_id\u{9b}": "t\u{202e}\u{7f}\u{e0041} größe \u{1b}\n"});
        let json = visible_json(&serde_json::to_string_pretty(&value).unwrap());
        assert!(json.chars().all(|c| is_visible(c) || c == '\n'), "{json:?}");
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&json).unwrap(),
            value
        );
        assert!(json.contains("größe"));
    }

    #[test]
    fn times_are_read_at_a_glance() {
        for (secs, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_764_119_999, "2025-11-26T01:19:59Z"),
            (4_107_542_399, "2100-02-28T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (-1, "1969-12-31T23:59:59Z"),
        ] {
            assert_eq!(utc(secs), text);
        }
        for (secs, text) in [
            (0, "0s"),
            (59, "59s"),
            (65, "1m 05s"),
            (4790, "1h 19m"),
            (90_000, "1d 01h"),
        ] {
            assert_eq!(span(secs), text);
        }
    }
}
