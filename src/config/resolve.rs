//! Puts the layers on top of each other. The last entry of each setting wins, is checked, and becomes a
//! typed value with its source. An entry that a later layer overrides is not checked: it has no effect.

use std::collections::HashMap;

use super::diagnostics::{ConfigError, Location};
use super::keys::SETTINGS;
use super::raw::RawValue;
use super::setting::{FromValue, Key, Setting};
use super::value::SettingValue;

/// The value of every setting, and where it was set.
#[derive(Debug)]
pub(super) struct Resolved {
    by_name: HashMap<&'static str, Winner>,
}

/// One setting as one layer writes it.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) setting: &'static Setting,
    /// The key as it is written there: Storm's name, or ours.
    pub(super) spelled: String,
    pub(super) raw: RawValue,
    pub(super) location: Location,
}

/// A setting in force: a line of `check-config`.
#[derive(Clone, Debug)]
pub(crate) struct EffectiveSetting {
    pub key: &'static str,
    pub value: String,
    /// Where the value comes from.
    pub source: String,
    /// Whether a reload applies a new value.
    pub(crate) is_reloadable: bool,
}

#[derive(Debug)]
struct Winner {
    value: SettingValue,
    spelled: String,
    location: Location,
}

impl Resolved {
    /// Resolves the layers' entries, given from the first layer to the last. A value that its setting
    /// does not accept is an error.
    pub(super) fn of(entries: Vec<Entry>, errors: &mut Vec<ConfigError>) -> Self {
        let mut last: HashMap<&'static str, Entry> = HashMap::new();
        for entry in entries {
            last.insert(entry.setting.name, entry);
        }
        let mut by_name = HashMap::new();
        for setting in SETTINGS {
            let Some(entry) = last.remove(setting.name) else {
                continue;
            };
            let Entry {
                spelled, location, ..
            } = entry;
            match setting.kind.read(&entry.raw) {
                Ok(value) => {
                    let winner = Winner {
                        value,
                        spelled,
                        location,
                    };
                    by_name.insert(setting.name, winner);
                }
                Err(text) => errors.push(ConfigError {
                    location,
                    key: Some(spelled),
                    text,
                }),
            }
        }
        Resolved { by_name }
    }

    /// Whether all of these settings have valid values.
    pub(super) fn are_valid(&self, settings: &[&Setting]) -> bool {
        settings
            .iter()
            .all(|setting| self.by_name.contains_key(setting.name))
    }

    pub(super) fn get<T: FromValue>(&self, key: &Key<T>) -> T {
        T::from_value(&self.winner(key).value).expect("the constructors of Key pair kind and type")
    }

    /// The setting's value as `check-config` shows it.
    pub(super) fn shown(&self, setting: &Setting) -> String {
        self.winner(setting).value.to_string()
    }

    /// Where the setting's value was set, and under which name.
    pub(super) fn source_of(&self, setting: &Setting) -> (&Location, &str) {
        let winner = self.winner(setting);
        (&winner.location, &winner.spelled)
    }

    /// Replaces a value by one that a rule gives.
    pub(super) fn compute(&mut self, setting: &Setting, value: SettingValue, rule: String) {
        let computed = Winner {
            value,
            spelled: setting.name.to_owned(),
            location: Location::Computed(rule),
        };
        self.by_name.insert(setting.name, computed);
    }

    /// An error about the setting's value.
    pub(super) fn error(&self, setting: &Setting, text: impl Into<String>) -> ConfigError {
        let (location, spelled) = self.source_of(setting);
        ConfigError {
            location: location.clone(),
            key: Some(spelled.to_owned()),
            text: text.into(),
        }
    }

    /// Every setting with its value and source, in the order of the table.
    pub(super) fn effective(&self) -> Vec<EffectiveSetting> {
        let line = |setting: &&Setting| {
            let winner = self.winner(setting);
            let source = match &winner.location {
                Location::Default { .. } => "default".to_owned(),
                location if winner.spelled != setting.name => {
                    format!("{location} ({})", winner.spelled)
                }
                location => location.to_string(),
            };
            EffectiveSetting {
                key: setting.name,
                value: winner.value.to_string(),
                source,
                is_reloadable: setting.is_reloadable,
            }
        };
        SETTINGS.iter().map(line).collect()
    }

    fn winner(&self, setting: &Setting) -> &Winner {
        // The built-in file sets every setting of the table: a test holds the two together.
        self.by_name
            .get(setting.name)
            .unwrap_or_else(|| panic!("the defaults set no {}", setting.name))
    }
}
