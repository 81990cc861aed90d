//! A kernel that forbids system calls, as containers' seccomp profiles do. A filter belongs to a thread and to the
//! processes that it starts, so no other test is subject to it.

use std::collections::BTreeMap;
use std::thread;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, apply_filter,
};

/// What the filter refuses.
#[derive(Clone, Copy, Debug)]
pub enum Forbidden {
    /// With EPERM, as Docker's default profile.
    IoUring,
    /// The process that tries is killed.
    IoUringOnPainOfDeath,
    /// With ENOSYS: threads stay in the process's table of descriptors.
    OwnDescriptors,
    /// With ENOSPC, as if the user had all epoll watches that the system grants.
    EpollWatches,
}

/// Takes something from the calling thread, for good.
pub fn forbid_here(what: Forbidden) {
    apply_filter(&filter(what)).expect("a thread may restrict itself");
}

/// Runs `spawn` on a thread of its own whose child processes must do without something.
pub fn spawn_without<T: Send>(what: Forbidden, spawn: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| {
        let thread = scope.spawn(|| {
            forbid_here(what);
            spawn()
        });
        thread.join().expect("the thread ends well")
    })
}

fn filter(what: Forbidden) -> BpfProgram {
    let io_uring = [
        libc::SYS_io_uring_setup,
        libc::SYS_io_uring_enter,
        libc::SYS_io_uring_register,
    ];
    let adds_watch = SeccompCondition::new(
        1,
        SeccompCmpArgLen::Dword,
        SeccompCmpOp::Eq,
        libc::EPOLL_CTL_ADD as u64,
    );
    let when = match what {
        Forbidden::EpollWatches => {
            let adds_watch = adds_watch.expect("a condition");
            vec![SeccompRule::new(vec![adds_watch]).expect("a rule")]
        }
        _ => Vec::new(), // always
    };
    let (calls, action) = match what {
        Forbidden::IoUring => (&io_uring[..], SeccompAction::Errno(libc::EPERM as u32)),
        Forbidden::IoUringOnPainOfDeath => (&io_uring[..], SeccompAction::KillProcess),
        Forbidden::OwnDescriptors => (
            &[libc::SYS_close_range, libc::SYS_unshare][..],
            SeccompAction::Errno(libc::ENOSYS as u32),
        ),
        Forbidden::EpollWatches => (
            &[libc::SYS_epoll_ctl][..],
            SeccompAction::Errno(libc::ENOSPC as u32),
        ),
    };
    let rules: BTreeMap<i64, _> = calls.iter().map(|call| (*call, when.clone())).collect();
    let arch = std::env::consts::ARCH.try_into().expect("a known machine");
    SeccompFilter::new(rules, SeccompAction::Allow, action, arch)
        .and_then(BpfProgram::try_from)
        .expect("a filter")
}
