//! Reads `pacemaker.toml`, the built-in one and the operator's: text to entries, and unknown keys to
//! errors. It checks no value; `resolve` does that once the layers are put together.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::diagnostics::{ConfigError, Diagnostics, Location};
use super::keys;
use super::raw::RawValue;
use super::resolve::Entry;

/// Reads the compiled-in defaults.
pub(super) fn read_defaults(text: &str, diagnostics: &mut Diagnostics) -> Vec<Entry> {
    read(text, diagnostics, &|line, _| Location::Default { line })
}

/// Reads an operator's file. `file` is its path as the operator wrote it.
pub(super) fn read_file(file: &str, text: &str, diagnostics: &mut Diagnostics) -> Vec<Entry> {
    read(text, diagnostics, &|line, column| match column {
        None => Location::Line {
            file: file.to_owned(),
            line,
        },
        Some(column) => Location::Column {
            file: file.to_owned(),
            line,
            column,
        },
    })
}

/// What a file holds, as far as it can be read.
#[derive(Debug, Default)]
struct Layer {
    entries: Vec<Entry>,
    errors: Vec<ConfigError>,
}

/// Makes a location of a line and, for syntax errors, a column.
type Locate<'a> = &'a dyn Fn(usize, Option<usize>) -> Location;

fn read(text: &str, diagnostics: &mut Diagnostics, locate: Locate<'_>) -> Vec<Entry> {
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut layer = Layer::default();
    for error in errors {
        let (line, column) = line_and_column(text, error.span().map_or(0, |span| span.start));
        layer.errors.push(ConfigError {
            location: locate(line, Some(column)),
            key: None,
            text: error.message().replace('\n', ", "),
        });
    }
    // After a syntax error the parser guesses: report no second error that follows from a guess.
    if layer.errors.is_empty() {
        walk(table.get_ref(), "", &mut layer, &|offset| {
            locate(line_and_column(text, offset).0, None)
        });
        // The parser sorts keys; a reader goes by lines.
        layer.errors.sort_by_key(|error| match error.location {
            Location::Default { line } | Location::Line { line, .. } => line,
            _ => 0,
        });
    }
    diagnostics.errors.append(&mut layer.errors);
    layer.entries
}

/// Flattens a table to dotted keys. The parser bounds the depth.
fn walk(
    table: &DeTable<'_>,
    prefix: &str,
    layer: &mut Layer,
    location_of: &dyn Fn(usize) -> Location,
) {
    for (key, value) in table {
        let name = if prefix.is_empty() {
            key.get_ref().to_string()
        } else {
            format!("{prefix}.{}", key.get_ref())
        };
        let location = location_of(key.span().start);
        match (keys::by_name(&name), value.get_ref()) {
            (Some(setting), _) => layer.entries.push(Entry {
                setting,
                spelled: name,
                raw: raw(value),
                location,
            }),
            (None, DeValue::Table(inner)) if !inner.is_empty() => {
                walk(inner, &name, layer, location_of);
            }
            (None, DeValue::Table(_)) if keys::is_table(&name) => {}
            (None, _) => layer.errors.push(ConfigError {
                location,
                text: unknown(&name),
                key: Some(name),
            }),
        }
    }
}

fn unknown(name: &str) -> String {
    if keys::is_table(name) {
        format!("this is a table: write [{name}], and its keys below it")
    } else {
        keys::unknown(name, false)
    }
}

fn raw(value: &Spanned<DeValue<'_>>) -> RawValue {
    match value.get_ref() {
        DeValue::String(text) => RawValue::Text(text.to_string()),
        DeValue::Integer(number) => match i128::from_str_radix(number.as_str(), number.radix()) {
            Ok(integer) => RawValue::Integer(integer),
            Err(_) => RawValue::Other(number.to_string()),
        },
        DeValue::Float(number) => RawValue::Other(number.to_string()),
        DeValue::Boolean(boolean) => RawValue::Boolean(*boolean),
        DeValue::Datetime(date) => RawValue::Other(date.to_string()),
        DeValue::Array(items) => RawValue::List(items.iter().map(raw).collect()),
        DeValue::Table(_) => RawValue::Other("a table".to_owned()),
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
    use support::says::assert_lines_say;

    use super::*;

    fn errors(text: &str) -> Vec<String> {
        let mut diagnostics = Diagnostics::default();
        read_file("f.toml", text, &mut diagnostics);
        diagnostics.errors.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn entries_carry_their_line() {
        let mut diagnostics = Diagnostics::default();
        let text = "[server]\nport = 0x10\n\n[limits]\noutput = \"1MiB\"\n";
        let entries = read_file("f.toml", text, &mut diagnostics);
        assert!(!diagnostics.has_errors());
        let port = entries
            .iter()
            .find(|entry| entry.spelled == "server.port")
            .unwrap();
        assert_eq!(port.raw, RawValue::Integer(16));
        assert_eq!(
            port.location,
            Location::Line {
                file: "f.toml".into(),
                line: 2
            }
        );
    }

    #[test]
    fn every_unknown_key_is_named_with_a_guess_in_the_order_of_lines() {
        let unknown =
            errors("zebra = 1\n[server]\nprot = 1\n[limits.port]\nx = 1\n[nothing]\n[auth]\n");
        assert_lines_say(
            &unknown.join("\n"),
            &[
                ("f.toml:1: zebra", &["unknown", "check-config"]),
                ("f.toml:3: server.prot", &["unknown", "server.port?"]),
                ("f.toml:5: limits.port.x", &["unknown", "check-config"]),
                ("f.toml:6: nothing", &["unknown", "check-config"]),
            ],
        );
        let table = errors("server = 5").join("\n");
        assert_lines_say(&table, &[("f.toml:1: server", &["table", "[server]"])]);
        let storms = errors("pacemaker.port = 5").join("\n");
        let facts = ["unknown", "server.port?"];
        assert_lines_say(&storms, &[("f.toml:1: pacemaker.port", &facts)]);
    }

    #[test]
    fn syntax_errors_have_line_and_column_and_come_alone() {
        let errors = errors("prot = 1\n[server]\nport = \n[log]\nlevel = nonsense\n");
        assert_eq!(errors.len(), 2, "{errors:#?}");
        assert!(errors[0].starts_with("f.toml:3:"), "{errors:#?}");
        assert!(errors[1].starts_with("f.toml:5:9: "), "{errors:#?}");
    }
}
