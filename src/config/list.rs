//! Lists: of text, of DNS names, and of networks in CIDR notation. Pure.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net};

use crate::access::Addresses;

use super::raw::RawValue;

/// The items of a list as its layer wrote it. `None`: it is not a list. On the command line commas
/// separate the items, with or without the brackets and quotes of a JSON list.
pub(super) fn items(raw: &RawValue) -> Option<Cow<'_, [RawValue]>> {
    match raw {
        RawValue::List(items) => Some(Cow::Borrowed(items)),
        RawValue::Null => Some(Cow::Borrowed(&[])),
        RawValue::Untyped(text) => {
            let text = text.trim();
            let text = text
                .strip_prefix('[')
                .and_then(|rest| rest.strip_suffix(']'))
                .unwrap_or(text);
            let item = |item: &str| {
                let item = item.trim();
                let quoted = item
                    .strip_prefix('"')
                    .and_then(|rest| rest.strip_suffix('"'));
                RawValue::Text(quoted.unwrap_or(item).to_owned())
            };
            if text.trim().is_empty() {
                return Some(Cow::Borrowed(&[]));
            }
            Some(text.split(',').map(item).collect())
        }
        RawValue::Integer(_) | RawValue::Boolean(_) | RawValue::Text(_) | RawValue::Other(_) => {
            None
        }
    }
}

/// # Errors
/// A sentence about every item that is empty or not text.
pub(super) fn texts(items: &[RawValue]) -> Result<Vec<String>, String> {
    each(items, |item| match item {
        RawValue::Text(text) if text.is_empty() => Err("the list has an empty item".to_owned()),
        RawValue::Text(text) => Ok(text.clone()),
        other => Err(format!("{other} in the list is not text")),
    })
}

/// # Errors
/// A sentence about every item that is not a DNS name.
pub(super) fn host_names(items: &[RawValue]) -> Result<Vec<String>, String> {
    each(items, |item| {
        let name = match item {
            RawValue::Text(text) => host_name(text),
            _ => None,
        };
        name.ok_or_else(|| {
            format!(
                "{item} is not a host name (allowed: a name such as pacemaker.example.com, without \
                 scheme and port)"
            )
        })
    })
}

/// # Errors
/// A sentence about every item that is not a network.
pub(super) fn networks(items: &[RawValue]) -> Result<Addresses, String> {
    each(items, |item| match item {
        RawValue::Text(text) => network(text),
        _ => Err(not_a_network(item)),
    })
    .map(Addresses)
}

/// All items, or everything that is wrong with them.
fn each<T>(
    items: &[RawValue],
    read: impl Fn(&RawValue) -> Result<T, String>,
) -> Result<Vec<T>, String> {
    let (mut valid, mut wrong) = (Vec::new(), Vec::new());
    for item in items {
        match read(item) {
            Ok(value) => valid.push(value),
            Err(text) => wrong.push(text),
        }
    }
    if wrong.is_empty() {
        Ok(valid)
    } else {
        Err(wrong.join("; "))
    }
}

