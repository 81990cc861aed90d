//! Types of scalars as SnakeYAML 2.2 gives them (`Resolver`, `SafeConstructor`): YAML 1.1, with a few rules
//! of its own. Pure; the tests are in `yaml`.

use super::super::raw::RawValue;

/// A scalar with its tag, resolved by its directives. `is_plain`: its text decides about its type, because
/// it has neither quotes nor a tag.
pub(super) fn scalar(text: &str, tag: Option<&str>, is_plain: bool) -> RawValue {
    let Some(tag) = tag.filter(|tag| *tag != "!") else {
        return if is_plain {
            plain(text)
        } else {
            RawValue::Text(text.to_owned())
        };
    };
    match tag.strip_prefix(CORE_TAGS) {
        Some("str") => RawValue::Text(text.to_owned()),
        Some("int") => integer(text),
        Some("null") => RawValue::Null,
        Some("bool" | "float" | "timestamp" | "binary") => RawValue::Other(text.to_owned()),
        _ => RawValue::Other(format!("a value with the tag {tag}")),
    }
}

/// What `!!` stands for.
pub(super) const CORE_TAGS: &str = "tag:yaml.org,2002:";

/// Whether a key with this text merges its value into the mapping.
pub(super) fn is_merge(text: &str, tag: Option<&str>, is_plain: bool) -> bool {
    match tag.filter(|tag| *tag != "!") {
        None => is_plain && text == MERGE,
        Some(tag) => tag.strip_prefix(CORE_TAGS) == Some("merge"),
    }
}

/// Whether a key is text. Storm refuses tags of its users' own; they do not hide a key here.
pub(super) fn is_text(text: &str, tag: Option<&str>, is_plain: bool) -> bool {
    tag.is_some_and(|tag| tag != "!" && !tag.starts_with(CORE_TAGS))
        || matches!(scalar(text, tag, is_plain), RawValue::Text(_))
}

const MERGE: &str = "<<";

/// SnakeYAML does not take longer text for a number.
const LONGEST_NUMBER: usize = 1024;
/// Nor longer text for a date.
const LONGEST_DATE: usize = 50;

/// The type of an unquoted scalar without a tag.
pub(super) fn plain(text: &str) -> RawValue {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => RawValue::Null,
        "yes" | "Yes" | "YES" | "no" | "No" | "NO" | "true" | "True" | "TRUE" | "false"
        | "False" | "FALSE" | "on" | "On" | "ON" | "off" | "Off" | "OFF" | MERGE => {
            RawValue::Other(text.to_owned())
        }
        _ if text.len() > LONGEST_NUMBER => RawValue::Text(text.to_owned()),
        _ if is_integer(text) => integer(text),
        _ if is_float(text) || (text.len() <= LONGEST_DATE && is_date(text)) => {
            RawValue::Other(text.to_owned())
        }
        _ => RawValue::Text(text.to_owned()),
    }
}

/// `6699`, `6_699`, `0x1a2b`, `015053`, `0b11`, and `1:51:39` in base 60.
fn is_integer(text: &str) -> bool {
    let text = unsigned(text);
    // Underscores may stand before the first digit, too, but not alone.
    let all = |digits: &str, radix| {
        !digits.trim_start_matches('_').is_empty()
            && digits
                .chars()
                .all(|digit| digit == '_' || digit.is_digit(radix))
    };
    if let Some(digits) = text.strip_prefix("0b") {
        return all(digits, 2);
    }
    if let Some(digits) = text.strip_prefix("0x") {
        return all(digits, 16);
    }
    if let Some(digits) = text.strip_prefix('0') {
        return digits.is_empty() || all(digits, 8);
    }
    let (first, rest) = text.split_once(':').unwrap_or((text, "0"));
    first.starts_with(|digit: char| digit.is_ascii_digit())
        && all(first, 10)
        && rest.split(':').all(is_sixtieth)
}

/// A digit of base 60 but the first.
fn is_sixtieth(text: &str) -> bool {
    matches!(text.as_bytes(), [b'0'..=b'9'] | [b'0'..=b'5', b'0'..=b'9'])
}

fn unsigned(text: &str) -> &str {
    text.strip_prefix(['-', '+']).unwrap_or(text)
}

