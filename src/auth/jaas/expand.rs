//! `${name}` in a value, as `sun.security.util.PropertyExpander` expands it.

use super::Properties;
use crate::auth::secret::Secret;

/// Why a value has no expansion.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum Unexpandable {
    /// A property that is not known, by its name.
    Unknown(String),
    /// A value that was not empty came to be. Java refuses it.
    Empty,
}

/// Expands all properties. `${/}` is the file separator, `${{…}}` stays as it is, and so does what has
/// no closing brace.
pub(super) fn expand(value: Secret, properties: &Properties) -> Result<Secret, Unexpandable> {
    if !value.reveal().contains("${") {
        return Ok(value);
    }
    let mut rest = value.reveal();
    let mut expanded = String::new();
    while let Some(start) = rest.find("${") {
        expanded.push_str(&rest[..start]);
        rest = &rest[start..];
        let inner = &rest[2..];
        if inner.starts_with('{') {
            let end = match inner.find("}}") {
                Some(end) if end + 2 < inner.len() => 2 + end + 2,
                _ => break,
            };
            expanded.push_str(&rest[..end]);
            rest = &rest[end..];
        } else {
            let Some(end) = inner.find('}') else {
                break;
            };
            match (&inner[..end], properties.get(&inner[..end])) {
                ("/", _) => expanded.push('/'),
                (_, Some(value)) => expanded.push_str(value),
                (name, None) => return Err(Unexpandable::Unknown(name.to_owned())),
            }
            rest = &inner[end + 1..];
        }
    }
    expanded.push_str(rest);
    if expanded.is_empty() {
        return Err(Unexpandable::Empty);
    }
    Ok(Secret::new(expanded))
}
