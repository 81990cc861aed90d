//! Where a running daemon says which address it serves, for commands on the same host: in the name of a
//! socket. The kernel lists such names, and drops them when the process ends, however it ends. That needs no
//! writable directory and no rights, so it works in a read-only container under any user; and it is true
//! whatever the daemon's options were. A name can only be seen in the daemon's network namespace.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;

use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, socket_with};

/// Names are `storm-pacemaker/PROCESS/ADDRESS` in the abstract namespace (unix(7)).
const PREFIX: &str = "storm-pacemaker/";

/// The variable that tells a new process which one it replaces: that of this number, its parent.
pub(crate) const REPLACES: &str = "STORM_PACEMAKER_REPLACES";

/// The name is there as long as this value.
#[derive(Debug)]
pub(crate) struct Announcement {
    _socket: OwnedFd,
}

impl Announcement {
    /// Says that this process serves at the address.
    ///
    /// # Errors
    /// The operating system refuses.
    pub(crate) fn of(address: SocketAddr) -> io::Result<Announcement> {
        let name = format!("{PREFIX}{}/{address}", std::process::id());
        Ok(Announcement {
            _socket: named_socket(&name)?,
        })
    }
}

/// Failed upgrades are counted in names `storm-pacemaker-upgrade/PROCESS/FAILURES`.
const FAILED_PREFIX: &str = "storm-pacemaker-upgrade/";

/// How many upgrades of this process have failed, for the command that asked for one. As an [`Announcement`].
#[derive(Debug)]
pub(crate) struct FailedUpgrades {
    _socket: OwnedFd,
}

impl FailedUpgrades {
    /// # Errors
    /// The operating system refuses.
    pub(crate) fn announce(count: u32) -> io::Result<FailedUpgrades> {
        let name = format!("{FAILED_PREFIX}{}/{count}", std::process::id());
        Ok(FailedUpgrades {
            _socket: named_socket(&name)?,
        })
    }

    /// Those of a process.
    pub(crate) fn of(process: u32) -> u32 {
        let names = fs::read_to_string("/proc/net/unix").unwrap_or_default();
        let prefix = format!("{FAILED_PREFIX}{process}/");
        let counts = abstract_names(&names).filter_map(|name| name.strip_prefix(&prefix));
        counts
            .filter_map(|count| count.parse().ok())
            .max()
            .unwrap_or(0)
    }
}

/// A daemon that serves here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Announced {
    pub(crate) process: u32,
    pub(crate) address: SocketAddr,
    /// The user that the process runs as.
    pub(crate) user: u32,
}

/// The addresses that daemons of this user serve here. Names of other users' processes do not count: anybody
/// may make some.
pub(crate) fn announced() -> Vec<SocketAddr> {
    let own = rustix::process::geteuid().as_raw();
    let daemons = daemons().into_iter().filter(|daemon| daemon.user == own);
    daemons.map(|daemon| daemon.address).collect()
}

/// All daemons that serve here, or say so: see [`announced`].
pub(crate) fn daemons() -> Vec<Announced> {
    let names = fs::read_to_string("/proc/net/unix").unwrap_or_default();
    let daemons = addresses(&names).filter_map(|(process, address)| {
        Some(Announced {
            process: process.parse().ok()?,
            address,
            user: fs::metadata(format!("/proc/{process}")).ok()?.uid(),
        })
    });
    daemons.collect()
}

/// Processes and addresses in the text of `/proc/net/unix`.
fn addresses(names: &str) -> impl Iterator<Item = (&str, SocketAddr)> {
    abstract_names(names).filter_map(|name| {
        let (process, address) = name.strip_prefix(PREFIX)?.split_once('/')?;
        let process = Some(process).filter(|text| text.parse::<u32>().is_ok())?;
        Some((process, address.parse().ok()?))
    })
}

/// Abstract names are shown with an @.
fn abstract_names(names: &str) -> impl Iterator<Item = &str> {
    names
        .lines()
        .filter_map(|line| line.split_whitespace().next_back()?.strip_prefix('@'))
}

/// It does not listen, so nobody can connect to it.
fn named_socket(name: &str) -> io::Result<OwnedFd> {
    let (family, kind) = (AddressFamily::UNIX, SocketType::STREAM);
    let socket = socket_with(family, kind, SocketFlags::CLOEXEC, None)?;
    bind(
        &socket,
        &SocketAddrUnix::new_abstract_name(name.as_bytes())?,
    )?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_announced_is_found_until_it_ends() {
        // No daemon serves at such an address.
        let address: SocketAddr = "[2001:db8:ffff:ffff:ffff:ffff:ffff:ffff]:65535"
            .parse()
            .unwrap();
        let announcement = Announcement::of(address).unwrap();
        assert!(announced().contains(&address));
        drop(announcement);
        assert!(!announced().contains(&address));
    }

    #[test]
    fn other_names_are_no_announcements() {
        let names = "Num       RefCount Protocol Flags    Type St Inode Path\n\
             0: 2 0 0 1 1 21 @storm-pacemaker/7/127.0.0.1:6699\n\
             0: 2 0 0 1 1 22 /run/storm-pacemaker/7/127.0.0.1:6699\n\
             0: 2 0 0 1 1 23 @storm-pacemaker/7/nowhere\n\
             0: 2 0 0 1 1 24 @storm-pacemaker/../127.0.0.1:1\n\
             0: 2 0 0 1 1 25\n";
        let found: Vec<_> = addresses(names).collect();
        assert_eq!(found, [("7", "127.0.0.1:6699".parse().unwrap())]);
    }
}
