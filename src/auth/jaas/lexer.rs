//! Text to tokens, as `java.io.StreamTokenizer` does with the settings of `ConfigFile`. It has no
//! errors: it accepts what Java's tokenizer accepts, and the parser judges.

use zeroize::Zeroizing;

use super::Position;
use crate::auth::secret::Secret;

/// One token, and where it begins.
pub(super) struct Token {
    pub(super) kind: TokenKind,
    /// Byte offset in the text.
    pub(super) offset: usize,
    /// The contents of a word or a string; empty for other tokens.
    pub(super) text: Secret,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum TokenKind {
    Word,
    /// In double quotes.
    String,
    /// In single quotes. Java's tokenizer accepts it, but its parser only as the name of a section.
    SingleQuoted,
    Number,
    Symbol(char),
    End,
}

/// A mistake that Java accepts silently. It becomes a hint if the parser fails later.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Trap {
    /// A single `/`, which begins a comment.
    LoneSlash,
    /// A string that ends with its line, because the closing quote is missing.
    Unclosed,
}

pub(super) struct Lexer<'text> {
    text: &'text str,
    /// Offset of the next byte.
    at: usize,
    /// The last trap in the current section, and its offset.
    pub(super) trap: Option<(Trap, usize)>,
    /// Strings are assembled here and copied once they are whole: a string that grew would leave copies
    /// behind.
    scratch: Zeroizing<String>,
}

impl<'text> Lexer<'text> {
    pub(super) fn new(text: &'text str) -> Self {
        // Enough, because no escape stands for more bytes than it has itself.
        let scratch = Zeroizing::new(String::with_capacity(text.len()));
        Lexer {
            text,
            at: 0,
            trap: None,
            scratch,
        }
    }

    pub(super) fn next(&mut self) -> Token {
        loop {
            let offset = self.at;
            let token = |kind, text: &str| Token {
                kind,
                offset,
                text: Secret::new(text.to_owned()),
            };
            let Some(first) = self.read() else {
                return token(TokenKind::End, "");
            };
            match first {
                '\0'..=' ' => {}
                '0'..='9' | '.' => return self.number(token(TokenKind::Number, "")),
                '-' if matches!(self.peek(), Some('0'..='9' | '.')) => {
                    return self.number(token(TokenKind::Number, ""));
                }
                // A '-' may continue a word, but only a number may begin with it.
                '-' => return token(TokenKind::Symbol('-'), ""),
                _ if is_letter(first) => {
                    while self.peek().is_some_and(continues_word) {
                        self.read();
                    }
                    return token(TokenKind::Word, &self.text[offset..self.at]);
                }
                '"' | '\'' => {
                    self.string(first, offset);
                    let kind = if first == '"' {
                        TokenKind::String
                    } else {
                        TokenKind::SingleQuoted
                    };
                    return token(kind, &self.scratch);
                }
                '/' => self.comment(offset),
                other => return token(TokenKind::Symbol(other), ""),
            }
        }
    }

    /// Line and column of a byte offset. As in Java, lines end with `\n`, `\r\n` or `\r`.
    pub(super) fn position(&self, offset: usize) -> Position {
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

    /// Reads a string into `scratch`. The end of the line ends the string too, and stays unread.
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

    /// The character that an escape stands for. Its backslash has been read. A line end may be escaped.
    fn escape(&mut self) -> Option<char> {
        Some(match self.read()? {
            first @ '0'..='7' => {
                // \377 is allowed and \477 is not.
                let max_digits = if first <= '3' { 3 } else { 2 };
                let mut byte = digit(first);
                for _ in 1..max_digits {
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

    /// Skips a comment. Its first slash has been read.
    fn comment(&mut self, offset: usize) {
        match self.read() {
            Some('*') => self.block(),
            Some('/') => self.rest_of_line(),
            // The character after the slash belongs to the comment even if it is a line end. Then the next
            // line is a comment too.
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

    /// Skips the rest of a block comment. Java reads past each line end before it looks for a star, so a
    /// slash at the start of a line does not end a comment whose star ended the line before.
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

/// Whether the character may begin a word. Java takes all characters from U+00A0 on for letters.
fn is_letter(char: char) -> bool {
    matches!(char, 'a'..='z' | 'A'..='Z' | '$' | '_' | '*' | '\u{a0}'..)
}

fn continues_word(char: char) -> bool {
    is_letter(char) || matches!(char, '0'..='9' | '.' | '-')
}
