//! Finds and reads storm.yaml. One file serves every daemon of a cluster, so what is not about
//! Pacemaker is passed over in silence; what is, and has no effect here, is told as a note.

use std::path::{Path, PathBuf};

use super::keys;
use super::problem::{Note, Place, Problem};
use super::settle::Entry;
use super::value::Raw;
use super::yaml;

/// Where storm.yaml is expected.
#[derive(Debug, PartialEq, Eq)]
pub enum StormFile {
    /// Named by the operator: it must be there.
    Named(PathBuf),
    /// Where the environment points: Storm itself goes on without it, and so do we.
    Expected {
        path: PathBuf,
        variable: &'static str,
    },
    Nowhere,
}

impl StormFile {
    /// The first of `--storm-conf`, `$STORM_CONF_DIR/storm.yaml`, `$STORM_HOME/conf/storm.yaml`; the
    /// order of Storm's launcher. An empty variable is an unset one.
    pub fn locate(named: Option<&Path>, conf_dir: Option<&Path>, home: Option<&Path>) -> Self {
        let set = |path: Option<&Path>| {
            path.filter(|path| !path.as_os_str().is_empty())
                .map(Path::to_path_buf)
        };
        if let Some(path) = named {
            StormFile::Named(path.to_path_buf())
        } else if let Some(directory) = set(conf_dir) {
            StormFile::Expected {
                path: directory.join("storm.yaml"),
                variable: "STORM_CONF_DIR",
            }
        } else if let Some(home) = set(home) {
            StormFile::Expected {
                path: home.join("conf/storm.yaml"),
                variable: "STORM_HOME",
            }
        } else {
            StormFile::Nowhere
        }
    }
}

/// Options for the JVM that Storm's launcher starts its daemon with.
pub const CHILDOPTS: &str = "pacemaker.childopts";

/// Their value as it is written, and where.
#[derive(Clone, Debug, PartialEq)]
pub struct Childopts {
    pub raw: Raw,
    pub place: Place,
}

/// What storm.yaml holds for us.
#[derive(Debug, Default)]
pub struct StormLayer {
    pub entries: Vec<Entry>,
    pub childopts: Option<Childopts>,
    pub notes: Vec<Note>,
}

/// Reads the text of storm.yaml.
///
/// # Errors
/// The file is not what Storm could read.
pub fn read(file: &str, text: &str) -> Result<StormLayer, Problem> {
    let mut layer = StormLayer::default();
    let found = yaml::read(text).map_err(|error| Problem {
        place: Place::Column {
            file: file.to_owned(),
            line: error.line,
            column: error.column,
        },
        key: None,
        text: error.text,
    })?;
    let mut told = Vec::new();
    for entry in found {
        let place = Place::Line {
            file: file.to_owned(),
            line: entry.line,
        };
        if entry.name == CHILDOPTS {
            let raw = entry.raw;
            layer.childopts = Some(Childopts { raw, place });
        } else if let Some(key) = keys::by_storm_name(&entry.name) {
            layer.entries.push(Entry {
                key,
                spelled: entry.name,
                raw: entry.raw,
                place,
            });
        } else if let Some(why) = keys::without_effect(&entry.name)
            && !told.contains(&entry.name)
        {
            layer.notes.push(without_effect(&place, &entry.name, why));
            told.push(entry.name);
        }
    }
    if let Some(Childopts { place, .. }) = &layer.childopts {
        layer.notes.push(Note::info(format!(
            "{place}: of {CHILDOPTS} only the -D values for logins are used: this is no JVM"
        )));
    }
    Ok(layer)
}

/// The note for a key that has no effect here.
pub fn without_effect(place: &Place, name: &str, why: &str) -> Note {
    Note::info(format!(
        "{place}: {name} has no effect on this daemon: {why}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_operators_choice_goes_before_the_environment() {
        let path = |text: &'static str| Some(Path::new(text));
        assert_eq!(
            StormFile::locate(path("mine.yaml"), path("conf"), path("home")),
            StormFile::Named("mine.yaml".into())
        );
        assert_eq!(
            StormFile::locate(None, path("conf"), path("home")),
            StormFile::Expected {
                path: "conf/storm.yaml".into(),
                variable: "STORM_CONF_DIR"
            }
        );
        assert_eq!(
            StormFile::locate(None, path(""), path("home")),
            StormFile::Expected {
                path: "home/conf/storm.yaml".into(),
                variable: "STORM_HOME"
            }
        );
        assert_eq!(StormFile::locate(None, None, path("")), StormFile::Nowhere);
    }

    #[test]
    fn foreign_keys_are_passed_over_and_dead_ones_told_once() {
        let layer = read(
            "s.yaml",
            "storm.zookeeper.servers: [a]\npacemaker.port: 1\nserver.port: 2\nport: 3\n\
             pacemaker.base.threads: 1\npacemaker.base.threads: 2\n\
             pacemaker.childopts: -Xmx1g\npacemaker.childopts: -Xmx2g\n",
        )
        .unwrap();
        assert_eq!(layer.entries.len(), 1);
        assert_eq!(layer.entries[0].key.name, "server.port");
        let notes: Vec<String> = layer.notes.iter().map(ToString::to_string).collect();
        assert_eq!(
            notes,
            [
                "note: s.yaml:5: pacemaker.base.threads has no effect on this daemon: no version of \
                 Storm's daemon reads it",
                "note: s.yaml:8: of pacemaker.childopts only the -D values for logins are used: this \
                 is no JVM",
            ]
        );
        let childopts = layer.childopts.unwrap();
        assert_eq!(childopts.raw, Raw::Text("-Xmx2g".to_owned()));
    }
}
