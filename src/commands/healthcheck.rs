//! `healthcheck`: whether a server answers. Its request needs no login and changes nothing. The server logs it
//! only if its access rules refuse it.

use std::io::Write;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Instant;

use clap::Args;

use super::client::{Client, Target};
use super::error::{CommandError, RequestError};
use super::options::{self, ServerOptions};
use super::server::ServerName;
use crate::announcement;
use crate::config::{self, Sources};
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
only if its access rules refuse it. With --server and without --auth it reads no file. Otherwise it does without files \
that are wrong, since a running server does not depend on them. A daemon of the same user on this host says which \
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

    /// The server to ask. A wrong file does not make a running server sick: without the files, what the command
    /// line says counts, and its mistakes are wrong usage.
    fn target(&self, sources: Sources) -> Result<Target, CommandError> {
        if self.server.auth.is_some() {
            let is_named = self.server.server.is_some() || sources.names_address();
            let target = self.server.target(sources)?;
            let server = if is_named {
                target.server
            } else {
                running_server().unwrap_or(target.server)
            };
            return Ok(Target { server, ..target });
        }
        let without_login = |server: ServerName, frame_bytes: u32| Target {
            server,
            login: None,
            timeout: self.server.timeout,
            is_total_timeout: true,
            frame_bytes,
        };
        if let Some(server) = &self.server.server {
            let server = options::parse(server, limits::STORMS_PORT)?;
            return Ok(without_login(server, limits::STORMS_FRAME_BYTES));
        }
        let settings = config::load_without_login(&sources)
            .or_else(|_| config::load_without_login(&sources.of_command_line()))
            .map_err(CommandError::Configuration)?;
        let configured = || options::configured_server(&settings);
        let server = if sources.names_address() {
            configured()
        } else {
            running_server().unwrap_or_else(configured)
        };
        Ok(without_login(server, settings.frame_bytes))
    }
}

/// The daemon that runs here, if it is one: it knows best where it listens. Of several, the configured one is
/// meant.
fn running_server() -> Option<ServerName> {
    let announced = announcement::announced();
    let [address] = announced[..] else {
        return None;
    };
    let (ip, or_at) = if address.ip().is_unspecified() {
        let (ip, or_at) = (Ipv4Addr::LOCALHOST, Ipv6Addr::LOCALHOST);
        (ip.into(), Some(or_at.into()))
    } else {
        (address.ip(), None)
    };
    Some(ServerName {
        host: ip.to_string(),
        port: address.port(),
        or_at,
    })
}
