//! Scans scalars: plain, quoted and block.

use super::YamlError;
use super::chars::{END, Place, is_blank_or_end, is_break_or_end, is_space_or_end};
use super::scanner::{Kind, Scanner};

type Result<T> = std::result::Result<T, YamlError>;

impl Scanner {
    // ── Plain ────────────────────────────────────────────────────────────────────────────────────

    pub(super) fn scan_plain(&mut self) -> Result<Kind> {
        let least_column = self.indent + 1;
        let mut text = String::new();
        let mut blanks = String::new();
        while self.chars.peek() != '#' {
            let part = self.plain_part();
            if part.is_empty() {
                break;
            }
            self.may_be_key = false;
            text.push_str(&blanks);
            text.push_str(&part);
            blanks = self.plain_blanks();
            let is_outside = self.flow_level == 0 && (self.chars.column() as isize) < least_column;
            if blanks.is_empty() || is_outside {
                break;
            }
        }
        let is_plain = true;
        Ok(Kind::Scalar { text, is_plain })
    }

    /// Characters up to a blank or an indicator.
    fn plain_part(&mut self) -> String {
        let is_flow = self.flow_level > 0;
        let mut part = String::new();
        loop {
            let (char, next) = (self.chars.peek(), self.chars.peek_at(1));
            let is_colon =
                char == ':' && (is_blank_or_end(next) || (is_flow && ",[]{}".contains(next)));
            if is_blank_or_end(char) || is_colon || (is_flow && ",?[]{}".contains(char)) {
                return part;
            }
            part.push(char);
            self.chars.forward(1);
        }
    }

    /// What blanks and line breaks within a plain scalar stand for. Empty: the scalar ends here.
    fn plain_blanks(&mut self) -> String {
        let blanks = self.chars.take_while(|char| matches!(char, ' ' | '\t'));
        let Some(first) = self.chars.take_break() else {
            return blanks;
        };
        self.may_be_key = true;
        let mut more = String::new();
        loop {
            // SnakeYAML wants no blank behind the dashes here.
            let is_dashes = (0..3).all(|offset| self.chars.peek_at(offset) == '-');
            if is_dashes || self.chars.is_document_mark('.') {
                return String::new();
            }
            self.chars.skip_spaces();
            match self.chars.take_break() {
                Some(char) => more.push(char),
                None => return folded(first, &more),
            }
        }
    }

    // ── Quoted ───────────────────────────────────────────────────────────────────────────────────

    pub(super) fn scan_single_quoted(&mut self) -> Result<Kind> {
        self.scan_quoted('\'')
    }

    pub(super) fn scan_double_quoted(&mut self) -> Result<Kind> {
        self.scan_quoted('"')
    }

    /// Indentation does not matter within quotes.
    fn scan_quoted(&mut self, quote: char) -> Result<Kind> {
        let start = self.chars.place();
        self.chars.forward(1);
        let mut text = String::new();
        loop {
            self.quoted_part(quote, start, &mut text)?;
            if self.chars.peek() == quote {
                break;
            }
            self.quoted_blanks(start, &mut text)?;
        }
        self.chars.forward(1);
        let is_plain = false;
        Ok(Kind::Scalar { text, is_plain })
    }

    /// Characters up to a blank or the closing quote.
    fn quoted_part(&mut self, quote: char, start: Place, text: &mut String) -> Result<()> {
        loop {
            match self.chars.peek() {
                char if is_blank_or_end(char) => return Ok(()),
                '\'' if quote == '\'' && self.chars.peek_at(1) == '\'' => {
                    text.push('\'');
                    self.chars.forward(2);
                }
                char if char == quote => return Ok(()),
                '\\' if quote == '"' => self.escape(start, text)?,
                char => {
                    text.push(char);
                    self.chars.forward(1);
                }
            }
        }
    }

    fn escape(&mut self, start: Place, text: &mut String) -> Result<()> {
        let place = self.chars.place();
        self.chars.forward(1);
        let char = self.chars.peek();
        let digits = match char {
            'x' => 2,
            'u' => 4,
            'U' => 8,
            _ => {
                if let Some(meant) = escaped(char) {
                    text.push(meant);
                    self.chars.forward(1);
                } else if self.chars.take_break().is_some() {
                    text.push_str(&self.quoted_breaks(start)?);
                } else {
                    return Err(place.error("this is no escape sequence"));
                }
                return Ok(());
            }
        };
        self.chars.forward(1);
        let digits: String = (0..digits)
            .map(|offset| self.chars.peek_at(offset))
            .collect();
        let code = u32::from_str_radix(&digits, 16).ok();
        let is_signed = digits.starts_with('+');
        let Some(char) = code.filter(|_| !is_signed).and_then(char::from_u32) else {
            return Err(place.error("this escape sequence is no character"));
        };
        text.push(char);
        self.chars.forward(digits.len());
        Ok(())
    }

