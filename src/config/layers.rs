//! Reads one layer each: the configuration file, storm.yaml, an override of the command line.

use std::path::Path;

use super::diagnostics::{ConfigError, Diagnostics, Location};
use super::raw::RawValue;
use super::resolve::Entry;
use super::storm_layer::{self, CHILDOPTS, Childopts, StormFile};
use super::{files, keys, toml_layer};

/// The file of `--config`.
pub(super) fn config_file(path: &Path, diagnostics: &mut Diagnostics) -> Vec<Entry> {
    match files::read_text(path) {
        Ok(text) => toml_layer::read_file(&path.display().to_string(), &text, diagnostics),
        Err(text) => {
            let error = unreadable("--config", path, &text);
            diagnostics.errors.push(error);
            Vec::new()
        }
    }
}

/// The settings of storm.yaml, and its options for the JVM.
pub(super) fn storm_file(
    file: &StormFile,
    diagnostics: &mut Diagnostics,
) -> (Vec<Entry>, Option<Childopts>) {
    let (path, named_by) = match file {
        StormFile::Named(path) => (path, "--storm-conf".to_owned()),
        StormFile::Expected { path, variable } => {
            if matches!(path.try_exists(), Ok(false)) {
                diagnostics.warn(format!(
                    "{} does not exist (${variable} points there); continuing without storm.yaml",
                    path.display()
                ));
                return (Vec::new(), None);
            }
            (path, format!("${variable}"))
        }
        StormFile::Nowhere => return (Vec::new(), None),
    };
    let read = files::read(path)
        .map_err(|text| unreadable(&named_by, path, &text))
        .and_then(|bytes| storm_layer::read(&path.display().to_string(), &bytes));
    match read {
        Ok(layer) => {
            diagnostics.notes.extend(layer.notes);
            diagnostics.errors.extend(layer.errors);
            (layer.entries, layer.childopts)
        }
        Err(error) => {
            diagnostics.errors.push(error);
            (Vec::new(), None)
        }
    }
}

/// An override, `-c KEY=VALUE`. `pacemaker.childopts` replaces that of storm.yaml.
pub(super) fn command_line(
    text: &str,
    childopts: &mut Option<Childopts>,
    diagnostics: &mut Diagnostics,
) -> Option<Entry> {
    let location = Location::Override;
    let Some((name, value)) = text.split_once('=') else {
        diagnostics.errors.push(ConfigError {
            location,
            key: None,
            text: format!("{text:?} is not KEY=VALUE (example: -c server.port=6699)"),
        });
        return None;
    };
    let spelled = name.trim().to_owned();
    let raw = RawValue::Untyped(value.trim().to_owned());
    if let Some(setting) = keys::by_name(&spelled).or_else(|| keys::by_storm_name(&spelled)) {
        return Some(Entry {
            setting,
            spelled,
            raw,
            location,
        });
    }
    if spelled == CHILDOPTS {
        *childopts = Some(Childopts { raw, location });
    } else if let Some(why) = keys::without_effect(&spelled) {
        let note = storm_layer::without_effect(&location, &spelled, why);
        diagnostics.notes.push(note);
    } else {
        diagnostics.errors.push(ConfigError {
            location,
            text: keys::unknown(&spelled, true),
            key: Some(spelled),
        });
    }
    None
}

/// The error for a file that cannot be read. `named_by`: what names it.
pub(super) fn unreadable(named_by: &str, path: &Path, text: &str) -> ConfigError {
    ConfigError {
        location: Location::File(path.display().to_string()),
        key: None,
        text: format!("cannot read this file (named by {named_by}): {text}"),
    }
}
