//! Checks, before anything listens, whether this machine can run the daemon, and says what to do if it
//! cannot. One part reads facts and another judges them, so tests can judge machines that they do not
//! have. It changes nothing but this process's soft limits.

mod refusal;

use std::io;

use io_uring::IoUring;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::config::{Config, Note};
use crate::limits::{KIB, SPARE_FILES_BASE, SPARE_FILES_PER_SHARD};

pub use refusal::PreflightError;
pub(super) use refusal::explain_bind_error;

/// The oldest kernel with multishot receive, ring-mapped buffers and deferred task running.
const OLDEST_KERNEL: (u32, u32) = (6, 1);

/// The first kernel with a minimum wait (`IORING_FEAT_MIN_TIMEOUT`).
const MINIMUM_WAIT_KERNEL: (u32, u32) = (6, 12);

/// Below this, glommio refuses to build a reactor.
const MEMLOCK_BYTES: u64 = 512 * KIB;

/// An open-file limit that allows fewer connections than this is a mistake, not a choice.
const FEWEST_CONNECTIONS: u64 = 64;

/// After a start all workers connect within 3 s; the backlog must hold those not accepted yet.
const GOOD_SOMAXCONN: u64 = 4096;

/// A machine that can serve.
#[derive(Debug)]
pub(super) struct Preflight {
    /// Connections that may be open: the configured limit, or what the open-file limit allows.
    pub(super) connections: u64,
    /// The kernel's release, as `uname -r` prints it.
    pub(super) kernel: String,
    /// To be logged once at start.
    pub(super) notes: Vec<Note>,
}

/// Reads and judges this machine, and raises this process's soft limits as far as it needs to.
///
/// # Errors
/// What keeps the daemon from running here, as a sentence that says what to do.
pub(super) fn check(config: &Config) -> Result<Preflight, PreflightError> {
    let facts = Facts::read();
    let verdict = judge(&facts, &Needs::of(config))?;
    for raise in verdict.raises {
        let limits = Rlimit {
            current: raise.to,
            maximum: raise.to,
        };
        setrlimit(raise.resource, limits).map_err(|error| PreflightError::CannotRaise {
            what: raise.what,
            error: error.into(),
        })?;
    }
    let Verdict {
        connections, notes, ..
    } = verdict;
    Ok(Preflight {
        connections,
        kernel: facts.kernel,
        notes,
    })
}

/// What this configuration needs from a machine.
#[derive(Clone, Debug)]
struct Needs {
    connections: u64,
    shards: u64,
    minimum_wait: bool,
}

impl Needs {
    fn of(config: &Config) -> Self {
        Needs {
            connections: config.limits.connections,
            shards: u64::try_from(config.server.shards.get()).unwrap_or(u64::MAX),
            minimum_wait: !config.server.minimum_wait.is_zero(),
        }
    }
}

/// The facts about a machine. `None`: the fact could not be read; in a limit, unlimited.
#[derive(Clone, Debug)]
struct Facts {
    kernel: String,
    /// The errno of setting up a small ring with a shard's flags; `None`: it worked.
    ring_error: Option<i32>,
    /// `kernel.io_uring_disabled`.
    io_uring_disabled: Option<u64>,
    /// Whether system calls go through a seccomp filter.
    seccomp_filter: bool,
    memlock: Rlimit,
    files: Rlimit,
    /// `net.core.somaxconn`.
    somaxconn: Option<u64>,
}

impl Facts {
    fn read() -> Self {
        let number = |path: &str| std::fs::read_to_string(path).ok()?.trim().parse().ok();
        Facts {
            kernel: rustix::system::uname()
                .release()
                .to_string_lossy()
                .into_owned(),
            ring_error: try_ring()
                .err()
                .map(|error| error.raw_os_error().unwrap_or(0)),
            io_uring_disabled: number("/proc/sys/kernel/io_uring_disabled"),
            seccomp_filter: std::fs::read_to_string("/proc/self/status")
                .is_ok_and(|status| has_seccomp_filter(&status)),
            memlock: getrlimit(Resource::Memlock),
            files: getrlimit(Resource::Nofile),
            somaxconn: number("/proc/sys/net/core/somaxconn"),
        }
    }
}

/// A ring with the flags of a shard's, built and dropped.
fn try_ring() -> io::Result<()> {
    <IoUring>::builder()
        .setup_single_issuer()
        .setup_defer_taskrun()
        .build(2)
        .map(drop)
}

/// Mode 2 of proc(5)'s `Seccomp` is a filter.
fn has_seccomp_filter(status: &str) -> bool {
    status.lines().any(|line| {
        line.strip_prefix("Seccomp:")
            .is_some_and(|mode| mode.trim() == "2")
    })
}

/// The judgement that this machine can serve once these limits are raised.
#[derive(Debug)]
struct Verdict {
    connections: u64,
    raises: Vec<Raise>,
    notes: Vec<Note>,
}

/// A soft limit to be raised to the hard one.
#[derive(Debug)]
struct Raise {
    resource: Resource,
    what: &'static str,
    to: Option<u64>,
}

fn judge(facts: &Facts, needs: &Needs) -> Result<Verdict, PreflightError> {
    let mut verdict = Verdict {
        connections: needs.connections,
        raises: vec![],
        notes: vec![],
    };
    judge_kernel(facts, needs, &mut verdict)?;
    judge_ring(facts)?;
    judge_memlock(facts, &mut verdict)?;
    judge_files(facts, needs, &mut verdict)?;
    judge_backlog(facts, &mut verdict);
    Ok(verdict)
}

