//! Text to tokens, by the algorithm that PyYAML, libyaml and SnakeYAML share. It takes what SnakeYAML 2.2
//! takes: where the specification is stricter, SnakeYAML decides. `storm_yaml_cross_check` holds the two
//! together.

use std::collections::VecDeque;

use super::YamlError;
use super::chars::{Chars, END, Place, is_blank_or_end, is_break_or_end};

type Result<T> = std::result::Result<T, YamlError>;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    StreamEnd,
    /// `%TAG HANDLE PREFIX`, or another directive, which has no effect.
    Directive(Option<(String, String)>),
    DocumentStart,
    DocumentEnd,
    BlockSequenceStart,
    BlockMappingStart,
    BlockEnd,
    FlowSequenceStart,
    FlowSequenceEnd,
    FlowMappingStart,
    FlowMappingEnd,
    BlockEntry,
    FlowEntry,
    Key,
    Value,
    Alias(String),
    Anchor(String),
    /// A handle such as `!!`, none if the tag is written in full, and a suffix.
    Tag(Option<String>, String),
    Scalar {
        text: String,
        /// Neither quoted nor a block.
        is_plain: bool,
    },
}

#[derive(Debug)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) place: Place,
}

pub(super) struct Scanner {
    pub(super) chars: Chars,
    tokens: VecDeque<Token>,
    /// Tokens that have been handed out.
    taken: usize,
    is_done: bool,
    /// Open brackets and braces.
    pub(super) flow_level: usize,
    /// The column of the block collection that is being read; -1 outside.
    pub(super) indent: isize,
    indents: Vec<isize>,
    /// Whether a key without `?` may start here.
    pub(super) may_be_key: bool,
    /// For each flow level, the token that is a key if a colon follows.
    possible_keys: Vec<Option<PossibleKey>>,
}

#[derive(Clone, Copy)]
struct PossibleKey {
    token: usize,
    /// The block mapping goes on here, so it must be a key.
    is_required: bool,
    position: usize,
    place: Place,
}

/// Characters that a key without `?` may have.
const LONGEST_KEY: usize = 1024;

impl Scanner {
    pub(super) fn new(text: &str) -> Self {
        Scanner {
            chars: Chars::new(text),
            tokens: VecDeque::new(),
            taken: 0,
            is_done: false,
            flow_level: 0,
            indent: -1,
            indents: Vec::new(),
            may_be_key: true,
            possible_keys: vec![None],
        }
    }

    pub(super) fn peek(&mut self) -> Result<&Token> {
        while self.needs_more()? {
            self.fetch()?;
        }
        Ok(self.tokens.front().expect("a stream's end is never taken"))
    }

    pub(super) fn next(&mut self) -> Result<Token> {
        self.peek()?;
        self.taken += 1;
        Ok(self.tokens.pop_front().expect("peeked"))
    }

    /// Whether the first token may still become a key, or there is none.
    fn needs_more(&mut self) -> Result<bool> {
        if self.is_done {
            return Ok(false);
        }
        if self.tokens.is_empty() {
            return Ok(true);
        }
        self.drop_stale_keys()?;
        let first = self.possible_keys.iter().flatten().next();
        Ok(first.is_some_and(|key| key.token == self.taken))
    }

    fn fetch(&mut self) -> Result<()> {
        self.skip_to_next_token();
        self.drop_stale_keys()?;
        self.unwind(self.chars.column() as isize);
        let is_line_start = self.chars.column() == 0;
        let is_flow = self.flow_level > 0;
        let before_blank = is_blank_or_end(self.chars.peek_at(1));
        match self.chars.peek() {
            END => self.fetch_end(),
            '%' if is_line_start => self.fetch_directive(),
            '-' if is_line_start && self.chars.is_document_mark('-') => {
                self.fetch_document_mark(Kind::DocumentStart)
            }
            '.' if is_line_start && self.chars.is_document_mark('.') => {
                self.fetch_document_mark(Kind::DocumentEnd)
            }
            '-' if before_blank => self.fetch_block_entry(),
            '[' => self.fetch_flow_start(Kind::FlowSequenceStart),
            '{' => self.fetch_flow_start(Kind::FlowMappingStart),
            ']' => self.fetch_flow_end(Kind::FlowSequenceEnd),
            '}' => self.fetch_flow_end(Kind::FlowMappingEnd),
            ',' => self.fetch_flow_entry(),
            '?' if is_flow || before_blank => self.fetch_key(),
            ':' if is_flow || before_blank => self.fetch_value(),
            '*' => self.fetch_property(|scanner| Ok(Kind::Alias(scanner.scan_anchor()?))),
            '&' => self.fetch_property(|scanner| Ok(Kind::Anchor(scanner.scan_anchor()?))),
            '!' => self.fetch_property(Self::scan_tag),
            '|' if !is_flow => self.fetch_block_scalar(false),
            '>' if !is_flow => self.fetch_block_scalar(true),
            '\'' => self.fetch_property(Self::scan_single_quoted),
            '"' => self.fetch_property(Self::scan_double_quoted),
            char if starts_plain(char, before_blank, is_flow) => {
                self.fetch_property(Self::scan_plain)
            }
            char => Err(self.error(format!("{char:?} cannot start a value here"))),
        }
    }

