//! Reads the layers in their order and settles them. Files are read here and in `logins`, and nowhere
//! else; arguments and the environment come in with `Sources`.

use std::path::{Path, PathBuf};

use super::java_options::{self, Definition};
use super::problem::{ConfigErrors, Note, Place, Problem};
use super::relations::{self, cores_in_words};
use super::settle::{Entry, Settled};
use super::storm_layer::{self, CHILDOPTS, Childopts, StormFile};
use super::value::Raw;
use super::{Config, Cores, DEFAULTS, files, keys, logins, toml_layer};
use crate::auth::Credentials;
use crate::auth::jaas::Properties;

/// Where the layers come from. The command line fills it.
#[derive(Clone, Debug)]
pub struct Sources {
    /// `--config`.
    pub config: Option<PathBuf>,
    /// `--storm-conf`.
    pub storm_conf: Option<PathBuf>,
    /// `$STORM_CONF_DIR`.
    pub storm_conf_dir: Option<PathBuf>,
    /// `$STORM_HOME`.
    pub storm_home: Option<PathBuf>,
    /// `$JAVA_OPTS`: of its options those that begin with `-D` count.
    pub java_opts: Option<String>,
    /// `-c KEY=VALUE`, in order.
    pub overrides: Vec<String>,
    /// `-DNAME=VALUE`, in order, without the `-D`.
    pub definitions: Vec<String>,
    /// Flags that set one key: the flag, the key's TOML name, the value.
    pub flags: Vec<(&'static str, &'static str, String)>,
    /// `$HOME` and `$USER`: what Java's properties `user.home` and `user.name` stand for.
    pub user_home: Option<String>,
    pub user_name: Option<String>,
    pub cores: Cores,
}

/// A configuration that can be run, and what to tell about it.
#[derive(Clone, Debug)]
pub struct Loaded {
    pub config: Config,
    /// To be logged once at start.
    pub notes: Vec<Note>,
}

/// Reads all layers and settles them, and reads the JAAS file if logins need it.
///
/// # Errors
/// Everything that is wrong, as far as it can be told at once: files that cannot be read, syntax,
/// unknown keys, and winning values that are of the wrong type, out of range or at odds with others.
pub fn load(sources: &Sources) -> Result<Loaded, ConfigErrors> {
    let mut told = Told::default();
    let (mut settled, properties) = settle(sources, &mut told);
    let credentials = logins::credentials(&settled, &properties, &mut told);
    // Relations are checked between sound values only: no error that follows from another.
    if told.problems.is_empty() {
        relations::derive(&mut settled, &sources.cores, &mut told.problems);
    }
    let Told { notes, problems } = told;
    if !problems.is_empty() {
        return Err(ConfigErrors(problems));
    }
    let config = Config::from_settled(&settled, credentials, &sources.cores);
    Ok(finish(config, notes, &sources.cores))
}

/// The winning values of all layers, and Java's properties that hold for the JAAS file.
pub(super) fn settle(sources: &Sources, told: &mut Told) -> (Settled, Properties) {
    let mut entries = Vec::new();

    let defaults = toml_layer::read_defaults(DEFAULTS);
    entries.extend(defaults.entries);
    told.problems.extend(defaults.problems);
    if let Some(path) = &sources.config {
        entries.extend(read_config_file(path, told));
    }
    let storm_file = StormFile::locate(
        sources.storm_conf.as_deref(),
        sources.storm_conf_dir.as_deref(),
        sources.storm_home.as_deref(),
    );
    let (storm_entries, mut childopts) = read_storm_file(&storm_file, told);
    entries.extend(storm_entries);
    let mut overrides = Vec::new();
    for text in &sources.overrides {
        overrides.extend(read_override(text, &mut childopts, told));
    }

    // A property of Java's wins over storm.yaml, as it does in Storm's daemon
    // (`ConfigUtils.overrideLoginConfigWithSystemProperty`).
    let mut inherited = childopts.map_or_else(Vec::new, java_options::of_childopts);
    inherited.extend(java_options::of_environment(sources.java_opts.as_deref()));
    entries.extend(inherited.iter().filter_map(Definition::entry));
    let given = java_options::of_command_line(&sources.definitions);
    for definition in inherited.iter().chain(&given) {
        entries.extend(definition.storm_options());
    }
    entries.extend(overrides);
    entries.extend(given.iter().filter_map(Definition::entry));
    for (flag, name, text) in &sources.flags {
        let Some(key) = keys::by_name(name) else {
            unreachable!("{flag} sets no known key")
        };
        let (place, raw) = (Place::Flag(flag), Raw::Untyped(text.clone()));
        entries.push(Entry {
            key,
            spelled: key.name.to_owned(),
            raw,
            place,
        });
    }

    let settled = Settled::of(entries, &mut told.problems);
    let properties = java_options::properties(
        sources.user_home.as_deref(),
        sources.user_name.as_deref(),
        inherited.into_iter().chain(given),
    );
    (settled, properties)
}

