//! Serves HTTP/1 to whoever comes, with a bound on everything that a peer could make it hold or do:
//! connections, how fast they come, bytes of a request's head, and time.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustix::net::{AddressFamily, SocketFlags};
use rustix::net::{SocketType, bind, ipproto, listen as listen_on, socket_with, sockopt};
use tokio::net::TcpStream;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tracing::warn;

use super::site::Site;

/// Connections at a time. A further one takes the place of the oldest: whoever holds connections open
/// keeps nobody out.
const MOST_CONNECTIONS: usize = 64;

/// Connections accepted in so short a time: a flood takes some percent of a core, which shards have
/// precedence on, and no more.
const MOST_ACCEPTS: usize = 64;
const ACCEPT_WINDOW: Duration = Duration::from_millis(25);

/// How long a request's head may take to come, and all of a connection, its answer included.
const HEAD_DEADLINE: Duration = Duration::from_secs(5);
const CONNECTION_DEADLINE: Duration = Duration::from_secs(20);

/// Bytes and lines of a request's head.
const HEAD_BYTES: usize = 8 * 1024;
const HEAD_LINES: usize = 64;

/// Bytes of an answer that the kernel holds for one connection, and how long it keeps them for a peer
/// that does not take them.
const SEND_BUFFER_BYTES: usize = 256 * 1024;
const UNTAKEN_MS: u32 = 20_000;

/// Connections that wait to be accepted: half a second's.
const BACKLOG: i32 = 1024;

/// A rest when no descriptor is left.
const REST: Duration = Duration::from_millis(100);

/// The listening socket. What is accepted inherits its options.
pub(super) fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let family = match address {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(family, SocketType::STREAM, flags, Some(ipproto::TCP))?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    sockopt::set_tcp_nodelay(&socket, true)?;
    sockopt::set_socket_send_buffer_size(&socket, SEND_BUFFER_BYTES)?;
    sockopt::set_tcp_user_timeout(&socket, UNTAKEN_MS)?;
    bind(&socket, &address)?;
    listen_on(&socket, BACKLOG)?;
    Ok(socket.into())
}

/// Serves for ever, if it can.
pub(super) async fn serve(listener: TcpListener, site: Arc<Site>) {
    let listener = match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => {
            warn!("the admin endpoint (admin.address) does not serve: {error}");
            return;
        }
    };
    let mut connections: VecDeque<AbortHandle> = VecDeque::new();
    let mut window_ends = Instant::now() + ACCEPT_WINDOW;
    let mut accepts = 0;
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            sleep(REST).await;
            continue;
        };
        connections.retain(|connection| !connection.is_finished());
        while connections.len() >= MOST_CONNECTIONS {
            if let Some(oldest) = connections.pop_front() {
                oldest.abort();
            }
        }
        let site = site.clone();
        connections.push_back(tokio::spawn(connection(stream, site)).abort_handle());
        accepts += 1;
        if Instant::now() >= window_ends {
            (accepts, window_ends) = (1, Instant::now() + ACCEPT_WINDOW);
        } else if accepts == MOST_ACCEPTS {
            sleep_until(window_ends).await;
        }
    }
}

/// One request and its answer. What goes wrong concerns nobody but the peer.
async fn connection(stream: TcpStream, site: Arc<Site>) {
    let service = service_fn(|request| {
        let site = site.clone();
        async move {
            Ok::<_, Infallible>(
                site.answer(request.method(), request.uri(), request.headers())
                    .await,
            )
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
