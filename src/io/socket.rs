//! Making sockets: listeners whose accepted connections need no further call, and dialling ones.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::thread;
use std::time::Duration;

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::{Errno, fcntl_dupfd_cloexec};
use rustix::net::{
    AddressFamily, SocketFlags, SocketType, bind, connect, getsockname, ipproto, listen,
    socket_with, sockopt,
};

use crate::limits::{KEEPALIVE_IDLE, KEEPALIVE_INTERVAL, KEEPALIVE_PROBES, SEND_BUFFER_BYTES};

/// More than any kernel grants. The kernel caps the backlog at net.core.somaxconn, by which the operator
/// chooses how many workers may dial in at once.
const BACKLOG: i32 = 65_535;

/// A listening socket. Port 0 lets the kernel choose a port; `local_address` tells which.
///
/// Accepted sockets inherit its options: Linux does so for SO_LINGER, TCP_NODELAY and keep-alive. So even
/// a connection that is not accepted yet ends with a RST when the process dies.
///
/// With `shared`, further sockets may listen at the same address (SO_REUSEPORT) and the kernel
/// spreads connections over them. `unacknowledged` is how long an answer may stay unacknowledged by the
/// peer's kernel before the connection ends.
pub fn listen_at(
    address: SocketAddr,
    shared: bool,
    unacknowledged: Duration,
) -> io::Result<OwnedFd> {
    let socket = open(address)?;
    if address.is_ipv6() {
        // [::] stands for the addresses of both families, whatever net.ipv6.bindv6only says.
        sockopt::set_ipv6_v6only(&socket, false)?;
    }
    // Connections of an earlier process in TIME_WAIT must not keep this one from starting.
    sockopt::set_socket_reuseaddr(&socket, true)?;
    if shared {
        sockopt::set_socket_reuseport(&socket, true)?;
    }
    set_connection_options(&socket, unacknowledged)?;
    bind(&socket, &address)?;
    listen(&socket, BACKLOG)?;
    Ok(socket)
}

/// Gives a listening socket that another process opened the options of `listen_at`'s. All holders of
/// the socket see the change: they share its description.
///
/// # Errors
/// Of kind `InvalidInput` if the socket does not listen.
pub(crate) fn adopt_listener(socket: &OwnedFd, unacknowledged: Duration) -> io::Result<()> {
    if !sockopt::socket_acceptconn(socket)? {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it does not listen",
        ));
    }
    notice_dials(socket);
    set_connection_options(socket, unacknowledged)?;
    // On a listening socket this sets the backlog, and nothing else.
    Ok(listen(socket, BACKLOG)?)
}

/// Makes the kernel drop what arrives at a listening socket: a dial gets no answer, not even a refusal. Connections
/// that it has accepted go on. All holders of the socket see the change, until `adopt_listener`.
#[allow(unsafe_code)] // no crate at hand has SO_ATTACH_FILTER
pub(super) fn ignore_dials(socket: &OwnedFd) -> io::Result<()> {
    // One instruction: take no byte of any packet.
    let mut program = [libc::sock_filter {
        code: (libc::BPF_RET | libc::BPF_K) as u16,
        jt: 0,
        jf: 0,
        k: 0,
    }];
    let filter = libc::sock_fprog {
        len: program.len() as u16,
        filter: program.as_mut_ptr(),
    };
    // SAFETY: the option takes a sock_fprog that points to `len` instructions; both outlive the call, and the kernel
    // copies them. The descriptor is open.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_ATTACH_FILTER,
            (&raw const filter).cast(),
            size_of_val(&filter) as libc::socklen_t,
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Takes back what `ignore_dials` did, perhaps in an earlier process.
#[allow(unsafe_code)] // no crate at hand has SO_DETACH_FILTER
fn notice_dials(socket: &OwnedFd) {
    let unused: libc::c_int = 0;
    // SAFETY: the option takes a c_int, which outlives the call; the descriptor is open. It fails without a filter.
    unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_DETACH_FILTER,
            (&raw const unused).cast(),
            size_of_val(&unused) as libc::socklen_t,
        );
    }
}

/// Options of connections; a listening socket hands them down.
fn set_connection_options(socket: &OwnedFd, unacknowledged: Duration) -> io::Result<()> {
    sockopt::set_socket_linger(socket, Some(Duration::ZERO))?;
    sockopt::set_tcp_nodelay(socket, true)?;
    sockopt::set_socket_send_buffer_size(socket, SEND_BUFFER_BYTES)?;
    sockopt::set_socket_keepalive(socket, true)?;
    sockopt::set_tcp_keepidle(socket, KEEPALIVE_IDLE)?;
    sockopt::set_tcp_keepintvl(socket, KEEPALIVE_INTERVAL)?;
    sockopt::set_tcp_keepcnt(socket, KEEPALIVE_PROBES)?;
    let milliseconds = unacknowledged.as_millis() as u32;
    Ok(sockopt::set_tcp_user_timeout(socket, milliseconds)?)
}

