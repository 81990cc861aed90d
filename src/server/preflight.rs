//! Checks, before anything listens, whether this machine can run the daemon, and says what to do if it
//! cannot. One part reads facts and another judges them, so tests can judge machines that they do not
//! have. It changes nothing but this process's soft limits.

mod refusal;

use std::io;

use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use rustix::thread::{CapabilitySet, capabilities};

use crate::config::{Config, Io, Note};
use crate::io::{DataPlane, can_own_descriptors, try_io_uring};
use crate::limits::{KIB, SPARE_FILES_BASE, SPARE_FILES_PER_SHARD};

pub(super) use refusal::PreflightError;
pub(super) use refusal::explain_bind_error;

/// The oldest kernel with multishot receive, ring-mapped buffers and deferred task running. It only
/// words a message: whether a ring works is tried.
const OLDEST_RING_KERNEL: (u32, u32) = (6, 1);

/// Below this, glommio refuses to build a reactor.
const MEMLOCK_BYTES: u64 = 512 * KIB;

/// Locked memory that the rings of one shard take, with a reserve: ours, and the three of its executor.
/// Linux counts it against the limit from 6.14 on.
const MEMLOCK_BYTES_PER_SHARD: u64 = 1024 * KIB;

/// What an operator loses with epoll (docs/PERFORMANCE.md).
const EPOLL_COSTS: &str = "Answers and limits are the same; a pulse costs about a tenth more CPU";

/// An open-file limit that allows fewer connections than this is a mistake, not a choice.
const FEWEST_CONNECTIONS: u64 = 64;

/// After a start all workers connect within 3 s; the backlog must hold those not accepted yet.
const GOOD_SOMAXCONN: u64 = 4096;

/// A machine that can serve.
#[derive(Debug)]
pub(super) struct Preflight {
    /// Connections that may be open: the configured limit, or what the open-file limit allows.
    pub(super) connections: u64,
    /// The data plane that works here, or that the configuration insists on.
    pub(super) plane: DataPlane,
    /// Whether each shard gets a table of descriptors of its own.
    pub(super) own_descriptors: bool,
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
    raise_locked_memory();
    let needs = Needs::of(config);
    let facts = Facts::read(&needs);
    let verdict = judge(&facts, &needs)?;
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
        connections,
        plane,
        notes,
        ..
    } = verdict;
    Ok(Preflight {
        connections,
        plane,
        own_descriptors: facts.own_descriptors,
        kernel: facts.kernel,
        notes,
    })
}

/// Raises the soft limit on locked memory to the hard one, because the trial of a ring is subject to it. If
/// that fails, the trial tells.
fn raise_locked_memory() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Memlock);
    let raised = Rlimit {
        current: maximum,
        maximum,
    };
    let _ = setrlimit(Resource::Memlock, raised);
}

/// The data plane that the daemon would use here, and why if it is not the faster one.
///
/// # Errors
/// The configuration insists on io_uring, and it does not work here, or memory or files do not suffice.
pub(super) fn data_plane(config: &Config) -> Result<(DataPlane, Vec<Note>), PreflightError> {
    raise_locked_memory();
    let needs = Needs::of(config);
    let facts = Facts::read(&needs);
    let mut verdict = Verdict::new(&needs);
    judge_plane(&facts, &needs, &mut verdict)?;
    Ok((verdict.plane, verdict.notes))
}

/// What a failed start of the shards on io_uring means: the data plane to go on with and a note why, or
/// an error.
pub(super) fn judge_failure(
    config: &Config,
    errno: Option<Errno>,
) -> Option<Result<Note, PreflightError>> {
    let needs = Needs::of(config);
    let facts = Facts::read(&needs);
    (errno == Some(Errno::NOMEM) && facts.counts_locked_memory()).then(|| {
        let error = locked_memory(&facts, &needs);
        match needs.io {
            Io::Auto => Ok(Note::warning(instead(&error))),
            Io::IoUring | Io::Epoll => Err(error),
        }
    })
}

/// What this configuration needs from a machine.
#[derive(Clone, Debug)]
struct Needs {
    io: Io,
    connections: u64,
    shards: u64,
}

impl Needs {
    fn of(config: &Config) -> Self {
        Needs {
            io: config.server.io,
            connections: config.limits.connections,
            shards: u64::try_from(config.server.shards.get()).unwrap_or(u64::MAX),
        }
    }
}

/// The facts about a machine. `None`: the fact could not be read; in a limit, unlimited.
#[derive(Clone, Debug)]
struct Facts {
    kernel: String,
    /// The error of trying a ring such as a shard's; `None`: it worked, or nobody needs it. Some seccomp
    /// filters end a process that tries.
    ring_error: Option<i32>,
    /// Whether a thread may leave the process's descriptor table.
    own_descriptors: bool,
    /// Whether RLIMIT_MEMLOCK does not apply (CAP_IPC_LOCK).
    may_lock_memory: bool,
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
    fn read(needs: &Needs) -> Self {
        let number = |path: &str| std::fs::read_to_string(path).ok()?.trim().parse().ok();
        Facts {
            kernel: rustix::system::uname()
                .release()
                .to_string_lossy()
                .into_owned(),
            ring_error: match needs.io {
                Io::Epoll => None,
                Io::Auto | Io::IoUring => try_io_uring()
                    .err()
                    .map(|error| error.raw_os_error().unwrap_or(0)),
            },
            own_descriptors: can_own_descriptors(),
            may_lock_memory: capabilities(None)
                .is_ok_and(|sets| sets.effective.contains(CapabilitySet::IPC_LOCK)),
            io_uring_disabled: number("/proc/sys/kernel/io_uring_disabled"),
            seccomp_filter: std::fs::read_to_string("/proc/self/status")
                .is_ok_and(|status| has_seccomp_filter(&status)),
            memlock: getrlimit(Resource::Memlock),
            files: getrlimit(Resource::Nofile),
            somaxconn: number("/proc/sys/net/core/somaxconn"),
        }
    }

