//! The threads of the shards: one for each, on the data plane that was chosen. On io_uring a shard runs
//! inside a glommio executor. On epoll it has a plain thread, because glommio itself needs io_uring, and so
//! it has in a static build, for which glommio does not compile.

use std::fmt;
use std::io;
use std::thread;

use rustix::io::Errno;
use rustix::thread::{CpuSet, sched_setaffinity};

use super::StartError;
#[cfg(not(target_env = "musl"))]
use super::executor::Executor;
use super::lifecycle::StartReport;
use super::shard_thread::{ShardThread, Shared};
use crate::config::ServerConfig;
use crate::shard::{Mailbox, Policy, Settings, Shard};

/// The running shards.
#[derive(Debug)]
pub(super) struct Shards {
    threads: Vec<ShardHandle>,
}

#[derive(Debug)]
enum ShardHandle {
    #[cfg(not(target_env = "musl"))]
    Executor(Executor),
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
    ) -> io::Result<()> {
        let name = format!("shard-{index}");
        #[cfg(not(target_env = "musl"))]
        if shared.bells.plane() == crate::io::DataPlane::IoUring {
            let executor = Executor::spawn(&name, core, move || {
                ShardThread::start(make_shard(), index, shared, report)
            })?;
            self.threads.push(ShardHandle::Executor(executor));
            return Ok(());
        }
        let thread = thread::Builder::new().name(name).spawn(move || {
            if let Some(core) = core {
                pin_to(core);
            }
            match ShardThread::start(make_shard(), index, shared, report) {
                Some(thread) => thread.run(),
                None => Ok(()),
            }
        })?;
        self.threads.push(ShardHandle::Thread(thread));
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
            // Only joining an executor tells why it did not start.
            if let Err(error) = thread.join() {
                errno = errno.or(errno_of(&error));
            }
        }
        StartFailure { errno, ..failure }
    }

    /// Waits until all shards have ended, which they do at a shutdown.
    pub(super) fn join(self) -> Result<(), StartError> {
        for thread in self.threads {
            thread
                .join()
                .map_err(|error| StartError::Internal("ending a shard", error.to_string()))?;
        }
        Ok(())
    }
}

impl ShardHandle {
    fn join(self) -> io::Result<()> {
        match self {
            #[cfg(not(target_env = "musl"))]
            ShardHandle::Executor(executor) => executor.join(),
            // A panic would have aborted the process.
            ShardHandle::Thread(thread) => thread.join().unwrap_or(Ok(())),
        }
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

fn pin_to(core: usize) {
    let mut set = CpuSet::new();
    set.set(core);
    if let Err(error) = sched_setaffinity(None, &set) {
        tracing::warn!("cannot pin a shard to core {core}: {error}; it runs on any core");
    }
}

fn errno_of(error: &io::Error) -> Option<Errno> {
    error.raw_os_error().map(Errno::from_raw_os_error)
}
