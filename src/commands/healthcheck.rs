//! `healthcheck`: whether a server answers. Its request needs no login and changes nothing. The server logs it
//! only if its access rules refuse it.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Instant;

use clap::Args;

use super::client::{Client, Target};
use super::error::{CommandError, RequestError};
use super::options::{self, ServerOptions};
use super::server::ServerName;
use crate::announcement;
use crate::config::Sources;
use crate::limits;

/// Exit 0 if the server answers within the timeout: for HEALTHCHECK of Docker, probes and scripts
#[derive(Args, Clone, Debug)]
#[command(after_help = HELP)]
pub(crate) struct Healthcheck {
    #[command(flatten)]
    server: ServerOptions,
}

const HELP: &str = "\
Sends CREATE_PATH, which stores nothing and needs no login, and waits for the answer. The server logs it \
only if its access rules refuse it. With --server and without --auth it reads no file. Otherwise it ignores a wrong \
configuration, since a running server does not depend on it. A daemon of the same user on this host says which \
address it serves, whatever its options were: the check asks that address, unless --port, --bind or -c name another or \
several daemons run here. Without such a daemon it asks the configured address, or 127.0.0.1:6699.

Exit codes: 0 the server answers; 1 it does not; 2 wrong usage.

Examples:
  storm-pacemaker healthcheck
  storm-pacemaker healthcheck --server pacemaker.example.com:6699 --timeout 2s
  HEALTHCHECK CMD [\"storm-pacemaker\", \"healthcheck\"]";

/// Any path will do: the request stores nothing.
const PATH: &str = "/healthcheck";

impl Healthcheck {
    pub(crate) fn run(self, sources: Sources) -> Result<(), CommandError> {
        let begin = Instant::now();
        let target = Target {
            is_total_timeout: true,
            ..self.target(sources)?
        };
        let mut client = Client::connect(target)?;
        let also = match client.create_path(PATH) {
            // It answers, so it is healthy.
            Err(CommandError::Request(failed))
                if matches!(failed.error, RequestError::Refused { .. }) =>
            {
                ", and refuses writes from this address"
            }
            done => done.map(|()| "")?,
        };
        let took = begin.elapsed().as_secs_f64() * 1000.0;
        let server = client.server();
        writeln!(
            std::io::stdout(),
            "{server} is healthy: it answers in {took:.1} ms{also}"
        )?;
        Ok(())
    }

    /// The server to ask. A wrong configuration does not make a running server sick, so with one the
    /// default address is asked.
    fn target(&self, sources: Sources) -> Result<Target, CommandError> {
        let without_login = |server: ServerName| Target {
            server,
            login: None,
            timeout: self.server.timeout,
            is_total_timeout: true,
            frame_bytes: limits::STORMS_FRAME_BYTES,
        };
        if let (Some(server), None) = (&self.server.server, self.server.auth) {
            return options::parse(server, limits::STORMS_PORT).map(without_login);
        }
        let wants_login = self.server.auth.is_some();
        let is_named = self.server.server.is_some() || sources.names_address();
        let target = self.server.target(sources);
        let mut target = match target {
            Err(CommandError::Configuration(_)) if !wants_login => without_login(local_server()),
            // The check needs no login, unless the user asks for one.
            Ok(target) if !wants_login => Target {
                login: None,
                ..target
            },
            target => target?,
        };
        if !is_named && let Some(server) = running_server(&target.server) {
            target.server = server;
        }
        Ok(target)
    }
}

/// Storm's default port on this host.
fn local_server() -> ServerName {
    ServerName {
        host: Ipv4Addr::LOCALHOST.to_string(),
        port: limits::STORMS_PORT,
        or_at: Some(Ipv6Addr::LOCALHOST.into()),
    }
}

/// The daemon that runs here, if it is one: it knows best where it listens. Of several, the configured one is
/// meant.
fn running_server(configured: &ServerName) -> Option<ServerName> {
    let announced = announcement::announced();
    let [address] = announced[..] else {
        return None;
    };
    let everywhere = ServerName {
        port: address.port(),
        ..local_server()
    };
    Some(match address.ip() {
        IpAddr::V6(ip) if ip.is_unspecified() => everywhere,
        IpAddr::V4(ip) if ip.is_unspecified() => everywhere,
        ip => ServerName {
            host: ip.to_string(),
            port: address.port(),
            or_at: None,
        },
    })
    .filter(|server| server != configured)
}
