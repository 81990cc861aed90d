//! Finds and reads storm.yaml. One file serves every daemon of a cluster, so keys that are not about
//! Pacemaker are ignored; those that are, and have no effect here, get a note.

use std::path::{Path, PathBuf};

use super::diagnostics::{ConfigError, Location, Note};
use super::keys::{self, Foreign};
use super::raw::RawValue;
use super::resolve::Entry;
use super::yaml::{self, Text};

/// Where storm.yaml is expected.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum StormFile {
    /// Named by the operator: it must exist.
    Named {
        path: PathBuf,
        by: &'static str,
    },
    /// Where the environment points: Storm itself continues without it, and so do we.
    Expected {
        path: PathBuf,
        variable: &'static str,
    },
    Nowhere,
}

impl StormFile {
    /// What the operator names, else `$STORM_CONF_DIR/storm.yaml`, else `$STORM_HOME/conf/storm.yaml`, as in
    /// Storm's launcher. An empty variable counts as unset.
    ///
    /// # Errors
    /// Different files are named, so that one of them would be ignored.
    pub(super) fn locate(
        named: &[NamedFile],
        conf_dir: Option<&Path>,
        home: Option<&Path>,
    ) -> Result<Self, ConfigError> {
        let set = |path: Option<&Path>| {
            path.filter(|path| !path.as_os_str().is_empty())
                .map(Path::to_path_buf)
        };
        let expected = match (set(conf_dir), set(home)) {
            (Some(directory), _) => Some((directory, "STORM_CONF_DIR")),
            (None, Some(home)) => Some((home.join("conf"), "STORM_HOME")),
            (None, None) => None,
        };
        let mut found: Option<(PathBuf, &'static str)> = None;
        for file in named {
            let directory = expected.as_ref().map(|(directory, _)| directory.as_path());
            let path = file.located(directory);
            if let Some((other, by)) = &found
                && *other != path
            {
                let text = format!(
                    "a second storm.yaml is named: {by} names {}; name one",
                    other.display()
                );
                return Err(ConfigError {
                    location: Location::Flag(file.by),
                    key: Some(path.display().to_string()),
                    text,
                });
            }
            found = Some((path, file.by));
        }
        Ok(match (found, expected) {
            (Some((path, by)), _) => StormFile::Named { path, by },
            (None, Some((directory, variable))) => StormFile::Expected {
                path: directory.join("storm.yaml"),
                variable,
            },
            (None, None) => StormFile::Nowhere,
        })
    }
}

/// A storm.yaml that the operator names.
#[derive(Clone, Debug)]
pub(super) struct NamedFile {
    pub(super) path: PathBuf,
    /// The option that names it.
    pub(super) by: &'static str,
    /// Storm's own option: the file is looked for in the directory of storm.yaml first, as Storm does on
    /// its class path (`Utils.getConfigFileInputStream`).
    pub(super) is_storms_way: bool,
}

impl NamedFile {
    fn located(&self, directory: Option<&Path>) -> PathBuf {
        let beside = directory
            .filter(|_| self.is_storms_way && self.path.is_relative())
            .map(|directory| directory.join(&self.path));
        match beside {
            Some(beside) if beside.exists() => beside,
            _ => self.path.clone(),
        }
    }
}

/// Options for the JVM, with which Storm's launcher starts its daemon.
pub(super) const CHILDOPTS: &str = "pacemaker.childopts";

/// Their value as it is written, and where.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Childopts {
    pub(super) raw: RawValue,
    pub(super) location: Location,
}

/// What storm.yaml holds for us.
#[derive(Debug, Default)]
pub(super) struct StormLayer {
    pub(super) entries: Vec<Entry>,
    pub(super) childopts: Option<Childopts>,
    pub(super) notes: Vec<Note>,
    /// What is wrong with keys that are ours.
    pub(super) errors: Vec<ConfigError>,
}

/// Reads storm.yaml.
///
/// # Errors
/// The file is wrong as a whole, so that Storm could not read it either.
pub(super) fn read(file: &str, bytes: &[u8]) -> Result<StormLayer, ConfigError> {
    let mut layer = StormLayer::default();
    let Text {
        text,
        damaged_lines,
    } = Text::of(bytes);
    if let Some(first) = damaged_lines.first() {
        let others = match damaged_lines.len() - 1 {
            0 => String::new(),
            count => format!(" (and of {count} more)"),
        };
        layer.notes.push(Note::info(format!(
            "{file}:{first}: characters of this line{others} are not valid UTF-8 and are ignored"
        )));
    }
    let found = yaml::read(&text).map_err(|error| ConfigError {
        location: error.location(file),
        key: None,
        text: error.text,
    })?;
    for damage in &found.damages {
        layer.judge(file, damage);
    }
    let mut noted = Vec::new();
    for entry in found.entries {
        let location = Location::Line {
            file: file.to_owned(),
            line: entry.line,
        };
        if is_ours(&entry.name) && is_damaged(&entry.raw) {
            layer.errors.push(ConfigError {
                location,
                text: format!("{} has characters that are not valid UTF-8", entry.raw),
                key: Some(entry.name),
            });
        } else if entry.name == CHILDOPTS {
            let raw = entry.raw;
            layer.childopts = Some(Childopts { raw, location });
        } else if let Some(setting) = keys::by_storm_name(&entry.name) {
            layer.entries.push(Entry {
                setting,
                spelled: entry.name,
                raw: entry.raw,
                location,
            });
        } else if !noted.contains(&entry.name) {
            layer.notes.extend(note_about(&location, &entry.name));
            noted.push(entry.name);
        }
    }
    if let Some(Childopts { location, .. }) = &layer.childopts {
        layer.notes.push(Note::info(format!(
            "{location}: only the -D options about logins in {CHILDOPTS} have an effect: this is not a JVM"
        )));
    }
    Ok(layer)
}