/// Reads an integer as `SafeConstructor.ConstructYamlInt` does. It is given any text that has the tag.
fn integer(text: &str) -> RawValue {
    let digits = text.replace('_', "");
    let other = || RawValue::Other(text.to_owned());
    let sign = if digits.starts_with('-') { -1 } else { 1 };
    let digits = unsigned(&digits);
    let (digits, radix) = if digits == "0" {
        (digits, 10)
    } else if let Some(digits) = digits.strip_prefix("0b") {
        (digits, 2)
    } else if let Some(digits) = digits.strip_prefix("0x") {
        (digits, 16)
    } else if let Some(digits) = digits.strip_prefix('0') {
        (digits, 8)
    } else if digits.contains(':') {
        return base_60(digits).map_or_else(other, |value| RawValue::Integer(sign * value));
    } else {
        (digits, 10)
    };
    // A sign after the prefix is not a digit, though `from_str_radix` would accept it.
    if digits.starts_with(['-', '+']) {
        return other();
    }
    i128::from_str_radix(digits, radix)
        .map_or_else(|_| other(), |value| RawValue::Integer(sign * value))
}

/// In Java's `int`, which overflows without a word.
fn base_60(digits: &str) -> Option<i128> {
    let (mut value, mut place) = (0_i32, 1_i32);
    for digit in digits.split(':').rev() {
        let digit: i64 = digit.parse().ok()?;
        value = i64::from(value).wrapping_add(digit.wrapping_mul(place.into())) as i32;
        place = place.wrapping_mul(60);
    }
    (value >= 0).then_some(value.into())
}

/// `1.5`, `1_0.5e-3`, `1e3`, `.5`, `1:30.5`, `.inf`, `.nan`.
fn is_float(text: &str) -> bool {
    if matches!(text, ".nan" | ".NaN" | ".NAN") {
        return true;
    }
    let text = unsigned(text);
    if matches!(text, ".inf" | ".Inf" | ".INF") {
        return true;
    }
    let is_digits = |text: &str| {
        text.bytes()
            .all(|byte| byte == b'_' || byte.is_ascii_digit())
    };
    let is_number = |text: &str| text.starts_with(|first: char| first.is_ascii_digit());
    if let Some((whole, fraction)) = text.split_once('.')
        && let Some((first, rest)) = whole.split_once(':')
    {
        return is_number(first)
            && is_digits(first)
            && rest.split(':').all(is_sixtieth)
            && is_digits(fraction);
    }
    let (number, exponent) = match text.split_once(['e', 'E']) {
        None => (text, None),
        Some((number, exponent)) => (number, Some(unsigned(exponent))),
    };
    if exponent.is_some_and(|digits| {
        digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit())
    }) {
        return false;
    }
    match number.split_once('.') {
        Some(("", fraction)) => !fraction.is_empty() && is_digits(fraction),
        Some((whole, fraction)) => is_number(whole) && is_digits(whole) && is_digits(fraction),
        None => exponent.is_some() && is_number(number) && is_digits(number),
    }
}

/// `2026-11-28`, `2026-11-28 20:15:00.5 +1:00`.
fn is_date(text: &str) -> bool {
    let Some((date, time)) = text.split_once(['T', 't', ' ', '\t']) else {
        return fields(text, '-', &[4..=4, 2..=2, 2..=2]);
    };
    let blank = text.as_bytes()[date.len()];
    let blanks: &[char] = if matches!(blank, b' ' | b'\t') {
        &[' ', '\t']
    } else {
        &[]
    };
    let time = time.trim_start_matches(blanks);
    let clock_end = time
        .find(|char: char| !(char.is_ascii_digit() || char == ':'))
        .unwrap_or(time.len());
    let (clock, rest) = time.split_at(clock_end);
    let rest = match rest.strip_prefix('.') {
        Some(fraction) => fraction.trim_start_matches(|char: char| char.is_ascii_digit()),
        None => rest,
    };
    let zone = rest.trim_start_matches([' ', '\t']);
    let is_zone = match zone.strip_prefix(['-', '+']) {
        None => zone == "Z" || rest.is_empty(),
        Some(offset) if offset.contains(':') => fields(offset, ':', &[1..=2, 2..=2]),
        Some(offset) => fields(offset, ':', &[1..=2]),
    };
    fields(date, '-', &[4..=4, 1..=2, 1..=2])
        && fields(clock, ':', &[1..=2, 2..=2, 2..=2])
        && is_zone
}

/// Whether the text is as many numbers, each with an allowed count of digits.
fn fields(text: &str, separator: char, digits: &[std::ops::RangeInclusive<usize>]) -> bool {
    text.split(separator).count() == digits.len()
        && text.split(separator).zip(digits).all(|(field, allowed)| {
            allowed.contains(&field.len()) && field.bytes().all(|byte| byte.is_ascii_digit())
        })
}
