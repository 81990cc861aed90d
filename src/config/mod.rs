//! From files, environment and flags to one typed, validated `Config`. No code past this module parses
//! a setting, and nothing here opens a socket.

mod client;
mod cores;
mod diagnostics;
mod files;
mod java_options;
pub(crate) mod keys;
mod kind;
mod layers;
mod list;
mod load;
mod logins;
mod memory;
mod memory_defaults;
mod raw;
mod relations;
mod report;
mod resolve;
mod setting;
mod storm_layer;
mod toml_layer;
mod value;
mod yaml;

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

pub use client::ClientLogin;
pub(crate) use client::{ClientConfig, load_admin_address, load_for_client, load_without_login};
pub use cores::Cores;
pub use diagnostics::ConfigErrors;
pub use diagnostics::Note;
pub use diagnostics::Severity;
pub use load::Loaded;
pub use load::{Sources, load, resolve_storm_yaml};
pub use memory::MemoryLimit;
pub(crate) use report::write_report;
pub(crate) use resolve::EffectiveSetting;
pub use setting::Setting;
pub use yaml::{DescribedStormYaml, describe_storm_yaml};

use crate::access::{PageRule, Rules};
use crate::auth::Credentials;
use crate::footprint::Footprint;
use crate::limits::{Ageing, Limits};

use resolve::Resolved;

/// The defaults, as shipped.
const DEFAULTS: &str = include_str!("../../config/pacemaker.toml");

/// The daemon's configuration. Every value is in its allowed range.
#[derive(Clone, Debug)]
pub struct Config {
    pub server: ServerConfig,
    pub auth: AuthConfig,
    pub kerberos: KerberosConfig,
    pub access: Rules,
    pub limits: Limits,
    pub ageing: Ageing,
    pub admin: AdminConfig,
    pub log: LogConfig,
    /// Every setting with its source, in the order of `config/pacemaker.toml`.
    pub(crate) effective_settings: Vec<EffectiveSetting>,
}

#[derive(Clone, Debug)]
pub struct ServerConfig {
    pub bind: IpAddr,
    /// 0: the kernel chooses one.
    pub port: u16,
    /// Shards to start; "auto" is already resolved.
    pub shards: NonZeroUsize,
    /// The data plane, as far as it is chosen.
    pub io: Io,
    /// Cores for the shards, ascending; never empty. There may be fewer cores than shards.
    pub cores: Vec<usize>,
    /// Whether each shard stays on its core; "auto" is already resolved.
    pub is_pinned: bool,
    pub shutdown_deadline: Duration,
    pub drain_deadline: Duration,
    pub drain_for: DrainFor,
    /// SIGTERM and SIGINT drain first.
    pub drain_on_stop: bool,
    /// Zero: off.
    pub minimum_wait: Duration,
    /// Zero: off.
    pub warm_up: Duration,
}

/// Which data plane to use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Io {
    /// io_uring where it works, else epoll.
    Auto,
    IoUring,
    Epoll,
}

/// Who takes the clients of a daemon that is drained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DrainFor {
    /// Another server behind a Service or load balancer, which leaves open connections where they are.
    Service,
    /// Another host, which takes the address over.
    Vip,
}

/// Whether each shard is bound to one core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pin {
    /// Where the cores are ours: see [`Cores::are_ours`].
    Auto,
    On,
    Off,
}

impl Config {
    /// The most memory that the daemon takes by this configuration.
    pub fn footprint(&self) -> Footprint {
        let page = self.admin.address.is_some() && self.admin.page != PageRule::Off;
        Footprint::of(&self.limits, self.server.shards.get(), page)
    }
}

impl ServerConfig {
    pub fn address(&self) -> SocketAddr {
        SocketAddr::new(self.bind, self.port)
    }
}

#[derive(Clone, Debug)]
pub struct AuthConfig {
    pub method: AuthMethod,
    /// The credentials of `method`.
    pub credentials: Credentials,
    /// The JAAS file.
    pub login_config: Option<PathBuf>,
    pub nimbus_user: Option<String>,
}

/// Who may read (`pacemaker.auth.method`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthMethod {
    None,
    Digest,
    Kerberos,
}

#[derive(Clone, Debug)]
pub struct KerberosConfig {
    /// The Kerberos library's own configuration file. `None`: the library's default.
    pub krb5_conf: Option<PathBuf>,
}

#[derive(Clone, Debug)]
pub struct AdminConfig {
    /// Where to serve metrics, health and the page. `None`: nowhere.
    pub address: Option<SocketAddr>,
    /// Who sees the page and its data.
    pub page: PageRule,
    /// Names of the endpoint in requests, besides localhost and the machine's own: lower case, without a
    /// dot at the end.
    pub hosts: Vec<String>,
}

