//! The characters of storm.yaml. Java replaces what is not UTF-8, so a comment in another encoding does no
//! harm; so do we. Pure.

/// What stands for characters that cannot be read.
const UNREADABLE: char = char::REPLACEMENT_CHARACTER;

/// A file's characters, without a byte order mark.
#[derive(Debug)]
pub(in super::super) struct Text {
    pub(in super::super) text: String,
    /// Lines with characters that are replaced, from 1.
    pub(in super::super) damaged_lines: Vec<usize>,
}

impl Text {
    pub(in super::super) fn of(bytes: &[u8]) -> Self {
        let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
        let mut text = String::with_capacity(bytes.len());
        let mut damaged_lines = Vec::new();
        let mut line = 1;
        let mut note = |line| {
            if damaged_lines.last() != Some(&line) {
                damaged_lines.push(line);
            }
        };
        for chunk in bytes.utf8_chunks() {
            for char in chunk.valid().chars() {
                line += usize::from(char == '\n');
                if is_readable(char) {
                    text.push(char);
                } else {
                    note(line);
                    text.push(UNREADABLE);
                }
            }
            if !chunk.invalid().is_empty() {
                note(line);
                text.push(UNREADABLE);
            }
        }
        Text {
            text,
            damaged_lines,
        }
    }
}

/// Whether SnakeYAML takes the character (`StreamReader.isPrintable`).
fn is_readable(char: char) -> bool {
    matches!(char, '\t' | '\n' | '\r' | ' '..='~' | '\u{85}' | '\u{a0}'..)
        && !matches!(char, '\u{fffe}' | '\u{ffff}')
}

/// Whether characters of this text could not be read.
pub(in super::super) fn is_damaged(text: &str) -> bool {
    text.contains(UNREADABLE)
}

/// The lines with their breaks, where the scanner sees line breaks.
pub(super) fn lines(text: &str) -> Vec<&str> {
    let mut lines = Vec::new();
    let mut start = 0;
    let mut chars = text.char_indices().peekable();
    while let Some((index, char)) = chars.next() {
        let next = chars.peek();
        let is_break = match char {
            '\n' | '\u{85}' | '\u{2028}' | '\u{2029}' => true,
            '\r' => next.is_none_or(|(_, next)| *next != '\n'),
            _ => false,
        };
        if is_break || next.is_none() {
            let end = index + char.len_utf8();
            lines.push(&text[start..end]);
            start = end;
        }
    }
    lines
}

/// The lines that may hold keys.
pub(super) fn without_comments(lines: &[&str]) -> String {
    let lines = lines.iter().copied();
    lines
        .filter(|line| !line.trim_start().starts_with('#'))
        .collect()
}
