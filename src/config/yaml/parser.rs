//! Tokens to nodes, by SnakeYAML's grammar (`ParserImpl`): what may stand where, and what is null because nothing
//! stands there.

use std::collections::HashMap;

use super::YamlError;
use super::chars::Place;
use super::document::{Document, Kind};
use super::scalar::CORE_TAGS;
use super::scanner::{Kind as TokenKind, Scanner, Token};

type Result<T> = std::result::Result<T, YamlError>;

/// Nodes within nodes that SnakeYAML takes.
const DEEPEST: usize = 50;

pub(super) struct Parser {
    scanner: Scanner,
    document: Document,
    anchors: HashMap<String, usize>,
    /// Handles of tags and what they stand for.
    tags: HashMap<String, String>,
}

impl Parser {
    pub(super) fn parse(text: &str) -> Result<Document> {
        let mut parser = Parser {
            scanner: Scanner::new(text),
            document: Document::default(),
            anchors: HashMap::new(),
            tags: HashMap::new(),
        };
        parser.stream()?;
        Ok(parser.document)
    }

    fn stream(&mut self) -> Result<()> {
        self.directives()?;
        match self.peek()? {
            TokenKind::StreamEnd => return Ok(()),
            TokenKind::DocumentStart => {
                self.scanner.next()?;
                match self.peek()? {
                    TokenKind::Directive(_)
                    | TokenKind::DocumentStart
                    | TokenKind::DocumentEnd
                    | TokenKind::StreamEnd => self.empty()?,
                    _ => self.node(Context::Block, 0)?,
                }
            }
            _ => self.node(Context::Block, 0)?,
        }
        while self.next_if(&TokenKind::DocumentEnd)?.is_some() {}
        let Token { kind, place } = self.scanner.peek()?;
        match kind {
            TokenKind::StreamEnd => Ok(()),
            TokenKind::DocumentStart | TokenKind::Directive(_) => {
                let text = "a second document starts here; Storm reads one per file";
                self.document.second = Some(place.error(text));
                Ok(())
            }
            _ => Err(place.error("expected the end of the file")),
        }
    }

    fn directives(&mut self) -> Result<()> {
        let mut were_there = false;
        while matches!(self.peek()?, TokenKind::Directive(_)) {
            were_there = true;
            let token = self.scanner.next()?;
            if let TokenKind::Directive(Some((handle, prefix))) = token.kind
                && self.tags.insert(handle, prefix).is_some()
            {
                return Err(token
                    .place
                    .error("this handle of tags has a meaning already"));
            }
        }
        if were_there && *self.peek()? != TokenKind::DocumentStart {
            return Err(self.unexpected("---"));
        }
        for (handle, prefix) in [("!", "!"), ("!!", CORE_TAGS)] {
            let tag = self.tags.entry(handle.to_owned());
            tag.or_insert_with(|| prefix.to_owned());
        }
        Ok(())
    }

