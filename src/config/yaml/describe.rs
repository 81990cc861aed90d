//! What the reader makes of a file, in the words of `tests/storm/yaml/ReadStormYaml.java`, so that a test can
//! hold it against Storm's own reader.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{RawValue, Text, read};

/// A storm.yaml as the reader sees it.
#[derive(Debug)]
pub struct DescribedStormYaml {
    /// Keys of the top level and what their values are, sorted.
    pub entries: Vec<(String, String)>,
    /// Parts of the file that could not be read.
    pub left_out: Vec<String>,
}

/// Reads a storm.yaml.
///
/// # Errors
/// The file is wrong as a whole.
pub fn describe_storm_yaml(bytes: &[u8]) -> Result<DescribedStormYaml, String> {
    let text = Text::of(bytes).text;
    let found =
        read(&text).map_err(|error| format!("{}:{}: {}", error.line, error.column, error.text))?;
    let mut entries = std::collections::BTreeMap::new();
    for entry in found.entries {
        entries.insert(entry.name, described(&entry.raw));
    }
    let damages = found.damages.into_iter();
    Ok(DescribedStormYaml {
        entries: entries.into_iter().collect(),
        left_out: damages.map(|damage| damage.left_out).collect(),
    })
}

fn described(raw: &RawValue) -> String {
    match raw {
        RawValue::Integer(number) => format!("i:{number}"),
        RawValue::Text(text) | RawValue::Untyped(text) => format!("t:{text}"),
        RawValue::Null => "null".to_owned(),
        RawValue::Boolean(_) => "other".to_owned(), // of TOML alone
        RawValue::List(items) => {
            let item = |item: &RawValue| format!("={} ", STANDARD.encode(described(item)));
            format!("[{}]", items.iter().map(item).collect::<String>())
        }
        RawValue::Other(what) => match what.as_str() {
            "a list" => "list".to_owned(),
            "a mapping" => "map".to_owned(),
            _ => "other".to_owned(),
        },
    }
}
