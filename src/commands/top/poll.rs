//! One look at all keys after another: by topology where the server answers so, else by key, and never
//! faster than the rate that was allowed. A server that goes away is dialled again.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::super::client::{Client, Target};
use super::super::trouble::Failure;
use super::WORKERBEATS;
use super::watch::{Now, Watch};

/// What is seen, and how the looking goes. Shared with whoever shows it.
#[derive(Clone, Debug)]
pub struct Board {
    begin: Instant,
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
pub struct Inner {
    pub watch: Watch,
    pub last_round: Option<Round>,
    /// Why the last look failed.
    pub trouble: Option<String>,
}

/// What a whole look has cost.
#[derive(Clone, Copy, Debug)]
pub struct Round {
    pub took: Duration,
    pub bytes: u64,
}

impl Board {
    pub fn new() -> Board {
        Board {
            begin: Instant::now(),
            inner: Arc::default(),
        }
    }

    pub fn now(&self) -> Now {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH);
        Now {
            ms: i64::try_from(self.begin.elapsed().as_millis()).unwrap_or(i64::MAX),
            unix_secs: unix.map_or(0, |unix| unix.as_secs() as i64),
        }
    }

    pub fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("nobody panics with it")
    }
}

/// How to look.
#[derive(Clone, Debug)]
pub struct Plan {
    pub target: Target,
    /// From the beginning of a look to that of the next one.
    pub interval: Duration,
    /// Bytes a second that looking may cause at most.
    pub max_rate: u64,
    /// Topologies whose ids begin so.
    pub topology: String,
}

pub struct Poller {
    plan: Plan,
    client: Option<Client>,
    /// Topologies that the server does not answer for as a whole.
    by_key: HashSet<String>,
    board: Board,
}

impl Poller {
    /// Connects, and tries whether we may read.
    ///
    /// # Errors
    /// The server is not there, or does not want us.
    pub fn connect(plan: Plan, board: Board) -> Result<Poller, Failure> {
        let mut client = Client::connect(plan.target.clone())?;
        client.names(WORKERBEATS)?;
        Ok(Poller {
            plan,
            client: Some(client),
            by_key: HashSet::new(),
            board,
        })
    }

    /// Looks again and again. What fails is told on the board.
    pub fn run(mut self) -> ! {
        loop {
            let begin = Instant::now();
            let trouble = self.round().err().map(|failure| failure.to_string());
            self.board.lock().trouble = trouble;
            thread::sleep(self.plan.interval.saturating_sub(begin.elapsed()));
        }
    }

    /// Looks at everything once.
    ///
    /// # Errors
    /// As [`Poller::connect`]; what has been seen by then stays.
    pub fn round(&mut self) -> Result<(), Failure> {
        let mut client = match self.client.take() {
            Some(client) => client,
            None => Client::connect(self.plan.target.clone())?,
        };
        let (begin, before) = (Instant::now(), client.received_bytes());
        let mut topologies = client.names(WORKERBEATS)?;
        topologies.retain(|id| !id.is_empty() && id.starts_with(&self.plan.topology));
        for id in &topologies {
            self.look_at(&mut client, id)?;
            self.pace(begin, client.received_bytes() - before);
        }
        self.by_key.retain(|id| topologies.contains(id));
        let mut board = self.board.lock();
        board.watch.end_round();
        board.last_round = Some(Round {
            took: begin.elapsed(),
            bytes: client.received_bytes() - before,
        });
        drop(board);
        self.client = Some(client);
        Ok(())
    }

    fn look_at(&mut self, client: &mut Client, id: &str) -> Result<(), Failure> {
        let path = format!("{WORKERBEATS}/{id}");
        let board = &self.board;
        let see = |key: &str, details: &[u8]| {
            let now = board.now();
            board.lock().watch.see(key, details, now);
        };
        if !self.by_key.contains(id) {
            if client.records(&path, &mut |key, details| see(key, details))? {
                return Ok(());
            }
            self.by_key.insert(id.to_owned());
        }
        let workers = client.names(&path)?.into_iter();
        let keys: Vec<String> = workers.map(|name| format!("{path}/{name}")).collect();
        for some in keys.chunks(KEYS_AT_ONCE) {
            let (begin, before) = (Instant::now(), client.received_bytes());
            let some: Vec<&str> = some.iter().map(String::as_str).collect();
            client.pulses(&some, &mut |index, details| {
                if let Some(details) = details {
                    see(some[index], details);
                }
            })?;
            self.pace(begin, client.received_bytes() - before);
        }
        Ok(())
    }

    /// Waits until so many bytes since then are within the allowed rate.
    fn pace(&self, since: Instant, bytes: u64) {
        let least = Duration::from_secs_f64(bytes as f64 / self.plan.max_rate as f64);
        thread::sleep(least.saturating_sub(since.elapsed()));
    }
}

/// Few enough that their pulses come in a burst that no link minds.
const KEYS_AT_ONCE: usize = 32;
