//! A YAML document as a list of nodes. Syntax only: no types, no merges.

use super::YamlError;
use super::chars::Place;
use super::parser::Parser;

/// The first document of a file.
#[derive(Debug, Default)]
pub(super) struct Document {
    /// In the order of the text; the first one is the root.
    nodes: Vec<Node>,
    /// Where a second document starts, which Storm's reader refuses.
    pub(super) second: Option<YamlError>,
}

#[derive(Debug)]
struct Node {
    kind: Kind,
    place: Place,
    /// The index past the node and all that it contains.
    after: usize,
}

#[derive(Debug)]
pub(super) enum Kind {
    Scalar {
        text: String,
        tag: Option<String>,
        /// Neither quoted nor tagged: its text decides about its type.
        is_plain: bool,
    },
    Sequence,
    Mapping,
    /// Of this node; `None`: of an anchor that does not exist.
    Alias(Option<usize>),
}

impl Document {
    /// Parses a text.
    pub(super) fn parse(text: &str) -> Result<Self, YamlError> {
        Parser::parse(text)
    }

    /// The index that the next node will have.
    pub(super) fn next_index(&self) -> usize {
        self.nodes.len()
    }

    /// Adds a node and returns its index.
    pub(super) fn push(&mut self, kind: Kind, place: Place) -> usize {
        let index = self.nodes.len();
        let after = index + 1;
        self.nodes.push(Node { kind, place, after });
        index
    }

    /// All nodes that were added since are in this one.
    pub(super) fn close(&mut self, node: usize) {
        self.nodes[node].after = self.nodes.len();
    }

    pub(super) fn root(&self) -> Option<&Kind> {
        self.nodes.first().map(|node| &node.kind)
    }

    pub(super) fn kind(&self, node: usize) -> &Kind {
        &self.nodes[node].kind
    }

    /// The line on which the node starts, from 1.
    pub(super) fn line(&self, node: usize) -> usize {
        self.nodes[node].place.line + 1
    }

    pub(super) fn error_at(&self, node: usize, text: String) -> YamlError {
        self.nodes[node].place.error(text)
    }

    /// The node itself, or what it is an alias of, if that exists.
    pub(super) fn target(&self, node: usize) -> Option<usize> {
        match self.nodes[node].kind {
            Kind::Alias(target) => target,
            _ => Some(node),
        }
    }

    /// The items of a list, or the keys and values of a mapping, in turn.
    pub(super) fn items(&self, collection: usize) -> impl Iterator<Item = usize> + '_ {
        let end = self.nodes[collection].after;
        let first = Some(collection + 1).filter(|first| *first < end);
        std::iter::successors(first, move |item| {
            Some(self.nodes[*item].after).filter(|next| *next < end)
        })
    }

    /// The keys and values of a mapping.
    pub(super) fn pairs(&self, mapping: usize) -> impl Iterator<Item = (usize, usize)> + '_ {
        let mut items = self.items(mapping);
        std::iter::from_fn(move || Some((items.next()?, items.next()?)))
    }
}
