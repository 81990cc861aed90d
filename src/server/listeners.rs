//! The listening sockets. The daemon opens one for each shard, all at one address. With socket activation
//! the service manager opens and keeps them, so that clients can connect while the daemon restarts. An upgrade in
//! place hands them from process to process.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use listenfd::ListenFd;
use tracing::{info, warn};

use super::StartError;
use super::handover::Opener;
use super::predecessor::is_meant;
use super::preflight::explain_bind_error;
use crate::io::{EventLoop, adopt_listener, listen_at, local_address, own_descriptors};

/// How long to wait for a port that is in use. After a process is killed the kernel closes the sockets of
/// its io_uring a little later (10 to 30 ms, measured on Linux 6.18), and a start right after a kill must
/// not fail because of that.
const PORT_WAIT: Duration = Duration::from_secs(2);
const RETRY_EVERY: Duration = Duration::from_millis(5);

pub(super) struct Listeners {
    /// Each address once. Port 0 is replaced by the port that the kernel chose.
    pub(super) addresses: Vec<SocketAddr>,
    pub(super) sockets: Vec<OwnedFd>,
    pub(super) opener: Opener,
}

/// Sockets of the process that this one replaces.
#[derive(Debug)]
pub(super) struct Handed {
    pub(super) sockets: Vec<OwnedFd>,
    pub(super) opener: Opener,
    pub(super) process: u32,
}

/// Where the sockets come from, if not from this process.
pub(super) enum Inherited {
    FromManager(ListenFd),
    FromPredecessor(Handed),
}

/// How each shard gets its sockets. The descriptors belong to [`Listeners`], which must stay open until
/// every shard has called [`take`](Self::take).
#[derive(Clone, Debug)]
pub(super) struct SharedListeners {
    descriptors: Arc<[RawFd]>,
    shards: usize,
    is_adopted: bool,
}

impl Listeners {
    pub(super) fn shared(&self, shards: usize) -> SharedListeners {
        SharedListeners {
            descriptors: self.sockets.iter().map(AsRawFd::as_raw_fd).collect(),
            shards,
            // Before this process was started, another had set the options of the predecessor's sockets.
            is_adopted: self.opener == Opener::ServiceManager,
        }
    }
}

impl SharedListeners {
    /// Gives the calling thread its own descriptor table that holds only this shard's sockets, and lets
    /// the event loop accept from them.
    pub(super) fn take(&self, shard: usize, event_loop: &mut EventLoop) -> io::Result<()> {
        let copies = own_descriptors(&self.descriptors)?;
        let sockets = copies.len();
        for (index, socket) in copies.into_iter().enumerate() {
            if !accepts_from(shard, self.shards, index, sockets) {
                drop(socket);
            } else if self.is_adopted {
                event_loop.listen_adopted(socket)?;
            } else {
                event_loop.listen(socket)?;
            }
        }
        Ok(())
    }
}

/// The sockets that the service manager passed to the process (`LISTEN_FDS`, sd_listen_fds(3)). Changes the
/// environment, so it must be called while there is only one thread.
pub(super) fn from_service_manager() -> ListenFd {
    ListenFd::from_env()
}

/// The inherited sockets or, if there are none, a new socket for each shard at the wanted address.
///
/// # Errors
/// The address cannot be bound, or an inherited descriptor is not a listening TCP socket.
pub(super) fn open(
    inherited: Inherited,
    wanted: SocketAddr,
    shards: usize,
    unacknowledged: Duration,
) -> Result<Listeners, StartError> {
    let inherited = match inherited {
        Inherited::FromPredecessor(handed) => {
            return take_over(handed, wanted, shards, unacknowledged).map_err(StartError::Bind);
        }
        Inherited::FromManager(inherited) => inherited,
    };
    if inherited.len() == 0 {
        return listen(wanted, shards, unacknowledged)
            .map_err(|error| StartError::Bind(explain_bind_error(wanted, &error)));
    }
    let listeners = adopt(inherited, unacknowledged).map_err(StartError::Bind)?;
    info!(
        "using the listening sockets of the service manager (LISTEN_FDS); server.bind and server.port \
         ({wanted}) have no effect"
    );
    warn_of_shared(listeners.sockets.len(), shards);
    Ok(listeners)
}

fn warn_of_shared(sockets: usize, shards: usize) {
    if sockets < shards {
        warn!(
            "the service manager opened {sockets} listening sockets for {shards} shards: where shards share \
             a socket, one of them gets almost all connections. Repeat ListenStream= {shards} times with \
             ReusePort=yes in storm-pacemaker.socket, or set server.shards={sockets}"
        );
    }
}

