//! Makes text from clients safe to show on a terminal: the name of a key must not move an operator's
//! cursor.

use std::fmt::Write;

/// The text with every invisible character escaped, as in `\u{1b}`.
pub fn shown(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if is_visible(c) {
            out.push(c);
        } else {
            write!(out, "{}", c.escape_unicode()).expect("a string");
        }
    }
    out
}

/// False for control characters and for those without a glyph: direction marks, line separators, joiners
/// and tags.
pub fn is_visible(c: char) -> bool {
    let is_invisible = matches!(c,
        '\u{61C}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{2069}'
        | '\u{FEFF}' | '\u{E0000}'..='\u{E007F}');
    !c.is_control() && !is_invisible
}

/// The same JSON with every invisible character escaped. Outside of strings JSON has only spaces and line
/// ends, so an invisible character is always in a string, where an escape means the same.
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
}
