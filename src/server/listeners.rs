//! One listening socket a shard, all at one address.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;

use super::StartError;
use super::preflight::explain_bind_error;
use crate::ring::{listen_at, local_address};

pub(super) struct Listeners {
    /// With the port that the kernel chose, where it was to choose one.
    pub(super) address: SocketAddr,
    pub(super) sockets: Vec<OwnedFd>,
}

pub(super) fn open(wanted: SocketAddr, shards: usize) -> Result<Listeners, StartError> {
    let bind_error = |error: std::io::Error| StartError::Bind(explain_bind_error(wanted, &error));
    // SO_REUSEPORT would let us in beside another daemon of the same user, each with a share of the
    // connections: the worst of all starts. A socket without it finds out.
    if wanted.port() != 0 {
        drop(listen_at(wanted, false).map_err(bind_error)?);
    }
    let first = listen_at(wanted, true).map_err(bind_error)?;
    let address = local_address(&first).map_err(bind_error)?;
    let mut sockets = vec![first];
    for _ in 1..shards {
        sockets.push(listen_at(address, true).map_err(bind_error)?);
    }
    Ok(Listeners { address, sockets })
}
