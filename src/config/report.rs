//! The output of `check-config`: every key, its value and its source, then the memory that the daemon may
//! take, and the notes.

use std::io::{self, Write};

use super::Loaded;
use crate::footprint::Footprint;
use crate::units::show_bytes;

const WIDEST_COLUMN: usize = 40;

/// Writes the table, the memory and the notes.
///
/// # Errors
/// Those of `output`.
pub(crate) fn write_report(loaded: &Loaded, output: &mut dyn Write) -> io::Result<()> {
    let settings = &loaded.config.effective_settings;
    let key_width = settings
        .iter()
        .map(|setting| setting.key.len())
        .max()
        .unwrap_or(0);
    let value_width = settings
        .iter()
        .map(|setting| setting.value.chars().count())
        // A long list or path sticks out instead of moving the column of all others.
        .filter(|width| *width <= WIDEST_COLUMN)
        .max()
        .unwrap_or(0);
    for setting in settings {
        let (key, value, source) = (setting.key, &setting.value, &setting.source);
        writeln!(output, "{key:key_width$}  {value:value_width$}  {source}")?;
    }
    writeln!(output)?;
    write_memory(&loaded.config.footprint(), output)?;
    for note in &loaded.notes {
        writeln!(output, "{note}")?;
    }
    Ok(())
}

fn write_memory(footprint: &Footprint, output: &mut dyn Write) -> io::Result<()> {
    let total = show_bytes(footprint.total() as f64);
    let terms = footprint
        .terms()
        .map(|(name, bytes)| format!("{name} {}", show_bytes(bytes as f64)));
    writeln!(output, "memory: {total} at most ({})", terms.join(", "))
}
