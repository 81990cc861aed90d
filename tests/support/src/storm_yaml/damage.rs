//! What editors and accidents do to a file.

use crate::Random;

/// Some files get pieces put in or taken out.
pub(super) fn damaged(random: &mut Random, text: String) -> String {
    const PIECES: [&str; 30] = [
        "\"", "'", "#", ": ", ":", "- ", "? ", "[", "]", "{", "}", ",", "&a ", "*a", "!", "!!str ",
        "|\n", ">\n", "%", "\n", "\n\n", " ", "  ", "\t", "---\n", "...\n", "<<: *a\n", "\u{feff}",
        "\\", "\u{7}",
    ];
    if random.one_in(3) {
        return text;
    }
    let mut chars: Vec<char> = text.chars().collect();
    for _ in 0..=random.below(3) {
        let at = random.below(chars.len() + 1);
        let taken = random.below(3).min(chars.len() - at);
        let piece = PIECES[random.below(PIECES.len())];
        chars.splice(at..at + taken, piece.chars());
    }
    chars.into_iter().collect()
}

pub(super) fn with_line_breaks(random: &mut Random, text: &str) -> String {
    match random.below(12) {
        0 | 1 => text.replace('\n', "\r\n"),
        2 => text.replace('\n', "\r"),
        3 => {
            let breaks = ["\n", "\r\n", "\r", "\u{85}", "\u{2028}", "\u{2029}"];
            let mut mixed = String::new();
            for char in text.chars() {
                if char == '\n' {
                    mixed.push_str(breaks[random.below(breaks.len()).min(random.below(7))]);
                } else {
                    mixed.push(char);
                }
            }
            mixed
        }
        _ => text.to_owned(),
    }
}

/// Umlauts and accents of some files are in the encoding that their editors used.
pub(super) fn with_latin_1_comments(random: &mut Random, bytes: Vec<u8>) -> Vec<u8> {
    if !random.one_in(8) {
        return bytes;
    }
    let mut result = Vec::with_capacity(bytes.len());
    let mut is_comment = false;
    for byte in bytes {
        match byte {
            b'#' => is_comment = true,
            b'\n' => is_comment = false,
            _ => {}
        }
        if byte == 0xc3 && is_comment {
            continue;
        }
        result.push(byte);
    }
    result
}