#[derive(Clone, Debug)]
pub struct LogConfig {
    pub level: tracing::Level,
    pub format: LogFormat,
}

/// The format of the log's lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    Text,
    /// One object per line.
    Json,
}

impl Config {
    fn from_resolved(resolved: &Resolved, credentials: Credentials, cores: &Cores) -> Self {
        Config {
            server: ServerConfig::from_resolved(resolved, cores),
            auth: AuthConfig {
                method: resolved.get(&keys::AUTH_METHOD),
                credentials,
                login_config: resolved.get(&keys::LOGIN_CONFIG).map(PathBuf::from),
                nimbus_user: resolved.get(&keys::NIMBUS_USER),
            },
            kerberos: KerberosConfig {
                krb5_conf: resolved.get(&keys::KRB5_CONF).map(PathBuf::from),
            },
            access: rules(resolved),
            limits: limits(resolved),
            ageing: Ageing {
                stale_after: resolved.get(&keys::STALE_AFTER),
                expire_after: resolved.get(&keys::EXPIRE_AFTER),
            },
            admin: AdminConfig {
                address: resolved.get(&keys::ADMIN_ADDRESS),
                page: resolved.get(&keys::ADMIN_PAGE),
                hosts: resolved.get(&keys::ADMIN_HOSTS),
            },
            log: LogConfig {
                level: resolved.get(&keys::LOG_LEVEL),
                format: resolved.get(&keys::LOG_FORMAT),
            },
            effective_settings: resolved.effective(),
        }
    }
}

impl ServerConfig {
    fn from_resolved(resolved: &Resolved, cores: &Cores) -> Self {
        let shards = resolved.get(&keys::SHARDS);
        ServerConfig {
            bind: resolved.get(&keys::BIND),
            port: resolved.get(&keys::PORT),
            shards: shards
                .and_then(|shards| NonZeroUsize::new(shards as usize))
                .expect("relations::derive resolves \"auto\", and limits::SHARDS starts at 1"),
            io: resolved.get(&keys::IO),
            cores: cores.ids.clone(),
            is_pinned: match resolved.get(&keys::PIN) {
                Pin::Auto => cores.are_ours,
                Pin::On => true,
                Pin::Off => false,
            },
            shutdown_deadline: resolved.get(&keys::SHUTDOWN_DEADLINE),
            drain_for: resolved.get(&keys::DRAIN_FOR),
            drain_deadline: resolved.get(&keys::DRAIN_DEADLINE),
            drain_on_stop: resolved.get(&keys::DRAIN_ON_STOP),
            minimum_wait: resolved.get(&keys::MINIMUM_WAIT),
            warm_up: resolved.get(&keys::WARM_UP),
        }
    }
}

fn rules(resolved: &Resolved) -> Rules {
    Rules {
        writes: resolved.get(&keys::WRITES),
        deletes: resolved.get(&keys::DELETES),
        connect_from: resolved.get(&keys::CONNECT_FROM),
        reads_from: resolved.get(&keys::READS_FROM),
        writes_from: resolved.get(&keys::WRITES_FROM),
        deletes_from: resolved.get(&keys::DELETES_FROM),
        deletes_below: resolved.get(&keys::DELETES_BELOW).unwrap_or_default(),
    }
}

fn limits(resolved: &Resolved) -> Limits {
    Limits {
        frame_bytes: resolved.get(&keys::FRAME_SIZE),
        path_bytes: resolved.get(&keys::PATH_LENGTH),
        path_depth: resolved.get(&keys::PATH_DEPTH),
        connections: resolved.get(&keys::CONNECTIONS),
        connections_per_address: resolved.get(&keys::CONNECTIONS_PER_ADDRESS),
        ipv6_prefix: resolved.get(&keys::IPV6_PREFIX),
        in_flight: resolved.get(&keys::IN_FLIGHT),
        output_bytes: resolved.get(&keys::OUTPUT),
        output_deadline: resolved.get(&keys::OUTPUT_DEADLINE),
        buffered_bytes: resolved.get(&keys::BUFFERED),
        receive_rate: resolved.get(&keys::RECEIVE_RATE),
        stored_keys: resolved.get(&keys::STORED_KEYS),
        stored_bytes: resolved.get(&keys::STORED_BYTES),
        handshake_deadline: resolved.get(&keys::HANDSHAKE_DEADLINE),
        handshake_bytes: resolved.get(&keys::HANDSHAKE_SIZE),
        unauthenticated_per_address: resolved.get(&keys::UNAUTHENTICATED_PER_ADDRESS),
        failed_logins: resolved.get(&keys::FAILED_LOGINS),
    }
}
