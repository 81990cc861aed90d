//! Puts the layers on top of each other: of each key the last entry wins, is judged, and becomes a
//! value with an origin. What a later layer overrides is not judged: it has no effect.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::access::Addresses;

use super::keys::{KEYS, Key};
use super::problem::{Place, Problem};
use super::value::{Raw, Value};

/// One key as one layer sets it.
#[derive(Debug)]
pub struct Entry {
    pub key: &'static Key,
    /// The key as it is written there: Storm's name, or ours.
    pub spelled: String,
    pub raw: Raw,
    pub place: Place,
}

/// Where the effective value of a key comes from: a line of `check-config`.
#[derive(Clone, Debug)]
pub struct Origin {
    pub key: &'static str,
    pub value: String,
    pub source: String,
}

/// The value of every key, with the place that set it.
#[derive(Debug)]
pub struct Settled {
    values: HashMap<&'static str, Setting>,
}

#[derive(Debug)]
struct Setting {
    value: Value,
    spelled: String,
    place: Place,
}

impl Settled {
    /// Settles the layers' entries, given from the first layer to the last. A value that its key does
    /// not accept is a problem.
    pub fn of(entries: Vec<Entry>, problems: &mut Vec<Problem>) -> Self {
        let mut winners: HashMap<&'static str, Entry> = HashMap::new();
        for entry in entries {
            winners.insert(entry.key.name, entry);
        }
        let mut values = HashMap::new();
        for key in KEYS {
            let Some(Entry {
                spelled,
                raw,
                place,
                ..
            }) = winners.remove(key.name)
            else {
                continue;
            };
            match key.kind.read(&raw) {
                Ok(value) => {
                    values.insert(
                        key.name,
                        Setting {
                            value,
                            spelled,
                            place,
                        },
                    );
                }
                Err(text) => problems.push(Problem {
                    place,
                    key: Some(spelled),
                    text,
                }),
            }
        }
        Settled { values }
    }

    /// Whether all of these keys have sound values.
    pub fn are_sound(&self, keys: &[&str]) -> bool {
        keys.iter().all(|key| self.values.contains_key(key))
    }

    /// Replaces a value by one that a rule gives.
    pub fn compute(&mut self, key: &'static str, value: Value, rule: String) {
        let place = Place::Computed(rule);
        self.values.insert(
            key,
            Setting {
                value,
                spelled: key.to_owned(),
                place,
            },
        );
    }

    /// Where the value of `key` was set, and under which name.
    pub fn origin_of(&self, key: &str) -> (&Place, &str) {
        let setting = self.setting(key);
        (&setting.place, &setting.spelled)
    }

    pub fn address(&self, key: &str) -> IpAddr {
        match self.value(key) {
            Value::Address(address) => *address,
            other => mistaken(key, other),
        }
    }

    /// An address to listen on, or `None` for nowhere.
    pub fn listen(&self, key: &str) -> Option<SocketAddr> {
        match self.value(key) {
            Value::Listen(address) => *address,
            other => mistaken(key, other),
        }
    }

    /// A count, or `None` for "auto".
    pub fn auto_or_count(&self, key: &str) -> Option<u64> {
        match self.value(key) {
            Value::Count(count) => Some(*count),
            Value::Auto => None,
            other => mistaken(key, other),
        }
    }

    pub fn count(&self, key: &str) -> u64 {
        match self.value(key) {
            Value::Count(count) => *count,
            other => mistaken(key, other),
        }
    }

    /// Bytes.
    pub fn size(&self, key: &str) -> u64 {
        match self.value(key) {
            Value::Size(bytes) => *bytes,
            other => mistaken(key, other),
        }
    }

    pub fn time(&self, key: &str) -> Duration {
        match self.value(key) {
            Value::Time(time) => *time,
            other => mistaken(key, other),
        }
    }

    pub fn choice(&self, key: &str) -> &'static str {
        match self.value(key) {
            Value::Choice(choice) => choice,
            other => mistaken(key, other),
        }
    }

    /// Text, or `None` if it is empty.
    pub fn text(&self, key: &str) -> Option<&str> {
        match self.value(key) {
            Value::Text(text) => (!text.is_empty()).then_some(text),
            other => mistaken(key, other),
        }
    }

    pub fn texts(&self, key: &str) -> &[String] {
        match self.value(key) {
            Value::Texts(texts) => texts,
            other => mistaken(key, other),
        }
    }

    pub fn networks(&self, key: &str) -> &Addresses {
        match self.value(key) {
            Value::Networks(networks) => networks,
            other => mistaken(key, other),
        }
    }

    /// Every key with its value and source, in the order of the table.
    pub fn origins(&self) -> Vec<Origin> {
        KEYS.iter()
            .map(|key| {
                let Setting {
                    value,
                    spelled,
                    place,
                } = self.setting(key.name);
                let source = match place {
                    Place::Default { .. } => "default".to_owned(),
                    _ if spelled != key.name => format!("{place} ({spelled})"),
                    _ => place.to_string(),
                };
                Origin {
                    key: key.name,
                    value: value.to_string(),
                    source,
                }
            })
            .collect()
    }

    fn value(&self, key: &str) -> &Value {
        &self.setting(key).value
    }

    fn setting(&self, key: &str) -> &Setting {
        // The built-in file sets every key of the table: a test holds the two together.
        self.values
            .get(key)
            .unwrap_or_else(|| panic!("the defaults set no {key}"))
    }
}

/// The table says one kind and `Config` asks for another: our own error, found by any start.
fn mistaken(key: &str, value: &Value) -> ! {
    panic!("{key} holds {value:?}, which is not what its field takes")
}
