//! Options of a JVM as operators of Storm write them, of which the definitions of properties, `-D`,
//! mean something here: where the logins' files are, and what `${name}` in the JAAS file stands for.
//! Pure.

use crate::auth::jaas::Properties;

use super::keys;
use super::problem::Place;
use super::settle::Entry;
use super::storm_layer::{CHILDOPTS, Childopts};
use super::value::Raw;

/// One `-Dname=value`.
#[derive(Clone, Debug)]
pub(super) struct Definition {
    name: String,
    value: String,
    place: Place,
    /// What stands at that place, where it is not the property itself.
    spelled: Option<&'static str>,
}

/// Those of `pacemaker.childopts`: text, or a list of such.
pub(super) fn of_childopts(childopts: Childopts) -> Vec<Definition> {
    let texts: Vec<&str> = match &childopts.raw {
        Raw::List(items) => items.iter().filter_map(Raw::text).collect(),
        other => other.text().into_iter().collect(),
    };
    let words = texts.into_iter().flat_map(words);
    definitions(words, &childopts.place, Some(CHILDOPTS))
}

/// Those of `$JAVA_OPTS`.
pub(super) fn of_environment(java_opts: Option<&str>) -> Vec<Definition> {
    let words = words(java_opts.unwrap_or_default());
    definitions(words.into_iter(), &Place::Environment("JAVA_OPTS"), None)
}

/// Those of the command line, where the shell has done the splitting.
pub(super) fn of_command_line(arguments: &[String]) -> Vec<Definition> {
    let arguments = arguments.iter().map(|argument| format!("-D{argument}"));
    definitions(arguments, &Place::Definition, None)
}

fn definitions(
    words: impl Iterator<Item = String>,
    place: &Place,
    spelled: Option<&'static str>,
) -> Vec<Definition> {
    let read = |word: String| {
        let definition = word.strip_prefix("-D")?;
        // To Java a name alone is a property whose value is empty.
        let (name, value) = definition.split_once('=').unwrap_or((definition, ""));
        Some(Definition {
            name: name.to_owned(),
            value: value.to_owned(),
            place: place.clone(),
            spelled,
        })
    };
    words.filter_map(read).collect()
}

/// All properties: those that Java has by itself, as far as a JAAS file may want them, and the
/// defined ones, of which the last wins.
pub(super) fn properties(
    user_home: Option<&str>,
    user_name: Option<&str>,
    definitions: impl Iterator<Item = Definition>,
) -> Properties {
    let by_itself = [
        ("user.home", user_home),
        ("user.name", user_name),
        ("file.separator", Some("/")),
        ("path.separator", Some(":")),
        ("line.separator", Some("\n")),
    ];
    by_itself
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())))
        .chain(definitions.map(|definition| (definition.name, definition.value)))
        .collect()
}

/// What Storm's launcher hands the options `-c` of its command line over in.
const STORM_OPTIONS: &str = "storm.options";

impl Definition {
    /// The setting that the property is, if it is one: then Storm calls it so, too.
    pub fn entry(&self) -> Option<Entry> {
        let is_ours = self.name.starts_with("java.security.");
        let key = keys::by_storm_name(&self.name).filter(|_| is_ours)?;
        Some(Entry {
            key,
            spelled: self.spelled.unwrap_or(&self.name).to_owned(),
            raw: Raw::Text(self.value.clone()),
            place: self.place.clone(),
        })
    }

    /// The settings in `storm.options`: `key=value,key=value`, each pair URL-encoded. The launcher
    /// puts in what it is given, so others' keys are passed over as they are in storm.yaml.
    pub fn storm_options(&self) -> Vec<Entry> {
        if self.name != STORM_OPTIONS {
            return Vec::new();
        }
        let read = |pair: &str| {
            let pair = url_decoded(pair);
            let (name, value) = pair.split_once('=')?;
            Some(Entry {
                key: keys::by_name(name).or_else(|| keys::by_storm_name(name))?,
                spelled: name.to_owned(),
                raw: Raw::Untyped(value.to_owned()),
                place: Place::StormOptions,
            })
        };
        self.value.split(',').filter_map(read).collect()
    }
}

