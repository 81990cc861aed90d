//! The table of settings: each with its type, its names and what it accepts. It drives the TOML file,
//! storm.yaml, `-c`, `check-config` and the guesses at misspelt keys. A new setting is one line here, one
//! in `config/pacemaker.toml` and one field of `Config`.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tracing::Level;

use crate::access::{Addresses, Need, PageRule};
use crate::limits;

use super::setting::{Choice, Key, Setting};
use super::{AuthMethod, DrainFor, Io, LogFormat, Pin};

macro_rules! settings {
    ($($key:ident: $type:ty = $declaration:expr;)*) => {
        $(pub(crate) static $key: Key<$type> = $declaration;)*

        /// Every setting, in the order of `config/pacemaker.toml` and of `check-config`'s output.
        pub(super) static SETTINGS: &[&Setting] = &[$(&$key.setting),*];
    };
}

settings! {
    BIND: IpAddr = Key::address("server.bind");
    PORT: u16 = Key::port("server.port").storm("pacemaker.port");
    SHARDS: Option<u64> = Key::auto_or_count("server.shards", limits::SHARDS);
    MAX_THREADS: u64 = Key::count("server.max_threads", limits::MAX_THREADS)
        .storm("pacemaker.max.threads");
    IO: Io = Key::choice("server.io");
    PIN: Pin = Key::choice("server.pin");
    SHUTDOWN_DEADLINE: Duration = Key::time("server.shutdown_deadline", limits::SHUTDOWN_DEADLINE);
    DRAIN_DEADLINE: Duration = Key::time("server.drain_deadline", limits::DRAIN_DEADLINE);
    DRAIN_FOR: DrainFor = Key::choice("server.drain_for");
    DRAIN_ON_STOP: bool = Key::flag("server.drain_on_stop");
    MINIMUM_WAIT: Duration = Key::time("server.minimum_wait", limits::MINIMUM_WAIT);
    WARM_UP: Duration = Key::time("server.warm_up", limits::WARM_UP);

    AUTH_METHOD: AuthMethod = Key::choice("auth.method").storm("pacemaker.auth.method");
    LOGIN_CONFIG: Option<String> = Key::text("auth.login_config")
        .storm("java.security.auth.login.config").reloadable();
    NIMBUS_USER: Option<String> = Key::text("auth.nimbus_user")
        .storm("nimbus.daemon.user").reloadable();

    KERBEROS_USERS: Vec<String> = Key::texts("kerberos.users").reloadable();
    KERBEROS_REALMS: Vec<String> = Key::texts("kerberos.realms").reloadable();
    KRB5_CONF: Option<String> = Key::text("kerberos.krb5_conf").storm("java.security.krb5.conf");

    WRITES: Need = Key::choice("access.writes").reloadable();
    DELETES: Need = Key::choice("access.deletes").reloadable();
    DELETES_BELOW: Option<String> = Key::directory("access.deletes_below").reloadable();
    CONNECT_FROM: Addresses = Key::networks("access.connect_from").reloadable();
    READS_FROM: Addresses = Key::networks("access.reads_from").reloadable();
    WRITES_FROM: Addresses = Key::networks("access.writes_from").reloadable();
    DELETES_FROM: Addresses = Key::networks("access.deletes_from").reloadable();

    FRAME_SIZE: u32 = Key::size("limits.frame_size", limits::FRAME_BYTES)
        .storm("pacemaker.thrift.message.size.max");
    PATH_LENGTH: u64 = Key::size("limits.path_length", limits::PATH_BYTES);
    PATH_DEPTH: u64 = Key::count("limits.path_depth", limits::PATH_DEPTH);
    CONNECTIONS: u64 = Key::count("limits.connections", limits::CONNECTIONS);
    CONNECTIONS_PER_ADDRESS: Option<u64> =
        Key::auto_or_count("limits.connections_per_address", limits::CONNECTIONS);
    IPV6_PREFIX: u8 = Key::count("limits.ipv6_prefix", limits::IPV6_PREFIX);
    IN_FLIGHT: usize = Key::count("limits.in_flight", limits::IN_FLIGHT);
    OUTPUT: usize = Key::size("limits.output", limits::OUTPUT_BYTES);
    OUTPUT_DEADLINE: Duration = Key::time("limits.output_deadline", limits::OUTPUT_DEADLINE);
    BUFFERED: u64 = Key::size("limits.buffered", limits::BUFFERED_BYTES);
    RECEIVE_RATE: u64 = Key::size("limits.receive_rate", limits::RECEIVE_RATE);
    HANDSHAKE_DEADLINE: Duration =
        Key::time("limits.handshake_deadline", limits::HANDSHAKE_DEADLINE);
    HANDSHAKE_SIZE: u64 = Key::size("limits.handshake_size", limits::HANDSHAKE_BYTES);
    UNAUTHENTICATED_PER_ADDRESS: u64 =
        Key::count("limits.unauthenticated_per_address", limits::UNAUTHENTICATED_PER_ADDRESS);
    FAILED_LOGINS: u64 = Key::count("limits.failed_logins", limits::FAILED_LOGINS);
    STORED_KEYS: u64 = Key::count("limits.stored_keys", limits::STORED_KEYS);
    STORED_BYTES: u64 = Key::size("limits.stored_bytes", limits::STORED_BYTES);

    EXPIRE_AFTER: Duration = Key::time("expire.after", limits::EXPIRE_AFTER);
    STALE_AFTER: Duration = Key::time("expire.stale_after", limits::STALE_AFTER);

    ADMIN_ADDRESS: Option<SocketAddr> = Key::listen("admin.address");
    ADMIN_PAGE: PageRule = Key::choice("admin.page");
    ADMIN_HOSTS: Vec<String> = Key::host_names("admin.hosts");

    LOG_LEVEL: Level = Key::choice("log.level").reloadable();
    LOG_FORMAT: LogFormat = Key::choice("log.format");
}

