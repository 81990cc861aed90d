//! Serves HTTP/1, with a bound on everything that a peer could make the server hold or do: connections,
//! the rate at which they come, bytes of a request's head, and time.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustix::net::{AddressFamily, SocketFlags};
use rustix::net::{SocketType, bind, ipproto, listen as listen_on, socket_with, sockopt};
use tokio::net::TcpStream;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tracing::warn;

use super::routes::Routes;

/// Open connections. A further one replaces the oldest, so a peer that holds connections open cannot
/// keep others out.
const MAX_CONNECTIONS: usize = 64;

/// Connections accepted in one window. A flood takes a few percent of a core, and shards come first on
/// that core.
const MAX_ACCEPTS: usize = 64;
const ACCEPT_WINDOW: Duration = Duration::from_millis(25);

/// How long the head of a request may take to arrive, and how long a connection may last with its
/// answer.
const HEAD_DEADLINE: Duration = Duration::from_secs(5);
const CONNECTION_DEADLINE: Duration = Duration::from_secs(20);

/// Bytes and header lines of a request's head.
const HEAD_BYTES: usize = 8 * 1024;
const HEAD_LINES: usize = 64;

/// Bytes of an answer that the kernel buffers for one connection, and how long it keeps them if the
/// peer does not acknowledge them, in milliseconds.
const SEND_BUFFER_BYTES: usize = 256 * 1024;
const UNACKNOWLEDGED_MS: u32 = 20_000;

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 1024;

/// The pause after a failed accept, for example when no descriptor is left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Opens the listening socket. Accepted connections inherit its options.
pub(super) fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let family = match address {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(family, SocketType::STREAM, flags, Some(ipproto::TCP))?;
    if address.is_ipv6() {
        // [::] stands for the addresses of both families, whatever net.ipv6.bindv6only says.
        sockopt::set_ipv6_v6only(&socket, false)?;
    }
    sockopt::set_socket_reuseaddr(&socket, true)?;
    sockopt::set_tcp_nodelay(&socket, true)?;
    sockopt::set_socket_send_buffer_size(&socket, SEND_BUFFER_BYTES)?;
    sockopt::set_tcp_user_timeout(&socket, UNACKNOWLEDGED_MS)?;
    bind(&socket, &address)?;
    listen_on(&socket, BACKLOG)?;
    Ok(socket.into())
}

/// Serves until it is dropped.
pub(super) async fn serve(listener: TcpListener, routes: Arc<Routes>) {
    let listener = match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => {
            warn!("the admin endpoint (admin.address) cannot serve: {error}");
            return;
        }
    };
    let mut connections: VecDeque<AbortHandle> = VecDeque::new();
    let mut window_ends = Instant::now() + ACCEPT_WINDOW;
    let mut accepts = 0;
    loop {
        let Ok((stream, peer)) = listener.accept().await else {
            sleep(ACCEPT_PAUSE).await;
            continue;
        };
        connections.retain(|connection| !connection.is_finished());
        while connections.len() >= MAX_CONNECTIONS {
            if let Some(oldest) = connections.pop_front() {
                oldest.abort();
            }
        }
        let routes = routes.clone();
        connections.push_back(tokio::spawn(connection(stream, peer.ip(), routes)).abort_handle());
        accepts += 1;
        if Instant::now() >= window_ends {
            (accepts, window_ends) = (1, Instant::now() + ACCEPT_WINDOW);
        } else if accepts == MAX_ACCEPTS {
            sleep_until(window_ends).await;
        }
    }
}

/// Serves one request. Errors concern only the peer, so they are ignored.
async fn connection(stream: TcpStream, peer: IpAddr, routes: Arc<Routes>) {
    let service = service_fn(|request: Request<Incoming>| {
        let routes = routes.clone();
        async move {
            let (head, _unread_body) = request.into_parts();
            Ok::<_, Infallible>(routes.answer(peer, &head).await)
        }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .keep_alive(false)
        .header_read_timeout(HEAD_DEADLINE)
        .max_header_size(HEAD_BYTES)
        .max_buf_size(2 * HEAD_BYTES)
        .max_headers(HEAD_LINES)
        .serve_connection(TokioIo::new(stream), service);
    let _ = timeout(CONNECTION_DEADLINE, served).await;
}