/// Gives a connection the options that it did not inherit, because it arrived before its listening
/// socket had them.
pub(super) fn complete_options(socket: &OwnedFd, listener: &OwnedFd) {
    if matches!(sockopt::socket_linger(socket), Ok(None))
        && let Ok(milliseconds) = sockopt::tcp_user_timeout(listener)
    {
        // If they cannot be set, the peer is gone.
        let _ = set_connection_options(socket, Duration::from_millis(milliseconds.into()));
    }
}

/// Gives the calling thread a descriptor table of its own, a copy of the process's as it is now, and
/// returns its copies of `taken`. The limit on open files (RLIMIT_NOFILE) is one on each table. Where
/// the kernel refuses, the thread stays in the process's table, and the copies are duplicates.
///
/// From here on no descriptor may pass to or from this thread: it must close what it opens, and cannot
/// use what others open. `taken` must be open; their owner closes its own copies, on a thread that
/// shares its table.
#[allow(unsafe_code)] // descriptors change owners
pub fn own_descriptors(taken: &[RawFd]) -> io::Result<Vec<OwnedFd>> {
    if leave_table().is_err() {
        let duplicates = taken.iter().map(|socket| {
            // SAFETY: the caller keeps it open.
            let socket = unsafe { BorrowedFd::borrow_raw(*socket) };
            fcntl_dupfd_cloexec(socket, 0).map_err(io::Error::from)
        });
        return duplicates.collect();
    }
    // SAFETY: they are open in this table, which is new: its copies have no owner yet.
    let copies = taken
        .iter()
        .map(|socket| unsafe { OwnedFd::from_raw_fd(*socket) });
    Ok(copies.collect())
}

/// Whether threads may have descriptor tables of their own, tried on a thread that ends at once.
pub fn can_own_descriptors() -> bool {
    let trial = thread::Builder::new().spawn(leave_table);
    trial.is_ok_and(|thread| matches!(thread.join(), Ok(Ok(()))))
}

#[allow(unsafe_code)] // no crate in use has safe ones
fn leave_table() -> io::Result<()> {
    // A range without open descriptors: only the flag counts. It comes first because Docker's seccomp
    // profile allows unshare(2) only with CAP_SYS_ADMIN, whatever its flags. Linux has it since 5.9.
    let nothing = libc::c_long::from(i32::MAX);
    // SAFETY: it closes nothing. Every descriptor that is open now stays valid in both tables. One that
    // passed between threads later would not be valid; event loops and their sockets never do.
    let result = unsafe {
        libc::syscall(
            libc::SYS_close_range,
            nothing,
            nothing,
            libc::CLOSE_RANGE_UNSHARE,
        )
    };
    if result == 0 {
        return Ok(());
    }
    // SAFETY: as above.
    if unsafe { libc::unshare(libc::CLONE_FILES) } == 0 {
        return Ok(());
    }
    Err(io::Error::last_os_error())
}

/// Whether calls on the socket return at once (O_NONBLOCK), which each data plane sets as it needs it.
pub(super) fn set_nonblocking(socket: &OwnedFd, on: bool) -> io::Result<()> {
    let flags = fcntl_getfl(socket)?;
    let wanted = if on {
        flags | OFlags::NONBLOCK
    } else {
        flags - OFlags::NONBLOCK
    };
    if wanted != flags {
        fcntl_setfl(socket, wanted)?;
    }
    Ok(())
}

/// Lets an accept on a socket without O_NONBLOCK wait for the shortest time that there is, a tick of the kernel.
/// Accepted sockets inherit the bound; receives that do not wait ignore it.
pub(super) fn bound_accept(socket: &OwnedFd) -> io::Result<()> {
    let shortest = Some(Duration::from_micros(1));
    Ok(sockopt::set_socket_timeout(
        socket,
        sockopt::Timeout::Recv,
        shortest,
    )?)
}

/// Starts to dial, from the source address if one is given. The socket becomes writable when the
/// connection is open or has failed; `dialled` tells which. It does not block (O_NONBLOCK).
pub(super) fn dial(to: SocketAddr, from: Option<IpAddr>) -> io::Result<OwnedFd> {
    let socket = open(to)?;
    sockopt::set_socket_linger(&socket, Some(Duration::ZERO))?;
    sockopt::set_tcp_nodelay(&socket, true)?;
    if let Some(from) = from {
        bind_address_without_port(&socket)?;
        bind(&socket, &SocketAddr::new(from, 0))?;
    }
    set_nonblocking(&socket, true)?;
    match connect(&socket, &to) {
        Ok(()) | Err(Errno::INPROGRESS) => Ok(socket),
        Err(error) => Err(error.into()),
    }
}