/// A DNS name in lower case, without the dot at its end. Compose allows an underscore in a service's name.
fn host_name(text: &str) -> Option<String> {
    let name = text.strip_suffix('.').unwrap_or(text);
    let is_label = |label: &str| {
        let mut bytes = label.bytes();
        (1..=LABEL_BYTES).contains(&label.len())
            && bytes.all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    let is_name = name.len() <= HOST_NAME_BYTES && name.split('.').all(is_label);
    is_name.then(|| name.to_ascii_lowercase())
}

/// The longest DNS name as text, and the longest part between its dots (RFC 1035, 2.3.4).
const HOST_NAME_BYTES: usize = 253;
const LABEL_BYTES: usize = 63;

fn network(text: &str) -> Result<IpNet, String> {
    let Some(network) = parse(text) else {
        return Err(not_a_network(&RawValue::Text(text.to_owned())));
    };
    // 10.0.0.1/8 may mean the network or the address, and an access rule must not guess.
    if network.trunc() != network {
        return Err(format!(
            "{text:?} has bits set beyond its prefix: write {} for the network or {} for the address",
            unmapped(network.trunc()),
            unmapped(network).addr()
        ));
    }
    Ok(unmapped(network))
}

/// The standard library parses the address: it refuses 010, which `ipnet` takes for 10 and others for 8.
fn parse(text: &str) -> Option<IpNet> {
    let Some((address, prefix)) = text.split_once('/') else {
        return text.parse::<IpAddr>().ok().map(IpNet::from);
    };
    if !prefix.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    IpNet::new(address.parse().ok()?, prefix.parse().ok()?).ok()
}

/// A network of IPv4-mapped IPv6 addresses as the IPv4 network: peers are known by their IPv4 addresses.
fn unmapped(network: IpNet) -> IpNet {
    let IpNet::V6(mapped) = network else {
        return network;
    };
    match (mapped.addr().to_ipv4_mapped(), mapped.prefix_len()) {
        (Some(address), MAPPED_PREFIX..) => {
            let prefix = mapped.prefix_len() - MAPPED_PREFIX;
            IpNet::V4(Ipv4Net::new(address, prefix).expect("at most 128 - 96"))
        }
        _ => network,
    }
}

/// Bits before the IPv4 address: those of `::ffff:0:0/96`.
const MAPPED_PREFIX: u8 = (Ipv6Addr::BITS - std::net::Ipv4Addr::BITS) as u8;

fn not_a_network(item: &RawValue) -> String {
    format!(
        "{item} is not a network (allowed: a network such as 10.0.0.0/8 or fd00::/8, or one address)"
    )
}

/// A network as an operator would write it: a single address has no prefix.
pub(super) fn shown(network: &IpNet) -> String {
    if network.prefix_len() == network.max_prefix_len() {
        network.addr().to_string()
    } else {
        network.to_string()
    }
}

#[cfg(test)]
mod tests {
    use support::says::assert_says;

    use super::super::kind::Kind;
    use super::super::value::SettingValue;
    use super::*;

    fn untyped(kind: &Kind, text: &str) -> Result<String, String> {
        kind.read(&RawValue::Untyped(text.to_owned()))
            .map(|value: SettingValue| value.to_string())
    }

    fn list(items: &[&str]) -> RawValue {
        RawValue::List(
            items
                .iter()
                .map(|item| RawValue::Text((*item).into()))
                .collect(),
        )
    }

    #[test]
    fn the_command_line_separates_with_commas_or_as_json_does() {
        for (written, read) in [
            ("", "[]"),
            ("[]", "[]"),
            (" [ ] ", "[]"),
            ("ops", r#"["ops"]"#),
            ("ops, storm", r#"["ops", "storm"]"#),
            (r#"["ops","storm"]"#, r#"["ops", "storm"]"#),
            ("[ops,storm]", r#"["ops", "storm"]"#),
            ("*", r#"["*"]"#),
        ] {
            assert_eq!(untyped(&Kind::Texts, written).as_deref(), Ok(read));
        }
        for wrong in ["ops,", ",", r#"["",""]"#] {
            let error = untyped(&Kind::Texts, wrong).unwrap_err();
            assert_says(&error, "", &["list", "empty item"]);
        }
    }

    #[test]
    fn a_list_holds_text_only() {
        let mixed = RawValue::List(vec![
            RawValue::Integer(5),
            RawValue::Text("a".into()),
            RawValue::Other("a table".into()),
        ]);
        let error = Kind::Texts.read(&mixed).unwrap_err();
        assert_says(&error, "", &["5", "a table", "not text"]);
        let error = Kind::Texts.read(&RawValue::Text("a".into())).unwrap_err();
        assert_says(&error, "", &["\"a\"", "list of text", "[\"one\", \"two\"]"]);
        assert_eq!(
            Kind::Texts.read(&RawValue::Null),
            Ok(SettingValue::Texts(vec![]))
        );
        let error = Kind::Networks.read(&RawValue::Integer(10)).unwrap_err();
        let example = "[\"10.0.0.0/8\", \"192.168.1.1\"]";
        assert_says(&error, "", &["10", "list of networks", example]);
    }

    #[test]
    fn host_names_have_no_scheme_no_port_and_no_wildcard() {
        let read = Kind::HostNames.read(&list(&["Pacemaker.Example.COM.", "storm_pacemaker"]));
        assert_eq!(
            read.unwrap().to_string(),
            r#"["pacemaker.example.com", "storm_pacemaker"]"#
        );
        let error = Kind::HostNames.read(&list(&["a:6698", "b"])).unwrap_err();
        let facts = [
            "\"a:6698\"",
            "host name",
            "pacemaker.example.com",
            "scheme",
            "port",
        ];
        assert_says(&error, "", &facts);
        let (long_label, long_name) = ("a".repeat(64), "a.".repeat(127) + "a");
        for wrong in [
            "",
            ".",
            "a..b",
            "*",
            "*.b",
            "http://a",
            "a/b",
            "[::1]",
            "a b",
            "ä",
            &long_label,
            &long_name,
        ] {
            let error = Kind::HostNames.read(&list(&[wrong])).unwrap_err();
            assert_says(&error, "", &[&format!("{wrong:?}"), "host name"]);
        }
    }

    #[test]
    fn networks_and_addresses_are_normalised() {
        for (written, shown) in [
            ("10.0.0.0/8", "10.0.0.0/8"),
            ("192.168.1.1", "192.168.1.1"),
            ("192.168.1.1/32", "192.168.1.1"),
            ("0.0.0.0/0", "0.0.0.0/0"),
            ("::/0", "::/0"),
            ("FD00:0::/8", "fd00::/8"),
            ("::1", "::1"),
            ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
            ("::ffff:10.1.2.3", "10.1.2.3"),
            ("::ffff:0:0/96", "0.0.0.0/0"),
        ] {
            let read = Kind::Networks.read(&list(&[written])).unwrap();
            assert_eq!(read.to_string(), format!("[{shown:?}]"), "{written}");
        }
    }

    #[test]
    fn an_address_with_a_prefix_is_refused_with_its_network() {
        let error = Kind::Networks.read(&list(&["10.0.0.1/8", "10.0.0.0/8", "fd00::1/64"]));
        let error = error.unwrap_err();
        assert_says(
            &error,
            "",
            &["\"10.0.0.1/8\"", "10.0.0.0/8", "10.0.0.1", "prefix"],
        );
        assert_says(&error, "", &["\"fd00::1/64\"", "fd00::/64", "fd00::1"]);
        assert!(!error.contains("\"10.0.0.0/8\""), "it is right: {error}");
        let mapped = Kind::Networks.read(&list(&["::ffff:10.0.0.1/104"]));
        assert_says(&mapped.unwrap_err(), "", &["10.0.0.0/8", "10.0.0.1"]);
    }

    #[test]
    fn other_texts_are_not_networks() {
        for wrong in [
            "",
            "localhost",
            "10.0.0.0/33",
            "10.0.0/8",
            "10.0.0.0/",
            "::/129",
            "010.0.0.0/8",
            "10.0.0.0/8 ",
            "fe80::1%eth0",
            "10.0.0.0/255.0.0.0",
            "10.*",
        ] {
            let error = Kind::Networks.read(&list(&[wrong])).unwrap_err();
            assert_says(&error, "", &[&format!("{wrong:?}"), "network"]);
        }
    }
}
