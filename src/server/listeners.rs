//! The listening sockets: one a shard, all at one address, opened here; or those that the service manager
//! opened and keeps (socket activation), so that the port goes on listening while the daemon restarts.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use listenfd::ListenFd;
use tracing::{info, warn};

use super::StartError;
use super::preflight::explain_bind_error;
use crate::ring::{EventLoop, adopt_listener, listen_at, local_address, own_descriptors};

/// How long a taken port may take to become free. The kernel closes the sockets of an io_uring a
/// moment after the process that had it was killed (10 to 30 ms, seen on Linux 6.18), and whoever
/// starts us again at once must not be turned away for that.
const PATIENCE: Duration = Duration::from_secs(2);
const RETRY_EVERY: Duration = Duration::from_millis(5);

pub(super) struct Listeners {
    /// Without repetition, and with the port that the kernel chose, where it was to choose one.
    pub(super) addresses: Vec<SocketAddr>,
    pub(super) sockets: Vec<OwnedFd>,
    adopted: bool,
}

/// What every shard takes its own sockets by. The descriptors are those of `Listeners`, which must stay
/// until all shards have done so.
#[derive(Clone, Debug)]
pub(super) struct Shares {
    descriptors: Arc<[RawFd]>,
    shards: usize,
    /// Opened by somebody else.
    adopted: bool,
}

impl Listeners {
    pub(super) fn shares(&self, shards: usize) -> Shares {
        Shares {
            descriptors: self.sockets.iter().map(AsRawFd::as_raw_fd).collect(),
            shards,
            adopted: self.adopted,
        }
    }
}

impl Shares {
    /// Gives the calling thread a descriptor table of its own, with its sockets and nobody else's, and
    /// lets the ring accept from them.
    pub(super) fn take(&self, shard: usize, ring: &mut EventLoop) -> io::Result<()> {
        let copies = own_descriptors(&self.descriptors)?;
        let sockets = copies.len();
        for (index, socket) in copies.into_iter().enumerate() {
            match (
                accepts_from(shard, self.shards, index, sockets),
                self.adopted,
            ) {
                (false, _) => drop(socket),
                (true, false) => ring.listen(socket)?,
                (true, true) => ring.listen_adopted(socket)?,
            }
        }
        Ok(())
    }
}

/// What the service manager hands over (`LISTEN_FDS`, see sd_listen_fds(3)). Changes the environment: to
/// be called while there is one thread.
pub(super) fn handed_over() -> ListenFd {
    ListenFd::from_env()
}

/// The sockets that were handed over, or, if there are none, one for each shard at the wanted address.
pub(super) fn open(
    handed_over: ListenFd,
    wanted: SocketAddr,
    shards: usize,
) -> Result<Listeners, StartError> {
    if handed_over.len() == 0 {
        return listen(wanted, shards)
            .map_err(|error| StartError::Bind(explain_bind_error(wanted, &error)));
    }
    let listeners = adopt(handed_over).map_err(StartError::Bind)?;
    info!(
        "the service manager has opened the listening sockets (LISTEN_FDS): server.bind and server.port, \
         which say {wanted}, have no effect"
    );
    let sockets = listeners.sockets.len();
    if sockets < shards {
        warn!(
            "{shards} shards have {sockets} listening sockets from the service manager: of the shards with \
             one in common, one gets almost all of its connections. Repeat ListenStream= {shards} times, \
             with ReusePort=yes, in storm-pacemaker.socket, or set server.shards={sockets}"
        );
    }
    Ok(listeners)
}

/// Whether a shard accepts from a socket: every shard has one at least, and so has every socket.
fn accepts_from(shard: usize, shards: usize, socket: usize, sockets: usize) -> bool {
    if sockets < shards {
        shard % sockets == socket
    } else {
        socket % shards == shard
    }
}

fn adopt(mut handed_over: ListenFd) -> Result<Listeners, String> {
    let mut listeners = Listeners {
        addresses: vec![],
        sockets: vec![],
        adopted: true,
    };
    for index in 0..handed_over.len() {
        let (socket, address) = take(&mut handed_over, index).map_err(|error| {
            format!(
                "what the service manager hands over as descriptor {} (LISTEN_FDS) is no listening TCP \
                 socket: {error}. Let each ListenStream= of storm-pacemaker.socket be an IP address with \
                 a port, or a port alone",
                index + 3
            )
        })?;
        listeners.sockets.push(socket);
        if !listeners.addresses.contains(&address) {
            listeners.addresses.push(address);
        }
    }
    Ok(listeners)
}

fn take(handed_over: &mut ListenFd, index: usize) -> io::Result<(OwnedFd, SocketAddr)> {
    let socket = handed_over.take_tcp_listener(index)?;
    let socket = OwnedFd::from(socket.ok_or(io::ErrorKind::NotFound)?);
    adopt_listener(&socket)?;
    let address = local_address(&socket)?;
    Ok((socket, address))
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
    Ok(Listeners {
        addresses: vec![address],
        sockets,
        adopted: false,
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_shard_and_no_socket_is_left_out() {
        for shards in 1..=9 {
            for sockets in 1..=9 {
                let pairs: Vec<_> = (0..shards)
                    .flat_map(|shard| (0..sockets).map(move |socket| (shard, socket)))
                    .filter(|(shard, socket)| accepts_from(*shard, shards, *socket, sockets))
                    .collect();
                assert_eq!(pairs.len(), shards.max(sockets));
                assert!((0..shards).all(|shard| pairs.iter().any(|pair| pair.0 == shard)));
                assert!((0..sockets).all(|socket| pairs.iter().any(|pair| pair.1 == socket)));
            }
        }
    }
}
