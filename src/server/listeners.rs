//! One listening socket a shard, all at one address.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::thread;
use std::time::{Duration, Instant};

use tracing::info;

use super::StartError;
use super::preflight::explain_bind_error;
use crate::ring::{listen_at, local_address};

/// How long a taken port may take to become free. The kernel closes the sockets of an io_uring a
/// moment after the process that had it was killed (10 to 30 ms, seen on Linux 6.18), and whoever
/// starts us again at once must not be turned away for that.
const PATIENCE: Duration = Duration::from_secs(2);
const RETRY_EVERY: Duration = Duration::from_millis(5);

pub(super) struct Listeners {
    /// With the port that the kernel chose, where it was to choose one.
    pub(super) address: SocketAddr,
    pub(super) sockets: Vec<OwnedFd>,
}

pub(super) fn open(wanted: SocketAddr, shards: usize) -> Result<Listeners, StartError> {
    listen(wanted, shards).map_err(|error| StartError::Bind(explain_bind_error(wanted, &error)))
}

fn listen(wanted: SocketAddr, shards: usize) -> io::Result<Listeners> {
    // SO_REUSEPORT would let us in beside another daemon of the same user, each with a share of the
    // connections: the worst of all starts. A socket without it finds out.
    if wanted.port() != 0 {
        drop(listen_when_free(wanted)?);
    }
    let first = listen_at(wanted, true)?;
    let address = local_address(&first)?;
    let mut sockets = vec![first];
    for _ in 1..shards {
        sockets.push(listen_at(address, true)?);
    }
    Ok(Listeners { address, sockets })
}

fn listen_when_free(address: SocketAddr) -> io::Result<OwnedFd> {
    let deadline = Instant::now() + PATIENCE;
    let mut told = false;
    loop {
        match listen_at(address, false) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && Instant::now() < deadline => {
                if !std::mem::replace(&mut told, true) {
                    info!("{address} is taken; waiting up to {PATIENCE:?} for it");
                }
                thread::sleep(RETRY_EVERY);
            }
            outcome => return outcome,
        }
    }
}
