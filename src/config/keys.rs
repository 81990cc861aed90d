//! The table of settings: every key with what it accepts and the names it goes by elsewhere. It
//! drives the TOML file, storm.yaml, `-c`, `check-config` and the guesses at misspelt keys, so a new
//! setting is one line here, one in `config/pacemaker.toml` and one field of `Config`.

use super::value::Kind;
use crate::limits;

/// One setting.
#[derive(Debug)]
pub struct Key {
    /// The dotted TOML name.
    pub name: &'static str,
    /// The name in storm.yaml, where Storm has one.
    pub storm: Option<&'static str>,
    pub kind: Kind,
}

/// Every setting, in the order of `config/pacemaker.toml` and of `check-config`'s output.
pub static KEYS: &[Key] = &[
    key("server.bind", Kind::Address),
    key("server.port", Kind::Port).storm("pacemaker.port"),
    key("server.shards", Kind::AutoOrCount(limits::SHARDS)),
    key("server.max_threads", Kind::Count(limits::MAX_THREADS)).storm("pacemaker.max.threads"),
    key(
        "server.shutdown_deadline",
        Kind::Time(limits::SHUTDOWN_DEADLINE),
    ),
    key("server.minimum_wait", Kind::Time(limits::MINIMUM_WAIT)),
    key("auth.method", METHOD).storm("pacemaker.auth.method"),
    key("auth.login_config", Kind::Text).storm("java.security.auth.login.config"),
    key("auth.nimbus_user", Kind::Text).storm("nimbus.daemon.user"),
    key("kerberos.users", Kind::Texts),
    key("kerberos.realms", Kind::Texts),
    key("kerberos.krb5_conf", Kind::Text).storm("java.security.krb5.conf"),
    key("access.writes", NEED),
    key("access.deletes", NEED),
    key("access.deletes_below", Kind::Directory),
    key("access.connect_from", Kind::Networks),
    key("access.reads_from", Kind::Networks),
    key("access.writes_from", Kind::Networks),
    key("access.deletes_from", Kind::Networks),
    key("limits.frame_size", Kind::Size(limits::FRAME_BYTES))
        .storm("pacemaker.thrift.message.size.max"),
    key("limits.path_length", Kind::Size(limits::PATH_BYTES)),
    key("limits.path_depth", Kind::Count(limits::PATH_DEPTH)),
    key("limits.connections", Kind::Count(limits::CONNECTIONS)),
    key(
        "limits.connections_per_address",
        Kind::AutoOrCount(limits::CONNECTIONS),
    ),
    key("limits.in_flight", Kind::Count(limits::IN_FLIGHT)),
    key("limits.output", Kind::Size(limits::OUTPUT_BYTES)),
    key(
        "limits.output_deadline",
        Kind::Time(limits::OUTPUT_DEADLINE),
    ),
    key("limits.buffered", Kind::Size(limits::BUFFERED_BYTES)),
    key(
        "limits.handshake_deadline",
        Kind::Time(limits::HANDSHAKE_DEADLINE),
    ),
    key("limits.handshake_size", Kind::Size(limits::HANDSHAKE_BYTES)),
    key(
        "limits.unauthenticated_per_address",
        Kind::Count(limits::UNAUTHENTICATED_PER_ADDRESS),
    ),
    key("limits.failed_logins", Kind::Count(limits::FAILED_LOGINS)),
    key("limits.stored_keys", Kind::Count(limits::STORED_KEYS)),
    key("limits.stored_bytes", Kind::Size(limits::STORED_BYTES)),
    key("expire.after", Kind::Time(limits::EXPIRE_AFTER)),
    key("expire.stale_after", Kind::Time(limits::STALE_AFTER)),
    key("admin.address", Kind::Listen),
    key("admin.page", SWITCH),
    key("log.level", LEVEL),
    key("log.format", FORMAT),
];

/// Exactly these spellings: PacemakerServer compares them with case and refuses all others.
const METHOD: Kind = Kind::Choice {
    what: "a login method",
    of: &["NONE", "DIGEST", "KERBEROS"],
};

const NEED: Kind = Kind::Choice {
    what: "a rule",
    of: &["open", "authenticated"],
};

const SWITCH: Kind = Kind::Choice {
    what: "a switch",
    of: &["on", "off"],
};