/// The defaults with the text of a storm.yaml over them. Reads no file, so there are no credentials.
///
/// # Errors
/// As [`load`].
pub fn settle_storm_yaml(text: &str, cores: &Cores) -> Result<Config, ConfigErrors> {
    let mut entries = toml_layer::read_defaults(DEFAULTS).entries;
    let layer = storm_layer::read("storm.yaml", text).map_err(|it| ConfigErrors(vec![it]))?;
    entries.extend(layer.entries);
    let inherited = layer
        .childopts
        .map_or_else(Vec::new, java_options::of_childopts);
    entries.extend(inherited.iter().filter_map(Definition::entry));
    let mut problems = Vec::new();
    let mut settled = Settled::of(entries, &mut problems);
    if problems.is_empty() {
        relations::derive(&mut settled, cores, &mut problems);
    }
    match problems.is_empty() {
        true => Ok(Config::from_settled(&settled, Credentials::None, cores)),
        false => Err(ConfigErrors(problems)),
    }
}

fn finish(config: Config, mut notes: Vec<Note>, cores: &Cores) -> Loaded {
    if config.server.shards.get() > cores.usable.get() {
        notes.push(Note::warning(format!(
            "{} shards share {}; that serves tests, not load",
            config.server.shards,
            cores_in_words(cores)
        )));
    }
    Loaded { config, notes }
}

/// What there is to tell, as it comes up.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub notes: Vec<Note>,
    pub problems: Vec<Problem>,
}

fn read_config_file(path: &Path, told: &mut Told) -> Vec<Entry> {
    match read_text(path) {
        Ok(text) => {
            let layer = toml_layer::read_file(&path.display().to_string(), &text);
            told.problems.extend(layer.problems);
            layer.entries
        }
        Err(text) => {
            told.problems.push(unreadable("--config", path, &text));
            Vec::new()
        }
    }
}

fn read_storm_file(file: &StormFile, told: &mut Told) -> (Vec<Entry>, Option<Childopts>) {
    let (path, told_by) = match file {
        StormFile::Named(path) => (path, "--storm-conf".to_owned()),
        StormFile::Expected { path, variable } => {
            if matches!(path.try_exists(), Ok(false)) {
                told.notes.push(Note::warning(format!(
                    "{} is not there (expected by ${variable}): going on without a storm.yaml",
                    path.display()
                )));
                return (Vec::new(), None);
            }
            (path, format!("${variable}"))
        }
        StormFile::Nowhere => return (Vec::new(), None),
    };
    let read = read_text(path)
        .map_err(|text| unreadable(&told_by, path, &text))
        .and_then(|text| storm_layer::read(&path.display().to_string(), &text));
    match read {
        Ok(layer) => {
            told.notes.extend(layer.notes);
            (layer.entries, layer.childopts)
        }
        Err(problem) => {
            told.problems.push(problem);
            (Vec::new(), None)
        }
    }
}

/// Reads a whole file as UTF-8.
fn read_text(path: &Path) -> Result<String, String> {
    let mut bytes = files::read(path)?;
    String::from_utf8(std::mem::take(&mut *bytes)).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = valid.iter().filter(|byte| **byte == b'\n').count() + 1;
        format!("line {line} is not UTF-8 text")
    })
}

pub(super) fn unreadable(told_by: &str, path: &Path, text: &str) -> Problem {
    let place = Place::File(path.display().to_string());
    Problem {
        place,
        key: None,
        text: format!("cannot be read (from {told_by}): {text}"),
    }
}

