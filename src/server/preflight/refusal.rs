//! The messages for a start that cannot succeed: what is wrong, what is needed, what to do. `preflight`
//! and `server` decide when each applies.

use std::fmt;
use std::io;
use std::net::SocketAddr;

use super::{FEWEST_CONNECTIONS, MEMLOCK_BYTES, OLDEST_RING_KERNEL};
use crate::limits::KIB;
use crate::units::Size;

/// Why this machine cannot run the daemon. Displays as what is wrong, what is needed, and what to do.
#[derive(Debug)]
pub enum PreflightError {
    KernelTooOld {
        found: String,
    },
    ForbiddenBySysctl {
        mode: u64,
    },
    ForbiddenBySeccomp,
    ForbiddenBySecurityModule,
    NoIoUring,
    RingFlagsUnknown {
        kernel: String,
    },
    /// Bytes; `wanted` for all shards.
    LockedMemory {
        limit: u64,
        shards: u64,
        wanted: u64,
    },
    NoMemoryForRing,
    NoFileForRing,
    RingFailed {
        error: io::Error,
    },
    /// Bytes.
    MemlockTooLow {
        hard: u64,
    },
    TooFewFiles {
        hard: u64,
        spare: u64,
        wanted: u64,
    },
    CannotRaise {
        what: &'static str,
        error: io::Error,
    },
}

impl std::error::Error for PreflightError {}

impl PreflightError {
    /// Whether the machine lacks what any data plane needs: epoll would not help.
    pub(super) fn is_about_this_machine(&self) -> bool {
        matches!(
            self,
            PreflightError::NoMemoryForRing
                | PreflightError::NoFileForRing
                | PreflightError::TooFewFiles { .. }
                | PreflightError::CannotRaise { .. }
        )
    }
}

impl fmt::Display for PreflightError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (major, minor) = OLDEST_RING_KERNEL;
        match self {
            PreflightError::KernelTooOld { found } => write!(
                formatter,
                "the kernel is too old for it: this is Linux {found}, and multishot receive, buffer \
                 rings and deferred task running need {major}.{minor} (Debian 12, Ubuntu 24.04, RHEL 10 \
                 and Amazon Linux 2023 have it)"
            ),
            PreflightError::ForbiddenBySysctl { mode: 1 } => formatter.write_str(
                "io_uring is forbidden: sysctl kernel.io_uring_disabled is 1, which allows only \
                 processes with CAP_SYS_ADMIN or in the group kernel.io_uring_group. Set sysctl \
                 kernel.io_uring_group to the daemon's group id, or kernel.io_uring_disabled=0 (in \
                 /etc/sysctl.d to make it permanent)",
            ),
            PreflightError::ForbiddenBySysctl { mode } => write!(
                formatter,
                "io_uring is forbidden: sysctl kernel.io_uring_disabled is {mode}, which allows no \
                 process. Set it to 0, or to 1 with kernel.io_uring_group at the daemon's group id \
                 (in /etc/sysctl.d to make it permanent)"
            ),
            PreflightError::ForbiddenBySeccomp => formatter.write_str(
                "io_uring is forbidden by a seccomp filter (Docker's and containerd's default \
                 profiles forbid it). Allow the system calls io_uring_setup, io_uring_enter and \
                 io_uring_register: --security-opt seccomp=FILE (Docker, Podman), \
                 securityContext.seccompProfile (Kubernetes), SystemCallFilter=@aio (systemd). \
                 packaging/seccomp.json is Docker's default profile with these three",
            ),
            PreflightError::ForbiddenBySecurityModule => formatter.write_str(
                "io_uring is forbidden, but not by sysctl kernel.io_uring_disabled or seccomp: a \
                 security module such as SELinux, or a sandbox, refuses it. Find the denial in the \
                 audit log and allow io_uring for this program",
            ),
            PreflightError::NoIoUring => write!(
                formatter,
                "the kernel has no io_uring (it is built without CONFIG_IO_URING, or this is a \
                 sandbox such as gVisor). Use a kernel of Linux {major}.{minor} or newer that has it"
            ),
            PreflightError::RingFlagsUnknown { kernel } => write!(
                formatter,
                "the kernel ({kernel}) does not know io_uring's SINGLE_ISSUER and DEFER_TASKRUN, \
                 which Linux {major}.{minor} and newer have. Use a real Linux kernel, not an emulation"
            ),
            PreflightError::LockedMemory {
                limit,
                shards,
                wanted,
            } => write!(
                formatter,
                "the rings of {shards} shards do not fit into the limit on locked memory, {}. Set \
                 LimitMEMLOCK={wanted} (systemd), --ulimit memlock={wanted} (Docker) or `hard memlock \
                 {}` in /etc/security/limits.conf, or start fewer shards",
                Size(*limit),
                wanted / KIB
            ),
            PreflightError::NoMemoryForRing => formatter.write_str(
                "no memory for an io_uring: the machine or the control group is out of memory. Raise \
                 MemoryMax= (systemd) or --memory (Docker)",
            ),
            PreflightError::NoFileForRing => formatter.write_str(
                "no file descriptor is left for an io_uring. Raise LimitNOFILE= (systemd), --ulimit \
                 nofile (Docker) or `hard nofile` in /etc/security/limits.conf",
            ),
            PreflightError::RingFailed { error } => {
                write!(formatter, "cannot set up an io_uring: {error}. See the kernel's log")
            }
            PreflightError::MemlockTooLow { hard } => write!(
                formatter,
                "the hard limit on locked memory is {}, and the rings need {}. Set LimitMEMLOCK=8M \
                 (systemd), --ulimit memlock=8388608 (Docker) or `hard memlock 8192` in \
                 /etc/security/limits.conf",
                Size(*hard),
                Size(MEMLOCK_BYTES)
            ),
            PreflightError::TooFewFiles { hard, spare, wanted } => write!(
                formatter,
                "open-file limit {hard} allows fewer than {FEWEST_CONNECTIONS} connections, because \
                 {spare} files are reserved for other uses. {}",
                raise_files_to(*wanted)
            ),
            PreflightError::CannotRaise { what, error } => write!(
                formatter,
                "cannot raise the soft limit on {what} to the hard one: {error}. Set both to the same \
                 value before the start"
            ),
        }
    }
}