/// How a dialling that `dial` started has ended.
pub(super) fn dialled(socket: &OwnedFd) -> io::Result<()> {
    sockopt::socket_error(socket)??;
    Ok(())
}

/// The operating system's number of the error that has ended a connection.
pub(super) fn ended_by(socket: &OwnedFd) -> i32 {
    let error = match sockopt::socket_error(socket) {
        Ok(Err(error)) | Err(error) => error,
        Ok(Ok(())) => Errno::CONNRESET, // someone has asked before
    };
    error.raw_os_error()
}

/// The port is chosen at connect, when the kernel knows both ends: a port of a source address then
/// serves one connection to each target, not one in all.
#[allow(unsafe_code)] // no crate at hand has IP_BIND_ADDRESS_NO_PORT
fn bind_address_without_port(socket: &OwnedFd) -> io::Result<()> {
    let on: libc::c_int = 1;
    // SAFETY: the option takes a c_int, which outlives the call; the descriptor is open.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_IP,
            libc::IP_BIND_ADDRESS_NO_PORT,
            (&raw const on).cast(),
            size_of_val(&on) as libc::socklen_t,
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Bytes that were sent and that the peer has not acknowledged.
#[allow(unsafe_code)] // no crate at hand has SIOCOUTQ
pub(super) fn unacknowledged_bytes(socket: &OwnedFd) -> usize {
    let mut bytes: libc::c_int = 0;
    // SAFETY: SIOCOUTQ (the same number as TIOCOUTQ) writes one c_int; the descriptor is open.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), libc::TIOCOUTQ, &raw mut bytes) };
    if result == 0 {
        usize::try_from(bytes).unwrap_or(0)
    } else {
        0 // the connection is gone, and so is what it had to send
    }
}

/// Bytes that have come and that nobody has read.
pub(super) fn unread_bytes(socket: &OwnedFd) -> u64 {
    rustix::io::ioctl_fionread(socket).unwrap_or(0)
}

/// The address that a socket is bound to.
pub fn local_address(socket: &OwnedFd) -> io::Result<SocketAddr> {
    Ok(getsockname(socket)?.try_into()?)
}

pub(super) fn peer_address(socket: &OwnedFd) -> io::Result<SocketAddr> {
    let address = rustix::net::getpeername(socket)?;
    let Some(address) = address else {
        return Err(io::ErrorKind::NotConnected.into());
    };
    Ok(address.try_into()?)
}

/// Ends the connection with a FIN when it is closed, not with a RST.
pub(super) fn close_with_fin(socket: &OwnedFd) {
    // If it cannot be set then the peer gets a RST, which it tolerates, too.
    let _ = sockopt::set_socket_linger(socket, None);
}

fn open(address: SocketAddr) -> io::Result<OwnedFd> {
    let family = match address {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    };
    Ok(socket_with(
        family,
        SocketType::STREAM,
        SocketFlags::CLOEXEC,
        Some(ipproto::TCP),
    )?)
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::{Ipv4Addr, TcpListener, TcpStream};

    use super::*;

    /// Linux hands the options of a listening socket down; without the time limit a host that is lost
    /// while an answer is unacknowledged would keep its connection for 15 minutes.
    #[test]
    fn accepted_connections_inherit_the_options() {
        let unacknowledged = Duration::from_millis(47_110);
        let any_port = (Ipv4Addr::LOCALHOST, 0).into();
        let listener = listen_at(any_port, false, unacknowledged).unwrap();
        let listener = TcpListener::from(listener);
        let _client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (accepted, _) = listener.accept().unwrap();
        let milliseconds = sockopt::tcp_user_timeout(&accepted).unwrap();
        assert_eq!(u128::from(milliseconds), unacknowledged.as_millis());
        assert_eq!(
            sockopt::socket_linger(&accepted).unwrap(),
            Some(Duration::ZERO)
        );
        assert!(sockopt::tcp_nodelay(&accepted).unwrap());
        assert_eq!(sockopt::tcp_keepidle(&accepted).unwrap(), KEEPALIVE_IDLE);
    }

    /// The kernel's memory for all connections is not much more than 4 MiB for each of some hundred.
    #[test]
    fn the_kernel_keeps_little_of_what_a_peer_does_not_read() {
        let any_port = (Ipv4Addr::LOCALHOST, 0).into();
        let listener = listen_at(any_port, false, Duration::from_secs(1)).unwrap();
        let listener = TcpListener::from(listener);
        let _client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut accepted, _) = listener.accept().unwrap();
        accepted.set_nonblocking(true).unwrap();
        let mut taken = 0;
        while let Ok(count) = accepted.write(&[0; 64 * 1024]) {
            taken += count;
        }
        assert!(taken < 4 * SEND_BUFFER_BYTES, "{taken} bytes");
    }
}
