//! Reads the flat top level of a YAML file the way SnakeYAML, Storm's reader, does: YAML 1.1 scalars,
//! anchors, merge keys, the last of duplicate keys wins. It knows none of Storm's keys. It builds
//! nothing deeper than lists of scalars, and bounds merges: an alias bomb costs nothing.

use std::cell::Cell;
use std::collections::HashMap;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Span};

use super::raw::RawValue;
use super::yaml_scalar::{plain, scalar};

/// One key of the top level. Later entries override earlier ones of the same name.
#[derive(Debug, PartialEq)]
pub(super) struct YamlEntry {
    pub(super) name: String,
    pub(super) raw: RawValue,
    /// From 1.
    pub(super) line: usize,
}

/// What is wrong with a file, and where. Line and column count from 1.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct YamlError {
    pub(super) line: usize,
    pub(super) column: usize,
    pub(super) text: String,
}

/// Reads the top level.
///
/// # Errors
/// A syntax error, a second document, or a top level that is not a mapping. Storm refuses such a file
/// too.
pub(super) fn read(text: &str) -> Result<Vec<YamlEntry>, YamlError> {
    let document = Document::parse(text)?;
    let mut entries = Vec::new();
    match document.nodes.first() {
        None => {}
        Some((Event::MappingStart(..), _)) => document.mapping(0, 0, &mut entries),
        Some((Event::Scalar(text, ScalarStyle::Plain, ..), _)) if plain(text) == RawValue::Null => {
        }
        Some((_, span)) => {
            return Err(error_at(span.start, "expected a mapping of keys to values"));
        }
    }
    Ok(entries)
}

/// The events of one document, and the indexes of its anchors.
struct Document<'text> {
    nodes: Vec<(Event<'text>, Span)>,
    anchors: HashMap<usize, usize>,
    merges_left: Cell<usize>,
}

/// Depth to which merges of merges are followed. It bounds an anchor that merges itself.
const MERGE_DEPTH: usize = 8;

/// Merges that are followed in all: far more than a file needs, and few enough to stop merges that double
/// at each level.
const MERGES: usize = 1000;

impl<'text> Document<'text> {
    fn parse(text: &'text str) -> Result<Self, YamlError> {
        let mut document = Document {
            nodes: Vec::new(),
            anchors: HashMap::new(),
            merges_left: Cell::new(MERGES),
        };
        let mut documents = 0;
        for event in Parser::new_from_str(text) {
            let (event, span) = event.map_err(|error| error_at(*error.marker(), error.info()))?;
            match &event {
                Event::DocumentStart(_) => {
                    documents += 1;
                    if documents > 1 {
                        let text = "a second document starts here; Storm reads one per file";
                        return Err(error_at(span.start, text));
                    }
                    continue;
                }
                Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {
                    continue;
                }
                Event::Scalar(_, _, anchor, _)
                | Event::SequenceStart(anchor, _)
                | Event::MappingStart(anchor, _) => {
                    // Zero means none.
                    if *anchor != 0 {
                        document.anchors.insert(*anchor, document.nodes.len());
                    }
                }
                Event::Alias(_) | Event::SequenceEnd | Event::MappingEnd => {}
            }
            document.nodes.push((event, span));
        }
        Ok(document)
    }

    /// Adds the entries of the mapping that starts at `start`. Merged entries come first, so that the
    /// mapping's own keys override them wherever the merge key is.
    fn mapping(&self, start: usize, depth: usize, entries: &mut Vec<YamlEntry>) {
        let mut own = Vec::new();
        let mut key = start + 1;
        while !matches!(self.event(key), None | Some(Event::MappingEnd)) {
            let value = self.after(key);
            match self.event(self.target(key)) {
                Some(Event::Scalar(name, ScalarStyle::Plain, _, None)) if name == "<<" => {
                    self.merge(value, depth, entries);
                }
                Some(Event::Scalar(name, ..)) => own.push(YamlEntry {
                    name: name.to_string(),
                    raw: self.raw(value),
                    line: self.nodes[key].1.start.line(),
                }),
                _ => {}
            }
            key = self.after(value);
        }
        entries.append(&mut own);
    }

