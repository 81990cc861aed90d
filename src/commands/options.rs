//! The options that all commands for a server share, and how they override the configuration.

use std::time::Duration;

use clap::{Args, ValueEnum};

use super::client::{Client, Target};
use super::error::CommandError;
use super::server::ServerName;
use crate::auth::TicketSource;
use crate::auth::jaas::ClientSection;
use crate::client_login::ClientMethod;
use crate::config::{self, ClientConfig, ClientLogin, Sources};
use crate::units;

#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Server")]
pub(super) struct ServerOptions {
    /// Server to ask [default: 127.0.0.1 and the configured port, or 6699]
    #[arg(short, long, value_name = "HOST[:PORT]")]
    pub server: Option<String>,

    /// How long to wait for a connection, a login or an answer
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = time)]
    pub timeout: Duration,

    /// How to log in: none, digest (section PacemakerDigest of the JAAS file) or kerberos (tickets of
    /// kinit, or the keytab of section PacemakerClient) [default: the configured auth.method, NONE]
    #[arg(long, value_name = "METHOD", hide_possible_values = true)]
    pub auth: Option<Method>,

    /// Kerberos name of the server [default: serviceName of PacemakerClient, or pacemaker, at HOST]
    #[arg(long, value_name = "NAME/HOST")]
    pub service: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Method {
    None,
    Digest,
    Kerberos,
}

impl ServerOptions {
    /// Reads the configuration, connects and logs in.
    pub(super) fn connect(&self, sources: Sources) -> Result<Client, CommandError> {
        Client::connect(self.target(sources)?)
    }

    /// The server and the login that the options and the configuration name.
    pub(super) fn target(&self, mut sources: Sources) -> Result<Target, CommandError> {
        if let Some(method) = self.auth {
            let method = match method {
                Method::None => "NONE",
                Method::Digest => "DIGEST",
                Method::Kerberos => "KERBEROS",
            };
            sources
                .flags
                .push(("--auth", &config::keys::AUTH_METHOD, method.to_owned()));
        }
        let settings = config::load_for_client(&sources).map_err(CommandError::Configuration)?;
        #[cfg(feature = "kerberos")]
        if let Some(path) = &settings.krb5_conf {
            crate::auth::kerberos::use_krb5_conf(path);
        }
        let server = self.server(&settings)?;
        let login = self.method(settings.login, &server);
        Ok(Target {
            server,
            login,
            timeout: self.timeout,
            is_total_timeout: false,
            frame_bytes: settings.frame_bytes,
        })
    }

    fn server(&self, settings: &ClientConfig) -> Result<ServerName, CommandError> {
        match &self.server {
            None => Ok(configured_server(settings)),
            Some(text) => parse(text, settings.server.port()),
        }
    }

    fn method(&self, login: ClientLogin, server: &ServerName) -> Option<ClientMethod> {
        let ClientSection {
            keytab,
            principal,
            ticket_cache,
            service_name,
        } = match login {
            ClientLogin::None => return None,
            ClientLogin::Digest(credentials) => return Some(ClientMethod::Digest(credentials)),
            ClientLogin::Kerberos(section) => section,
        };
        let service = match &self.service {
            Some(service) => service.clone(),
            None => {
                let name = service_name.as_deref().unwrap_or("pacemaker");
                format!("{name}/{}", server.host)
            }
        };
        let tickets = match (keytab, ticket_cache) {
            (Some(path), _) => TicketSource::Keytab { path, principal },
            (None, Some(cache)) => TicketSource::Cache(cache),
            (None, None) => return Some(ClientMethod::Kerberos { service }),
        };
        Some(ClientMethod::KerberosWith { service, tickets })
    }
}

/// The daemon with this configuration, on this host.
pub(super) fn configured_server(settings: &ClientConfig) -> ServerName {
    ServerName {
        host: settings.server.ip().to_string(),
        port: settings.server.port(),
        or_at: settings.or_at,
    }
}

pub(super) fn parse(server: &str, default_port: u16) -> Result<ServerName, CommandError> {
    ServerName::parse(server, default_port)
        .map_err(|why| CommandError::Usage(format!("--server: {why}")))
}

/// Reads a duration from the command line, such as `5s`.
pub(super) fn time(text: &str) -> Result<Duration, String> {
    const LONGEST: Duration = Duration::from_secs(3600);
    match units::parse_time(text)? {
        time if time.is_zero() || time > LONGEST => Err("expected 1ms to 1h".to_owned()),
        time => Ok(time),
    }
}

/// Reads a size from the command line, such as `4MiB`, in bytes.
pub(super) fn size(text: &str) -> Result<u64, String> {
    match units::parse_size(text)? {
        0 => Err("expected 1 or more".to_owned()),
        bytes => Ok(bytes),
    }
}
