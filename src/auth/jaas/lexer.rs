//! Text to tokens, as `java.io.StreamTokenizer` does with the settings of `ConfigFile`. It knows no
//! error: what Java's tokenizer takes is taken, and the parser judges.

use zeroize::Zeroizing;

use super::Position;
use crate::auth::secret::Secret;

/// One token, and where it begins.
pub(super) struct Token {
    pub kind: Kind,
    /// In bytes.
    pub offset: usize,
    /// Of a word or a string: what it says. Of others: nothing.
    pub text: Secret,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Word,
    /// In double quotes.
    String,
    /// In single quotes: a token to Java's tokenizer, of use to its parser as a section's name only.
    SingleQuoted,
    Number,
    Symbol(char),
    End,
}

/// What Java passes over in silence and people seldom mean: a hint where the parser then fails.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Trap {
    /// A `/` that begins a comment all by itself.
    LoneSlash,
    /// A string that the end of its line has ended.
    Unclosed,
}

pub(super) struct Lexer<'text> {
    text: &'text str,
    /// The byte that comes next.
    at: usize,
    /// The last trap since someone took it, and where.
    pub trap: Option<(Trap, usize)>,
    /// A string is put together here and copied once it is whole: it never moves as it grows.
    scratch: Zeroizing<String>,
}

impl<'text> Lexer<'text> {
    pub fn new(text: &'text str) -> Self {
        // Enough: no escape stands for more bytes than it takes.
        let scratch = Zeroizing::new(String::with_capacity(text.len()));
        Lexer {
            text,
            at: 0,
            trap: None,
            scratch,
        }
    }

    pub fn next(&mut self) -> Token {
        loop {
            let offset = self.at;
            let token = |kind, text: &str| Token {
                kind,
                offset,
                text: Secret::new(text.to_owned()),
            };
            let Some(first) = self.read() else {
                return token(Kind::End, "");
            };
            match first {
                '\0'..=' ' => {}
                '0'..='9' | '.' => return self.number(token(Kind::Number, "")),
                '-' if matches!(self.peek(), Some('0'..='9' | '.')) => {
                    return self.number(token(Kind::Number, ""));
                }
                // It may go on a word, and begin nothing but a number.
                '-' => return token(Kind::Symbol('-'), ""),
                _ if is_letter(first) => {
                    while self.peek().is_some_and(goes_on_a_word) {
                        self.read();
                    }
                    return token(Kind::Word, &self.text[offset..self.at]);
                }
                '"' | '\'' => {
                    self.string(first, offset);
                    let kind = if first == '"' {
                        Kind::String
                    } else {
                        Kind::SingleQuoted
                    };
                    return token(kind, &self.scratch);
                }
                '/' => self.comment(offset),
                other => return token(Kind::Symbol(other), ""),
            }
        }
    }

    /// Line and column of a byte. Lines end as Java's do: `\n`, `\r\n` or `\r`.
    pub fn position(&self, offset: usize) -> Position {
        let mut position = Position { line: 1, column: 1 };
        let mut before = self.text[..offset].chars().peekable();
        while let Some(char) = before.next() {
            match char {
                '\r' if before.peek() == Some(&'\n') => {}
                '\n' | '\r' => {
                    position.line += 1;
                    position.column = 1;
                }
                _ => position.column += 1,
            }
        }
        position
    }

    fn number(&mut self, token: Token) -> Token {
        while matches!(self.peek(), Some('0'..='9' | '.')) {
            self.read();
        }
        token
    }

    /// Reads a string into `scratch`. The end of the line ends it, too, and stays unread.
    fn string(&mut self, quote: char, offset: usize) {
        self.scratch.clear();
        loop {
            match self.peek() {
                None | Some('\n' | '\r') => {
                    self.trap = Some((Trap::Unclosed, offset));
                    return;
                }
                Some('\\') => {
                    self.read();
                    let escaped = self.escape();
                    self.scratch.extend(escaped);
                }
                Some(char) => {
                    self.read();
                    if char == quote {
                        return;
                    }
                    self.scratch.push(char);
                }
            }
        }
    }

    /// What an escape stands for; its backslash is read. A line's end may be escaped.
    fn escape(&mut self) -> Option<char> {
        Some(match self.read()? {
            first @ '0'..='7' => {
                // To allow \377 but not \477.
                let most = if first <= '3' { 3 } else { 2 };
                let mut byte = digit(first);
                for _ in 1..most {
                    let Some(next @ '0'..='7') = self.peek() else {
                        break;
                    };
                    self.read();
                    byte = byte * 8 + digit(next);
                }
                char::from(byte)
            }
            'a' => '\x07',
            'b' => '\x08',
            'f' => '\x0c',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\x0b',
            other => other,
        })
    }

    /// Passes over a comment; its first slash is read.
    fn comment(&mut self, offset: usize) {
        match self.read() {
            Some('*') => self.block(),
            Some('/') => self.rest_of_line(),
            // What follows the slash is part of the comment even if it is the line's end: then the
            // next line is one, too.
            _ => {
                self.trap = Some((Trap::LoneSlash, offset));
                self.rest_of_line();
            }
        }
    }

    fn rest_of_line(&mut self) {
        while self.peek().is_some_and(|char| char != '\n' && char != '\r') {
            self.read();
        }
    }

    /// Passes over the rest of a block comment. Java reads on past each line's end before it looks for
    /// a star, and so a slash that begins a line ends no comment whose star ends the line before.
    fn block(&mut self) {
        let mut before = None;
        loop {
            let mut char = self.read();
            if char == Some('/') && before == Some('*') {
                return;
            }
            if char == Some('\r') {
                char = self.read();
                if char == Some('\n') {
                    char = self.read();
                }
            } else if char == Some('\n') {
                char = self.read();
            }
            if char.is_none() {
                return;
            }
            before = char;
        }
    }

    fn read(&mut self) -> Option<char> {
        let char = self.peek()?;
        self.at += char.len_utf8();
        Some(char)
    }

    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }
}

fn digit(octal: char) -> u8 {
    octal as u8 - b'0'
}

/// What begins a word. Java's letters past ASCII are all from U+00A0 on.
fn is_letter(char: char) -> bool {
    matches!(char, 'a'..='z' | 'A'..='Z' | '$' | '_' | '*' | '\u{a0}'..)
}

fn goes_on_a_word(char: char) -> bool {
    is_letter(char) || matches!(char, '0'..='9' | '.' | '-')
}
