//! What a setting accepts, and what an operator is told about a value that it does not. Pure; ranges come
//! from `limits`.

use std::fmt::Display;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use super::list;
use super::raw::RawValue;
use super::value::SettingValue;
use crate::units::{SIZE_UNITS, Size, TIME_UNITS_MS, Time, with_unit};

/// What a setting accepts.
#[derive(Clone, Debug)]
pub(super) enum Kind {
    Address,
    /// An address and a port to listen on; empty means none.
    Listen,
    Port,
    /// true or false.
    Flag,
    Count(RangeInclusive<u64>),
    AutoOrCount(RangeInclusive<u64>),
    /// Bytes.
    Size(RangeInclusive<u64>),
    Time(RangeInclusive<Duration>),
    Choice {
        what: &'static str,
        names: fn() -> Vec<&'static str>,
    },
    /// Any text; empty means unset.
    Text,
    /// An absolute path in the store, without a slash at its end; empty means unset.
    Directory,
    /// A list of text, none of it empty.
    Texts,
    /// A list of DNS names.
    HostNames,
    /// A list of networks and single addresses.
    Networks,
}

/// Why a value is refused.
enum Refusal {
    WrongType,
    OutOfRange,
    /// What is wrong with items of the list.
    Items(String),
}

impl Kind {
    /// Reads a value.
    ///
    /// # Errors
    /// The sentence that follows the key in a message: the value, what is wrong with it, and what is
    /// allowed.
    pub(super) fn read(&self, raw: &RawValue) -> Result<SettingValue, String> {
        self.accept(raw).map_err(|refusal| {
            let (what, allowed) = self.in_words();
            match refusal {
                Refusal::WrongType => {
                    let hint = self.hint(raw);
                    format!("{raw} is not {what} (allowed: {allowed}{hint})")
                }
                Refusal::OutOfRange => format!("{raw} is out of range (allowed: {allowed})"),
                Refusal::Items(text) => text,
            }
        })
    }

    fn accept(&self, raw: &RawValue) -> Result<SettingValue, Refusal> {
        match self {
            Kind::Address => address(raw).map(SettingValue::Address),
            Kind::Listen if raw.text() == Some("") => Ok(SettingValue::Listen(None)),
            Kind::Listen => parsed(raw).map(|address| SettingValue::Listen(Some(address))),
            // A quoted number is refused in storm.yaml as in TOML: Storm's daemon casts these values
            // to int and dies of a string, so no working cluster has one.
            Kind::Port => match raw.integer().map(u16::try_from) {
                Some(Ok(port)) => Ok(SettingValue::Count(port.into())),
                _ => Err(Refusal::WrongType),
            },
            Kind::Flag => raw
                .boolean()
                .map(SettingValue::Flag)
                .ok_or(Refusal::WrongType),
            Kind::AutoOrCount(_) if raw.text() == Some("auto") => Ok(SettingValue::Auto),
            Kind::Count(range) | Kind::AutoOrCount(range) => {
                let number = raw.integer().ok_or(Refusal::WrongType)?;
                within(range, u64::try_from(number).ok()).map(SettingValue::Count)
            }
            Kind::Size(range) => {
                let bytes = match raw.integer() {
                    Some(bytes) => u64::try_from(bytes).ok(),
                    None => number_with_unit(raw, &SIZE_UNITS)?,
                };
                within(range, bytes).map(SettingValue::Size)
            }
            Kind::Time(range) => {
                let milliseconds = number_with_unit(raw, &TIME_UNITS_MS)?;
                within(range, milliseconds.map(Duration::from_millis)).map(SettingValue::Time)
            }
            Kind::Choice { names, .. } => {
                let chosen = names().into_iter().find(|name| raw.text() == Some(*name));
                chosen.map(SettingValue::Choice).ok_or(Refusal::WrongType)
            }
            Kind::Text => {
                let text = raw.text().ok_or(Refusal::WrongType)?;
                Ok(SettingValue::Text(text.to_owned()))
            }
            Kind::Directory => directory(raw).map(SettingValue::Text),
            Kind::Texts => {
                let items = list::items(raw).ok_or(Refusal::WrongType)?;
                let texts = list::texts(&items).map_err(Refusal::Items)?;
                Ok(SettingValue::Texts(texts))
            }
            Kind::HostNames => {
                let items = list::items(raw).ok_or(Refusal::WrongType)?;
                let names = list::host_names(&items).map_err(Refusal::Items)?;
                Ok(SettingValue::Texts(names))
            }
            Kind::Networks => {
                let items = list::items(raw).ok_or(Refusal::WrongType)?;
                let networks = list::networks(&items).map_err(Refusal::Items)?;
                Ok(SettingValue::Networks(networks))
            }
        }
    }

