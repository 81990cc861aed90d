//! One value: as a layer wrote it (`Raw`), what a key accepts (`Kind`), and what it came to
//! (`Value`). Pure; knows no key and no file.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::time::Duration;

use crate::access::Addresses;

use super::list;
use crate::units::{SIZE_UNITS, Size, TIME_UNITS_MS, Time, with_unit};

/// A value as its layer wrote it.
#[derive(Clone, Debug, PartialEq)]
pub enum Raw {
    Integer(i128),
    Text(String),
    /// From the command line, where nothing tells a number from text: the key decides.
    Untyped(String),
    /// YAML's null. Storm takes it for "not set" where a key may be unset.
    Null,
    List(Vec<Raw>),
    /// What no key takes, so far: floats, booleans, dates, tables. The text is for messages.
    Other(String),
}

impl Raw {
    fn integer(&self) -> Option<i128> {
        match self {
            Raw::Integer(number) => Some(*number),
            Raw::Untyped(text) => text.parse().ok(),
            Raw::Text(_) | Raw::Null | Raw::List(_) | Raw::Other(_) => None,
        }
    }

    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Raw::Text(text) => Some(text),
            // Storm's own -c reads JSON, so text may come in quotes that the shell left on.
            Raw::Untyped(text) => {
                let quoted = text
                    .strip_prefix('"')
                    .and_then(|rest| rest.strip_suffix('"'));
                Some(quoted.unwrap_or(text))
            }
            Raw::Null => Some(""),
            Raw::Integer(_) | Raw::List(_) | Raw::Other(_) => None,
        }
    }
}

impl fmt::Display for Raw {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Raw::Integer(number) => write!(formatter, "{number}"),
            Raw::Untyped(text) if self.integer().is_some() => formatter.write_str(text),
            Raw::Text(text) | Raw::Untyped(text) => write!(formatter, "{text:?}"),
            Raw::Null => formatter.write_str("null"),
            Raw::List(_) => formatter.write_str("a list"),
            Raw::Other(text) => formatter.write_str(text),
        }
    }
}

/// What a key accepts. Ranges come from `limits`.
#[derive(Clone, Debug)]
pub enum Kind {
    Address,
    /// An address and a port to listen on; empty means nowhere.
    Listen,
    Port,
    Count(RangeInclusive<u64>),
    AutoOrCount(RangeInclusive<u64>),
    /// Bytes.
    Size(RangeInclusive<u64>),
    Time(RangeInclusive<Duration>),
    Choice {
        what: &'static str,
        of: &'static [&'static str],
    },
    /// Text that is not ours to judge; empty means unset.
    Text,
    /// A path of the store from its root, without a slash at its end; empty means unset.
    Directory,
    /// A list of text, none of it empty.
    Texts,
    /// A list of networks and of single addresses.
    Networks,
}

/// A value that its key accepts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    Address(IpAddr),
    Listen(Option<SocketAddr>),
    Count(u64),
    Auto,
    /// Bytes.
    Size(u64),
    Time(Duration),
    Choice(&'static str),
    Text(String),
    Texts(Vec<String>),
    Networks(Addresses),
}

