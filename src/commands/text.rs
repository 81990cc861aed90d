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

/// Neither a control character nor one that changes the direction of what follows.
fn is_visible(c: char) -> bool {
    !c.is_control() && !matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_reaches_the_terminal_but_characters() {
        assert_eq!(shown("/workerbeats/größe 1"), "/workerbeats/größe 1");
        assert_eq!(shown("a\u{1b}[2J\n"), "a\\u{1b}[2J\\u{a}");
        assert_eq!(shown("\u{202e}x\u{9b}1m"), "\\u{202e}x\\u{9b}1m");
    }
}