    /// Whether the kernel may refuse a ring because of RLIMIT_MEMLOCK.
    fn counts_locked_memory(&self) -> bool {
        !self.may_lock_memory && self.memlock.current.is_some()
    }
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
    plane: DataPlane,
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

impl Verdict {
    fn new(needs: &Needs) -> Verdict {
        Verdict {
            connections: needs.connections,
            plane: DataPlane::IoUring,
            raises: vec![],
            notes: vec![],
        }
    }
}

fn judge(facts: &Facts, needs: &Needs) -> Result<Verdict, PreflightError> {
    let mut verdict = Verdict::new(needs);
    judge_plane(facts, needs, &mut verdict)?;
    judge_files(facts, needs, &mut verdict)?;
    judge_backlog(facts, &mut verdict);
    Ok(verdict)
}

/// Chooses the data plane by what works, not by the kernel's version.
fn judge_plane(facts: &Facts, needs: &Needs, verdict: &mut Verdict) -> Result<(), PreflightError> {
    if needs.io == Io::Epoll {
        verdict.plane = DataPlane::Epoll;
        return Ok(());
    }
    let refused = match judge_ring(facts, needs).and_then(|()| judge_memlock(facts)) {
        Ok(()) => return Ok(()),
        Err(error) if needs.io == Io::IoUring || error.is_about_this_machine() => {
            return Err(error);
        }
        Err(error) => error,
    };
    verdict.plane = DataPlane::Epoll;
    let note = if matches!(
        refused,
        PreflightError::LockedMemory { .. } | PreflightError::MemlockTooLow { .. }
    ) {
        // Somebody should raise the limit.
        Note::warning
    } else {
        Note::info
    };
    verdict.notes.push(note(instead(&refused)));
    Ok(())
}

/// Why epoll is used, and what it costs.
fn instead(refused: &PreflightError) -> String {
    format!("using epoll, not io_uring (server.io = \"auto\"). {EPOLL_COSTS}. Why: {refused}")
}

/// Major and minor of a release such as `6.1.0-13-amd64`.
fn kernel_version(release: &str) -> Option<(u32, u32)> {
    let mut parts = release.split(|character: char| !character.is_ascii_digit());
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

fn judge_ring(facts: &Facts, needs: &Needs) -> Result<(), PreflightError> {
    let Some(code) = facts.ring_error else {
        return Ok(());
    };
    let errno = Errno::from_raw_os_error(code);
    let refused = matches!(errno, Errno::PERM | Errno::ACCESS | Errno::NOSYS);
    let kernel = facts.kernel.clone();
    Err(match facts.io_uring_disabled {
        Some(mode @ 1..) if errno == Errno::PERM => PreflightError::ForbiddenBySysctl { mode },
        _ if refused && facts.seccomp_filter => PreflightError::ForbiddenBySeccomp,
        _ if errno == Errno::NOSYS => PreflightError::NoIoUring,
        _ if refused => PreflightError::ForbiddenBySecurityModule,
        _ if errno == Errno::INVAL => match kernel_version(&kernel) {
            Some(version) if version < OLDEST_RING_KERNEL => {
                PreflightError::KernelTooOld { found: kernel }
            }
            _ => PreflightError::RingFlagsUnknown { kernel },
        },
        _ if errno == Errno::NOMEM && facts.counts_locked_memory() => locked_memory(facts, needs),
        _ if errno == Errno::NOMEM => PreflightError::NoMemoryForRing,
        _ if errno == Errno::MFILE || errno == Errno::NFILE => PreflightError::NoFileForRing,
        _ => PreflightError::RingFailed {
            error: io::Error::from_raw_os_error(code),
        },
    })
}

fn locked_memory(facts: &Facts, needs: &Needs) -> PreflightError {
    PreflightError::LockedMemory {
        limit: facts.memlock.current.unwrap_or(u64::MAX),
        shards: needs.shards,
        wanted: MEMLOCK_BYTES_PER_SHARD.saturating_mul(needs.shards),
    }
}

/// The soft limit is the hard one by now: see `raise_locked_memory`.
fn judge_memlock(facts: &Facts) -> Result<(), PreflightError> {
    match facts.memlock.maximum {
        Some(hard) if hard < MEMLOCK_BYTES => Err(PreflightError::MemlockTooLow { hard }),
        _ => Ok(()),
    }
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
    // Where shards must share the process's table, the limit is for all of them together.
    let tables = if facts.own_descriptors {
        needs.shards
    } else {
        1
    };
    let reserve = |files: u64| if tables > 1 { files / 8 } else { 0 };
    let of_a_table = hard_files.saturating_sub(spare);
    let room = (of_a_table - reserve(of_a_table)).saturating_mul(tables);
    let share = needs.connections.div_ceil(tables);
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
        let per_shard = if facts.own_descriptors {
            " per shard"
        } else {
            ""
        };
        verdict.connections = room;
        verdict.notes.push(Note::warning(format!(
            "open-file limit {hard_files}{per_shard} allows {room} connections, fewer than \
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