/// Exactly these spellings: PacemakerServer compares them with case and refuses all others.
impl Choice for AuthMethod {
    const WHAT: &'static str = "a login method";
    const CHOICES: &'static [(&'static str, AuthMethod)] = &[
        ("NONE", AuthMethod::None),
        ("DIGEST", AuthMethod::Digest),
        ("KERBEROS", AuthMethod::Kerberos),
    ];
}

impl AuthMethod {
    /// Its name in the configuration.
    pub fn name(self) -> &'static str {
        let mut choices = Self::CHOICES.iter();
        let found = choices.find(|(_, method)| *method == self);
        found.expect("every method is in CHOICES").0
    }
}

impl Choice for Io {
    const WHAT: &'static str = "a data plane";
    const CHOICES: &'static [(&'static str, Io)] = &[
        ("auto", Io::Auto),
        ("io_uring", Io::IoUring),
        ("epoll", Io::Epoll),
    ];
}

impl Choice for Pin {
    const WHAT: &'static str = "a rule for pinning";
    const CHOICES: &'static [(&'static str, Pin)] =
        &[("auto", Pin::Auto), ("on", Pin::On), ("off", Pin::Off)];
}

impl Choice for DrainFor {
    const WHAT: &'static str = "a successor";
    const CHOICES: &'static [(&'static str, DrainFor)] =
        &[("service", DrainFor::Service), ("vip", DrainFor::Vip)];
}

impl Choice for Need {
    const WHAT: &'static str = "a rule";
    const CHOICES: &'static [(&'static str, Need)] =
        &[("open", Need::Open), ("authenticated", Need::Authenticated)];
}

impl Choice for PageRule {
    const WHAT: &'static str = "a rule for the page";
    const CHOICES: &'static [(&'static str, PageRule)] = &[
        ("on", PageRule::On),
        ("local", PageRule::Local),
        ("off", PageRule::Off),
    ];
}