impl Kind {
    /// Reads a value.
    ///
    /// # Errors
    /// The sentence that follows the key's name in a message: the value, what is wrong with it, and
    /// what is allowed.
    pub fn read(&self, raw: &Raw) -> Result<Value, String> {
        let wrong_type = || {
            let quoted = matches!(raw, Raw::Text(text) if text.parse::<i128>().is_ok());
            let hint = match self {
                Kind::Port | Kind::Count(_) | Kind::AutoOrCount(_) if quoted => {
                    "; write it without quotes"
                }
                _ => "",
            };
            Err(format!(
                "{raw} is not {} (allowed: {}{hint})",
                self.what(),
                self.allowed()
            ))
        };
        let out_of_range = || {
            Err(format!(
                "{raw} is out of range (allowed: {})",
                self.allowed()
            ))
        };
        match self {
            Kind::Address => match raw.text().map(str::parse) {
                Some(Ok(address)) => Ok(Value::Address(address)),
                _ => wrong_type(),
            },
            Kind::Listen => match raw.text() {
                Some("") => Ok(Value::Listen(None)),
                text => match text.map(str::parse) {
                    Some(Ok(address)) => Ok(Value::Listen(Some(address))),
                    _ => wrong_type(),
                },
            },
            // A quoted number is refused, in storm.yaml as in TOML: Storm's daemon casts these
            // values to int and dies of a string, so no file that serves a cluster has one.
            Kind::Port => match raw.integer().map(u16::try_from) {
                Some(Ok(port)) => Ok(Value::Count(port.into())),
                _ => wrong_type(),
            },
            Kind::AutoOrCount(_) if raw.text() == Some("auto") => Ok(Value::Auto),
            Kind::Count(range) | Kind::AutoOrCount(range) => match raw.integer().map(u64::try_from)
            {
                None => wrong_type(),
                Some(Ok(count)) if range.contains(&count) => Ok(Value::Count(count)),
                Some(_) => out_of_range(),
            },
            Kind::Size(range) => {
                let size = match raw.integer() {
                    Some(bytes) => u64::try_from(bytes).ok(),
                    None => match raw.text().and_then(|text| with_unit(text, &SIZE_UNITS)) {
                        Some(size) => size,
                        None => return wrong_type(),
                    },
                };
                match size {
                    Some(bytes) if range.contains(&bytes) => Ok(Value::Size(bytes)),
                    _ => out_of_range(),
                }
            }
            Kind::Time(range) => {
                match raw.text().and_then(|text| with_unit(text, &TIME_UNITS_MS)) {
                    None => wrong_type(),
                    Some(milliseconds) => match milliseconds.map(Duration::from_millis) {
                        Some(time) if range.contains(&time) => Ok(Value::Time(time)),
                        _ => out_of_range(),
                    },
                }
            }
            Kind::Choice { of, .. } => {
                match of.iter().find(|choice| raw.text() == Some(**choice)) {
                    Some(choice) => Ok(Value::Choice(choice)),
                    None => wrong_type(),
                }
            }
            Kind::Text => match raw.text() {
                Some(text) => Ok(Value::Text(text.to_owned())),
                None => wrong_type(),
            },
            Kind::Directory => match raw.text() {
                Some("") => Ok(Value::Text(String::new())),
                Some(path) if path.starts_with('/') => {
                    let path = path.trim_end_matches('/');
                    let path = if path.is_empty() { "/" } else { path };
                    Ok(Value::Text(path.to_owned()))
                }
                _ => wrong_type(),
            },
            Kind::Texts => match list::items(raw) {
                Some(items) => list::texts(&items).map(Value::Texts),
                None => wrong_type(),
            },
            Kind::Networks => match list::items(raw) {
                Some(items) => list::networks(&items).map(Value::Networks),
                None => wrong_type(),
            },
        }
    }

