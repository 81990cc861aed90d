//! Lists: of text, and of networks in CIDR notation. Pure.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net};

use crate::access::Addresses;

use super::value::Raw;

/// The items of a list as its layer wrote it; `None`: it is none. On the command line commas separate
/// them, and the brackets and quotes of a JSON list may stand around them.
pub(super) fn items(raw: &Raw) -> Option<Cow<'_, [Raw]>> {
    match raw {
        Raw::List(items) => Some(Cow::Borrowed(items)),
        Raw::Null => Some(Cow::Borrowed(&[])),
        Raw::Untyped(text) => {
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
                Raw::Text(quoted.unwrap_or(item).to_owned())
            };
            if text.trim().is_empty() {
                return Some(Cow::Borrowed(&[]));
            }
            Some(text.split(',').map(item).collect())
        }
        Raw::Integer(_) | Raw::Text(_) | Raw::Other(_) => None,
    }
}

/// # Errors
/// The sentence about every item that is no text, or empty.
pub(super) fn texts(items: &[Raw]) -> Result<Vec<String>, String> {
    each(items, |item| match item {
        Raw::Text(text) if text.is_empty() => Err("an item of the list is empty".to_owned()),
        Raw::Text(text) => Ok(text.clone()),
        other => Err(format!("{other}, an item of the list, is not text")),
    })
}

/// # Errors
/// The sentence about every item that is no network.
pub(super) fn networks(items: &[Raw]) -> Result<Addresses, String> {
    each(items, |item| match item {
        Raw::Text(text) => network(text),
        _ => Err(not_a_network(item)),
    })
    .map(Addresses)
}

/// All items, or all that is wrong with them.
fn each<T>(items: &[Raw], read: impl Fn(&Raw) -> Result<T, String>) -> Result<Vec<T>, String> {
    let (mut sound, mut wrong) = (Vec::new(), Vec::new());
    for item in items {
        match read(item) {
            Ok(value) => sound.push(value),
            Err(text) => wrong.push(text),
        }
    }
    if wrong.is_empty() {
        Ok(sound)
    } else {
        Err(wrong.join("; "))
    }
}

fn network(text: &str) -> Result<IpNet, String> {
    let Some(network) = parse(text) else {
        return Err(not_a_network(&Raw::Text(text.to_owned())));
    };
    // Whoever writes 10.0.0.1/8 means the one or the other, and a rule of access must not guess.
    if network.trunc() != network {
        return Err(format!(
            "{text:?} has bits set beyond its prefix: the network is {}, the single address {}",
            unmapped(network.trunc()),
            unmapped(network).addr()
        ));
    }
    Ok(unmapped(network))
}

/// The standard library's reading of the address: `ipnet` takes 010 for 10, others for 8.
fn parse(text: &str) -> Option<IpNet> {
    let Some((address, prefix)) = text.split_once('/') else {
        return text.parse::<IpAddr>().ok().map(IpNet::from);
    };
    if !prefix.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    IpNet::new(address.parse().ok()?, prefix.parse().ok()?).ok()
}

/// A network of IPv4-mapped IPv6 addresses as what it is: peers are known by their IPv4 addresses.
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

fn not_a_network(item: &Raw) -> String {
    format!("{item} is not a network (allowed: such as 10.0.0.0/8 or fd00::/8, or one address)")
}

/// A network as an operator would write it: a single address without its prefix.
pub(super) fn shown(network: &IpNet) -> String {
    if network.prefix_len() == network.max_prefix_len() {
        network.addr().to_string()
    } else {
        network.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::super::value::{Kind, Value};
    use super::*;

    fn untyped(kind: &Kind, text: &str) -> Result<String, String> {
        kind.read(&Raw::Untyped(text.to_owned()))
            .map(|value: Value| value.to_string())
    }

    fn list(items: &[&str]) -> Raw {
        Raw::List(items.iter().map(|item| Raw::Text((*item).into())).collect())
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
            assert!(error.contains("an item of the list is empty"), "{error}");
        }
    }

    #[test]
    fn a_list_holds_text_only() {
        let mixed = Raw::List(vec![
            Raw::Integer(5),
            Raw::Text("a".into()),
            Raw::Other("a table".into()),
        ]);
        assert_eq!(
            Kind::Texts.read(&mixed).unwrap_err(),
            "5, an item of the list, is not text; a table, an item of the list, is not text"
        );
        assert_eq!(
            Kind::Texts.read(&Raw::Text("a".into())).unwrap_err(),
            "\"a\" is not a list of text (allowed: such as [\"one\", \"two\"])"
        );
        assert_eq!(Kind::Texts.read(&Raw::Null), Ok(Value::Texts(vec![])));
        assert_eq!(
            Kind::Networks.read(&Raw::Integer(10)).unwrap_err(),
            "10 is not a list of networks (allowed: such as [\"10.0.0.0/8\", \"192.168.1.1\"])"
        );
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
    fn an_address_with_a_prefix_is_told_its_network() {
        let error = Kind::Networks.read(&list(&["10.0.0.1/8", "10.0.0.0/8", "fd00::1/64"]));
        assert_eq!(
            error.unwrap_err(),
            "\"10.0.0.1/8\" has bits set beyond its prefix: the network is 10.0.0.0/8, the single \
             address 10.0.0.1; \"fd00::1/64\" has bits set beyond its prefix: the network is \
             fd00::/64, the single address fd00::1"
        );
        let mapped = Kind::Networks.read(&list(&["::ffff:10.0.0.1/104"]));
        assert!(
            mapped
                .unwrap_err()
                .contains("is 10.0.0.0/8, the single address 10.0.0.1")
        );
    }

    #[test]
    fn what_is_no_network() {
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
            assert!(error.contains("is not a network"), "{wrong}: {error}");
        }
    }
}
