//! Types of scalars in YAML 1.1, as far as settings need them. Pure; the tests are in `yaml`.

use std::borrow::Cow;

use saphyr_parser::{ScalarStyle, Tag};

use super::raw::RawValue;

/// A quoted scalar is text, unless a core tag says otherwise.
pub(super) fn scalar(text: &str, style: ScalarStyle, tag: Option<&Cow<'_, Tag>>) -> RawValue {
    let tag = tag
        .filter(|tag| tag.is_yaml_core_schema())
        .map(|tag| tag.suffix.as_str());
    match tag {
        Some("str") => RawValue::Text(text.to_owned()),
        Some("int" | "null" | "bool" | "float") => plain(text),
        _ if style == ScalarStyle::Plain => plain(text),
        _ => RawValue::Text(text.to_owned()),
    }
}

/// The type of an unquoted scalar (<https://yaml.org/type/>).
pub(super) fn plain(text: &str) -> RawValue {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => RawValue::Null,
        "yes" | "Yes" | "YES" | "no" | "No" | "NO" | "true" | "True" | "TRUE" | "false"
        | "False" | "FALSE" | "on" | "On" | "ON" | "off" | "Off" | "OFF" => {
            RawValue::Other(text.to_owned())
        }
        _ => integer(text).unwrap_or_else(|| match text.parse::<f64>() {
            Ok(_) if text.contains('.') => RawValue::Other(text.to_owned()),
            _ => RawValue::Text(text.to_owned()),
        }),
    }
}

/// YAML 1.1 integers: `6699`, `6_699`, `0x1a2b`, `015053`, `0b11`, and `1:51:39` in base 60.
fn integer(text: &str) -> Option<RawValue> {
    let (negative, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if !unsigned.starts_with(|first: char| first.is_ascii_digit()) {
        return None;
    }
    // Only the first part of a base-60 number may have underscores or more than two digits.
    if unsigned
        .split(':')
        .skip(1)
        .any(|part| part.len() > 2 || part.contains('_'))
    {
        return None;
    }
    let digits = unsigned.replace('_', "");
    let (digits, radix) = if let Some(hexadecimal) = digits.strip_prefix("0x") {
        (hexadecimal, 16)
    } else if let Some(binary) = digits.strip_prefix("0b") {
        (binary, 2)
    } else if digits.len() > 1 && digits.starts_with('0') {
        (&digits[1..], 8)
    } else {
        (digits.as_str(), 10)
    };
    // A sign after the prefix is not a digit, though `from_str_radix` would accept it.
    if digits.is_empty()
        || !digits
            .chars()
            .all(|digit| digit.is_digit(radix) || digit == ':')
    {
        return None;
    }
    let mut value = 0_i128;
    for (place, part) in digits.split(':').enumerate() {
        let part = match i128::from_str_radix(part, radix) {
            Ok(part) if place == 0 || (radix == 10 && part < 60) => part,
            Ok(_) => return None,
            Err(error) if *error.kind() == std::num::IntErrorKind::Empty => return None,
            Err(_) => return Some(RawValue::Other(text.to_owned())),
        };
        value = value.saturating_mul(60).saturating_add(part);
    }
    Some(RawValue::Integer(if negative { -value } else { value }))
}
