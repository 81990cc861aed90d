//! The new process's part of an upgrade: it takes over the sockets of the process that has started it, and tells it
//! when it serves.

use std::fs::File;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::io::fcntl_dupfd_cloexec;
use rustix::process::getppid;
use rustix::stdio::{dup2_stderr, dup2_stdin, stdin};
use tracing::info;

use super::handover::{Channel, Handover};
use super::listeners::Handed;
use crate::announcement::REPLACES;
use crate::io::{DataPlane, local_address};

/// The old process has sent everything before this one runs.
const PATIENCE: Duration = Duration::from_secs(10);

/// The process that this one replaces.
#[derive(Debug)]
pub(super) struct Predecessor {
    process: u32,
    channel: Channel,
    handover: Handover,
}

impl Predecessor {
    /// None: nobody is replaced.
    ///
    /// # Errors
    /// The parent says that this process replaces it, and does not hand its sockets over.
    pub(super) fn of_this_process() -> io::Result<Option<Predecessor>> {
        let process = std::env::var(REPLACES)
            .ok()
            .and_then(|number| number.parse().ok());
        // A process that something else started in the same environment replaces nobody.
        let parent = getppid().map(|parent| parent.as_raw_nonzero().get().cast_unsigned());
        let Some(process) = process.filter(|_| process == parent) else {
            return Ok(None);
        };
        let channel = Channel::over(fcntl_dupfd_cloexec(stdin(), 3)?);
        dup2_stdin(File::open("/dev/null")?)?;
        channel.set_patience(PATIENCE)?;
        let handover = channel.take_over()?;
        Ok(Some(Predecessor {
            process,
            channel,
            handover,
        }))
    }

    pub(super) fn uses_io_uring(&self) -> bool {
        self.handover.io == DataPlane::IoUring.name()
    }

    /// The listening sockets. The next call returns none.
    pub(super) fn take_listeners(&mut self) -> Handed {
        Handed {
            sockets: std::mem::take(&mut self.handover.listeners),
            opener: self.handover.opener,
            process: self.process,
        }
    }

    /// The admin endpoint's listening socket, if it has the address.
    pub(super) fn take_admin(&mut self, wanted: SocketAddr) -> Option<TcpListener> {
        let has_address =
            |socket: &OwnedFd| local_address(socket).is_ok_and(|address| is_meant(wanted, address));
        let socket = self.handover.admin.take_if(|socket| has_address(socket))?;
        Some(socket.into())
    }

    /// Tells it that this process serves. Until now it has passed this process's log on; from here on the log goes
    /// where the old process's does. An old process that has ended meanwhile need not know.
    pub(super) fn tell_serving(self, status: &str) {
        info!("replacing process {}", self.process);
        if let Some(log) = &self.handover.log {
            let _ = dup2_stderr(log);
        }
        let _ = self.channel.say_serving(status);
    }
}

/// Whether a socket at `address` is what a configuration asks for; port 0 is any port.
pub(super) fn is_meant(wanted: SocketAddr, address: SocketAddr) -> bool {
    wanted.ip() == address.ip() && [0, address.port()].contains(&wanted.port())
}
