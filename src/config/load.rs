//! Reads the layers in their order and resolves them to one configuration.

use std::path::PathBuf;

use super::diagnostics::{ConfigError, ConfigErrors, Diagnostics, Location, Note};
use super::java_options::{self, Definition};
use super::raw::RawValue;
use super::relations::{self, cores_in_words};
use super::resolve::{Entry, Resolved};
use super::setting::Setting;
use super::storm_layer::{self, CHILDOPTS, Childopts, NamedFile, StormFile};
use super::{Config, Cores, DEFAULTS, MemoryLimit, layers, logins, toml_layer};
use crate::auth::Credentials;
use crate::auth::jaas::Properties;

/// Where the layers come from. The command line fills it.
#[derive(Clone, Debug)]
pub struct Sources {
    /// `--config`: one file of ours, and one that Storm's `--config` would name.
    pub config: Vec<PathBuf>,
    /// `--storm-conf`.
    pub storm_conf: Option<PathBuf>,
    /// `$STORM_CONF_DIR`.
    pub storm_conf_dir: Option<PathBuf>,
    /// `$STORM_HOME`.
    pub storm_home: Option<PathBuf>,
    /// `$JAVA_OPTS`, of which only the `-D` options count.
    pub java_opts: Option<String>,
    /// `-c KEY=VALUE`, in order.
    pub overrides: Vec<String>,
    /// `-DNAME=VALUE`, in order, without the `-D`.
    pub definitions: Vec<String>,
    /// Flags for one setting: the flag, the setting, the value.
    pub flags: Vec<(&'static str, &'static Setting, String)>,
    /// `$HOME` and `$USER`, for Java's properties `user.home` and `user.name`.
    pub user_home: Option<String>,
    pub user_name: Option<String>,
    pub cores: Cores,
    /// `None`: unknown; defaults do not follow it.
    pub memory: Option<MemoryLimit>,
}

impl Sources {
    /// The same without what files and the environment say.
    pub(crate) fn of_command_line(&self) -> Sources {
        Sources {
            config: Vec::new(),
            storm_conf: None,
            storm_conf_dir: None,
            storm_home: None,
            java_opts: None,
            ..self.clone()
        }
    }

    /// Whether the command line says where the daemon listens.
    pub(crate) fn names_address(&self) -> bool {
        const NAMES: [&str; 3] = ["server.bind", "server.port", "pacemaker.port"];
        let flags = self.flags.iter().map(|(_, setting, _)| setting.name);
        let overrides = self
            .overrides
            .iter()
            .filter_map(|text| text.split_once('='));
        let mut names = flags.chain(overrides.map(|(name, _)| name.trim()));
        names.any(|name| NAMES.contains(&name))
    }
}

/// A configuration that can be run, and the notes about it.
#[derive(Clone, Debug)]
pub struct Loaded {
    pub config: Config,
    /// To be logged once at start.
    pub notes: Vec<Note>,
}

/// Reads all layers and resolves them, and reads the JAAS file if the login method needs it.
///
/// # Errors
/// Everything that can be found wrong in one run: files that cannot be read, syntax errors, unknown keys,
/// and effective values that have the wrong type, are out of range or contradict others.
pub fn load(sources: &Sources) -> Result<Loaded, ConfigErrors> {
    let mut diagnostics = Diagnostics::default();
    let (mut resolved, properties) = resolve(sources, &mut diagnostics);
    let credentials = logins::credentials(&resolved, &properties, &mut diagnostics);
    // Only valid values are checked against each other, so no error follows from another.
    if !diagnostics.has_errors() {
        let memory = sources.memory.as_ref();
        relations::derive(&mut resolved, &sources.cores, memory, &mut diagnostics);
    }
    let mut notes = diagnostics.into_notes()?;
    let config = Config::from_resolved(&resolved, credentials, &sources.cores);
    if config.server.shards.get() > sources.cores.usable.get() {
        notes.push(Note::warning(format!(
            "{} shards share {}; outside of tests, use at most one shard per core",
            config.server.shards,
            cores_in_words(&sources.cores)
        )));
    }
    Ok(Loaded { config, notes })
}