    fn merge(&self, value: usize, depth: usize, entries: &mut Vec<YamlEntry>) {
        let left = self.merges_left.get();
        if depth == MERGE_DEPTH || left == 0 {
            return;
        }
        self.merges_left.set(left - 1);
        let value = self.target(value);
        match self.event(value) {
            Some(Event::MappingStart(..)) => self.mapping(value, depth + 1, entries),
            Some(Event::SequenceStart(..)) => {
                let mut items = Vec::new();
                let mut item = value + 1;
                while !matches!(self.event(item), None | Some(Event::SequenceEnd)) {
                    items.push(self.target(item));
                    item = self.after(item);
                }
                // The first of several wins.
                for item in items.into_iter().rev() {
                    if matches!(self.event(item), Some(Event::MappingStart(..))) {
                        self.mapping(item, depth + 1, entries);
                    }
                }
            }
            _ => {}
        }
    }

    fn event(&self, index: usize) -> Option<&Event<'text>> {
        self.nodes.get(index).map(|(event, _)| event)
    }

    /// The node itself, or what it is an alias of.
    fn target(&self, index: usize) -> usize {
        match self.event(index) {
            Some(Event::Alias(anchor)) => self.anchors.get(anchor).copied().unwrap_or(index),
            _ => index,
        }
    }

    /// The index past the node that starts at `index`.
    fn after(&self, index: usize) -> usize {
        let mut open = 0_usize;
        for (offset, (event, _)) in self.nodes[index..].iter().enumerate() {
            match event {
                Event::MappingStart(..) | Event::SequenceStart(..) => open += 1,
                Event::MappingEnd | Event::SequenceEnd => open = open.saturating_sub(1),
                _ => {}
            }
            if open == 0 {
                return index + offset + 1;
            }
        }
        self.nodes.len()
    }

    /// The list that starts at `start`. Nested values are not built.
    fn list(&self, start: usize) -> RawValue {
        let mut items = Vec::new();
        let mut item = start + 1;
        while !matches!(self.event(item), None | Some(Event::SequenceEnd)) {
            items.push(match self.event(self.target(item)) {
                Some(Event::SequenceStart(..)) => RawValue::Other("a list".to_owned()),
                _ => self.raw(item),
            });
            item = self.after(item);
        }
        RawValue::List(items)
    }

    fn raw(&self, index: usize) -> RawValue {
        match self.event(self.target(index)) {
            Some(Event::Scalar(text, style, _, tag)) => scalar(text, *style, tag.as_ref()),
            Some(Event::SequenceStart(..)) => self.list(self.target(index)),
            _ => RawValue::Other("a mapping".to_owned()),
        }
    }
}