const LEVEL: Kind = Kind::Choice {
    what: "a log level",
    of: &["error", "warn", "info", "debug", "trace"],
};

const FORMAT: Kind = Kind::Choice {
    what: "a log format",
    of: &["text", "json"],
};

const fn key(name: &'static str, kind: Kind) -> Key {
    Key {
        name,
        storm: None,
        kind,
    }
}

impl Key {
    const fn storm(self, name: &'static str) -> Key {
        Key {
            name: self.name,
            storm: Some(name),
            kind: self.kind,
        }
    }
}

/// Keys of storm.yaml about Pacemaker that have no effect on this daemon, and why. An operator who
/// sets one is told once.
pub static WITHOUT_EFFECT: &[(&str, &str)] = &[
    (
        "pacemaker.base.threads",
        "no version of Storm's daemon reads it",
    ),
    (
        "pacemaker.thread.timeout",
        "no version of Storm's daemon reads it",
    ),
    (
        "pacemaker.kerberos.users",
        "no version of Storm's daemon reads it; see kerberos.users",
    ),
    (
        "pacemaker.host",
        "it tells clients where to connect; see server.bind",
    ),
    (
        "pacemaker.servers",
        "it tells clients where to connect; see server.bind",
    ),
    ("pacemaker.client.max.threads", "it is for clients"),
];

/// The key of this TOML name.
pub fn by_name(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

/// The key that Storm calls so.
pub fn by_storm_name(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.storm == Some(name))
}

/// Why this storm.yaml key has no effect here, if it is one that an operator may expect to.
pub fn without_effect(name: &str) -> Option<&'static str> {
    WITHOUT_EFFECT
        .iter()
        .find(|(key, _)| *key == name)
        .map(|(_, why)| *why)
}

/// Whether keys live in a table of this name.
pub fn is_table(name: &str) -> bool {
    KEYS.iter().any(|key| {
        key.name
            .split_once('.')
            .is_some_and(|(table, _)| table == name)
    })
}

/// The known key that the writer of an unknown one may have meant. `storm_names`: whether Storm's
/// names would have been accepted there.
pub fn nearest(unknown: &str, storm_names: bool) -> Option<&'static str> {
    if let Some(key) = by_storm_name(unknown) {
        return Some(key.name);
    }
    // The right key in the wrong table, or in none.
    let last = |name: &str| name.rsplit('.').next().map(str::to_owned);
    if let Some(key) = KEYS.iter().find(|key| last(key.name) == last(unknown)) {
        return Some(key.name);
    }
    let storm = KEYS
        .iter()
        .filter(|_| storm_names)
        .filter_map(|key| key.storm);
    KEYS.iter()
        .map(|key| key.name)
        .chain(storm)
        .map(|name| (name, strsim::normalized_damerau_levenshtein(name, unknown)))
        .filter(|(_, likeness)| *likeness >= ENOUGH_ALIKE)
        .max_by(|(_, one), (_, other)| one.total_cmp(other))
        .map(|(name, _)| name)
}

/// Below this share of equal letters a guess misleads more than it helps.
const ENOUGH_ALIKE: f64 = 0.7;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_key_is_found_by_likeness_by_table_and_by_storms_name() {
        assert_eq!(nearest("server.prot", false), Some("server.port"));
        assert_eq!(nearest("sever.port", false), Some("server.port"));
        assert_eq!(nearest("port", false), Some("server.port"));
        assert_eq!(
            nearest("limits.frame_sise", false),
            Some("limits.frame_size")
        );
        assert_eq!(nearest("pacemaker.port", false), Some("server.port"));
        assert_eq!(nearest("pacemaker.prt", true), Some("pacemaker.port"));
        assert_eq!(nearest("zookeeper.servers", true), None);
    }

    #[test]
    fn no_name_means_two_things() {
        for key in KEYS {
            assert!(without_effect(key.name).is_none());
            assert_eq!(
                KEYS.iter().filter(|other| other.name == key.name).count(),
                1
            );
            if let Some(storm) = key.storm {
                assert!(without_effect(storm).is_none() && by_name(storm).is_none());
                assert_eq!(
                    KEYS.iter()
                        .filter(|other| other.storm == Some(storm))
                        .count(),
                    1
                );
            }
        }
    }
}