    fn quoted_blanks(&mut self, start: Place, text: &mut String) -> Result<()> {
        let blanks = self.chars.take_while(|char| matches!(char, ' ' | '\t'));
        if self.chars.peek() == END {
            return Err(start.error("this quote is never closed"));
        }
        match self.chars.take_break() {
            None => text.push_str(&blanks),
            Some(first) => {
                let more = self.quoted_breaks(start)?;
                text.push_str(&folded(first, &more));
            }
        }
        Ok(())
    }

    /// More line breaks, and the blanks of empty lines.
    fn quoted_breaks(&mut self, start: Place) -> Result<String> {
        let mut breaks = String::new();
        loop {
            if self.chars.is_document_mark('-') || self.chars.is_document_mark('.') {
                return Err(start.error("this quote is still open where a document starts or ends"));
            }
            self.chars.take_while(|char| matches!(char, ' ' | '\t'));
            match self.chars.take_break() {
                Some(char) => breaks.push(char),
                None => return Ok(breaks),
            }
        }
    }

    // ── Block ────────────────────────────────────────────────────────────────────────────────────

    pub(super) fn scan_block_scalar(&mut self, is_folded: bool) -> Result<String> {
        self.chars.forward(1);
        let (keep, increment) = self.block_header()?;
        self.skip_rest_of_line()?;
        let least = (self.indent + 1).max(1) as usize;
        let (indent, mut breaks) = match increment {
            Some(increment) => {
                let indent = least + increment - 1;
                (indent, self.block_breaks(indent))
            }
            None => {
                let (widest, breaks) = self.block_indentation();
                (least.max(widest), breaks)
            }
        };
        let mut text = String::new();
        let mut last = None;
        while self.chars.column() == indent && self.chars.peek() != END {
            text.push_str(&breaks);
            let is_deeper = matches!(self.chars.peek(), ' ' | '\t');
            text.push_str(&self.chars.take_while(|char| !is_break_or_end(char)));
            last = self.chars.take_break();
            breaks = self.block_breaks(indent);
            if self.chars.column() != indent || self.chars.peek() == END {
                break;
            }
            let is_deeper = is_deeper || matches!(self.chars.peek(), ' ' | '\t');
            if !is_folded || last != Some('\n') || is_deeper {
                text.extend(last);
            } else if breaks.is_empty() {
                text.push(' ');
            }
        }
        if keep != Some(false) {
            text.extend(last);
        }
        if keep == Some(true) {
            text.push_str(&breaks);
        }
        Ok(text)
    }

    /// `+` and `-` say what happens to the line breaks at the end, and a digit is the indentation.
    fn block_header(&mut self) -> Result<(Option<bool>, Option<usize>)> {
        let (mut keep, mut increment) = (None, None);
        loop {
            match self.chars.peek() {
                sign @ ('+' | '-') if keep.is_none() => keep = Some(sign == '+'),
                digit @ '1'..='9' if increment.is_none() => {
                    increment = digit.to_digit(10).map(|digit| digit as usize);
                }
                char if is_space_or_end(char) => return Ok((keep, increment)),
                _ => return Err(self.error("expected +, -, a digit from 1 to 9, or a line break")),
            }
            self.chars.forward(1);
        }
    }

    /// Spaces and a comment.
    pub(super) fn skip_rest_of_line(&mut self) -> Result<()> {
        self.chars.skip_spaces();
        if self.chars.peek() == '#' {
            self.chars.take_while(|char| !is_break_or_end(char));
        }
        if self.chars.take_break().is_none() && self.chars.peek() != END {
            return Err(self.error("expected a comment or a line break"));
        }
        Ok(())
    }

    /// The widest of the lines before the first that is not blank, and their line breaks.
    fn block_indentation(&mut self) -> (usize, String) {
        let (mut widest, mut breaks) = (0, String::new());
        loop {
            if self.chars.peek() == ' ' {
                self.chars.forward(1);
                widest = widest.max(self.chars.column());
            } else if let Some(char) = self.chars.take_break() {
                breaks.push(char);
            } else {
                return (widest, breaks);
            }
        }
    }

    /// Skips the indentation; returns the line breaks of empty lines.
    fn block_breaks(&mut self, indent: usize) -> String {
        let mut breaks = String::new();
        loop {
            while self.chars.column() < indent && self.chars.peek() == ' ' {
                self.chars.forward(1);
            }
            match self.chars.take_break() {
                Some(char) => breaks.push(char),
                None => return breaks,
            }
        }
    }
}

/// One line break is a space; of more, the first is dropped.
fn folded(first: char, more: &str) -> String {
    match (first, more) {
        ('\n', "") => " ".to_owned(),
        ('\n', more) => more.to_owned(),
        (first, more) => format!("{first}{more}"),
    }
}

/// What a backslash and this character stand for.
fn escaped(char: char) -> Option<char> {
    Some(match char {
        '0' => '\0',
        'a' => '\u{7}',
        'b' => '\u{8}',
        't' => '\t',
        'n' => '\n',
        'v' => '\u{b}',
        'f' => '\u{c}',
        'r' => '\r',
        'e' => '\u{1b}',
        ' ' | '"' | '\\' => char,
        'N' => '\u{85}',
        '_' => '\u{a0}',
        'L' => '\u{2028}',
        'P' => '\u{2029}',
        _ => return None,
    })
}
