//! Stands one shard of a daemon still, and nothing else of it.

use nix::sys::ptrace;
use nix::sys::wait::{WaitPidFlag, waitpid};
use support::Daemon;
use support::http::get;

/// A shard's thread that a debugger has stopped. It runs again when this is dropped, which must be on the
/// thread that stopped it.
pub struct StoppedShard(nix::unistd::Pid);

impl StoppedShard {
    pub fn of(daemon: &Daemon, shard: usize) -> StoppedShard {
        let status = get(daemon.admin(), "/status").json();
        let thread = status["shards"][shard]["thread"].as_i64();
        let thread = nix::unistd::Pid::from_raw(thread.expect("its id") as i32);
        // A signal would stop all threads.
        ptrace::seize(thread, ptrace::Options::empty()).expect("see kernel.yama.ptrace_scope");
        ptrace::interrupt(thread).expect("it can be interrupted");
        waitpid(thread, Some(WaitPidFlag::__WALL)).expect("it stops");
        StoppedShard(thread)
    }
}

impl Drop for StoppedShard {
    fn drop(&mut self) {
        // Fails when the daemon is gone.
        let _ = ptrace::detach(self.0, None);
    }
}
