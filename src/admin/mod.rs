//! The admin endpoint: metrics, health, status and a web page, over HTTP, on its own thread and port. It
//! reads what shards have put on the board. No shard waits for it, and its thread is nice: shards get a
//! contended core first.

pub(crate) mod board;
mod cache;
mod cluster;
mod health;
mod hosts;
mod http;
mod metrics;
mod page;
mod process;
mod routes;
mod status;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime};

use tokio::sync::oneshot;

use crate::access::PageRule;
use crate::limits::{Ageing, Limits};
use crate::shard::AddressAccounts;
use board::Board;
use routes::Routes;

/// The niceness of the admin thread, so that a shard that wants the same core gets it.
const NICENESS: i32 = 10;

/// How often memory that is no longer needed is freed.
const FREE_EVERY: Duration = Duration::from_secs(5);

/// What the endpoint reports and does not change while the daemon runs.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    /// The address that clients connect to.
    pub(crate) address: SocketAddr,
    pub(crate) started: SystemTime,
    pub(crate) kernel: String,
    /// Whether each shard has a table of descriptors of its own; if not, there is one for all threads.
    pub(crate) own_descriptors: bool,
    /// The name of the data plane.
    pub(crate) io: &'static str,
    /// The core of each shard. Empty: they are not pinned.
    pub(crate) cores: Vec<usize>,
    pub(crate) login_method: &'static str,
    pub(crate) limits: Limits,
    /// The most memory that the limits allow.
    pub(crate) footprint_bytes: u64,
    pub(crate) accounts: Arc<AddressAccounts>,
    pub(crate) ageing: Ageing,
    /// Settings without secrets, with their values: `/status` shows them.
    pub(crate) settings: Vec<(&'static str, String)>,
    /// Who sees the page, its data and `/status`.
    pub(crate) page: PageRule,
    /// Names of the endpoint in requests, besides localhost and the machine's own.
    pub(crate) hosts: Vec<String>,
}

/// The running endpoint.
#[derive(Debug)]
pub(crate) struct Admin {
    address: SocketAddr,
    end: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

/// Opens the listening socket of the admin endpoint.
///
/// # Errors
/// The error of the operating system, such as an address in use.
pub(crate) fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    http::listen(address)
}

/// What `/status` tells, on one line.
pub(crate) fn status(facts: &Facts, board: &Board) -> String {
    status::document(facts, board).to_string()
}

impl Admin {
    /// Starts the thread that serves.
    ///
    /// # Errors
    /// The thread or its event loop cannot be created.
    pub(crate) fn start(
        listener: TcpListener,
        facts: Facts,
        board: Arc<Board>,
    ) -> io::Result<Admin> {
        let address = listener.local_addr()?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let routes = Arc::new(Routes::new(facts, board));
        let (end, ended) = oneshot::channel();
        let thread = thread::Builder::new()
            .name("admin".to_owned())
            .spawn(move || {
                // If it may not be nice, it serves all the same.
                let _ = rustix::process::setpriority_process(None, NICENESS);
                runtime.block_on(async {
                    tokio::spawn(http::serve(listener, routes.clone()));
                    tokio::spawn(async move {
                        loop {
                            tokio::time::sleep(FREE_EVERY).await;
                            routes.free_unwatched();
                        }
                    });
                    let _ = ended.await;
                });
            })?;
        Ok(Admin {
            address,
            end,
            thread,
        })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Closes all connections and waits until the thread has ended.
    pub(crate) fn stop(self) {
        let _ = self.end.send(());
        // A panic would have aborted the process.
        let _ = self.thread.join();
    }
}
