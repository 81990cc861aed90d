//! From files, environment and flags to one typed, validated `Config`. Everything raw ends here: no
//! code past this module sees a string that it must parse, and nothing here opens a socket.

mod client;
mod cores;
mod files;
mod java_options;
mod keys;
mod list;
mod load;
mod logins;
mod problem;
mod relations;
mod report;
mod settle;
mod storm_layer;
mod toml_layer;
mod unit;
mod value;
mod yaml;
mod yaml_scalar;

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

pub use client::{ForClient, Login, load_for_client};
pub use cores::Cores;
pub use load::{Loaded, Sources, load, settle_storm_yaml};
pub use problem::{ConfigErrors, Note, Place, Problem, Severity};
pub use report::write_report;
pub use settle::Origin;
pub use unit::{Size, Time, parse_size, parse_time};

use crate::access::{Need, Rules};
use crate::auth::Credentials;
use crate::limits::{Ageing, Limits};

use settle::Settled;

/// The defaults, as shipped.
pub const DEFAULTS: &str = include_str!("../../config/pacemaker.toml");

/// What the daemon runs by. Every value is in its allowed range.
#[derive(Clone, Debug)]
pub struct Config {
    pub server: Server,
    pub auth: Auth,
    pub kerberos: Kerberos,
    pub access: Rules,
    pub limits: Limits,
    pub ageing: Ageing,
    pub admin: Admin,
    pub log: Log,
    /// Every key with its effective value and where it came from, for `check-config`.
    pub origins: Vec<Origin>,
}

#[derive(Clone, Debug)]
pub struct Server {
    pub bind: IpAddr,
    /// 0: the kernel picks one.
    pub port: u16,
    /// How many shards to start; "auto" is already resolved.
    pub shards: NonZeroUsize,
    /// The cores that shards may be pinned to, ascending; never empty. May be fewer than shards.
    pub cores: Vec<usize>,
    pub shutdown_deadline: Duration,
    /// Zero: off.
    pub minimum_wait: Duration,
}

impl Server {
    pub fn address(&self) -> SocketAddr {
        SocketAddr::new(self.bind, self.port)
    }
}

#[derive(Clone, Debug)]
pub struct Auth {
    pub method: AuthMethod,
    /// What logins are checked by; those of `method`.
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

impl AuthMethod {
    /// The method that `auth.method` calls so.
    fn of(choice: &str) -> AuthMethod {
        match choice {
            "NONE" => AuthMethod::None,
            "DIGEST" => AuthMethod::Digest,
            "KERBEROS" => AuthMethod::Kerberos,
            other => unreachable!("{other} is not in the table"),
        }
    }
}

#[derive(Clone, Debug)]
pub struct Kerberos {
    /// The Kerberos library's own configuration file; `None`: where it looks by itself.
    pub krb5_conf: Option<PathBuf>,
}

#[derive(Clone, Debug)]
pub struct Admin {
    /// Where metrics, health and the page are served; `None`: nowhere.
    pub address: Option<SocketAddr>,
    /// Whether the page and its data are.
    pub page: bool,
}

#[derive(Clone, Debug)]
pub struct Log {
    pub level: tracing::Level,
    pub format: LogFormat,
}

/// How a line of the log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    Text,
    /// One object a line.
    Json,
}

impl Config {
    fn from_settled(settled: &Settled, credentials: Credentials, cores: &Cores) -> Self {
        let shards = settled
            .auto_or_count("server.shards")
            .and_then(|n| usize::try_from(n).ok());
        Config {
            server: Server {
                bind: settled.address("server.bind"),
                port: u16::try_from(settled.count("server.port")).expect("a port's range"),
                shards: shards
                    .and_then(NonZeroUsize::new)
                    .expect("the shards' range"),
                cores: cores.ids.clone(),
                shutdown_deadline: settled.time("server.shutdown_deadline"),
                minimum_wait: settled.time("server.minimum_wait"),
            },
            auth: Auth {
                method: AuthMethod::of(settled.choice("auth.method")),
                credentials,
                login_config: settled.text("auth.login_config").map(PathBuf::from),
                nimbus_user: settled.text("auth.nimbus_user").map(str::to_owned),
            },
            kerberos: Kerberos {
                krb5_conf: settled.text("kerberos.krb5_conf").map(PathBuf::from),
            },
            access: Rules {
                writes: need(settled.choice("access.writes")),
                deletes: need(settled.choice("access.deletes")),
                connect_from: settled.networks("access.connect_from").clone(),
                reads_from: settled.networks("access.reads_from").clone(),
                writes_from: settled.networks("access.writes_from").clone(),
                deletes_from: settled.networks("access.deletes_from").clone(),
                deletes_below: settled
                    .text("access.deletes_below")
                    .unwrap_or_default()
                    .to_owned(),
            },
            limits: Limits {
                frame_bytes: u32::try_from(settled.size("limits.frame_size"))
                    .expect("limits::FRAME_BYTES"),
                path_bytes: settled.size("limits.path_length"),
                path_depth: settled.count("limits.path_depth"),
                connections: settled.count("limits.connections"),
                connections_per_address: settled.auto_or_count("limits.connections_per_address"),
                in_flight: settled.count("limits.in_flight") as usize,
                output_bytes: settled.size("limits.output") as usize,
                output_deadline: settled.time("limits.output_deadline"),
                buffered_bytes: settled.size("limits.buffered"),
                handshake_deadline: settled.time("limits.handshake_deadline"),
                handshake_bytes: settled.size("limits.handshake_size"),
                unauthenticated_per_address: settled.count("limits.unauthenticated_per_address"),
                failed_logins: settled.count("limits.failed_logins"),
                stored_keys: settled.count("limits.stored_keys"),
                stored_bytes: settled.size("limits.stored_bytes"),
            },
            ageing: Ageing {
                stale_after: settled.time("expire.stale_after"),
                expire_after: settled.time("expire.after"),
            },
            admin: Admin {
                address: settled.listen("admin.address"),
                page: settled.choice("admin.page") == "on",
            },
            log: Log {
                level: settled
                    .choice("log.level")
                    .parse()
                    .expect("tracing's own names"),
                format: match settled.choice("log.format") {
                    "text" => LogFormat::Text,
                    "json" => LogFormat::Json,
                    other => unreachable!("{other} is not in the table"),
                },
            },
            origins: settled.origins(),
        }
    }
}

fn need(choice: &str) -> Need {
    match choice {
        "open" => Need::Open,
        "authenticated" => Need::Authenticated,
        other => unreachable!("{other} is not in the table"),
    }
}