    fn what(&self) -> &'static str {
        match self {
            Kind::Address => "an IP address",
            Kind::Listen => "an IP address with a port",
            Kind::Port => "a port number",
            Kind::Count(_) => "a whole number",
            Kind::AutoOrCount(_) => "a whole number or \"auto\"",
            Kind::Size(_) => "a size",
            Kind::Time(_) => "a duration",
            Kind::Choice { what, .. } => what,
            Kind::Text => "text",
            Kind::Directory => "a path",
            Kind::Texts => "a list of text",
            Kind::Networks => "a list of networks",
        }
    }

    fn allowed(&self) -> String {
        let range = self.range().unwrap_or_default();
        match self {
            Kind::Address => "an IPv4 or IPv6 address, such as 0.0.0.0 or ::".to_owned(),
            Kind::Listen => "such as 127.0.0.1:6698 or [::1]:6698; \"\" is off".to_owned(),
            Kind::Port | Kind::Count(_) => range,
            Kind::AutoOrCount(_) => format!("{range}, or \"auto\""),
            Kind::Size(_) => format!("{range}, as bytes or with a unit: KiB, MiB, GiB, TiB"),
            Kind::Time(_) => format!("{range}, with a unit: ms, s, m, h"),
            Kind::Choice { of, .. } => format!("{}; case counts", of.join(", ")),
            Kind::Text => "text in quotes".to_owned(),
            Kind::Directory => "a path that begins with /, or \"\"".to_owned(),
            Kind::Texts => "such as [\"one\", \"two\"]".to_owned(),
            Kind::Networks => "such as [\"10.0.0.0/8\", \"192.168.1.1\"]".to_owned(),
        }
    }

    /// The range in words, if there is one.
    pub fn range(&self) -> Option<String> {
        match self {
            Kind::Port => Some(format!("0 to {}", u16::MAX)),
            Kind::Count(range) | Kind::AutoOrCount(range) => {
                Some(format!("{} to {}", range.start(), range.end()))
            }
            Kind::Size(range) => Some(format!(
                "{} to {}",
                Size(*range.start()),
                Size(*range.end())
            )),
            Kind::Time(range) => Some(format!(
                "{} to {}",
                Time(*range.start()),
                Time(*range.end())
            )),
            Kind::Address
            | Kind::Listen
            | Kind::Choice { .. }
            | Kind::Text
            | Kind::Directory
            | Kind::Texts
            | Kind::Networks => None,
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Address(address) => write!(formatter, "{address}"),
            Value::Listen(Some(address)) => write!(formatter, "{address}"),
            Value::Listen(None) => formatter.write_str("\"\""),
            Value::Count(count) => write!(formatter, "{count}"),
            Value::Auto => formatter.write_str("auto"),
            Value::Size(bytes) => write!(formatter, "{}", Size(*bytes)),
            Value::Time(time) => write!(formatter, "{}", Time(*time)),
            Value::Choice(choice) => formatter.write_str(choice),
            Value::Text(text) => write!(formatter, "{text:?}"),
            Value::Texts(texts) => write!(formatter, "{texts:?}"),
            Value::Networks(Addresses(networks)) => {
                let shown: Vec<String> = networks.iter().map(list::shown).collect();
                write!(formatter, "{shown:?}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::{GIB, MIB};

    fn text(text: &str) -> Raw {
        Raw::Text(text.to_owned())
    }

    #[test]
    fn sizes_are_bytes_or_carry_a_binary_unit() {
        let kind = Kind::Size(1024..=GIB);
        assert_eq!(kind.read(&Raw::Integer(4096)), Ok(Value::Size(4096)));
        assert_eq!(kind.read(&text("10MiB")), Ok(Value::Size(10 * MIB)));
        assert_eq!(kind.read(&text(" 10 MiB ")), Ok(Value::Size(10 * MIB)));
        assert_eq!(
            kind.read(&Raw::Untyped("4096".into())),
            Ok(Value::Size(4096))
        );
        for not_a_size in [
            "4096", "10MB", "10mib", "MiB", "-1KiB", "1.5MiB", "", "1MiB1KiB", "٣KiB",
        ] {
            let error = kind.read(&text(not_a_size)).unwrap_err();
            assert!(error.contains("is not a size"), "{error}");
        }
        for out_of_range in [
            "2GiB",
            "99999999999999999999TiB",
            "18446744073709551615KiB",
            "0KiB",
        ] {
            let error = kind.read(&text(out_of_range)).unwrap_err();
            assert!(error.contains("is out of range"), "{error}");
        }
        assert!(
            kind.read(&Raw::Integer(-1))
                .unwrap_err()
                .contains("out of range")
        );
    }

    #[test]
    fn durations_carry_a_unit() {
        let kind = Kind::Time(Duration::ZERO..=Duration::from_secs(60));
        assert_eq!(kind.read(&text("0ms")), Ok(Value::Time(Duration::ZERO)));
        assert_eq!(
            kind.read(&text("1m")),
            Ok(Value::Time(Duration::from_secs(60)))
        );
        assert!(
            kind.read(&Raw::Integer(5))
                .unwrap_err()
                .contains("5 is not a duration")
        );
        assert!(
            kind.read(&text("5"))
                .unwrap_err()
                .contains("with a unit: ms, s, m, h")
        );
        assert_eq!(
            kind.read(&text("1h")).unwrap_err(),
            "\"1h\" is out of range (allowed: 0ms to 1m, with a unit: ms, s, m, h)"
        );
    }

    #[test]
    fn a_quoted_number_is_told_to_lose_its_quotes() {
        assert_eq!(
            Kind::Port.read(&text("6699")).unwrap_err(),
            "\"6699\" is not a port number (allowed: 0 to 65535; write it without quotes)"
        );
        assert!(Kind::Port.read(&Raw::Integer(-1)).is_err());
        assert!(Kind::Port.read(&Raw::Null).is_err());
    }

    #[test]
    fn the_command_line_may_quote_as_storm_does() {
        let kind = Kind::Choice {
            what: "a method",
            of: &["NONE", "DIGEST"],
        };
        assert_eq!(
            kind.read(&Raw::Untyped("\"DIGEST\"".into())),
            Ok(Value::Choice("DIGEST"))
        );
        assert_eq!(
            kind.read(&Raw::Untyped("NONE".into())),
            Ok(Value::Choice("NONE"))
        );
        assert!(kind.read(&Raw::Untyped("none".into())).is_err());
    }
}
