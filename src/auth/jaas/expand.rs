//! `${name}` in a value, as `sun.security.util.PropertyExpander` expands it.

use super::Properties;
use crate::auth::secret::Secret;

/// Why a value cannot be expanded.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum ExpandError {
    /// The value refers to an unknown property: its name.
    Unknown(String),
    /// The result is empty, which Java refuses.
    Empty,
}

/// Expands all properties. `${/}` is the file separator. `${{…}}` and a `${` without a closing brace
/// stay as they are.
pub(super) fn expand(value: Secret, properties: &Properties) -> Result<Secret, ExpandError> {
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
                (name, None) => return Err(ExpandError::Unknown(name.to_owned())),
            }
            rest = &inner[end + 1..];
        }
    }
    expanded.push_str(rest);
    if expanded.is_empty() {
        return Err(ExpandError::Empty);
    }
    Ok(Secret::new(expanded))
}
