//! Reads the layers in their order, settles them and checks values against each other. Files and
//! arguments are read here and nowhere else; the environment comes in with `Sources`.

use std::path::{Path, PathBuf};

use crate::auth::Credentials;

use super::problem::{ConfigErrors, Note, Place, Problem};
use super::settle::{Entry, Settled};
use super::storm_layer::{self, StormFile};
use super::unit::Size;
use super::value::{Raw, Value};
use super::{Config, Cores, DEFAULTS, keys, toml_layer};

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
    /// `-c KEY=VALUE`, in order.
    pub overrides: Vec<String>,
    /// Flags that set one key: the flag, the key's TOML name, the value.
    pub flags: Vec<(&'static str, &'static str, String)>,
    pub cores: Cores,
}

/// A configuration that can be run, and what to tell about it.
#[derive(Clone, Debug)]
pub struct Loaded {
    pub config: Config,
    /// To be logged once at start.
    pub notes: Vec<Note>,
}

/// Reads all layers and settles them.
///
/// # Errors
/// Everything that is wrong, as far as it can be told at once: files that cannot be read, syntax,
/// unknown keys, and winning values that are of the wrong type, out of range or at odds with others.
pub fn load(sources: &Sources) -> Result<Loaded, ConfigErrors> {
    let mut entries = Vec::new();
    let mut notes = Vec::new();
    let mut problems = Vec::new();

    let defaults = toml_layer::read_defaults(DEFAULTS);
    entries.extend(defaults.entries);
    problems.extend(defaults.problems);

    if let Some(path) = &sources.config {
        read_config_file(path, &mut entries, &mut problems);
    }
    let storm_file = StormFile::locate(
        sources.storm_conf.as_deref(),
        sources.storm_conf_dir.as_deref(),
        sources.storm_home.as_deref(),
    );
    read_storm_file(&storm_file, &mut entries, &mut notes, &mut problems);
    for text in &sources.overrides {
        read_override(text, &mut entries, &mut notes, &mut problems);
    }
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

    let mut settled = Settled::of(entries, &mut problems);
    // Relations are checked between sound values only: no error that follows from another.
    if problems.is_empty() {
        derive(&mut settled, &sources.cores, &mut problems);
    }
    if !problems.is_empty() {
        return Err(ConfigErrors(problems));
    }
    let config = Config::from_settled(&settled, Credentials::None, &sources.cores);
    if config.server.shards.get() > sources.cores.usable.get() {
        notes.push(Note::warning(format!(
            "{} shards share {}; that serves tests, not load",
            config.server.shards,
            cores_in_words(&sources.cores)
        )));
    }
    if let Some(refusal) = config.refusal() {
        notes.push(Note::warning(refusal));
    }
    Ok(Loaded { config, notes })
}

fn read_config_file(path: &Path, entries: &mut Vec<Entry>, problems: &mut Vec<Problem>) {
    match read_text(path) {
        Ok(text) => {
            let layer = toml_layer::read_file(&path.display().to_string(), &text);
            entries.extend(layer.entries);
            problems.extend(layer.problems);
        }
        Err(text) => problems.push(unreadable("--config", path, &text)),
    }
}

fn read_storm_file(
    file: &StormFile,
    entries: &mut Vec<Entry>,
    notes: &mut Vec<Note>,
    problems: &mut Vec<Problem>,
) {
    let (path, told_by) = match file {
        StormFile::Named(path) => (path, "--storm-conf".to_owned()),
        StormFile::Expected { path, variable } => {
            if matches!(path.try_exists(), Ok(false)) {
                notes.push(Note::warning(format!(
                    "{} is not there (expected by ${variable}): going on without a storm.yaml",
                    path.display()
                )));
                return;
            }
            (path, format!("${variable}"))
        }
        StormFile::Nowhere => return,
    };
    let read = read_text(path)
        .map_err(|text| unreadable(&told_by, path, &text))
        .and_then(|text| storm_layer::read(&path.display().to_string(), &text));
    match read {
        Ok(layer) => {
            entries.extend(layer.entries);
            notes.extend(layer.notes);
        }
        Err(problem) => problems.push(problem),
    }
}

