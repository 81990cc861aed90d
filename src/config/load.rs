//! Reads the layers in their order and resolves them to one configuration.

use std::path::PathBuf;

use super::diagnostics::{ConfigErrors, Diagnostics, Location, Note};
use super::java_options::{self, Definition};
use super::raw::RawValue;
use super::relations::{self, cores_in_words};
use super::resolve::{Entry, Resolved};
use super::setting::Setting;
use super::storm_layer::{self, StormFile};
use super::{Config, Cores, DEFAULTS, layers, logins, toml_layer};
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
        relations::derive(&mut resolved, &sources.cores, &mut diagnostics);
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
    if let Some(path) = &sources.config {
        entries.extend(layers::config_file(path, diagnostics));
    }
    let storm_file = StormFile::locate(
        sources.storm_conf.as_deref(),
        sources.storm_conf_dir.as_deref(),
        sources.storm_home.as_deref(),
    );
    let (storm_entries, mut childopts) = layers::storm_file(&storm_file, diagnostics);
    entries.extend(storm_entries);
    let mut overrides = Vec::new();
    for text in &sources.overrides {
        overrides.extend(layers::command_line(text, &mut childopts, diagnostics));
    }

    // A Java property wins over storm.yaml, as in Storm's daemon
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
        relations::derive(&mut resolved, cores, &mut diagnostics);
    }
    diagnostics.into_notes()?;
    Ok(Config::from_resolved(&resolved, Credentials::None, cores))
}

#[cfg(test)]
mod tests;