impl StormLayer {
    /// Decides what a part of the file that was left out means: it must not hold a key of ours, because
    /// such a key could ask for logins.
    fn judge(&mut self, file: &str, damage: &yaml::Damage) {
        let location = damage.error.location(file);
        let fault = &damage.error.text;
        match our_names().find(|name| damage.left_out.contains(name)) {
            Some(name) => self.errors.push(ConfigError {
                location,
                key: None,
                text: format!("{fault}; {name} stands near it and cannot be read for sure"),
            }),
            None => self.notes.push(Note::warning(format!(
                "{location}: {fault}; Storm's daemons cannot read this file, this one ignores the part"
            ))),
        }
    }
}

impl yaml::YamlError {
    fn location(&self, file: &str) -> Location {
        Location::Column {
            file: file.to_owned(),
            line: self.line,
            column: self.column,
        }
    }
}

/// The keys of storm.yaml that have an effect here.
fn our_names() -> impl Iterator<Item = &'static str> {
    keys::storm_names().chain([CHILDOPTS])
}

fn is_ours(name: &str) -> bool {
    our_names().any(|ours| ours == name)
}

/// Whether characters of a value could not be read.
fn is_damaged(raw: &RawValue) -> bool {
    match raw {
        RawValue::Text(text) | RawValue::Untyped(text) | RawValue::Other(text) => {
            yaml::is_damaged(text)
        }
        RawValue::List(items) => items.iter().any(is_damaged),
        RawValue::Integer(_) | RawValue::Boolean(_) | RawValue::Null => false,
    }
}

/// What an operator should know about a key of storm.yaml that is not ours.
fn note_about(location: &Location, name: &str) -> Option<Note> {
    if let Some(why) = keys::without_effect(name) {
        return Some(without_effect(location, name, why));
    }
    match keys::foreign(name) {
        // Storm ignores what it does not know, so it is no error.
        Foreign::Misspelt(why) if name.starts_with("pacemaker.") => {
            Some(Note::warning(format!("{location}: {name}: {why}")))
        }
        _ => None,
    }
}

/// The note for a key that has no effect here.
pub(super) fn without_effect(location: &Location, name: &str, why: &str) -> Note {
    Note::info(format!(
        "{location}: {name} has no effect on this daemon: {why}"
    ))
}

#[cfg(test)]
mod tests {
    use support::says::assert_lines_say;

    use super::*;

    #[test]
    fn the_operators_choice_wins_over_the_environment() {
        let path = |text: &'static str| Some(Path::new(text));
        let mine = NamedFile {
            path: "mine.yaml".into(),
            by: "--storm-conf",
            is_storms_way: false,
        };
        let locate =
            |named: &[NamedFile], conf_dir, home| StormFile::locate(named, conf_dir, home).unwrap();
        assert_eq!(
            locate(&[mine.clone(), mine.clone()], path("conf"), path("home")),
            StormFile::Named {
                path: "mine.yaml".into(),
                by: "--storm-conf"
            }
        );
        assert_eq!(
            locate(&[], path("conf"), path("home")),
            StormFile::Expected {
                path: "conf/storm.yaml".into(),
                variable: "STORM_CONF_DIR"
            }
        );
        assert_eq!(
            locate(&[], path(""), path("home")),
            StormFile::Expected {
                path: "home/conf/storm.yaml".into(),
                variable: "STORM_HOME"
            }
        );
        assert_eq!(locate(&[], None, path("")), StormFile::Nowhere);
        let other = NamedFile {
            path: "other.yaml".into(),
            by: "--config",
            is_storms_way: true,
        };
        assert!(StormFile::locate(&[mine, other], None, None).is_err());
    }

    #[test]
    fn foreign_keys_are_ignored_and_dead_ones_noted_once() {
        let layer = read(
            "s.yaml",
            b"storm.zookeeper.servers: [a]\npacemaker.port: 1\nserver.port: 2\nport: 3\n\
             pacemaker.base.threads: 1\npacemaker.base.threads: 2\n\
             pacemaker.childopts: -Xmx1g\npacemaker.childopts: -Xmx2g\n",
        )
        .unwrap();
        assert_eq!(layer.entries.len(), 1);
        assert_eq!(layer.entries[0].setting.name, "server.port");
        let notes: Vec<String> = layer.notes.iter().map(ToString::to_string).collect();
        assert_lines_say(
            &notes.join("\n"),
            &[
                ("note: s.yaml:5", &["pacemaker.base.threads", "no effect"]),
                ("note: s.yaml:8", &["pacemaker.childopts", "-D", "JVM"]),
            ],
        );
        let childopts = layer.childopts.unwrap();
        assert_eq!(childopts.raw, RawValue::Text("-Xmx2g".to_owned()));
    }
}