    /// What the setting is, and what it accepts, in words.
    fn in_words(&self) -> (&'static str, String) {
        let range = self.range().unwrap_or_default();
        match self {
            Kind::Address => (
                "an IP address",
                "an IPv4 or IPv6 address, such as 0.0.0.0 or ::".to_owned(),
            ),
            Kind::Listen => (
                "an IP address with a port",
                "an address such as 127.0.0.1:6698 or [::1]:6698, or \"\" for none".to_owned(),
            ),
            Kind::Port => ("a port number", range),
            Kind::Flag => ("a truth value", "true or false, without quotes".to_owned()),
            Kind::Count(_) => ("a whole number", range),
            Kind::AutoOrCount(_) => (
                "a whole number or \"auto\"",
                format!("{range}, or \"auto\""),
            ),
            Kind::Size(_) => (
                "a size",
                format!("{range}, in bytes or with a unit: KiB, MiB, GiB, TiB"),
            ),
            Kind::Time(_) => ("a duration", format!("{range}, with a unit: ms, s, m, h")),
            Kind::Choice { what, names } => {
                (what, format!("{}; case-sensitive", names().join(", ")))
            }
            Kind::Text => ("text", "text in quotes".to_owned()),
            Kind::Directory => ("a path", "a path that begins with /, or \"\"".to_owned()),
            Kind::Texts => (
                "a list of text",
                "a list such as [\"one\", \"two\"]".to_owned(),
            ),
            Kind::HostNames => (
                "a list of host names",
                "a list such as [\"pacemaker.example.com\"]".to_owned(),
            ),
            Kind::Networks => (
                "a list of networks",
                "a list such as [\"10.0.0.0/8\", \"192.168.1.1\"]".to_owned(),
            ),
        }
    }

    fn hint(&self, raw: &RawValue) -> &'static str {
        let is_number = matches!(self, Kind::Port | Kind::Count(_) | Kind::AutoOrCount(_));
        match raw {
            RawValue::Text(text) if is_number && text.parse::<i128>().is_ok() => {
                "; write it without quotes"
            }
            _ if matches!(self, Kind::Address) && parsed::<SocketAddr>(raw).is_ok() => {
                "; the port is a setting of its own"
            }
            _ => "",
        }
    }

    /// The range in words, if there is one.
    pub(super) fn range(&self) -> Option<String> {
        let (start, end): (&dyn Display, &dyn Display) = match self {
            Kind::Port => (&0, &u16::MAX),
            Kind::Count(range) | Kind::AutoOrCount(range) => (range.start(), range.end()),
            Kind::Size(range) => (&Size(*range.start()), &Size(*range.end())),
            Kind::Time(range) => (&Time(*range.start()), &Time(*range.end())),
            _ => return None,
        };
        Some(format!("{start} to {end}"))
    }
}

/// An IPv6 address may stand in brackets, as where a port follows.
fn address(raw: &RawValue) -> Result<IpAddr, Refusal> {
    let text = raw.text().ok_or(Refusal::WrongType)?;
    let within = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'));
    let address = match within {
        Some(text) => text.parse().map(IpAddr::V6),
        None => text.parse(),
    };
    address.map_err(|_| Refusal::WrongType)
}

fn parsed<T: FromStr>(raw: &RawValue) -> Result<T, Refusal> {
    let text = raw.text().ok_or(Refusal::WrongType)?;
    text.parse().map_err(|_| Refusal::WrongType)
}

/// `None`: more than 64 bits hold.
fn number_with_unit(raw: &RawValue, units: &[(&str, u64)]) -> Result<Option<u64>, Refusal> {
    raw.text()
        .and_then(|text| with_unit(text, units))
        .ok_or(Refusal::WrongType)
}

fn within<T: PartialOrd>(range: &RangeInclusive<T>, value: Option<T>) -> Result<T, Refusal> {
    value
        .filter(|value| range.contains(value))
        .ok_or(Refusal::OutOfRange)
}

fn directory(raw: &RawValue) -> Result<String, Refusal> {
    match raw.text() {
        Some("") => Ok(String::new()),
        Some(path) if path.starts_with('/') => match path.trim_end_matches('/') {
            "" => Ok("/".to_owned()),
            path => Ok(path.to_owned()),
        },
        _ => Err(Refusal::WrongType),
    }
}

