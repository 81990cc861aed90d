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
use crate::config::DrainFor;
use crate::io::{Bells, ring_all};
use crate::shard::{Clients, MayGo};
use crate::units::Time;

/// How often the main thread looks at the shards and for signals.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The time between two lines of the log.
const LINE_EVERY: Duration = Duration::from_secs(3);

/// Those who go last wait this long at most. Of writers, a silent one goes after 4 s, and 100 000 take ten more. What
/// is left then are hosts that no longer answer. Of readers, it is a pass over as many workers.
const OTHERS_AT_MOST: Duration = Duration::from_secs(15);

/// A check of /readyz every second that must fail twice, and keepalived's move of the address, with a reserve.
const ADDRESS_MOVES_WITHIN: Duration = Duration::from_secs(5);

/// A client comes back 0.1 s after a RST. Where it may still dial us, nobody must have done so for this long.
const NOBODY_FOR: Duration = Duration::from_secs(1);

/// Who has the daemon's address next. It decides what becomes of clients that dial during a drain.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Successor {
    /// A process that holds the same listening sockets and serves already: ours close at once.
    #[allow(dead_code)] // an upgrade in place has such a successor
    SameSockets,
    /// Another host or pod, or nobody: we listen on, and a client that comes back is served and moved again.
    Elsewhere,
    /// A host that takes the address over when we are not ready any more. A client that dials before gets no answer
    /// and tries again: a refusal would cost it 13 s, and so would a connection that the move breaks.
    MovedAddress,
}

impl Successor {
    /// Who may go, by who is left after that time. `writers_since`: from when on writers may.
    ///
    /// Writers go while Nimbus pauses, or it would read what they have written before. Readers go last, because they
    /// find everything once the writers have written there. Where the address moves readers go first: it moves when
    /// the writers are gone, and must not wait for a pass. Nimbus then dials in its pause, and what it reads waits
    /// for the pulses.
    fn may_go(
        self,
        left: Option<Clients>,
        after: Duration,
        writers_since: Option<Duration>,
    ) -> MayGo {
        let have_gone = |who: fn(Clients) -> u64| left.is_some_and(|left| who(left) == 0);
        let is_late = |since: Duration| after.saturating_sub(since) >= OTHERS_AT_MOST;
        match self {
            Successor::SameSockets | Successor::Elsewhere => MayGo {
                writers: writers_since.is_some()
                    || have_gone(|left| left.reading)
                    || is_late(Duration::ZERO),
                readers: writers_since
                    .is_some_and(|since| have_gone(|left| left.writers) || is_late(since)),
            },
            Successor::MovedAddress => MayGo {
                writers: have_gone(|left| left.readers) || is_late(Duration::ZERO),
                readers: true,
            },
        }
    }

    /// How long the process stays when nobody is left.
    fn stays_for(self) -> Duration {
        match self {
            Successor::SameSockets => Duration::ZERO,
            Successor::Elsewhere => NOBODY_FOR,
            Successor::MovedAddress => ADDRESS_MOVES_WITHIN,
        }
    }
}

impl From<DrainFor> for Successor {
    fn from(taker: DrainFor) -> Successor {
        match taker {
            DrainFor::Service => Successor::Elsewhere,
            DrainFor::Vip => Successor::MovedAddress,
        }
    }
}

/// What shards and main thread tell each other of a drain.
#[derive(Debug)]
pub(super) struct DrainState {
    successor: OnceLock<Successor>,
    writers_may_go: AtomicBool,
    readers_may_go: AtomicBool,
    /// Clients that each shard still has. None: it has not looked at all of them yet.
    left: Box<[Mutex<Option<Clients>>]>,
    moved: AtomicU64,
}

impl DrainState {
    pub(super) fn new(shards: usize) -> DrainState {
        DrainState {
            successor: OnceLock::new(),
            writers_may_go: AtomicBool::new(false),
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

    pub(super) fn may_go(&self) -> MayGo {
        MayGo {
            writers: self.writers_may_go.load(Ordering::Relaxed),
            readers: self.readers_may_go.load(Ordering::Relaxed),
        }
    }

    fn let_go(&self, may_go: MayGo) {
        self.writers_may_go.store(may_go.writers, Ordering::Relaxed);
        self.readers_may_go.store(may_go.readers, Ordering::Relaxed);
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
                reading: sum.reading + left.reading,
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
        if successor != Successor::MovedAddress {
            self.board.leave();
        }
        self.lifecycle.begin_drain(successor);
        // Without a bell a shard notices it after its longest sleep.
        let _ = ring_all(self.bells);
        info!(
            deadline = %Time(self.deadline),
            "draining: clients are reset one at a time, workers after a pulse and Nimbus after a pass"
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
        let mut writers_since = None;
        loop {
            for asked in signals.pending().map(signals::asked) {
                match asked {
                    Asked::Stop(signal) => return Ended::Signal(signal),
                    other => info!("{other} has to wait: the daemon is draining"),
                }
            }
            let left = state.left();
            self.board.set_clients_left(left);
            let may_go = successor.may_go(left, began.elapsed(), writers_since);
            if may_go.writers {
                writers_since.get_or_insert(began.elapsed());
            }
            state.let_go(may_go);
            if left == Some(Clients::default()) {
                let since = *nobody_since.get_or_insert_with(Instant::now);
                self.board.leave();
                if since.elapsed() >= successor.stays_for() {
                    return Ended::NobodyLeft;
                }
            } else {
                nobody_since = None;
            }
            let beyond = began.elapsed().checked_sub(self.deadline);
            if let Some(beyond) = beyond
                && nobody_since.is_none()
            {
                self.board.leave();
                if successor != Successor::MovedAddress || beyond >= ADDRESS_MOVES_WITHIN {
                    return Ended::Deadline;
                }
            }
            if Instant::now() >= next_line {
                next_line += LINE_EVERY;
                self.tell(left.unwrap_or_default());
            }
            thread::sleep(LOOK_EVERY);
        }
    }

    fn tell(&self, left: Clients) {
        let Clients {
            writers, readers, ..
        } = left;
        let line = format!("draining: {writers} writers and {readers} readers are left");
        info!("{line}");
        systemd::notify_draining(&line, 2 * LINE_EVERY);
    }
}