/// Goes on with the sockets of the process that this one replaces. All of them: connections wait in each.
fn take_over(
    handed: Handed,
    wanted: SocketAddr,
    shards: usize,
    unacknowledged: Duration,
) -> Result<Listeners, String> {
    let Handed {
        sockets,
        opener,
        process,
    } = handed;
    let mut addresses = Vec::new();
    for socket in &sockets {
        let address = adopt_listener(socket, unacknowledged).and_then(|()| local_address(socket));
        let address = address.map_err(|error| {
            format!("a listening socket of process {process}, which is replaced: {error}")
        })?;
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    let Some(&address) = addresses.first() else {
        return Err(format!(
            "process {process}, which is replaced, has handed over no socket"
        ));
    };
    let mut listeners = Listeners {
        addresses,
        sockets,
        opener,
    };
    let count = listeners.sockets.len();
    info!("took over the {count} listening sockets of process {process}");
    if opener == Opener::ServiceManager {
        warn_of_shared(count, shards);
        return Ok(listeners);
    }
    if !is_meant(wanted, address) {
        warn!(
            "server.bind and server.port name {wanted}, but an upgrade in place keeps the address {address}: restart \
             to change it"
        );
    }
    // The kernel lets a socket of the same user join those that share an address.
    for _ in count..shards {
        let socket = listen_at(address, true, unacknowledged);
        listeners
            .sockets
            .push(socket.map_err(|error| explain_bind_error(address, &error))?);
    }
    Ok(listeners)
}

/// `[::]` stands for all addresses of both families. On a host without IPv6 those are `0.0.0.0`.
pub(super) fn with_families_of_host(wanted: SocketAddr) -> SocketAddr {
    if wanted.ip() != Ipv6Addr::UNSPECIFIED || TcpListener::bind((wanted.ip(), 0)).is_ok() {
        return wanted;
    }
    let instead = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), wanted.port());
    // If IPv4 is missing as well, the first address is the one to complain about.
    if TcpListener::bind((instead.ip(), 0)).is_err() {
        return wanted;
    }
    info!("this host has no IPv6: {instead} stands for {wanted}");
    instead
}

/// Whether a shard accepts from a socket. Every shard has at least one socket, and every socket at least
/// one shard.
fn accepts_from(shard: usize, shards: usize, socket: usize, sockets: usize) -> bool {
    if sockets < shards {
        shard % sockets == socket
    } else {
        socket % shards == shard
    }
}

fn adopt(mut inherited: ListenFd, unacknowledged: Duration) -> Result<Listeners, String> {
    let mut listeners = Listeners {
        addresses: vec![],
        sockets: vec![],
        opener: Opener::ServiceManager,
    };
    for index in 0..inherited.len() {
        let (socket, address) = take(&mut inherited, index, unacknowledged).map_err(|error| {
            format!(
                "the service manager's descriptor {} (LISTEN_FDS) is not a listening TCP socket: {error}. \
                 Each ListenStream= of storm-pacemaker.socket must be an IP address with a port, or a \
                 port alone",
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

fn take(
    inherited: &mut ListenFd,
    index: usize,
    unacknowledged: Duration,
) -> io::Result<(OwnedFd, SocketAddr)> {
    let socket = inherited.take_tcp_listener(index)?;
    let socket = OwnedFd::from(socket.ok_or(io::ErrorKind::NotFound)?);
    adopt_listener(&socket, unacknowledged)?;
    let address = local_address(&socket)?;
    Ok((socket, address))
}

fn listen(wanted: SocketAddr, shards: usize, unacknowledged: Duration) -> io::Result<Listeners> {
    // With SO_REUSEPORT two daemons of one user could listen at the same address, and each would get a
    // share of the connections. A socket without the option shows whether the address is free.
    if wanted.port() != 0 {
        drop(listen_when_free(wanted, unacknowledged)?);
    }
    let first = listen_at(wanted, true, unacknowledged)?;
    let address = local_address(&first)?;
    let mut sockets = vec![first];
    for _ in 1..shards {
        sockets.push(listen_at(address, true, unacknowledged)?);
    }
    Ok(Listeners {
        addresses: vec![address],
        sockets,
        opener: Opener::Daemon,
    })
}

fn listen_when_free(address: SocketAddr, unacknowledged: Duration) -> io::Result<OwnedFd> {
    let deadline = Instant::now() + PORT_WAIT;
    let mut is_logged = false;
    loop {
        match listen_at(address, false, unacknowledged) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && Instant::now() < deadline => {
                if !std::mem::replace(&mut is_logged, true) {
                    info!("{address} is in use; waiting up to {PORT_WAIT:?} for it");
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
    fn every_shard_has_a_socket_and_every_socket_a_shard() {
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