fn judge_kernel(facts: &Facts, needs: &Needs, verdict: &mut Verdict) -> Result<(), PreflightError> {
    match kernel_version(&facts.kernel) {
        Some(version) if version < OLDEST_KERNEL => {
            return Err(PreflightError::KernelTooOld {
                found: facts.kernel.clone(),
            });
        }
        Some(version) if needs.minimum_wait && version < MINIMUM_WAIT_KERNEL => {
            verdict.notes.push(Note::info(format!(
                "server.minimum_wait has no effect: it needs Linux 6.12, and this is {}",
                facts.kernel
            )));
        }
        Some(_) => {}
        // Setting up a ring shows more than the version.
        None => verdict.notes.push(Note::info(format!(
            "the kernel calls itself {:?}, which is not a Linux version; relying on what it can do",
            facts.kernel
        ))),
    }
    Ok(())
}

/// Major and minor of a release such as `6.1.0-13-amd64`.
fn kernel_version(release: &str) -> Option<(u32, u32)> {
    let mut parts = release.split(|character: char| !character.is_ascii_digit());
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

fn judge_ring(facts: &Facts) -> Result<(), PreflightError> {
    use rustix::io::Errno;

    let Some(code) = facts.ring_error else {
        return Ok(());
    };
    let errno = Errno::from_raw_os_error(code);
    let refused = matches!(errno, Errno::PERM | Errno::ACCESS | Errno::NOSYS);
    Err(match facts.io_uring_disabled {
        Some(mode @ 1..) if errno == Errno::PERM => PreflightError::ForbiddenBySysctl { mode },
        _ if refused && facts.seccomp_filter => PreflightError::ForbiddenBySeccomp,
        _ if errno == Errno::NOSYS => PreflightError::NoIoUring,
        _ if refused => PreflightError::ForbiddenBySecurityModule,
        _ if errno == Errno::INVAL => PreflightError::RingFlagsUnknown {
            kernel: facts.kernel.clone(),
        },
        _ if errno == Errno::NOMEM => PreflightError::NoMemoryForRing,
        _ if errno == Errno::MFILE || errno == Errno::NFILE => PreflightError::NoFileForRing,
        _ => PreflightError::RingFailed {
            error: io::Error::from_raw_os_error(code),
        },
    })
}

fn judge_memlock(facts: &Facts, verdict: &mut Verdict) -> Result<(), PreflightError> {
    let enough = |limit: Option<u64>| limit.is_none_or(|bytes| bytes >= MEMLOCK_BYTES);
    let Rlimit {
        current: soft,
        maximum: hard,
    } = facts.memlock;
    if !enough(hard) {
        return Err(PreflightError::MemlockTooLow {
            hard: hard.unwrap_or(0),
        });
    }
    if !enough(soft) {
        verdict.raises.push(Raise {
            resource: Resource::Memlock,
            what: "locked memory (RLIMIT_MEMLOCK)",
            to: hard,
        });
    }
    Ok(())
}

fn judge_files(facts: &Facts, needs: &Needs, verdict: &mut Verdict) -> Result<(), PreflightError> {
    let Rlimit {
        current: soft,
        maximum: hard,
    } = facts.files;
    let spare = SPARE_FILES_BASE + SPARE_FILES_PER_SHARD.saturating_mul(needs.shards);
    let hard_files = hard.unwrap_or(u64::MAX);
    // The limit applies to a descriptor table, and each shard has its own. The kernel spreads
    // connections over the shards by a hash: an eighth is for shards that get more than others.
    let reserve = |files: u64| if needs.shards > 1 { files / 8 } else { 0 };
    let of_a_shard = hard_files.saturating_sub(spare);
    let room = (of_a_shard - reserve(of_a_shard)).saturating_mul(needs.shards);
    let share = needs.connections.div_ceil(needs.shards);
    // A seventh of what is left is an eighth of the whole.
    let wanted = share + reserve(share * 8 / 7) + spare;
    if room < needs.connections.min(FEWEST_CONNECTIONS) {
        return Err(PreflightError::TooFewFiles {
            hard: hard_files,
            spare,
            wanted,
        });
    }
    if room < needs.connections {
        verdict.connections = room;
        verdict.notes.push(Note::warning(format!(
            "open-file limit {hard_files} per shard allows {room} connections, fewer than \
             limits.connections ({}); raise LimitNOFILE to {wanted} (systemd; in Docker \
             --ulimit nofile, elsewhere hard nofile in /etc/security/limits.conf)",
            needs.connections
        )));
    }
    if soft != hard {
        verdict.raises.push(Raise {
            resource: Resource::Nofile,
            what: "open files (RLIMIT_NOFILE)",
            to: hard,
        });
    }
    Ok(())
}

fn judge_backlog(facts: &Facts, verdict: &mut Verdict) {
    if let Some(found) = facts.somaxconn
        && found < GOOD_SOMAXCONN
    {
        verdict.notes.push(Note::warning(format!(
            "net.core.somaxconn is {found}: when all workers connect at once after a start, some \
             must try again; set sysctl net.core.somaxconn to {GOOD_SOMAXCONN} or more"
        )));
    }
}

#[cfg(test)]
mod tests;
