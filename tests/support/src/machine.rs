//! What the programs under test take from the machine. On any machine a plain `cargo test` runs as it does on a small
//! one: few cores for each program, and no more programs at a time than the user may run.

use std::collections::HashMap;
use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, LazyLock, Mutex, MutexGuard, Once, PoisonError};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use super::PATIENCE;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Bytes of locked memory that the rings of one thread take: the data plane's, and glommio's small ones.
const RING_BYTES: u64 = 448 * 1024;

/// Most tests have no more rings at a time.
const USUAL_RINGS: usize = 3;

/// Cores of a program: by default a daemon has a shard for each of its cores, and the generator a thread.
const CORES: usize = 2;

/// A test that waits longer goes on, and fails if there is no room.
const LONGEST_WAIT: Duration = Duration::from_secs(300);

/// Rings that a program under test has. The kernel counts their memory for all processes of a user together
/// (RLIMIT_MEMLOCK, usually 8 MiB), unless the user is root.
#[derive(Debug)]
pub struct Rings {
    owner: ThreadId,
    count: usize,
}

/// Calls a function that starts a program, which then runs on [`CORES`] cores.
pub fn on_few_cores<T>(start: impl FnOnce() -> T) -> T {
    static TURN: AtomicUsize = AtomicUsize::new(0);
    let usable = sched_getaffinity(None).expect("the cores of this thread");
    let cores: Vec<usize> = (0..CpuSet::MAX_CPU)
        .filter(|core| usable.is_set(*core))
        .collect();
    if cores.len() <= CORES {
        return start();
    }
    let first = TURN.fetch_add(CORES, Ordering::Relaxed);
    let mut few = CpuSet::new();
    for index in first..first + CORES {
        few.set(cores[index % cores.len()]);
    }
    // A child has the cores of the thread that starts it.
    sched_setaffinity(None, &few).expect("a part of this thread's cores");
    let started = start();
    sched_setaffinity(None, &usable).expect("all of this thread's cores");
    started
}

/// How many times slower than a real machine this one may be: 1, unless it is emulated
/// (`STORM_PACEMAKER_TEST_SLOWDOWN`).
pub fn slowdown() -> u32 {
    let given = std::env::var("STORM_PACEMAKER_TEST_SLOWDOWN");
    given.map_or(1, |given| given.parse().expect("a whole number"))
}

/// Raises this process's soft limit on open files to the hard one: usually it is 1024, and tests hold more connections.
/// The programs under test inherit it.
pub fn raise_open_files() {
    static RAISED: Once = Once::new();
    RAISED.call_once(|| {
        let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
        let raised = Rlimit {
            current: maximum,
            maximum,
        };
        setrlimit(Resource::Nofile, raised).expect("the soft limit may be raised to the hard one");
    });
}

impl Rings {
    /// Waits until there is room. A test that already has rings does not wait for more: two such tests would wait for
    /// each other. So a test books [`USUAL_RINGS`] with its first ones.
    pub fn take(count: usize) -> Rings {
        let owner = thread::current().id();
        let rings = Rings { owner, count };
        let Some(capacity) = *CAPACITY else {
            return rings;
        };
        let deadline = Instant::now() + LONGEST_WAIT;
        let mut accounts = accounts();
        while !accounts.contains_key(&owner) {
            let booked: usize = accounts.values().map(|account| account.booked).sum();
            let left = deadline.saturating_duration_since(Instant::now());
            if booked == 0 || booked + count.max(USUAL_RINGS) <= capacity || left.is_zero() {
                break;
            }
            let waited = ROOM.wait_timeout(accounts, left);
            accounts = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        let account = accounts.entry(owner).or_default();
        account.used += count;
        account.booked = account.booked.max(account.used).max(USUAL_RINGS);
        rings
    }

    /// Starts a program that makes these rings. Tries again while it finds no memory for them: the kernel frees the
    /// rings of a process some time after the process has gone.
    ///
    /// # Panics
    /// With what was wrong, if the program does not start.
    pub fn retry<T>(&self, mut start: impl FnMut() -> Result<T, String>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match start() {
                Ok(started) => return started,
                Err(why) if self.may_find_memory(&why) && Instant::now() < deadline => {
                    thread::sleep(Duration::from_millis(20));
                }
                Err(why) => panic!("{why}"),
            }
        }
    }

    fn may_find_memory(&self, why: &str) -> bool {
        let is_about_memory = ["(os error 12)", "out of memory"].map(|part| why.contains(part));
        CAPACITY.is_some() && is_about_memory.contains(&true)
    }
}

impl Drop for Rings {
    fn drop(&mut self) {
        let mut accounts = accounts();
        if let Some(account) = accounts.get_mut(&self.owner) {
            account.used -= self.count;
            if account.used == 0 {
                accounts.remove(&self.owner);
                ROOM.notify_all();
            }
        }
    }
}

/// The rings of one test.
#[derive(Default)]
struct Account {
    booked: usize,
    used: usize,
}

static ACCOUNTS: LazyLock<Mutex<HashMap<ThreadId, Account>>> = LazyLock::new(Mutex::default);
static ROOM: Condvar = Condvar::new();

fn accounts() -> MutexGuard<'static, HashMap<ThreadId, Account>> {
    ACCOUNTS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Rings that this user may have at a time. `None`: any number.
static CAPACITY: LazyLock<Option<usize>> = LazyLock::new(|| {
    if may_lock_any_memory() {
        return None;
    }
    let bytes = getrlimit(Resource::Memlock).maximum?;
    // The rest is for rings of programs that have ended, which the kernel frees some time later, and for the one that
    // each start tries.
    Some((bytes / RING_BYTES * 2 / 3) as usize)
});

/// Whether this process has CAP_IPC_LOCK, and not only in a user namespace of its own.
fn may_lock_any_memory() -> bool {
    const IPC_LOCK: u32 = 14;
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let effective = effective.and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok());
    let users = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    let is_first_namespace = users.split_whitespace().eq(["0", "0", "4294967295"]);
    is_first_namespace && effective.is_some_and(|bits| bits & (1 << IPC_LOCK) != 0)
}