fn error_at(marker: Marker, text: &str) -> YamlError {
    YamlError {
        line: marker.line(),
        column: marker.col() + 1,
        text: text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The value that a reader of the whole file sees for `key`.
    fn value(text: &str, key: &str) -> RawValue {
        let entries = read(text).unwrap();
        entries
            .into_iter()
            .rev()
            .find(|entry| entry.name == key)
            .unwrap()
            .raw
    }

    fn text(text: &str) -> RawValue {
        RawValue::Text(text.to_owned())
    }

    #[test]
    fn plain_scalars_are_yaml_1_1() {
        for (written, meant) in [
            ("6699", RawValue::Integer(6699)),
            ("+6_699", RawValue::Integer(6699)),
            ("-1", RawValue::Integer(-1)),
            ("0x1a2B", RawValue::Integer(6699)),
            ("015053", RawValue::Integer(6699)),
            ("0b11", RawValue::Integer(3)),
            ("1:51:39", RawValue::Integer(6699)),
            ("0", RawValue::Integer(0)),
            ("08", text("08")),
            ("0x+1", text("0x+1")),
            ("1:60", text("1:60")),
            ("1:_3", text("1:_3")),
            ("1:003", text("1:003")),
            ("0o17", text("0o17")),
            ("6699.0", RawValue::Other("6699.0".into())),
            ("no", RawValue::Other("no".into())),
            ("~", RawValue::Null),
            ("", RawValue::Null),
            ("NONE", text("NONE")),
            ("\"6699\"", text("6699")),
            ("'6699'", text("6699")),
            ("!!int \"6699\"", RawValue::Integer(6699)),
            ("!!str 6699", text("6699")),
            ("6699 # comment", RawValue::Integer(6699)),
            ("[]", RawValue::List(vec![])),
            (
                "[1, a, ~, [b, c], {d: e}]",
                RawValue::List(vec![
                    RawValue::Integer(1),
                    text("a"),
                    RawValue::Null,
                    RawValue::Other("a list".into()),
                    RawValue::Other("a mapping".into()),
                ]),
            ),
            ("{a: 1}", RawValue::Other("a mapping".into())),
            ("|-\n  x", text("x")),
        ] {
            assert_eq!(value(&format!("k: {written}\n"), "k"), meant, "{written}");
        }
        let huge = "9".repeat(50);
        assert_eq!(value(&format!("k: {huge}\n"), "k"), RawValue::Other(huge));
    }

    #[test]
    fn anchors_aliases_and_merge_keys_mean_what_they_mean_to_storm() {
        let yaml = "\
base: &base {a: 1, b: 1, c: 1}
more: &more
  b: 2
  d: [x, {y: z}]
port: &port 6700
alias: *port
c: 3
<<: [*more, *base]
";
        assert_eq!(value(yaml, "alias"), RawValue::Integer(6700));
        assert_eq!(value(yaml, "a"), RawValue::Integer(1));
        assert_eq!(
            value(yaml, "b"),
            RawValue::Integer(2),
            "the first of a merge list wins"
        );
        assert_eq!(
            value(yaml, "c"),
            RawValue::Integer(3),
            "own keys win, wherever they stand"
        );
        assert_eq!(
            value(yaml, "d"),
            RawValue::List(vec![text("x"), RawValue::Other("a mapping".into())])
        );
    }

    #[test]
    fn hostile_structure_is_harmless() {
        // An anchor that merges itself, an alias bomb, deep nesting, odd keys.
        assert!(read("&a\n<<: *a\nk: 1\n").is_ok());
        let mut bomb = "a0: &a0 [x, x]\n".to_owned();
        for level in 1..60 {
            bomb += &format!("a{level}: &a{level} [*a{0}, *a{0}]\n", level - 1);
        }
        assert_eq!(read(&bomb).unwrap().len(), 60);
        let mut bomb = "a0: &a0 {k: v}\n".to_owned();
        for level in 1..10 {
            let again = format!("*a{}, ", level - 1).repeat(16);
            bomb += &format!("a{level}: &a{level} {{<<: [{again}]}}\n");
        }
        bomb += "<<: *a9\n";
        assert!(read(&bomb).unwrap().len() < 20_000);
        let deep = format!("k: {}{}\nz: 1\n", "[".repeat(200), "]".repeat(200));
        assert_eq!(value(&deep, "z"), RawValue::Integer(1));
        assert_eq!(
            value("? [a, b]\n: x\n? {c: d}\n: y\nk: 1\n", "k"),
            RawValue::Integer(1)
        );
    }

    #[test]
    fn the_last_of_duplicate_keys_wins() {
        assert_eq!(
            value("k: 1\nother: {k: 5}\nk: 2\n", "k"),
            RawValue::Integer(2)
        );
    }

    #[test]
    fn empty_files_and_files_of_other_shapes() {
        for empty in [
            "",
            "\n",
            "# only a comment\n",
            "---\n",
            "---\n...\n",
            "~\n",
            "\u{feff}",
        ] {
            assert_eq!(read(empty), Ok(vec![]), "{empty:?}");
        }
        assert_eq!(value("\u{feff}k: 1\r\n", "k"), RawValue::Integer(1));
        assert_eq!(value("%YAML 1.1\n---\nk: 1\n", "k"), RawValue::Integer(1));
        let list = read("# a list\n- a\n").unwrap_err();
        assert_eq!((list.line, list.column), (2, 1));
        let second = read("k: 1\n---\nk: 2\n").unwrap_err();
        assert_eq!((second.line, second.column), (2, 1));
    }

    #[test]
    fn syntax_errors_have_line_and_column() {
        let error = read("a: 1\nb: [1, 2\nc: 3\n").unwrap_err();
        assert!(error.line >= 2, "{error:?}");
        assert!(read("a: *nowhere\n").is_err());
        assert!(read("a: \"open\n").is_err());
        assert!(read("a: @x\n").is_err());
    }
}
