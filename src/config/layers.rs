//! Reads one layer each: the configuration file, storm.yaml, an override of the command line.

use std::path::Path;

use super::diagnostics::{ConfigError, Diagnostics, Location};
use super::keys::{self, Foreign};
use super::raw::RawValue;
use super::resolve::Entry;
use super::storm_layer::{self, CHILDOPTS, Childopts, StormFile};
use super::{files, toml_layer};

/// The file of `--config`.
pub(super) fn config_file(path: &Path, diagnostics: &mut Diagnostics) -> Vec<Entry> {
    match files::read_text(path) {
        Ok(text) if is_storm_yaml(&text) => {
            diagnostics.errors.push(ConfigError {
                location: Location::File(path.display().to_string()),
                key: None,
                text:
                    "this looks like a storm.yaml, and --config takes such a file only if its name \
                       ends with .yaml; name it with --storm-conf"
                        .to_owned(),
            });
            Vec::new()
        }
        Ok(text) => toml_layer::read_file(&path.display().to_string(), &text, diagnostics),
        Err(text) => {
            let error = unreadable("--config", path, &text);
            diagnostics.errors.push(error);
            Vec::new()
        }
    }
}

/// Whether a file begins with a key as YAML has them, `name: value`.
fn is_storm_yaml(text: &str) -> bool {
    let mut lines = text.lines().map(str::trim_end);
    let first = lines.find(|line| !line.is_empty() && !line.starts_with(['#', '-', '%']));
    let name = first.and_then(|line| line.split_once(':'));
    name.is_some_and(|(name, rest)| {
        let is_name = |char: char| char.is_ascii_alphanumeric() || "._-\"'".contains(char);
        name.chars().all(is_name) && (rest.is_empty() || rest.starts_with(' '))
    })
}

/// The settings of storm.yaml, and its options for the JVM.
pub(super) fn storm_file(
    file: &StormFile,
    diagnostics: &mut Diagnostics,
) -> (Vec<Entry>, Option<Childopts>) {
    let (path, named_by) = match file {
        StormFile::Named { path, by } => (path, (*by).to_owned()),
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
        .and_then(|bytes| storm_layer::read(&path.display().to_string(), &bytes))
        .map_err(|error| with_hint(path, error));
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

/// Both kinds of files are easily confused.
fn with_hint(path: &Path, mut error: ConfigError) -> ConfigError {
    if path
        .extension()
        .is_some_and(|extension| extension == "toml")
    {
        error.text.push_str("; name a TOML file with --config");
    }
    error
}

/// An override, `-c KEY=VALUE` or a pair of `storm.options`. `pacemaker.childopts` replaces that of
/// storm.yaml. A key of another daemon gets a note.
pub(super) fn command_line(
    text: &str,
    location: Location,
    childopts: &mut Option<Childopts>,
    diagnostics: &mut Diagnostics,
) -> Option<Entry> {
    let pair = text.split_once('=');
    let Some((name, value)) = pair.filter(|(name, _)| !name.trim().is_empty()) else {
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
        match keys::foreign(&spelled) {
            Foreign::Others => diagnostics.notes.push(storm_layer::without_effect(
                &location,
                &spelled,
                "it is not about Pacemaker",
            )),
            Foreign::Misspelt(text) => diagnostics.errors.push(ConfigError {
                location,
                text,
                key: Some(spelled),
            }),
        }
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
