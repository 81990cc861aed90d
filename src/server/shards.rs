//! The threads of the shards: one for each, on the data plane that was chosen. On io_uring a shard runs
//! inside a glommio executor. On epoll it has a plain thread, because glommio itself needs io_uring.

use std::fmt;
use std::io;
use std::thread;
use std::time::Duration;

use glommio::{ExecutorJoinHandle, GlommioError, LocalExecutorBuilder, Placement};
use rustix::io::Errno;
use rustix::thread::{CpuSet, sched_setaffinity};

use super::StartError;
use super::lifecycle::StartReport;
use super::shard_thread::{ShardThread, Shared};
use crate::config::ServerConfig;
use crate::io::DataPlane;
use crate::shard::{Mailbox, Policy, Settings, Shard};

/// The smallest values that glommio accepts: it does no I/O here.
const EXECUTOR_IO_MEMORY_BYTES: usize = 64 * 1024;
const EXECUTOR_RING_DEPTH: usize = 16;

/// The running shards.
#[derive(Debug)]
pub(super) struct Shards {
    threads: Vec<ShardHandle>,
}

#[derive(Debug)]
enum ShardHandle {
    Executor(ExecutorJoinHandle<io::Result<()>>),
    Thread(thread::JoinHandle<io::Result<()>>),
}

/// Why the shards do not run.
#[derive(Debug)]
pub(super) struct StartFailure {
    why: String,
    /// No shard has begun to serve and all of their threads are gone, so that another start may follow.
    pub(super) is_clean: bool,
    /// The operating system's error, if it was one.
    pub(super) errno: Option<Errno>,
}

impl fmt::Display for StartFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

impl Shards {
    /// Starts a thread for each shard and waits until all of them serve.
    pub(super) fn start(
        config: &ServerConfig,
        settings: &Settings,
        policies: Vec<Policy>,
        shared: &Shared,
    ) -> Result<Shards, StartFailure> {
        let mut shards = Shards {
            threads: Vec::with_capacity(settings.shards),
        };
        let parts = Mailbox::for_shards(settings.shards)
            .into_iter()
            .zip(policies);
        for (index, (mailbox, policy)) in parts.enumerate() {
            let core = config
                .is_pinned
                .then(|| config.cores[index % config.cores.len()]);
            let (settings, shared) = (settings.clone(), shared.clone());
            let report = StartReport::new(shared.lifecycle.clone());
            // The report of a thread that cannot be started is dropped unsent, which is a failure, too.
            if let Err(error) = shards.spawn(index, core, shared.clone(), report, move || {
                let mut shard = Shard::new(index, settings, mailbox);
                shard.set_policy(policy);
                shard
            }) {
                shared.lifecycle.fail(error.to_string(), errno_of(&error));
                break;
            }
        }
        match shared.lifecycle.wait_until_serving() {
            Ok(()) => Ok(shards),
            Err(failure) => Err(shards.give_up(failure)),
        }
    }

    fn spawn(
        &mut self,
        index: usize,
        core: Option<usize>,
        shared: Shared,
        report: StartReport,
        make_shard: impl FnOnce() -> Shard + Send + 'static,
    ) -> Result<(), GlommioError<()>> {
        let name = format!("shard-{index}");
        let handle = match shared.bells.plane() {
            DataPlane::IoUring => {
                let executor = executor(&name, core).spawn(move || async move {
                    match ShardThread::start(make_shard(), index, shared, report) {
                        Some(thread) => thread.run_in_executor().await,
                        None => Ok(()),
                    }
                })?;
                ShardHandle::Executor(executor)
            }
            DataPlane::Epoll => {
                let thread = thread::Builder::new().name(name).spawn(move || {
                    if let Some(core) = core {
                        pin_to(core);
                    }
                    match ShardThread::start(make_shard(), index, shared, report) {
                        Some(thread) => thread.run(),
                        None => Ok(()),
                    }
                })?;
                ShardHandle::Thread(thread)
            }
        };
        self.threads.push(handle);
        Ok(())
    }

    /// Ends what has started of a start that failed, as far as that is possible.
    fn give_up(self, failure: StartFailure) -> StartFailure {
        let StartFailure { is_clean, .. } = failure;
        if !is_clean {
            return failure;
        }
        let mut errno = failure.errno;
        for thread in self.threads {
            // An executor that did not start tells only whoever joins it why.
            if let ShardHandle::Executor(executor) = thread {
                if let Err(error) = executor.join() {
                    errno = errno.or(errno_of(&error));
                }
            } else if let ShardHandle::Thread(thread) = thread {
                let _ = thread.join();
            }
        }
        StartFailure { errno, ..failure }
    }

    /// Waits until all shards have ended, which they do at a shutdown.
    pub(super) fn join(self) -> Result<(), StartError> {
        let ended =
            |error: &dyn fmt::Display| StartError::Internal("ending a shard", error.to_string());
        for thread in self.threads {
            match thread {
                ShardHandle::Executor(executor) => {
                    executor.join().map_err(|error| ended(&error))?
                }
                // A panic would have aborted the process.
                ShardHandle::Thread(thread) => thread.join().unwrap_or(Ok(())),
            }
            .map_err(|error| ended(&error))?;
        }
        Ok(())
    }
}

impl StartFailure {
    pub(super) fn new(why: String, errno: Option<Errno>, is_clean: bool) -> StartFailure {
        StartFailure {
            why,
            is_clean,
            errno,
        }
    }
}

fn executor(name: &str, core: Option<usize>) -> LocalExecutorBuilder {
    LocalExecutorBuilder::new(core.map_or(Placement::Unbound, Placement::Fixed))
        .name(name)
        .io_memory(EXECUTOR_IO_MEMORY_BYTES)
        .ring_depth(EXECUTOR_RING_DEPTH)
        // Long: the data plane yields by itself, more often than this.
        .preempt_timer(Duration::from_secs(1))
}

fn pin_to(core: usize) {
    let mut set = CpuSet::new();
    set.set(core);
    if let Err(error) = sched_setaffinity(None, &set) {
        tracing::warn!("cannot pin a shard to core {core}: {error}; it runs on any core");
    }
}

fn errno_of<T>(error: &GlommioError<T>) -> Option<Errno> {
    match error {
        GlommioError::IoError(error) => error.raw_os_error().map(Errno::from_raw_os_error),
        _ => None,
    }
}