    /// Reads one node with its anchor and tag.
    fn node(&mut self, context: Context, depth: usize) -> Result<()> {
        let place = self.scanner.peek()?.place;
        if depth > DEEPEST {
            return Err(place.error(format!("this is nested more than {DEEPEST} deep")));
        }
        if let TokenKind::Alias(name) = self.peek()? {
            let name = name.clone();
            self.scanner.next()?;
            let kind = Kind::Alias(self.anchors.get(&name).copied());
            self.document.push(kind, place);
            return Ok(());
        }
        let (anchor, tag) = self.properties()?;
        let is_tagged = anchor.is_some() || tag.is_some();
        let index = self.document.next_index();
        if let Some(anchor) = anchor {
            self.anchors.insert(anchor, index);
        }
        match (self.peek()?, context) {
            (TokenKind::BlockEntry, Context::BlockOrItems) => {
                self.document.push(Kind::Sequence, place);
                self.items_without_indent(depth)?;
            }
            (TokenKind::Scalar { .. }, _) => {
                let TokenKind::Scalar { text, is_plain } = self.scanner.next()?.kind else {
                    unreachable!("peeked");
                };
                let is_plain = (is_plain && tag.is_none()) || tag.as_deref() == Some("!");
                self.scalar(text, tag, is_plain, place);
            }
            (TokenKind::FlowSequenceStart, _) => {
                self.document.push(Kind::Sequence, place);
                self.flow_sequence(depth)?;
            }
            (TokenKind::FlowMappingStart, _) => {
                self.document.push(Kind::Mapping, place);
                self.flow_mapping(depth)?;
            }
            (TokenKind::BlockSequenceStart, Context::Block | Context::BlockOrItems) => {
                self.document.push(Kind::Sequence, place);
                self.block_sequence(depth)?;
            }
            (TokenKind::BlockMappingStart, Context::Block | Context::BlockOrItems) => {
                self.document.push(Kind::Mapping, place);
                self.block_mapping(depth)?;
            }
            _ if is_tagged => {
                let is_plain = tag.as_deref().is_none_or(|tag| tag == "!");
                self.scalar(String::new(), tag, is_plain, place);
            }
            _ => return Err(self.unexpected("a value")),
        }
        self.document.close(index);
        Ok(())
    }

    /// An anchor and a tag, in either order.
    fn properties(&mut self) -> Result<(Option<String>, Option<String>)> {
        let (mut anchor, mut tag) = (None, None);
        loop {
            match self.peek()? {
                TokenKind::Anchor(name) if anchor.is_none() => {
                    anchor = Some(name.clone());
                    self.scanner.next()?;
                }
                TokenKind::Tag(handle, suffix) if tag.is_none() => {
                    let (handle, suffix) = (handle.clone(), suffix.clone());
                    let place = self.scanner.next()?.place;
                    tag = Some(match handle {
                        None => suffix,
                        Some(handle) => match self.tags.get(&handle) {
                            Some(prefix) => format!("{prefix}{suffix}"),
                            None => return Err(place.error("no %TAG explains this tag")),
                        },
                    });
                }
                _ => return Ok((anchor, tag)),
            }
        }
    }

    fn block_sequence(&mut self, depth: usize) -> Result<()> {
        self.scanner.next()?;
        while self.next_if(&TokenKind::BlockEntry)?.is_some() {
            match self.peek()? {
                TokenKind::BlockEntry | TokenKind::BlockEnd => self.empty()?,
                _ => self.node(Context::Block, depth + 1)?,
            }
        }
        self.expect(&TokenKind::BlockEnd, "an item of this list, or its end")
    }

    /// A list whose items are indented as the key that it belongs to.
    fn items_without_indent(&mut self, depth: usize) -> Result<()> {
        while self.next_if(&TokenKind::BlockEntry)?.is_some() {
            match self.peek()? {
                TokenKind::BlockEntry | TokenKind::Key | TokenKind::Value | TokenKind::BlockEnd => {
                    self.empty()?
                }
                _ => self.node(Context::Block, depth + 1)?,
            }
        }
        Ok(())
    }

    fn block_mapping(&mut self, depth: usize) -> Result<()> {
        self.scanner.next()?;
        while self.next_if(&TokenKind::Key)?.is_some() {
            self.block_part(depth)?;
            if self.next_if(&TokenKind::Value)?.is_some() {
                self.block_part(depth)?;
            } else if matches!(self.peek()?, TokenKind::Scalar { .. }) {
                self.node(Context::BlockOrItems, depth + 1)?;
            } else {
                self.empty()?;
            }
        }
        self.expect(&TokenKind::BlockEnd, "a key of this mapping, or its end")
    }

    /// A key or a value, which may be empty.
    fn block_part(&mut self, depth: usize) -> Result<()> {
        match self.peek()? {
            TokenKind::Key | TokenKind::Value | TokenKind::BlockEnd => self.empty(),
            _ => self.node(Context::BlockOrItems, depth + 1),
        }
    }