impl Choice for Level {
    const WHAT: &'static str = "a log level";
    const CHOICES: &'static [(&'static str, Level)] = &[
        ("error", Level::ERROR),
        ("warn", Level::WARN),
        ("info", Level::INFO),
        ("debug", Level::DEBUG),
        ("trace", Level::TRACE),
    ];
}

impl Choice for LogFormat {
    const WHAT: &'static str = "a log format";
    const CHOICES: &'static [(&'static str, LogFormat)] =
        &[("text", LogFormat::Text), ("json", LogFormat::Json)];
}

/// Keys of storm.yaml about Pacemaker that have no effect on this daemon, and why. An operator who sets
/// one gets a note.
static WITHOUT_EFFECT: &[(&str, &str)] = &[
    ("pacemaker.base.threads", UNREAD),
    ("pacemaker.thread.timeout", UNREAD),
    (
        "pacemaker.kerberos.users",
        "no version of Storm's daemon reads it; see kerberos.users",
    ),
    ("pacemaker.host", FOR_DIALLING),
    ("pacemaker.servers", FOR_DIALLING),
    ("pacemaker.client.max.threads", "only clients read it"),
    ("storm.daemon.metrics.reporter.plugins", METRICS),
];
const UNREAD: &str = "no version of Storm's daemon reads it";
const METRICS: &str = "its metrics are at /metrics of admin.address, for Prometheus";
const FOR_DIALLING: &str = "it tells clients where to connect; see server.bind";

/// The setting with this TOML name.
pub(super) fn by_name(name: &str) -> Option<&'static Setting> {
    SETTINGS
        .iter()
        .copied()
        .find(|setting| setting.name == name)
}

/// The setting with this name in storm.yaml.
pub(super) fn by_storm_name(name: &str) -> Option<&'static Setting> {
    let mut settings = SETTINGS.iter().copied();
    settings.find(|setting| setting.storm_name == Some(name))
}

/// Every name of a setting in storm.yaml.
pub(super) fn storm_names() -> impl Iterator<Item = &'static str> {
    SETTINGS.iter().filter_map(|setting| setting.storm_name)
}

/// Why this storm.yaml key has no effect here, if an operator may expect one.
pub(super) fn without_effect(name: &str) -> Option<&'static str> {
    WITHOUT_EFFECT
        .iter()
        .find(|(key, _)| *key == name)
        .map(|(_, why)| *why)
}

/// Whether this is the name of a TOML table.
pub(super) fn is_table(name: &str) -> bool {
    let mut tables = SETTINGS.iter().map(|setting| setting.name.split_once('.'));
    tables.any(|split| split.is_some_and(|(table, _)| table == name))
}

/// The known key closest to an unknown one, for "did you mean". `storm_names`: whether Storm's names are
/// accepted there.
fn nearest(unknown: &str, storm_names: bool) -> Option<&'static str> {
    if let Some(setting) = by_storm_name(unknown) {
        return Some(setting.name);
    }
    // The right key in the wrong table, or in none.
    let last = |name: &str| name.rsplit('.').next().map(str::to_owned);
    let mut names = SETTINGS.iter().map(|setting| setting.name);
    if let Some(name) = names.find(|name| last(name) == last(unknown)) {
        return Some(name);
    }
    let storm = SETTINGS
        .iter()
        .filter(|_| storm_names)
        .filter_map(|setting| setting.storm_name);
    SETTINGS
        .iter()
        .map(|setting| setting.name)
        .chain(storm)
        .map(|name| (name, strsim::normalized_damerau_levenshtein(name, unknown)))
        .filter(|(_, similarity)| *similarity >= LEAST_SIMILARITY)
        .max_by(|(_, one), (_, other)| one.total_cmp(other))
        .map(|(name, _)| name)
}

/// What is wrong with a key that is not in the table. `storm_names` as in [`nearest`].
pub(super) fn unknown(name: &str, storm_names: bool) -> String {
    match nearest(name, storm_names) {
        Some(nearest) => format!("unknown key; did you mean {nearest}?"),
        None => "unknown key; `storm-pacemaker check-config` lists all keys".to_owned(),
    }
}

