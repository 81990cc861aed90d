//! A drain: all clients are moved, one at a time, to the server that has this daemon's address next. The shards decide
//! who goes when (`shard::drain`). Here the main thread starts them, watches them, and knows when to give up.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use signal_hook::iterator::SignalsInfo;
use tracing::{info, warn};

use super::lifecycle::Lifecycle;
use super::signals::{self, Asked};
use super::systemd;
use crate::admin::board::Board;
use crate::io::{Bells, ring_all};
use crate::shard::Clients;
use crate::units::Time;

/// How often the main thread looks at the shards and for signals.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The time between two lines of the log.
const LINE_EVERY: Duration = Duration::from_secs(3);

/// Readers wait for writers this long at most: a silent connection goes after 4 s, and 100 000 take ten more. What
/// is left then are hosts that no longer answer.
const WRITERS_AT_MOST: Duration = Duration::from_secs(15);

/// A client comes back 0.1 s after a RST. Where it may still dial us, nobody must have done so for this long.
const NOBODY_FOR: Duration = Duration::from_secs(1);

/// Who has the daemon's address next. It decides what becomes of clients that dial during a drain.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Successor {
    /// A process that holds the same listening sockets and serves already: ours close at once.
    SameSockets,
    /// Another host or pod, or nobody: we listen on, and a client that comes back is served and moved again.
    Elsewhere,
}

/// What shards and main thread tell each other of a drain.
#[derive(Debug)]
pub(super) struct DrainState {
    successor: OnceLock<Successor>,
    readers_may_go: AtomicBool,
    /// Clients that each shard still has. None: it has not looked at all of them yet.
    left: Box<[Mutex<Option<Clients>>]>,
    moved: AtomicU64,
}

impl DrainState {
    pub(super) fn new(shards: usize) -> DrainState {
        DrainState {
            successor: OnceLock::new(),
            readers_may_go: AtomicBool::new(false),
            left: (0..shards).map(|_| Mutex::new(None)).collect(),
            moved: AtomicU64::new(0),
        }
    }

    pub(super) fn begin(&self, successor: Successor) {
        let _ = self.successor.set(successor);
    }

    /// Set while the daemon is drained.
    pub(super) fn successor(&self) -> Option<Successor> {
        self.successor.get().copied()
    }

    pub(super) fn readers_may_go(&self) -> bool {
        self.readers_may_go.load(Ordering::Relaxed)
    }

    /// A shard reports who is left, and how many it has moved since its last report.
    pub(super) fn report(&self, shard: usize, left: Option<Clients>, moved: u64) {
        *lock(&self.left[shard]) = left;
        self.moved.fetch_add(moved, Ordering::Relaxed);
    }

    /// The clients of all shards. None: a shard has not looked at all of them yet.
    fn left(&self) -> Option<Clients> {
        self.left.iter().try_fold(Clients::default(), |sum, shard| {
            let left = (*lock(shard))?;
            Some(Clients {
                writers: sum.writers + left.writers,
                readers: sum.readers + left.readers,
            })
        })
    }
}

fn lock(left: &Mutex<Option<Clients>>) -> std::sync::MutexGuard<'_, Option<Clients>> {
    left.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The main thread's part.
pub(super) struct Drain<'a> {
    pub(super) lifecycle: &'a Lifecycle,
    pub(super) bells: &'a Bells,
    pub(super) board: &'a Board,
    /// `server.drain_deadline`.
    pub(super) deadline: Duration,
}

/// How a drain has ended.
enum Ended {
    NobodyLeft,
    Deadline,
    Signal(&'static str),
}

impl Drain<'_> {
    /// Moves all clients away. Returns when none is left, when the deadline has passed, or when a signal asks to
    /// stop at once.
    pub(super) fn run(&self, successor: Successor, signals: &mut SignalsInfo) {
        let began = Instant::now();
        self.board.begin_drain();
        self.lifecycle.begin_drain(successor);
        // Without a bell a shard notices it after its longest sleep.
        let _ = ring_all(self.bells);
        info!(
            deadline = %Time(self.deadline),
            "draining: clients are reset one at a time, writers after a pulse and readers last"
        );
        let ended = self.wait(successor, began, signals);
        let moved = self.lifecycle.drain().moved.load(Ordering::Relaxed);
        let took = began.elapsed().as_secs_f64();
        let left = self.lifecycle.drain().left().unwrap_or_default();
        match ended {
            Ended::NobodyLeft => info!("drained: moved {moved} clients in {took:.1} s"),
            Ended::Deadline => warn!(
                "server.drain_deadline passed: moved {moved} clients in {took:.1} s; {} writers and {} readers \
                 are left, and are reset now. Does another server have this address?",
                left.writers, left.readers
            ),
            Ended::Signal(signal) => warn!(
                "received {signal} while draining: moved {moved} clients in {took:.1} s; {} writers and {} \
                 readers are left, and are reset now",
                left.writers, left.readers
            ),
        }
    }

    fn wait(&self, successor: Successor, began: Instant, signals: &mut SignalsInfo) -> Ended {
        let state = self.lifecycle.drain();
        let mut next_line = began + LINE_EVERY;
        let mut nobody_since = None;
        loop {
            for asked in signals.pending().map(signals::asked) {
                match asked {
                    Asked::Stop(signal) => return Ended::Signal(signal),
                    other => info!("{other} has to wait: the daemon is draining"),
                }
            }
            let left = state.left();
            self.board.set_clients_left(left);
            let writers_are_gone = left.is_some_and(|left| left.writers == 0);
            let readers_may_go = writers_are_gone || began.elapsed() >= WRITERS_AT_MOST;
            state
                .readers_may_go
                .store(readers_may_go, Ordering::Relaxed);
            if left == Some(Clients::default()) {
                let since = *nobody_since.get_or_insert_with(Instant::now);
                let may_come_back = successor == Successor::Elsewhere;
                if !may_come_back || since.elapsed() >= NOBODY_FOR {
                    return Ended::NobodyLeft;
                }
            } else {
                nobody_since = None;
            }
            if began.elapsed() >= self.deadline {
                return Ended::Deadline;
            }
            if Instant::now() >= next_line {
                next_line += LINE_EVERY;
                self.tell(left.unwrap_or_default());
            }
            thread::sleep(LOOK_EVERY);
        }
    }

    fn tell(&self, left: Clients) {
        let Clients { writers, readers } = left;
        let line = format!("draining: {writers} writers and {readers} readers are left");
        info!("{line}");
        systemd::notify_draining(&line, 2 * LINE_EVERY);
    }
}