    fn flow_sequence(&mut self, depth: usize) -> Result<()> {
        const END: TokenKind = TokenKind::FlowSequenceEnd;
        self.flow_entries(&END, ", or ]", |parser| {
            // A mapping of one key without braces.
            let place = parser.scanner.peek()?.place;
            if parser.next_if(&TokenKind::Key)?.is_some() {
                let index = parser.document.push(Kind::Mapping, place);
                parser.flow_pair(&END, depth + 1)?;
                parser.document.close(index);
                Ok(())
            } else {
                parser.node(Context::Flow, depth + 1)
            }
        })
    }

    fn flow_mapping(&mut self, depth: usize) -> Result<()> {
        const END: TokenKind = TokenKind::FlowMappingEnd;
        self.flow_entries(&END, ", or }", |parser| {
            if parser.next_if(&TokenKind::Key)?.is_some() {
                parser.flow_pair(&END, depth)
            } else {
                // A key without a value.
                parser.node(Context::Flow, depth + 1)?;
                parser.empty()
            }
        })
    }

    /// What stands in brackets, with commas between.
    fn flow_entries(
        &mut self,
        end: &TokenKind,
        comma_or_end: &str,
        entry: impl Fn(&mut Self) -> Result<()>,
    ) -> Result<()> {
        self.scanner.next()?;
        let mut is_first = true;
        while self.peek()? != end {
            if !is_first {
                self.expect(&TokenKind::FlowEntry, comma_or_end)?;
                if self.peek()? == end {
                    break;
                }
            }
            is_first = false;
            entry(self)?;
        }
        self.scanner.next()?;
        Ok(())
    }

    fn flow_pair(&mut self, end: &TokenKind, depth: usize) -> Result<()> {
        self.flow_part(end, depth)?;
        self.flow_value(end, depth)
    }

    /// The key of a pair, which may be empty.
    fn flow_part(&mut self, end: &TokenKind, depth: usize) -> Result<()> {
        let kind = self.peek()?;
        if matches!(kind, TokenKind::Value | TokenKind::FlowEntry) || kind == end {
            self.empty()
        } else {
            self.node(Context::Flow, depth + 1)
        }
    }

    fn flow_value(&mut self, end: &TokenKind, depth: usize) -> Result<()> {
        if self.next_if(&TokenKind::Value)?.is_none() {
            return self.empty();
        }
        let kind = self.peek()?;
        if *kind == TokenKind::FlowEntry || kind == end {
            self.empty()
        } else {
            self.node(Context::Flow, depth + 1)
        }
    }

    fn peek(&mut self) -> Result<&TokenKind> {
        Ok(&self.scanner.peek()?.kind)
    }

    fn next_if(&mut self, kind: &TokenKind) -> Result<Option<Token>> {
        if self.peek()? == kind {
            self.scanner.next().map(Some)
        } else {
            Ok(None)
        }
    }

    fn expect(&mut self, kind: &TokenKind, in_words: &str) -> Result<()> {
        match self.next_if(kind)? {
            Some(_) => Ok(()),
            None => Err(self.unexpected(in_words)),
        }
    }

    /// The error about the next token.
    fn unexpected(&mut self, expected: &str) -> YamlError {
        match self.scanner.peek() {
            Ok(token) => token.place.error(format!("expected {expected}")),
            Err(error) => error,
        }
    }

    /// Where a node could be and is not, there is null.
    fn empty(&mut self) -> Result<()> {
        let place = self.scanner.peek()?.place;
        self.scalar(String::new(), None, true, place);
        Ok(())
    }

    fn scalar(&mut self, text: String, tag: Option<String>, is_plain: bool, place: Place) {
        let kind = Kind::Scalar {
            text,
            tag,
            is_plain,
        };
        self.document.push(kind, place);
    }
}

/// What may stand where a node is read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Context {
    Flow,
    Block,
    /// Also items without further indentation.
    BlockOrItems,
}
