//! JVM options as operators of Storm write them. Only the properties, `-D`, have an effect here: they say
//! where the files for logins are, and what `${name}` in the JAAS file stands for. Pure.

use crate::auth::jaas::Properties;

use super::diagnostics::Location;
use super::keys;
use super::raw::RawValue;
use super::resolve::Entry;
use super::storm_layer::{CHILDOPTS, Childopts};

/// One `-Dname=value`.
#[derive(Clone, Debug)]
pub(super) struct Definition {
    name: String,
    value: String,
    location: Location,
    /// The key at that location, if it is not the property itself.
    spelled: Option<&'static str>,
}

/// The properties in `pacemaker.childopts`: text, or a list of texts.
pub(super) fn of_childopts(childopts: Childopts) -> Vec<Definition> {
    let texts: Vec<&str> = match &childopts.raw {
        RawValue::List(items) => items.iter().filter_map(RawValue::text).collect(),
        other => other.text().into_iter().collect(),
    };
    let words = texts.into_iter().flat_map(words);
    definitions(words, &childopts.location, Some(CHILDOPTS))
}

/// The properties in `$JAVA_OPTS`.
pub(super) fn of_environment(java_opts: Option<&str>) -> Vec<Definition> {
    let words = words(java_opts.unwrap_or_default());
    definitions(words.into_iter(), &Location::Environment("JAVA_OPTS"), None)
}

/// The properties on the command line, which the shell has already split.
pub(super) fn of_command_line(arguments: &[String]) -> Vec<Definition> {
    let arguments = arguments.iter().map(|argument| format!("-D{argument}"));
    definitions(arguments, &Location::Definition, None)
}

fn definitions(
    words: impl Iterator<Item = String>,
    location: &Location,
    spelled: Option<&'static str>,
) -> Vec<Definition> {
    let read = |word: String| {
        let definition = word.strip_prefix("-D")?;
        // To Java, a name alone is a property with an empty value.
        let (name, value) = definition.split_once('=').unwrap_or((definition, ""));
        Some(Definition {
            name: name.to_owned(),
            value: value.to_owned(),
            location: location.clone(),
            spelled,
        })
    };
    words.filter_map(read).collect()
}

/// All properties: Java's own, as far as a JAAS file may need them, and the defined ones. The last one
/// wins.
pub(super) fn properties(
    user_home: Option<&str>,
    user_name: Option<&str>,
    definitions: impl Iterator<Item = Definition>,
) -> Properties {
    let javas_own = [
        ("user.home", user_home),
        ("user.name", user_name),
        ("file.separator", Some("/")),
        ("path.separator", Some(":")),
        ("line.separator", Some("\n")),
    ];
    javas_own
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())))
        .chain(definitions.map(|definition| (definition.name, definition.value)))
        .collect()
}

/// The property in which Storm's launcher passes the `-c` options of its command line.
const STORM_OPTIONS: &str = "storm.options";
/// The property in which Storm's launcher passes the file of its `--config`.
const STORM_FILE: &str = "storm.conf.file";

impl Definition {
    /// The setting that the property stands for, if any. Storm has it under the same name.
    pub(super) fn entry(&self) -> Option<Entry> {
        let is_ours = self.name.starts_with("java.security.");
        let setting = keys::by_storm_name(&self.name).filter(|_| is_ours)?;
        Some(Entry {
            setting,
            spelled: self.spelled.unwrap_or(&self.name).to_owned(),
            raw: RawValue::Text(self.value.clone()),
            location: self.location.clone(),
        })
    }

    /// The overrides in `storm.options`: `key=value,key=value`, each pair URL-encoded. The launcher passes
    /// on every `-c`. Storm ignores what is no pair.
    pub(super) fn storm_options(&self) -> Vec<String> {
        if self.name != STORM_OPTIONS {
            return Vec::new();
        }
        let pairs = self.value.split(',').map(url_decoded);
        pairs
            .filter(|pair| {
                pair.split_once('=')
                    .is_some_and(|(name, _)| !name.is_empty())
            })
            .collect()
    }

    /// The storm.yaml that the property names, if it names one.
    pub(super) fn storm_file(&self) -> Option<&str> {
        Some(self.value.as_str()).filter(|value| self.name == STORM_FILE && !value.is_empty())
    }

    pub(super) fn location(&self) -> &Location {
        &self.location
    }

    /// A setting that has no effect as a property, not even in Storm.
    pub(super) fn without_effect(&self) -> Option<String> {
        if self.entry().is_some() {
            return None;
        }
        let name = &self.name;
        keys::by_name(name).or_else(|| keys::by_storm_name(name))?;
        Some(format!(
            "-D{name} sets a property of Java, which does not change this setting, in Storm either; \
             write -c {name}=VALUE"
        ))
    }
}

/// Splits options as Storm's launcher does (`parse_args` in storm.py): at white space outside of single
/// or double quotes. A backslash escapes the next character, also within quotes.
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

/// Decodes as Java's `URLDecoder` does, except that invalid escapes stay as they are.
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
        let found = |raw: RawValue| {
            let location = Location::Override;
            of_childopts(Childopts { raw, location })
                .into_iter()
                .map(|definition| format!("{}={}", definition.name, definition.value))
                .collect::<Vec<_>>()
        };
        let text = |text: &str| RawValue::Text(text.to_owned());
        assert_eq!(found(text("-Xmx1g -Da=b=c -Dd -D")), ["a=b=c", "d=", "="]);
        assert_eq!(
            found(RawValue::List(vec![
                text("-Xmx1g -Da=b"),
                RawValue::Null,
                RawValue::Integer(1),
                text("-Dc=d")
            ])),
            ["a=b", "c=d"]
        );
        assert!(found(RawValue::Null).is_empty() && found(RawValue::Integer(5)).is_empty());
        let defined = of_command_line(&["a=1".into(), "user.name=ops".into(), "a=2".into()]);
        let all = properties(Some("/home/storm"), Some("storm"), defined.into_iter());
        assert_eq!(all["a"], "2");
        assert_eq!(all["user.name"], "ops");
        assert_eq!(all["user.home"], "/home/storm");
        assert!(!properties(None, None, [].into_iter()).contains_key("user.home"));
    }

    #[test]
    fn storm_options_are_decoded() {
        let given = "storm.options=pacemaker.port%3D7000,nimbus.seeds=%5B%22a%22%5D,x,access\
             .reads_from=10.0.0.0%2F8%2C%3A%3A1,auth.nimbus_user=a+b%2,=";
        assert_eq!(
            of_command_line(&[given.to_owned()])[0].storm_options(),
            [
                "pacemaker.port=7000",
                "nimbus.seeds=[\"a\"]",
                "access.reads_from=10.0.0.0/8,::1",
                "auth.nimbus_user=a b%2",
            ]
        );
    }
}
