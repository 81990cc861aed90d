//! Polls all keys: by topology where the server can answer so, else key by key, and within the allowed
//! rate. Connects again when the server has gone away.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::super::client::{Client, Target};
use super::super::error::CommandError;
use super::WORKERBEATS;
use super::watch::{Now, Watch};

/// The view, shared by the poller and the screen.
#[derive(Clone, Debug)]
pub(super) struct SharedView {
    begin: Instant,
    view: Arc<Mutex<View>>,
}

#[derive(Debug, Default)]
pub(super) struct View {
    pub watch: Watch,
    pub(crate) last_poll: Option<PollCost>,
    /// Why the last poll failed.
    pub error: Option<String>,
}

/// What one poll of everything has cost.
#[derive(Clone, Copy, Debug)]
pub(super) struct PollCost {
    pub took: Duration,
    pub bytes: u64,
}

impl SharedView {
    pub(super) fn new() -> SharedView {
        SharedView {
            begin: Instant::now(),
            view: Arc::default(),
        }
    }

    pub(super) fn now(&self) -> Now {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH);
        Now {
            ms: i64::try_from(self.begin.elapsed().as_millis()).unwrap_or(i64::MAX),
            unix_secs: unix.map_or(0, |unix| unix.as_secs() as i64),
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, View> {
        self.view.lock().expect("no panic while it is locked")
    }
}

/// What to poll and how often.
#[derive(Clone, Debug)]
pub(super) struct PollOptions {
    pub target: Target,
    /// From the start of one poll to the start of the next.
    pub interval: Duration,
    /// Bytes a second that polling may receive.
    pub(crate) max_rate: u64,
    /// Only topologies whose ids begin with this.
    pub topology: String,
}

pub(super) struct Poller {
    options: PollOptions,
    client: Option<Client>,
    /// Topologies that the server does not send whole.
    by_key: HashSet<String>,
    shared: SharedView,
}

impl Poller {
    /// Connects, and checks that the server lets us read.
    ///
    /// # Errors
    /// The server cannot be reached, or refuses the login or the request.
    pub(super) fn connect(
        options: PollOptions,
        shared: SharedView,
    ) -> Result<Poller, CommandError> {
        let mut client = Client::connect(options.target.clone())?;
        client.names(WORKERBEATS)?;
        Ok(Poller {
            options,
            client: Some(client),
            by_key: HashSet::new(),
            shared,
        })
    }

    /// Polls for ever. Errors go to the view.
    pub(super) fn run(mut self) -> ! {
        loop {
            let begin = Instant::now();
            let error = self.poll().err().map(|error| error.to_string());
            self.shared.lock().error = error;
            thread::sleep(self.options.interval.saturating_sub(begin.elapsed()));
        }
    }

    /// Polls everything once.
    ///
    /// # Errors
    /// As [`Poller::connect`]. The view keeps what was received before.
    pub(super) fn poll(&mut self) -> Result<(), CommandError> {
        let mut client = match self.client.take() {
            Some(client) => client,
            None => Client::connect(self.options.target.clone())?,
        };
        let (begin, before) = (Instant::now(), client.received_bytes());
        let mut topologies = client.names(WORKERBEATS)?;
        topologies.retain(|id| !id.is_empty() && id.starts_with(&self.options.topology));
        for id in &topologies {
            self.poll_topology(&mut client, id)?;
            self.pace(begin, client.received_bytes() - before);
        }
        self.by_key.retain(|id| topologies.contains(id));
        let mut shared = self.shared.lock();
        shared.watch.end_poll();
        shared.last_poll = Some(PollCost {
            took: begin.elapsed(),
            bytes: client.received_bytes() - before,
        });
        drop(shared);
        self.client = Some(client);
        Ok(())
    }

    fn poll_topology(&mut self, client: &mut Client, id: &str) -> Result<(), CommandError> {
        let path = format!("{WORKERBEATS}/{id}");
        let shared = &self.shared;
        let see = |key: &str, details: &[u8]| {
            let now = shared.now();
            shared.lock().watch.see(key, details, now);
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

    /// Waits until this many bytes since `since` are within the allowed rate.
    fn pace(&self, since: Instant, bytes: u64) {
        let least = Duration::from_secs_f64(bytes as f64 / self.options.max_rate as f64);
        thread::sleep(least.saturating_sub(since.elapsed()));
    }
}

/// Keys in one batch: few enough that their pulses are a burst any link can take.
const KEYS_AT_ONCE: usize = 32;
