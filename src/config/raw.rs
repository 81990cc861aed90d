//! A value as its layer wrote it. Pure; knows no setting and no file.

use std::fmt;

/// A value before a setting has accepted it.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum RawValue {
    Integer(i128),
    Boolean(bool),
    Text(String),
    /// From the command line, which does not tell numbers from text: the setting decides.
    Untyped(String),
    /// YAML's null. Storm takes it for "not set" where a key may be unset.
    Null,
    List(Vec<RawValue>),
    /// What no setting accepts: floats, dates, tables. The text is for messages.
    Other(String),
}

impl RawValue {
    pub(super) fn integer(&self) -> Option<i128> {
        match self {
            RawValue::Integer(number) => Some(*number),
            RawValue::Untyped(text) => text.parse().ok(),
            RawValue::Boolean(_)
            | RawValue::Text(_)
            | RawValue::Null
            | RawValue::List(_)
            | RawValue::Other(_) => None,
        }
    }

    pub(super) fn boolean(&self) -> Option<bool> {
        match self {
            RawValue::Boolean(value) => Some(*value),
            RawValue::Untyped(text) => text.parse().ok(),
            _ => None,
        }
    }

    pub(super) fn text(&self) -> Option<&str> {
        match self {
            RawValue::Text(text) => Some(text),
            // Storm's own -c reads JSON, so the text may have quotes that the shell left on.
            RawValue::Untyped(text) => {
                let quoted = text
                    .strip_prefix('"')
                    .and_then(|rest| rest.strip_suffix('"'));
                Some(quoted.unwrap_or(text))
            }
            RawValue::Null => Some(""),
            RawValue::Integer(_)
            | RawValue::Boolean(_)
            | RawValue::List(_)
            | RawValue::Other(_) => None,
        }
    }
}

impl fmt::Display for RawValue {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RawValue::Integer(number) => write!(formatter, "{number}"),
            RawValue::Boolean(value) => write!(formatter, "{value}"),
            RawValue::Untyped(text) if self.integer().is_some() => formatter.write_str(text),
            RawValue::Text(text) | RawValue::Untyped(text) => write!(formatter, "{text:?}"),
            RawValue::Null => formatter.write_str("null"),
            RawValue::List(_) => formatter.write_str("a list"),
            RawValue::Other(text) => formatter.write_str(text),
        }
    }
}