/// The effective values of all layers, and the Java properties that the JAAS file may use.
pub(super) fn resolve(sources: &Sources, diagnostics: &mut Diagnostics) -> (Resolved, Properties) {
    let mut entries = toml_layer::read_defaults(DEFAULTS, diagnostics);
    let (toml_files, mut storm_files) = sorted(sources, diagnostics);
    for path in toml_files {
        entries.extend(layers::config_file(path, diagnostics));
    }
    let of_environment = java_options::of_environment(sources.java_opts.as_deref());
    let given = java_options::of_command_line(&sources.definitions);
    // To Java, the last one counts.
    let named = of_environment.iter().chain(&given);
    if let Some(path) = named.filter_map(Definition::storm_file).next_back() {
        storm_files.push(NamedFile {
            path: path.into(),
            by: "-Dstorm.conf.file",
            is_storms_way: true,
        });
    }
    let storm_file = StormFile::locate(
        &storm_files,
        sources.storm_conf_dir.as_deref(),
        sources.storm_home.as_deref(),
    );
    let storm_file = storm_file.unwrap_or_else(|error| {
        diagnostics.errors.push(error);
        StormFile::Nowhere
    });
    let (storm_entries, mut childopts) = layers::storm_file(&storm_file, diagnostics);
    entries.extend(storm_entries);

    let mut overrides = storm_options(&given, &mut childopts, diagnostics);
    for text in &sources.overrides {
        let location = Location::Override;
        let entry = layers::command_line(text, location, &mut childopts, diagnostics);
        overrides.extend(entry);
    }
    // A Java property wins over storm.yaml, as in Storm's daemon
    // (`ConfigUtils.overrideLoginConfigWithSystemProperty`).
    let of_childopts = childopts
        .take()
        .map_or_else(Vec::new, java_options::of_childopts);
    refuse_another_file(&of_childopts, diagnostics);
    let inherited: Vec<Definition> = of_childopts.into_iter().chain(of_environment).collect();
    warn_about_properties(&inherited, &given, diagnostics);
    entries.extend(inherited.iter().filter_map(Definition::entry));
    entries.extend(storm_options(&inherited, &mut childopts, diagnostics));
    entries.extend(overrides);
    entries.extend(given.iter().filter_map(Definition::entry));
    entries.extend(sources.flags.iter().map(|(flag, setting, text)| Entry {
        setting,
        spelled: setting.name.to_owned(),
        raw: RawValue::Untyped(text.clone()),
        location: Location::Flag(flag),
    }));

    let resolved = Resolved::of(entries, &mut diagnostics.errors);
    let properties = java_options::properties(
        sources.user_home.as_deref(),
        sources.user_name.as_deref(),
        inherited.into_iter().chain(given),
    );
    (resolved, properties)
}

/// The files of `--config` and `--storm-conf`: our own, and storm.yaml, which Storm's own `--config` names.
fn sorted<'sources>(
    sources: &'sources Sources,
    diagnostics: &mut Diagnostics,
) -> (Vec<&'sources PathBuf>, Vec<NamedFile>) {
    let is_yaml = |path: &&PathBuf| {
        let extension = path
            .extension()
            .map(|extension| extension.to_ascii_lowercase());
        extension.is_some_and(|extension| extension == "yaml" || extension == "yml")
    };
    let (yaml, toml): (Vec<_>, Vec<_>) = sources.config.iter().partition(is_yaml);
    if let [first, second, ..] = toml[..] {
        diagnostics.errors.push(ConfigError {
            location: Location::Flag("--config"),
            key: Some(second.display().to_string()),
            text: format!("--config names {} already; name one", first.display()),
        });
    }
    let name = |path: &PathBuf, by, is_storms_way| NamedFile {
        path: path.clone(),
        by,
        is_storms_way,
    };
    let own = sources
        .storm_conf
        .iter()
        .map(|path| name(path, "--storm-conf", false));
    let storms = yaml.into_iter().map(|path| name(path, "--config", true));
    (toml, own.chain(storms).collect())
}

/// The settings in the properties' `storm.options`.
fn storm_options(
    definitions: &[Definition],
    childopts: &mut Option<Childopts>,
    diagnostics: &mut Diagnostics,
) -> Vec<Entry> {
    let options = definitions.iter().flat_map(Definition::storm_options);
    let location = Location::StormOptions;
    options
        .filter_map(|text| layers::command_line(&text, location.clone(), childopts, diagnostics))
        .collect()
}

/// Java would read the other file instead of the one that names it. It is easier to name the right one.
fn refuse_another_file(of_childopts: &[Definition], diagnostics: &mut Diagnostics) {
    for definition in of_childopts {
        if let Some(path) = definition.storm_file() {
            diagnostics.errors.push(ConfigError {
                location: definition.location().clone(),
                key: Some(CHILDOPTS.to_owned()),
                text: format!(
                    "-Dstorm.conf.file={path} names another storm.yaml; name it with --storm-conf"
                ),
            });
        }
    }
}

/// Settings that are written as properties of Java.
fn warn_about_properties(
    inherited: &[Definition],
    given: &[Definition],
    diagnostics: &mut Diagnostics,
) {
    for definition in inherited {
        if let Some(why) = definition.without_effect() {
            let location = definition.location();
            diagnostics.warn(format!("{location}: {why}"));
        }
    }
    for definition in given {
        if let Some(text) = definition.without_effect() {
            diagnostics.errors.push(ConfigError {
                location: definition.location().clone(),
                key: None,
                text,
            });
        }
    }
}

/// Resolves the text of a storm.yaml over the defaults. Reads no file, so there are no credentials.
///
/// # Errors
/// As [`load`].
pub fn resolve_storm_yaml(text: &str, cores: &Cores) -> Result<Config, ConfigErrors> {
    let mut diagnostics = Diagnostics::default();
    let mut entries = toml_layer::read_defaults(DEFAULTS, &mut diagnostics);
    let layer = storm_layer::read("storm.yaml", text.as_bytes())
        .map_err(|error| ConfigErrors(vec![error]))?;
    diagnostics.errors.extend(layer.errors);
    entries.extend(layer.entries);
    let inherited = layer
        .childopts
        .map_or_else(Vec::new, java_options::of_childopts);
    entries.extend(inherited.iter().filter_map(Definition::entry));
    let mut resolved = Resolved::of(entries, &mut diagnostics.errors);
    if !diagnostics.has_errors() {
        relations::derive(&mut resolved, cores, None, &mut diagnostics);
    }
    diagnostics.into_notes()?;
    Ok(Config::from_resolved(&resolved, Credentials::None, cores))
}

#[cfg(test)]
mod tests;