/// Reads a whole file as UTF-8.
fn read_text(path: &Path) -> Result<String, String> {
    let bytes = std::fs::read(path).map_err(|error| error.to_string())?;
    String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = valid.iter().filter(|byte| **byte == b'\n').count() + 1;
        format!("line {line} is not UTF-8 text")
    })
}

fn unreadable(told_by: &str, path: &Path, text: &str) -> Problem {
    let place = Place::File(path.display().to_string());
    Problem {
        place,
        key: None,
        text: format!("cannot be read (from {told_by}): {text}"),
    }
}

fn read_override(
    text: &str,
    entries: &mut Vec<Entry>,
    notes: &mut Vec<Note>,
    problems: &mut Vec<Problem>,
) {
    let place = Place::Override;
    let Some((name, value)) = text.split_once('=') else {
        let text = format!("{text:?} is not KEY=VALUE (for example -c server.port=6699)");
        problems.push(Problem {
            place,
            key: None,
            text,
        });
        return;
    };
    let spelled = name.trim().to_owned();
    if let Some(key) = keys::by_name(&spelled).or_else(|| keys::by_storm_name(&spelled)) {
        let raw = Raw::Untyped(value.trim().to_owned());
        entries.push(Entry {
            key,
            spelled,
            raw,
            place,
        });
    } else if let Some(why) = keys::without_effect(&spelled) {
        notes.push(storm_layer::without_effect(&place, &spelled, why));
    } else {
        let text = match keys::nearest(&spelled, true) {
            Some(nearest) => format!("unknown key; did you mean {nearest}?"),
            None => "unknown key; `storm-pacemaker check-config` lists all".to_owned(),
        };
        problems.push(Problem {
            place,
            key: Some(spelled),
            text,
        });
    }
}

/// Replaces values that stand for a rule, and checks values against each other.
fn derive(settled: &mut Settled, cores: &Cores, problems: &mut Vec<Problem>) {
    if settled.auto_or_count("server.shards").is_none() {
        let (shards, rule) = automatic_shards(settled.count("server.max_threads"), cores);
        settled.compute("server.shards", Value::Count(shards), rule);
    }
    let (frame, output) = (
        settled.size("limits.frame_size"),
        settled.size("limits.output"),
    );
    if output < frame {
        let (place, spelled) = settled.origin_of("limits.output");
        if matches!(place, Place::Default { .. }) {
            // A storm.yaml that serves a cluster raises Storm's frame size alone, and must do here.
            let rule = format!(
                "as large as limits.frame_size; the default is {}",
                Size(output)
            );
            settled.compute("limits.output", Value::Size(frame), rule);
        } else {
            let (frame_place, frame_spelled) = settled.origin_of("limits.frame_size");
            let from = match frame_place {
                Place::Default { .. } => "the default".to_owned(),
                place => place.to_string(),
            };
            problems.push(Problem {
                place: place.clone(),
                key: Some(spelled.to_owned()),
                text: format!(
                    "{} is less than {frame_spelled}, {} ({from}): one answer of that size must fit",
                    Size(output),
                    Size(frame)
                ),
            });
        }
    }
}

/// Storm's bound on threads, capped at the cores there are. 0 is no bound, as in Storm.
fn automatic_shards(max_threads: u64, cores: &Cores) -> (u64, String) {
    let most = *crate::limits::SHARDS.end();
    let bound = if max_threads == 0 {
        most
    } else {
        max_threads.min(most)
    };
    let shards = bound.min(u64::try_from(cores.usable.get()).unwrap_or(most));
    let rule = format!("min(max_threads {max_threads}, {})", cores_in_words(cores));
    (
        shards,
        if max_threads == 0 {
            cores_in_words(cores)
        } else {
            rule
        },
    )
}

fn cores_in_words(cores: &Cores) -> String {
    let count = cores.usable.get();
    format!("{count} {}", if count == 1 { "core" } else { "cores" })
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
            overrides: Vec::new(),
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

    #[test]
    fn logins_are_understood_but_not_served() {
        assert_eq!(load(&sources()).unwrap().config.refusal(), None);
        let loaded = with(&["pacemaker.auth.method=DIGEST"]).unwrap();
        assert_eq!(loaded.config.auth.method, AuthMethod::Digest);
        assert!(loaded.config.refusal().unwrap().contains("is DIGEST"));
    }
}
