//! Reads the flat top level of storm.yaml the way SnakeYAML, Storm's reader, does: YAML 1.1 scalars,
//! anchors, merge keys, the last of duplicate keys wins. It knows none of Storm's keys. It builds
//! nothing deeper than lists of scalars, and merges each mapping once: an alias bomb costs nothing.

mod chars;
mod describe;
mod document;
mod parser;
mod scalar;
mod scan_properties;
mod scan_scalars;
mod scanner;
mod text;
mod tolerant;

use std::collections::HashSet;

use super::raw::RawValue;
pub use describe::{DescribedStormYaml, describe_storm_yaml};
use document::{Document, Kind};
pub(super) use text::{Text, is_damaged};

/// One key of the top level. Later entries override earlier ones of the same name.
#[derive(Debug, PartialEq)]
pub(super) struct YamlEntry {
    pub(super) name: String,
    pub(super) raw: RawValue,
    /// From 1.
    pub(super) line: usize,
}

/// What is wrong with a file, and where. Line and column count from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct YamlError {
    pub(super) line: usize,
    pub(super) column: usize,
    pub(super) text: String,
}

/// A part of the file that was left out, because Storm's reader would refuse it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Damage {
    pub(super) error: YamlError,
    /// What was left out, as far as it may hold keys: without comments.
    pub(super) left_out: String,
}

/// What a file says.
#[derive(Debug, Default, PartialEq)]
pub(super) struct TopLevel {
    pub(super) entries: Vec<YamlEntry>,
    pub(super) damages: Vec<Damage>,
}

/// Reads the top level. Where the file is wrong, the keys around the fault are left out, and the others are
/// read.
///
/// # Errors
/// The file is wrong as a whole, or its top level is not a mapping.
pub(super) fn read(text: &str) -> Result<TopLevel, YamlError> {
    let (document, mut damages) = match Document::parse(text) {
        Ok(document) => (document, Vec::new()),
        Err(error) => tolerant::parse(text, error)?,
    };
    if let Some(second) = &document.second {
        let lines = text::lines(text);
        damages.push(Damage {
            error: second.clone(),
            left_out: text::without_comments(&lines[second.line - 1..]),
        });
    }
    let entries = match document.root() {
        None => Vec::new(),
        Some(Kind::Mapping) => top_level(&document, &mut damages)?,
        Some(Kind::Scalar { .. }) if raw(&document, 0) == RawValue::Null => Vec::new(),
        Some(_) => {
            let text = "expected a mapping of keys to values".to_owned();
            return Err(document.error_at(0, text));
        }
    };
    Ok(TopLevel { entries, damages })
}

/// The keys of the mapping that is the whole document. Its own keys override merged ones wherever the merge
/// key stands, and the last of several wins; of merged ones the first wins (`SafeConstructor.mergeNode`).
fn top_level(document: &Document, damages: &mut Vec<Damage>) -> Result<Vec<YamlEntry>, YamlError> {
    let mut merged = Merged::default();
    let mut own = Vec::new();
    for (key, value) in document.pairs(0) {
        match name(document, key) {
            Name::Merge => merged.merge(document, value, damages)?,
            Name::Text(name) => own.push(YamlEntry {
                name: name.to_owned(),
                raw: raw(document, value),
                line: document.line(key),
            }),
            Name::Other => {}
        }
    }
    let mut entries = merged.entries;
    entries.append(&mut own);
    Ok(entries)
}

/// What mappings that are merged contribute.
#[derive(Default)]
struct Merged {
    entries: Vec<YamlEntry>,
    names: HashSet<String>,
    /// Mappings and lists that need no second look: each of their keys is in. A list may hold itself.
    done: HashSet<usize>,
}

/// What is left to merge.
enum Step {
    Value(usize),
    Pair(usize, usize),
}

impl Merged {
    /// Merges a mapping or a list of mappings, with what they merge in turn, in the order of the text.
    fn merge(
        &mut self,
        document: &Document,
        value: usize,
        damages: &mut Vec<Damage>,
    ) -> Result<(), YamlError> {
        let mut steps = vec![Step::Value(value)];
        while let Some(step) = steps.pop() {
            match step {
                Step::Value(value) => {
                    let Some(target) = document.target(value) else {
                        // It may hold any key.
                        let text = "no anchor has this name, so the keys to merge are unknown";
                        return Err(document.error_at(value, text.to_owned()));
                    };
                    match document.kind(target) {
                        Kind::Mapping | Kind::Sequence if !self.done.insert(target) => {}
                        Kind::Mapping => {
                            let pairs = document.pairs(target);
                            let pairs = pairs.map(|(key, value)| Step::Pair(key, value));
                            push_in_order(&mut steps, pairs.collect());
                        }
                        Kind::Sequence => {
                            let items = document.items(target).map(Step::Value);
                            push_in_order(&mut steps, items.collect());
                        }
                        _ => damages.push(Damage {
                            error: document
                                .error_at(value, "expected a mapping to merge".to_owned()),
                            left_out: String::new(),
                        }),
                    }
                }
                Step::Pair(key, value) => match name(document, key) {
                    Name::Merge => steps.push(Step::Value(value)),
                    Name::Text(name) => {
                        if self.names.insert(name.to_owned()) {
                            self.entries.push(YamlEntry {
                                name: name.to_owned(),
                                raw: raw(document, value),
                                line: document.line(key),
                            });
                        }
                    }
                    Name::Other => {}
                },
            }
        }
        Ok(())
    }
}

/// So that the first is popped first.
fn push_in_order(steps: &mut Vec<Step>, more: Vec<Step>) {
    steps.extend(more.into_iter().rev());
}

/// What a key is to us.
enum Name<'document> {
    Text(&'document str),
    /// `<<`.
    Merge,
    /// A number, a list or the like: no key of ours.
    Other,
}

fn name(document: &Document, key: usize) -> Name<'_> {
    match document.target(key).map(|key| document.kind(key)) {
        Some(Kind::Scalar {
            text,
            tag,
            is_plain,
        }) => {
            let (tag, is_plain) = (tag.as_deref(), *is_plain);
            if scalar::is_merge(text, tag, is_plain) {
                Name::Merge
            } else if scalar::is_text(text, tag, is_plain) {
                Name::Text(text)
            } else {
                Name::Other
            }
        }
        _ => Name::Other,
    }
}

/// The value that starts at this node. Collections within a list are not built.
fn raw(document: &Document, node: usize) -> RawValue {
    let Some(target) = document.target(node) else {
        return RawValue::Other("an alias of an anchor that does not exist".to_owned());
    };
    let item = |item: usize| match document.target(item).map(|item| document.kind(item)) {
        Some(Kind::Sequence) => RawValue::Other("a list".to_owned()),
        _ => raw(document, item),
    };
    match document.kind(target) {
        Kind::Scalar {
            text,
            tag,
            is_plain,
        } => scalar::scalar(text, tag.as_deref(), *is_plain),
        Kind::Sequence => RawValue::List(document.items(target).map(item).collect()),
        Kind::Mapping | Kind::Alias(_) => RawValue::Other("a mapping".to_owned()),
    }
}

#[cfg(test)]
mod tests;
