//! Reads `pacemaker.toml`, the built-in one and the operator's: text to entries, and unknown keys to
//! problems. Judges no value: that is for `settle`, after the layers are put together.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::keys;
use super::problem::{Place, Problem};
use super::settle::Entry;
use super::value::Raw;

/// What a file holds, as far as it can be read.
#[derive(Debug, Default)]
pub struct Layer {
    pub entries: Vec<Entry>,
    pub problems: Vec<Problem>,
}

/// Reads the compiled-in defaults.
pub fn read_defaults(text: &str) -> Layer {
    read(text, &|line, _| Place::Default { line })
}

/// Reads an operator's file. `file` is its path as the operator wrote it.
pub fn read_file(file: &str, text: &str) -> Layer {
    read(text, &|line, column| match column {
        None => Place::Line {
            file: file.to_owned(),
            line,
        },
        Some(column) => Place::Column {
            file: file.to_owned(),
            line,
            column,
        },
    })
}

/// Makes a place of a line and, for syntax errors, a column.
type Locate<'a> = &'a dyn Fn(usize, Option<usize>) -> Place;

fn read(text: &str, locate: Locate<'_>) -> Layer {
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut layer = Layer::default();
    for error in errors {
        let (line, column) = line_and_column(text, error.span().map_or(0, |span| span.start));
        let text = error.message().replace('\n', ", ");
        layer.problems.push(Problem {
            place: locate(line, Some(column)),
            key: None,
            text,
        });
    }
    // What the parser recovers after a syntax error is a guess: no second error from a guess.
    if layer.problems.is_empty() {
        walk(table.get_ref(), "", &mut layer, &|offset| {
            locate(line_and_column(text, offset).0, None)
        });
        // The parser sorts keys; a reader goes by lines.
        layer.problems.sort_by_key(|problem| match problem.place {
            Place::Default { line } | Place::Line { line, .. } => line,
            _ => 0,
        });
    }
    layer
}

/// Flattens a table to dotted keys. The parser bounds the depth.
fn walk(table: &DeTable<'_>, prefix: &str, layer: &mut Layer, place_at: &dyn Fn(usize) -> Place) {
    for (key, value) in table {
        let name = match prefix {
            "" => key.get_ref().to_string(),
            _ => format!("{prefix}.{}", key.get_ref()),
        };
        let place = place_at(key.span().start);
        match (keys::by_name(&name), value.get_ref()) {
            (Some(key), _) => {
                layer.entries.push(Entry {
                    key,
                    spelled: name,
                    raw: raw(value),
                    place,
                });
            }
            (None, DeValue::Table(inner)) if !inner.is_empty() => {
                walk(inner, &name, layer, place_at);
            }
            (None, DeValue::Table(_)) if keys::is_table(&name) => {}
            (None, _) => {
                let text = unknown(&name);
                layer.problems.push(Problem {
                    place,
                    key: Some(name),
                    text,
                });
            }
        }
    }
}

fn unknown(name: &str) -> String {
    if keys::is_table(name) {
        return format!("this is a table: write [{name}] and its keys below");
    }
    match keys::nearest(name, false) {
        Some(nearest) => format!("unknown key; did you mean {nearest}?"),
        None => "unknown key; `storm-pacemaker check-config` lists all".to_owned(),
    }
}

fn raw(value: &Spanned<DeValue<'_>>) -> Raw {
    match value.get_ref() {
        DeValue::String(text) => Raw::Text(text.to_string()),
        DeValue::Integer(number) => match i128::from_str_radix(number.as_str(), number.radix()) {
            Ok(integer) => Raw::Integer(integer),
            Err(_) => Raw::Other(number.to_string()),
        },
        DeValue::Float(number) => Raw::Other(number.to_string()),
        DeValue::Boolean(boolean) => Raw::Other(boolean.to_string()),
        DeValue::Datetime(date) => Raw::Other(date.to_string()),
        DeValue::Array(items) => Raw::List(items.iter().map(raw).collect()),
        DeValue::Table(_) => Raw::Other("a table".to_owned()),
    }
}

/// Line and column of a byte offset, both from 1; columns count characters.
fn line_and_column(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
    (line, column)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str) -> Vec<String> {
        read_file("f.toml", text)
            .problems
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn entries_carry_their_line() {
        let layer = read_file(
            "f.toml",
            "[server]\nport = 0x10\n\n[limits]\noutput = \"1MiB\"\n",
        );
        assert!(layer.problems.is_empty());
        let port = layer
            .entries
            .iter()
            .find(|entry| entry.spelled == "server.port")
            .unwrap();
        assert_eq!(port.raw, Raw::Integer(16));
        assert_eq!(
            port.place,
            Place::Line {
                file: "f.toml".into(),
                line: 2
            }
        );
    }

    #[test]
    fn every_unknown_key_is_named_with_a_guess_in_the_order_of_lines() {
        assert_eq!(
            problems("zebra = 1\n[server]\nprot = 1\n[limits.port]\nx = 1\n[nothing]\n[auth]\n"),
            [
                "f.toml:1: zebra: unknown key; `storm-pacemaker check-config` lists all",
                "f.toml:3: server.prot: unknown key; did you mean server.port?",
                "f.toml:5: limits.port.x: unknown key; `storm-pacemaker check-config` lists all",
                "f.toml:6: nothing: unknown key; `storm-pacemaker check-config` lists all",
            ]
        );
        assert_eq!(
            problems("server = 5"),
            ["f.toml:1: server: this is a table: write [server] and its keys below"]
        );
        assert_eq!(
            problems("pacemaker.port = 5"),
            ["f.toml:1: pacemaker.port: unknown key; did you mean server.port?"]
        );
    }

    #[test]
    fn syntax_errors_have_line_and_column_and_come_alone() {
        let problems = problems("prot = 1\n[server]\nport = \n[log]\nlevel = nonsense\n");
        assert_eq!(problems.len(), 2, "{problems:#?}");
        assert!(problems[0].starts_with("f.toml:3:"), "{problems:#?}");
        assert!(problems[1].starts_with("f.toml:5:9: "), "{problems:#?}");
    }
}