    pub(super) fn error(&self, text: impl Into<String>) -> YamlError {
        self.chars.place().error(text)
    }

    fn push(&mut self, kind: Kind, place: Place) {
        self.tokens.push_back(Token { kind, place });
    }

    /// Takes an indicator as a token.
    fn push_indicator(&mut self, kind: Kind, length: usize) {
        let place = self.chars.place();
        self.chars.forward(length);
        self.push(kind, place);
    }

    /// Comments and blanks. Tabs do not separate tokens.
    fn skip_to_next_token(&mut self) {
        if self.chars.position() == 0 && self.chars.peek() == '\u{feff}' {
            self.chars.forward(1);
        }
        loop {
            self.chars.skip_spaces();
            if self.chars.peek() == '#' {
                self.chars.take_while(|char| !is_break_or_end(char));
            }
            if self.chars.take_break().is_none() {
                return;
            }
            if self.flow_level == 0 {
                self.may_be_key = true;
            }
        }
    }

    // ── Keys without `?` ─────────────────────────────────────────────────────────────────────────

    /// The next token is a key if a colon follows.
    fn note_possible_key(&mut self) -> Result<()> {
        let is_required = self.flow_level == 0 && self.indent == self.chars.column() as isize;
        if self.may_be_key {
            self.forget_possible_key()?;
            self.possible_keys[self.flow_level] = Some(PossibleKey {
                token: self.taken + self.tokens.len(),
                is_required,
                position: self.chars.position(),
                place: self.chars.place(),
            });
        } else if is_required {
            return Err(self.error("a key must be the first thing on its line"));
        }
        Ok(())
    }

    fn forget_possible_key(&mut self) -> Result<()> {
        match self.possible_keys[self.flow_level].take() {
            Some(key) if key.is_required => Err(key.place.error(NO_COLON)),
            _ => Ok(()),
        }
    }

    /// A key is on one line, and not too long.
    fn drop_stale_keys(&mut self) -> Result<()> {
        let (line, position) = (self.chars.place().line, self.chars.position());
        for possible in &mut self.possible_keys {
            if let Some(key) = possible
                && (key.place.line != line || position - key.position > LONGEST_KEY)
            {
                if key.is_required {
                    return Err(key.place.error(NO_COLON));
                }
                *possible = None;
            }
        }
        Ok(())
    }

    // ── Indentation ──────────────────────────────────────────────────────────────────────────────

    /// Ends the block collections that are indented deeper.
    fn unwind(&mut self, column: isize) {
        if self.flow_level > 0 {
            return;
        }
        while self.indent > column {
            self.indent = self.indents.pop().expect("one for each indentation");
            self.push(Kind::BlockEnd, self.chars.place());
        }
    }

    /// Whether a block collection starts at this column.
    fn indents_to(&mut self, column: usize) -> bool {
        let column = column as isize;
        if self.flow_level > 0 || self.indent >= column {
            return false;
        }
        self.indents.push(self.indent);
        self.indent = column;
        true
    }

    // ── Tokens ───────────────────────────────────────────────────────────────────────────────────

    fn fetch_end(&mut self) -> Result<()> {
        self.unwind(-1);
        self.forget_possible_key()?;
        self.may_be_key = false;
        self.possible_keys.fill(None);
        self.push(Kind::StreamEnd, self.chars.place());
        self.is_done = true;
        Ok(())
    }

