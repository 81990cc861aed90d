//! What `check-config` prints: every key, its value, where it came from; then the notes. Formats
//! only.

use std::io::{self, Write};

use super::Loaded;

const WIDEST_COLUMN: usize = 40;

/// Writes the table and the notes.
///
/// # Errors
/// Those of `output`.
pub fn write_report(loaded: &Loaded, output: &mut dyn Write) -> io::Result<()> {
    let origins = &loaded.config.origins;
    let key_width = origins
        .iter()
        .map(|origin| origin.key.len())
        .max()
        .unwrap_or(0);
    let value_width = origins
        .iter()
        .map(|origin| origin.value.chars().count())
        // A long list or path stands out; it does not move the column of all others.
        .filter(|width| *width <= WIDEST_COLUMN)
        .max()
        .unwrap_or(0);
    for origin in origins {
        let (key, value, source) = (origin.key, &origin.value, &origin.source);
        writeln!(output, "{key:key_width$}  {value:value_width$}  {source}")?;
    }
    if !loaded.notes.is_empty() {
        writeln!(output)?;
    }
    for note in &loaded.notes {
        writeln!(output, "{note}")?;
    }
    Ok(())
}