/// A key that has no meaning here.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Foreign {
    /// Another daemon's: Storm's scripts hand such keys to every daemon.
    Others,
    /// Probably one of ours, misspelt: what is wrong.
    Misspelt(String),
}

/// What a key without a meaning is, where Storm's names are accepted. One of ours that was meant to ask for
/// logins must not be taken for another daemon's.
pub(super) fn foreign(name: &str) -> Foreign {
    let first = name.split('.').next().unwrap_or_default();
    let ours = storm_names().chain(SETTINGS.iter().map(|setting| setting.name));
    let similar = ours
        .map(|ours| (ours, strsim::normalized_damerau_levenshtein(ours, name)))
        .max_by(|(_, one), (_, other)| one.total_cmp(other));
    let least = if first == "pacemaker" || is_table(first) || !name.contains('.') {
        0.0
    } else if STORMS_TABLES.contains(&first) {
        ALMOST_EQUAL
    } else {
        LEAST_SIMILARITY
    };
    match similar {
        Some((ours, similarity)) if similarity >= least => {
            // The guess by the last part of a name is for our own tables.
            Foreign::Misspelt(if similarity >= LEAST_SIMILARITY {
                format!("unknown key; did you mean {ours}?")
            } else {
                unknown(name, true)
            })
        }
        _ => Foreign::Others,
    }
}

/// The first parts of the names of Storm's own settings, without Pacemaker's.
const STORMS_TABLES: [&str; 30] = [
    "backpressure",
    "blobstore",
    "blacklist",
    "client",
    "cluster",
    "dev",
    "drpc",
    "executor",
    "hdfs",
    "isolation",
    "java",
    "localizer",
    "logviewer",
    "metrics",
    "multitenant",
    "nimbus",
    "num",
    "resource",
    "scheduler",
    "scheduling",
    "storm",
    "supervisor",
    "task",
    "topology",
    "transactional",
    "ui",
    "user",
    "worker",
    "zmq",
    "zookeeper",
];

/// A guess that is less similar misleads more than it helps.
const LEAST_SIMILARITY: f64 = 0.7;
/// Names of Storm's resemble each other.
const ALMOST_EQUAL: f64 = 0.9;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_key_is_found_by_similarity_by_table_and_by_storms_name() {
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
    fn keys_of_other_daemons_are_told_from_misspelt_ones() {
        for others in [
            "storm.local.hostname",
            "storm.zookeeper.servers",
            "storm.zookeeper.port",
            "nimbus.thrift.port",
            "nimbus.seeds",
            "nimbus.users",
            "supervisor.slots.ports",
            "java.library.path",
            "topology.max.spout.pending",
            "com.example.plugin.path",
        ] {
            assert_eq!(foreign(others), Foreign::Others, "{others}");
        }
        for (misspelt, meant) in [
            ("pacemaker.prt", "pacemaker.port"),
            ("pacemaker.auth.methd", "pacemaker.auth.method"),
            ("nimbus.daemon.usr", "nimbus.daemon.user"),
            (
                "java.security.auth.login.confg",
                "java.security.auth.login.config",
            ),
            ("sever.port", "server.port"),
            ("port", "server.port"),
            ("auth.nothing", "check-config"),
            ("pacemaker.nothing.like.it", "check-config"),
        ] {
            match foreign(misspelt) {
                Foreign::Misspelt(why) => assert!(why.contains(meant), "{misspelt}: {why}"),
                Foreign::Others => panic!("{misspelt}"),
            }
        }
    }

    #[test]
    fn no_name_means_two_things() {
        let mut seen = std::collections::HashSet::new();
        let dead = WITHOUT_EFFECT.iter().map(|(name, _)| *name);
        let storm = SETTINGS.iter().filter_map(|setting| setting.storm_name);
        for name in SETTINGS
            .iter()
            .map(|setting| setting.name)
            .chain(storm)
            .chain(dead)
        {
            assert!(seen.insert(name), "{name}");
        }
    }
}
