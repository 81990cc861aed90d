//! The admin endpoint: metrics, health, status and a page for people, over HTTP, on a thread and a
//! port of its own. It reads what shards have put on the board: none waits for it, and where a core is short it
//! is nice to them.

pub mod board;
mod cache;
mod cluster;
mod health;
mod http;
mod metrics;
mod page;
mod process;
mod site;
mod status;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime};

use tokio::sync::oneshot;

use crate::limits::{Ageing, Limits};
use board::Board;
use site::Site;

/// The niceness of the admin thread: where a shard wants the core, it gets it.
const NICENESS: i32 = 10;

/// How often what was kept for lookers is given back.
const TIDY_EVERY: Duration = Duration::from_secs(5);

/// What does not change while the daemon runs.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Where pulses are served.
    pub address: SocketAddr,
    pub started: SystemTime,
    pub kernel: String,
    /// The core of each shard.
    pub cores: Vec<usize>,
    pub login_method: &'static str,
    pub limits: Limits,
    pub ageing: Ageing,
    /// Settings that may be shown to everyone, with their values.
    pub settings: Vec<(&'static str, String)>,
    /// Whether the page and its data are served.
    pub page: bool,
}

/// A thread that serves.
#[derive(Debug)]
pub struct Admin {
    address: SocketAddr,
    end: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

/// The socket of the admin endpoint, before it serves.
///
/// # Errors
/// The operating system's, such as an address in use.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    http::listen(address)
}

impl Admin {
    /// Starts to serve.
    ///
    /// # Errors
    /// The thread or what it waits with cannot be made.
    pub fn start(listener: TcpListener, facts: Facts, board: Arc<Board>) -> io::Result<Admin> {
        let address = listener.local_addr()?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let site = Arc::new(Site::new(facts, board, address.ip().is_loopback()));
        let (end, ended) = oneshot::channel();
        let thread = thread::Builder::new()
            .name("admin".to_owned())
            .spawn(move || {
                // Without the right to be nice it serves all the same.
                let _ = rustix::process::setpriority_process(None, NICENESS);
                runtime.block_on(async {
                    tokio::spawn(http::serve(listener, site.clone()));
                    tokio::spawn(async move {
                        loop {
                            tokio::time::sleep(TIDY_EVERY).await;
                            site.tidy();
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

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends its connections and the thread.
    pub fn stop(self) {
        let _ = self.end.send(());
        // It has panicked only if the process has aborted.
        let _ = self.thread.join();
    }
}
