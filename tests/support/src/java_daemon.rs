//! Storm's own daemon as a child process, to compare with.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use tempfile::TempDir;

use super::{Client, holds_within};

pub struct JavaDaemon {
    child: Child,
    address: SocketAddr,
    _directory: TempDir,
}

impl JavaDaemon {
    /// Starts on a free port, without logins.
    pub fn start() -> JavaDaemon {
        Self::start_with(&[], "")
    }

    /// Starts at the port of this address, which is free.
    pub fn start_on(address: SocketAddr) -> JavaDaemon {
        Self::spawn(address, &[], "")
    }

    /// Starts with further settings of storm.yaml and further options of the JVM.
    pub fn start_with(settings: &[(&str, &str)], jvm_options: &str) -> JavaDaemon {
        // It cannot choose a port by itself.
        Self::spawn(free_address(), settings, jvm_options)
    }

    fn spawn(address: SocketAddr, settings: &[(&str, &str)], jvm_options: &str) -> JavaDaemon {
        // Its script would only exit; this names what is missing.
        super::storm::class_path("cluster-2.8.3");
        let script = super::repository().join("tests/storm/java-pacemaker");
        let directory = TempDir::new().expect("a directory for its logs");
        let settings = settings.iter().map(|(key, value)| format!("{key}={value}"));
        let child = Command::new(script)
            .arg(address.port().to_string())
            .arg(directory.path())
            .args(settings)
            .env("JAVA_OPTS", jvm_options)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("Storm's daemon starts");
        let daemon = JavaDaemon {
            child,
            address,
            _directory: directory,
        };
        // It listens before it serves, and may reset its first connections.
        let serves =
            || TcpStream::connect(address).is_ok() && Client::connect_if_served(address).is_some();
        assert!(
            holds_within(Duration::from_secs(60), serves),
            "Storm's daemon does not serve"
        );
        daemon
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("our child").is_none()
    }
}

impl Drop for JavaDaemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port that the kernel gives to no connection of a test beside this one, in the seconds that a JVM takes to bind it.
fn free_address() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = 20_000 + (std::process::id() % 10_000) as u16;
    loop {
        let port = first + NEXT.fetch_add(1, Ordering::Relaxed);
        if let Ok(socket) = TcpListener::bind(("127.0.0.1", port)) {
            return socket.local_addr().expect("its address");
        }
    }
}
