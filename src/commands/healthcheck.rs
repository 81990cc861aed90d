//! `healthcheck`: whether a server answers. Asks for what needs no login and changes nothing, so that
//! it is quiet: neither the server's log nor its store shows it.

use std::io::Write;
use std::time::Instant;

use clap::Args;

use super::client::{Client, Target};
use super::options::{self, ServerOptions};
use super::trouble::{Failure, Trouble};
use crate::config::Sources;
use crate::limits;

/// Exit 0 if the server answers within the timeout: for HEALTHCHECK of Docker, probes and scripts
#[derive(Args, Clone, Debug)]
#[command(after_help = HELP)]
pub struct Healthcheck {
    #[command(flatten)]
    server: ServerOptions,
}

const HELP: &str = "\
Sends CREATE_PATH, which stores nothing and needs no login, and waits for the answer: the server's log \
and its store show nothing of it. With --server and without --auth no file is read; else a configuration \
that is wrong is passed over, as it does not make a running server sick.

Exit codes: 0 it answers; 1 it does not; 2 wrong usage.

Examples:
  storm-pacemaker healthcheck
  storm-pacemaker healthcheck --server pacemaker.example.com:6699 --timeout 2s
  HEALTHCHECK CMD [\"storm-pacemaker\", \"healthcheck\"]";

/// Looked at by nobody: the request stores nothing.
const PATH: &str = "/healthcheck";

impl Healthcheck {
    pub fn run(self, sources: Sources) -> Result<(), Failure> {
        let begin = Instant::now();
        let target = Target {
            in_all: true,
            ..self.target(sources)?
        };
        let mut client = Client::connect(target)?;
        let also = match client.create_path(PATH) {
            // It lives, and it may have reasons.
            Err(Failure::Server {
                trouble: Trouble::Refused { .. },
                ..
            }) => ", and refuses writes from here",
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

    /// A configuration that is wrong is not what makes a running server sick: then it is looked for
    /// where servers are by default.
    fn target(&self, sources: Sources) -> Result<Target, Failure> {
        let near = |server: &str| {
            Ok(Target {
                server: options::parse(server, limits::STORMS_PORT)?,
                login: None,
                timeout: self.server.timeout,
                in_all: true,
                frame_bytes: limits::STORMS_FRAME_BYTES,
            })
        };
        if let (Some(server), None) = (&self.server.server, self.server.auth) {
            return near(server);
        }
        let wants_login = self.server.auth.is_some();
        let target = self.server.target(sources);
        match target {
            Err(Failure::Configuration(_)) if !wants_login => near("127.0.0.1"),
            // Health needs no login, unless it is asked for.
            Ok(target) if !wants_login => Ok(Target {
                login: None,
                ..target
            }),
            target => target,
        }
    }
}