#[cfg(test)]
mod tests {
    use support::says::assert_says;

    use super::*;
    use crate::limits::{GIB, MIB};

    fn text(text: &str) -> RawValue {
        RawValue::Text(text.to_owned())
    }

    #[test]
    fn sizes_are_bytes_or_carry_a_binary_unit() {
        let kind = Kind::Size(1024..=GIB);
        assert_eq!(
            kind.read(&RawValue::Integer(4096)),
            Ok(SettingValue::Size(4096))
        );
        assert_eq!(kind.read(&text("10MiB")), Ok(SettingValue::Size(10 * MIB)));
        assert_eq!(
            kind.read(&text(" 10 MiB ")),
            Ok(SettingValue::Size(10 * MIB))
        );
        assert_eq!(
            kind.read(&RawValue::Untyped("4096".into())),
            Ok(SettingValue::Size(4096))
        );
        for not_a_size in [
            "4096", "10MB", "10mib", "MiB", "-1KiB", "1.5MiB", "", "1MiB1KiB", "٣KiB",
        ] {
            let error = kind.read(&text(not_a_size)).unwrap_err();
            let quoted = format!("{not_a_size:?}");
            assert_says(
                &error,
                "",
                &[&quoted, "size", "1KiB to 1GiB", "KiB, MiB, GiB, TiB"],
            );
        }
        for out_of_range in [
            "2GiB",
            "99999999999999999999TiB",
            "18446744073709551615KiB",
            "0KiB",
        ] {
            let error = kind.read(&text(out_of_range)).unwrap_err();
            let quoted = format!("{out_of_range:?}");
            assert_says(&error, "", &[&quoted, "out of range", "1KiB to 1GiB"]);
        }
        let error = kind.read(&RawValue::Integer(-1)).unwrap_err();
        assert_says(&error, "", &["-1", "out of range", "1KiB to 1GiB"]);
    }

    #[test]
    fn durations_carry_a_unit() {
        let kind = Kind::Time(Duration::ZERO..=Duration::from_secs(60));
        assert_eq!(
            kind.read(&text("0ms")),
            Ok(SettingValue::Time(Duration::ZERO))
        );
        assert_eq!(
            kind.read(&text("1m")),
            Ok(SettingValue::Time(Duration::from_secs(60)))
        );
        for (raw, written, wrong) in [
            (RawValue::Integer(5), "5", "duration"),
            (text("5"), "\"5\"", "duration"),
            (text("1h"), "\"1h\"", "out of range"),
        ] {
            let error = kind.read(&raw).unwrap_err();
            assert_says(&error, "", &[written, wrong, "0ms to 1m", "ms, s, m, h"]);
        }
    }

    #[test]
    fn addresses_are_read_as_people_write_them() {
        for (written, ip) in [("::", "::"), ("[::1]", "::1"), ("10.0.0.1", "10.0.0.1")] {
            let ip = ip.parse().unwrap();
            assert_eq!(
                Kind::Address.read(&text(written)),
                Ok(SettingValue::Address(ip))
            );
        }
        for (wrong, expected) in [
            ("[10.0.0.1]", "IPv6"),
            ("localhost", "IPv4"),
            ("*", "0.0.0.0"),
            ("0.0.0.0:6699", "the port is a setting of its own"),
            ("[::]:6699", "the port is a setting of its own"),
        ] {
            let error = Kind::Address.read(&text(wrong)).unwrap_err();
            assert_says(&error, "", &["IP address", expected]);
        }
    }

    #[test]
    fn a_quoted_number_is_refused_with_a_hint() {
        let error = Kind::Port.read(&text("6699")).unwrap_err();
        assert_says(
            &error,
            "",
            &["\"6699\"", "port number", "0 to 65535", "without quotes"],
        );
        assert!(Kind::Port.read(&RawValue::Integer(-1)).is_err());
        assert!(Kind::Port.read(&RawValue::Null).is_err());
    }

    #[test]
    fn the_command_line_may_quote_as_storm_does() {
        let kind = Kind::Choice {
            what: "a method",
            names: || vec!["NONE", "DIGEST"],
        };
        assert_eq!(
            kind.read(&RawValue::Untyped("\"DIGEST\"".into())),
            Ok(SettingValue::Choice("DIGEST"))
        );
        assert_eq!(
            kind.read(&RawValue::Untyped("NONE".into())),
            Ok(SettingValue::Choice("NONE"))
        );
        assert!(kind.read(&RawValue::Untyped("none".into())).is_err());
    }
}
