//! The characters of a file with line and column, and their classes. Past the end is [`END`].

use super::YamlError;

/// Stands past the last character. The text itself has none: `Text` replaces it.
pub(super) const END: char = '\0';

/// A place in the text, from 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) line: usize,
    pub(super) column: usize,
}

impl Place {
    pub(super) fn error(self, text: impl Into<String>) -> YamlError {
        YamlError {
            line: self.line + 1,
            column: self.column + 1,
            text: text.into(),
        }
    }
}

/// A cursor over a text.
pub(super) struct Chars {
    chars: Vec<char>,
    position: usize,
    place: Place,
}

impl Chars {
    pub(super) fn new(text: &str) -> Self {
        Chars {
            chars: text.chars().collect(),
            position: 0,
            place: Place::default(),
        }
    }

    pub(super) fn peek(&self) -> char {
        self.peek_at(0)
    }

    pub(super) fn peek_at(&self, offset: usize) -> char {
        *self.chars.get(self.position + offset).unwrap_or(&END)
    }

    /// How many characters have passed.
    pub(super) fn position(&self) -> usize {
        self.position
    }

    pub(super) fn place(&self) -> Place {
        self.place
    }

    pub(super) fn column(&self) -> usize {
        self.place.column
    }

    pub(super) fn forward(&mut self, count: usize) {
        for _ in 0..count.min(self.chars.len() - self.position) {
            let char = self.chars[self.position];
            self.position += 1;
            if matches!(char, '\n' | '\u{85}' | '\u{2028}' | '\u{2029}')
                || (char == '\r' && self.peek() != '\n')
            {
                self.place.line += 1;
                self.place.column = 0;
            } else {
                self.place.column += 1;
            }
        }
    }

    /// Takes characters as long as they fit.
    pub(super) fn take_while(&mut self, fits: impl Fn(char) -> bool) -> String {
        let rest = &self.chars[self.position..];
        let taken: String = rest
            .iter()
            .copied()
            .take_while(|char| fits(*char))
            .collect();
        self.forward(taken.chars().count());
        taken
    }

    pub(super) fn skip_spaces(&mut self) {
        while self.peek() == ' ' {
            self.forward(1);
        }
    }

    /// Takes a line break and returns what it stands for: a newline, or a Unicode separator as it is. `None`:
    /// there is no line break.
    pub(super) fn take_break(&mut self) -> Option<char> {
        let char = self.peek();
        match char {
            '\r' if self.peek_at(1) == '\n' => self.forward(2),
            '\r' | '\n' | '\u{85}' | '\u{2028}' | '\u{2029}' => self.forward(1),
            _ => return None,
        }
        Some(match char {
            '\u{2028}' | '\u{2029}' => char,
            _ => '\n',
        })
    }

    /// Whether a document's start or end is here: the mark, and nothing else before a blank.
    pub(super) fn is_document_mark(&self, mark: char) -> bool {
        (0..3).all(|offset| self.peek_at(offset) == mark) && is_blank_or_end(self.peek_at(3))
    }
}

pub(super) fn is_break_or_end(char: char) -> bool {
    matches!(char, END | '\r' | '\n' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

pub(super) fn is_space_or_end(char: char) -> bool {
    char == ' ' || is_break_or_end(char)
}

pub(super) fn is_blank_or_end(char: char) -> bool {
    char == '\t' || is_space_or_end(char)
}