    fn fetch_directive(&mut self) -> Result<()> {
        self.unwind(-1);
        self.forget_possible_key()?;
        self.may_be_key = false;
        let place = self.chars.place();
        let directive = self.scan_directive()?;
        self.push(Kind::Directive(directive), place);
        Ok(())
    }

    fn fetch_document_mark(&mut self, kind: Kind) -> Result<()> {
        self.unwind(-1);
        self.forget_possible_key()?;
        self.may_be_key = false;
        self.push_indicator(kind, 3);
        Ok(())
    }

    fn fetch_flow_start(&mut self, kind: Kind) -> Result<()> {
        self.note_possible_key()?;
        self.flow_level += 1;
        self.possible_keys.push(None);
        self.may_be_key = true;
        self.push_indicator(kind, 1);
        Ok(())
    }

    fn fetch_flow_end(&mut self, kind: Kind) -> Result<()> {
        self.forget_possible_key()?;
        if self.flow_level == 0 {
            return Err(self.error("nothing that this could end is open"));
        }
        self.flow_level -= 1;
        self.possible_keys.pop();
        self.may_be_key = false;
        self.push_indicator(kind, 1);
        Ok(())
    }

    fn fetch_flow_entry(&mut self) -> Result<()> {
        self.may_be_key = true;
        self.forget_possible_key()?;
        self.push_indicator(Kind::FlowEntry, 1);
        Ok(())
    }

    fn fetch_block_entry(&mut self) -> Result<()> {
        if self.flow_level == 0 {
            if !self.may_be_key {
                return Err(self.error("an item of a list is not allowed here"));
            }
            if self.indents_to(self.chars.column()) {
                self.push(Kind::BlockSequenceStart, self.chars.place());
            }
        }
        self.may_be_key = true;
        self.forget_possible_key()?;
        self.push_indicator(Kind::BlockEntry, 1);
        Ok(())
    }

    fn fetch_key(&mut self) -> Result<()> {
        if self.flow_level == 0 {
            if !self.may_be_key {
                return Err(self.error("a key is not allowed here"));
            }
            if self.indents_to(self.chars.column()) {
                self.push(Kind::BlockMappingStart, self.chars.place());
            }
        }
        self.may_be_key = self.flow_level == 0;
        self.forget_possible_key()?;
        self.push_indicator(Kind::Key, 1);
        Ok(())
    }

    fn fetch_value(&mut self) -> Result<()> {
        if let Some(key) = self.possible_keys[self.flow_level].take() {
            let (index, place) = (key.token - self.taken, key.place);
            let kind = Kind::Key;
            self.tokens.insert(index, Token { kind, place });
            if self.indents_to(place.column) {
                let kind = Kind::BlockMappingStart;
                self.tokens.insert(index, Token { kind, place });
            }
            self.may_be_key = false;
        } else {
            if self.flow_level == 0 {
                if !self.may_be_key {
                    return Err(self.error("a value is not allowed here"));
                }
                if self.indents_to(self.chars.column()) {
                    self.push(Kind::BlockMappingStart, self.chars.place());
                }
            }
            self.may_be_key = self.flow_level == 0;
            self.forget_possible_key()?;
        }
        self.push_indicator(Kind::Value, 1);
        Ok(())
    }

    fn fetch_block_scalar(&mut self, is_folded: bool) -> Result<()> {
        self.may_be_key = true;
        self.forget_possible_key()?;
        let place = self.chars.place();
        let text = self.scan_block_scalar(is_folded)?;
        let is_plain = false;
        self.push(Kind::Scalar { text, is_plain }, place);
        Ok(())
    }

    /// What may start a key: an alias, an anchor, a tag, or a scalar that is no block.
    fn fetch_property(&mut self, scan: impl Fn(&mut Self) -> Result<Kind>) -> Result<()> {
        self.note_possible_key()?;
        // A plain scalar changes that, if a line ends behind it.
        self.may_be_key = false;
        let place = self.chars.place();
        let kind = scan(self)?;
        self.push(kind, place);
        Ok(())
    }
}

const NO_COLON: &str = "no colon follows this key";

fn starts_plain(char: char, before_blank: bool, is_flow: bool) -> bool {
    !(is_blank_or_end(char) || "-?:,[]{}#&*!|>'\"%@`".contains(char))
        || (!before_blank && (char == '-' || (!is_flow && matches!(char, '?' | ':'))))
}