/// Splits options as Storm's launcher does (`parse_args` in storm.py): at white space, but not within
/// quotes of either kind; a backslash takes the next character's meaning, also within quotes.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        match char {
            '\\' => word.get_or_insert_default().extend(chars.next()),
            _ if quote == Some(char) => quote = None,
            '"' | '\'' if quote.is_none() => {
                quote = Some(char);
                word.get_or_insert_default();
            }
            _ if char.is_whitespace() && quote.is_none() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(char),
        }
    }
    words.extend(word);
    words
}

/// As Java's `URLDecoder`, but for what is no valid escape: that stays as it is.
fn url_decoded(text: &str) -> String {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match (byte, after.get(..2).and_then(hexadecimal)) {
            (b'%', Some(escaped)) => {
                decoded.push(escaped);
                rest = &after[2..];
            }
            (b'+', _) => decoded.push(b' '),
            _ => decoded.push(byte),
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

fn hexadecimal(digits: &[u8]) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let value = digits
        .iter()
        .try_fold(0, |value, byte| Some(value * 16 + digit(*byte)?))?;
    u8::try_from(value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_split_as_storms_launcher_does() {
        for (text, split) in [
            ("", &[][..]),
            ("  -Xmx1g\t-Da=b\n-Dc ", &["-Xmx1g", "-Da=b", "-Dc"]),
            (r#"-Da="b c" '-Dd=e f'"#, &["-Da=b c", "-Dd=e f"]),
            (
                r#"-Da=b\ c -Dd=\"e\" -Df="\"g""#,
                &["-Da=b c", "-Dd=\"e\"", "-Df=\"g"],
            ),
            (r#"-Da='"' -Db="'" ''"#, &["-Da=\"", "-Db='", ""]),
            (r#"-Da="open b"#, &["-Da=open b"]),
            ("-Da=b\\", &["-Da=b"]),
        ] {
            assert_eq!(words(text), split, "{text}");
        }
    }

    #[test]
    fn definitions_come_from_text_and_from_lists() {
        let found = |raw: Raw| {
            let place = Place::Override;
            of_childopts(Childopts { raw, place })
                .into_iter()
                .map(|definition| format!("{}={}", definition.name, definition.value))
                .collect::<Vec<_>>()
        };
        let text = |text: &str| Raw::Text(text.to_owned());
        assert_eq!(found(text("-Xmx1g -Da=b=c -Dd -D")), ["a=b=c", "d=", "="]);
        assert_eq!(
            found(Raw::List(vec![
                text("-Xmx1g -Da=b"),
                Raw::Null,
                Raw::Integer(1),
                text("-Dc=d")
            ])),
            ["a=b", "c=d"]
        );
        assert!(found(Raw::Null).is_empty() && found(Raw::Integer(5)).is_empty());
        let defined = of_command_line(&["a=1".into(), "user.name=ops".into(), "a=2".into()]);
        let all = properties(Some("/home/storm"), Some("storm"), defined.into_iter());
        assert_eq!(all["a"], "2");
        assert_eq!(all["user.name"], "ops");
        assert_eq!(all["user.home"], "/home/storm");
        assert!(!properties(None, None, [].into_iter()).contains_key("user.home"));
    }

    #[test]
    fn storm_options_are_decoded_and_others_keys_passed_over() {
        let given = "storm.options=pacemaker.port%3D7000,nimbus.seeds=%5B%22a%22%5D,log.level=warn,x,access\
             .reads_from=10.0.0.0%2F8%2C%3A%3A1,auth.nimbus_user=a+b%2,=";
        let found: Vec<_> = of_command_line(&[given.to_owned()])[0]
            .storm_options()
            .into_iter()
            .map(|entry| (entry.spelled, entry.raw))
            .collect();
        let pair = |name: &str, value: &str| (name.to_owned(), Raw::Untyped(value.to_owned()));
        assert_eq!(
            found,
            [
                pair("pacemaker.port", "7000"),
                pair("log.level", "warn"),
                pair("access.reads_from", "10.0.0.0/8,::1"),
                pair("auth.nimbus_user", "a b%2"),
            ]
        );
    }
}