fn read_override(text: &str, childopts: &mut Option<Childopts>, told: &mut Told) -> Option<Entry> {
    let place = Place::Override;
    let Some((name, value)) = text.split_once('=') else {
        let text = format!("{text:?} is not KEY=VALUE (for example -c server.port=6699)");
        told.problems.push(Problem {
            place,
            key: None,
            text,
        });
        return None;
    };
    let spelled = name.trim().to_owned();
    let raw = Raw::Untyped(value.trim().to_owned());
    if let Some(key) = keys::by_name(&spelled).or_else(|| keys::by_storm_name(&spelled)) {
        return Some(Entry {
            key,
            spelled,
            raw,
            place,
        });
    }
    if spelled == CHILDOPTS {
        *childopts = Some(Childopts { raw, place });
    } else if let Some(why) = keys::without_effect(&spelled) {
        told.notes
            .push(storm_layer::without_effect(&place, &spelled, why));
    } else {
        let text = match keys::nearest(&spelled, true) {
            Some(nearest) => format!("unknown key; did you mean {nearest}?"),
            None => "unknown key; `storm-pacemaker check-config` lists all".to_owned(),
        };
        told.problems.push(Problem {
            place,
            key: Some(spelled),
            text,
        });
    }
    None
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use super::super::AuthMethod;
    use super::*;

    fn sources() -> Sources {
        Sources {
            config: None,
            storm_conf: None,
            storm_conf_dir: None,
            storm_home: None,
            java_opts: None,
            overrides: Vec::new(),
            definitions: Vec::new(),
            user_home: None,
            user_name: None,
            flags: Vec::new(),
            cores: Cores {
                usable: NonZeroUsize::new(4).unwrap(),
                ids: vec![0, 1, 4, 5],
            },
        }
    }

    fn with(overrides: &[&str]) -> Result<Loaded, ConfigErrors> {
        let overrides = overrides.iter().map(|text| (*text).to_owned()).collect();
        load(&Sources {
            overrides,
            ..sources()
        })
    }

    fn source_of(loaded: &Loaded, key: &str) -> String {
        let origins = &loaded.config.origins;
        origins
            .iter()
            .find(|origin| origin.key == key)
            .unwrap()
            .source
            .clone()
    }

    #[test]
    fn the_defaults_set_every_key_and_nothing_else() {
        let layer = toml_layer::read_defaults(DEFAULTS);
        assert!(layer.problems.is_empty(), "{:#?}", layer.problems);
        assert_eq!(layer.entries.len(), keys::KEYS.len());
        let Loaded { config, notes } = load(&sources()).unwrap();
        assert!(notes.is_empty(), "{notes:?}");
        assert_eq!(config.server.address(), "0.0.0.0:6699".parse().unwrap());
        assert_eq!(config.server.shards.get(), 4);
        assert_eq!(config.server.cores, [0, 1, 4, 5]);
        assert_eq!(config.auth.method, AuthMethod::None);
        assert_eq!(config.auth.login_config, None);
        assert_eq!(config.limits.frame_bytes, 10_485_760);
        assert_eq!(config.limits.stored_bytes, 4 * crate::limits::GIB);
        assert_eq!(config.log.level, tracing::Level::INFO);
    }

    /// What operators read in the file is what the code allows.
    #[test]
    fn the_defaults_document_every_range_and_every_storm_name() {
        for key in keys::KEYS {
            let (table, name) = key.name.split_once('.').unwrap();
            let table = DEFAULTS.split_once(&format!("\n[{table}]\n")).unwrap().1;
            let before = table.split_once(&format!("\n{name} = ")).unwrap().0;
            let comment = before.rsplit("\n\n").next().unwrap().replace("\n# ", " ");
            for told in key
                .kind
                .range()
                .into_iter()
                .chain(key.storm.map(str::to_owned))
            {
                assert!(
                    comment.contains(&told),
                    "{}: {told:?} is not in {comment:?}",
                    key.name
                );
            }
        }
    }

    #[test]
    fn automatic_shards_are_bounded_by_threads_and_cores() {
        for (max_threads, shards, rule) in [
            ("50", 4, "computed: min(max_threads 50, 4 cores)"),
            ("3", 3, "computed: min(max_threads 3, 4 cores)"),
            ("0", 4, "computed: 4 cores"),
            (
                "2147483647",
                4,
                "computed: min(max_threads 2147483647, 4 cores)",
            ),
        ] {
            let loaded = with(&[&format!("pacemaker.max.threads={max_threads}")]).unwrap();
            assert_eq!(loaded.config.server.shards.get(), shards);
            assert_eq!(source_of(&loaded, "server.shards"), rule);
        }
        let more = with(&["server.shards=9"]).unwrap();
        assert_eq!(more.config.server.shards.get(), 9);
        assert_eq!(
            more.notes[0].to_string(),
            "warning: 9 shards share 4 cores; that serves tests, not load"
        );
    }

    #[test]
    fn a_larger_frame_takes_the_default_output_with_it_but_not_a_chosen_one() {
        let loaded = with(&["pacemaker.thrift.message.size.max=104857600"]).unwrap();
        assert_eq!(loaded.config.limits.output_bytes, 104_857_600);
        assert_eq!(
            source_of(&loaded, "limits.output"),
            "computed: as large as limits.frame_size; the default is 16MiB"
        );
        let errors = with(&["limits.frame_size=2MiB", "limits.output=1MiB"]).unwrap_err();
        assert_eq!(
            errors.to_string(),
            "-c: limits.output: 1MiB is less than limits.frame_size, 2MiB (-c): one answer of that \
             size must fit"
        );
    }

    #[test]
    fn the_last_override_wins_and_what_it_overrides_is_not_judged() {
        let loaded = with(&["server.port=wrong", "pacemaker.port=7000"]).unwrap();
        assert_eq!(loaded.config.server.port, 7000);
        assert_eq!(source_of(&loaded, "server.port"), "-c (pacemaker.port)");
    }

    #[test]
    fn every_wrong_override_is_told() {
        let errors = with(&[
            "server.prot=1",
            "port",
            "pacemaker.port=70000",
            "log.level=INFO",
        ]);
        assert_eq!(
            errors.unwrap_err().to_string(),
            "-c: server.prot: unknown key; did you mean server.port?\n\
             -c: \"port\" is not KEY=VALUE (for example -c server.port=6699)\n\
             -c: pacemaker.port: 70000 is not a port number (allowed: 0 to 65535)\n\
             -c: log.level: \"INFO\" is not a log level (allowed: error, warn, info, debug, trace; \
             case counts)"
        );
    }
}