/// The message for an address that cannot be bound.
pub(in crate::server) fn explain_bind_error(address: SocketAddr, error: &io::Error) -> String {
    let (ip, port) = (address.ip(), address.port());
    let advice = match error.kind() {
        io::ErrorKind::AddrInUse => format!(
            "the port is in use. `ss -ltnp 'sport = :{port}'` shows the process (Storm's own \
             Pacemaker, or a second storm-pacemaker?); stop it, or choose another port with --port"
        ),
        io::ErrorKind::AddrNotAvailable => format!(
            "{ip} is not an address of this host. Pass --bind one that `ip address` lists, 0.0.0.0 \
             for all IPv4 addresses, or :: for all of both families"
        ),
        io::ErrorKind::PermissionDenied => format!(
            "port {port} needs a privilege: ports below net.ipv4.ip_unprivileged_port_start (1024) \
             need CAP_NET_BIND_SERVICE. Grant it (AmbientCapabilities= in systemd, --cap-add in \
             Docker), or choose a higher --port"
        ),
        _ if error.raw_os_error() == Some(rustix::io::Errno::AFNOSUPPORT.raw_os_error()) => {
            format!(
                "this host has no {}. Pass --bind an address of the other family",
                if ip.is_ipv6() {
                    "IPv6 (it is disabled)"
                } else {
                    "IPv4"
                }
            )
        }
        _ => error.to_string(),
    };
    format!("cannot listen on {address}: {advice}")
}

/// How to raise the hard limit on open files to `files`.
fn raise_files_to(files: u64) -> String {
    format!(
        "Raise it to {files}: LimitNOFILE={files} (systemd), --ulimit nofile={files} (Docker) or \
         `hard nofile {files}` in /etc/security/limits.conf"
    )
}

#[cfg(test)]
mod tests {
    use rustix::io::Errno;

    use super::*;

    #[test]
    fn a_bind_error_says_what_to_do() {
        let explain = |address: &str, errno: Errno| {
            let error = io::Error::from_raw_os_error(errno.raw_os_error());
            explain_bind_error(address.parse().unwrap(), &error)
        };
        for (address, errno, expected) in [
            (
                "0.0.0.0:6699",
                Errno::ADDRINUSE,
                "`ss -ltnp 'sport = :6699'`",
            ),
            (
                "192.0.2.1:6699",
                Errno::ADDRNOTAVAIL,
                "192.0.2.1 is not an address of this host",
            ),
            ("0.0.0.0:99", Errno::ACCESS, "CAP_NET_BIND_SERVICE"),
            ("[::]:6699", Errno::AFNOSUPPORT, "no IPv6"),
            ("0.0.0.0:6699", Errno::NOBUFS, "No buffer space"),
        ] {
            let text = explain(address, errno);
            assert!(
                text.starts_with(&format!("cannot listen on {address}: ")),
                "{text}"
            );
            assert!(text.contains(expected), "{text}");
        }
    }
}
