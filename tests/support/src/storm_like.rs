//! Workers and a Nimbus that fail as Storm 2.x's do, and Nimbus's rule for who is dead. A request is written again each
//! second, eleven times in all, to the connection of its first try. A FIN, a refused dial and a RST that meets a request
//! go unnoticed until then; a RST at any other time has its client dial again at once.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use storm_pacemaker::blocking_client::{BlockingClient, ClientError};

use super::{frames, holds_within};

/// `task.heartbeat.frequency.secs`.
const PERIOD: Duration = Duration::from_secs(3);
/// `nimbus.monitor.freq.secs`.
const PASS_PERIOD: Duration = Duration::from_secs(10);
/// `nimbus.task.timeout.secs`.
pub const TASK_TIMEOUT: Duration = Duration::from_secs(30);
/// Of one request.
const TRIES: u32 = 11;
const TRY: Duration = Duration::from_secs(1);
/// After a request that failed, a worker takes this long to give its connection up.
const GIVING_UP: Duration = Duration::from_secs(2);
const REDIAL: Duration = Duration::from_millis(100);

/// How long a test waits for all clients: several requests may fail one after another.
const PATIENCE: Duration = Duration::from_secs(90);

/// Workers that pulse until this is dropped, and a Nimbus that reads them.
pub struct Cluster {
    seen: Arc<Seen>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct Seen {
    stop: AtomicBool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// When the last pulse of a worker was stored, and its longest time without one.
    workers: BTreeMap<String, (Instant, Duration)>,
    /// When the last pass that is complete began.
    pass: Option<Instant>,
    longest_read: Duration,
    /// Workers that Nimbus would move.
    dead: Vec<String>,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Of the worst worker.
    pub longest_without_pulse: Duration,
    pub longest_read: Duration,
    /// Workers that Nimbus would have moved.
    pub dead: Vec<String>,
}

impl Cluster {
    /// Workers take the servers in turn; Nimbus asks each of them for each worker.
    pub fn start(servers: &[SocketAddr], workers: usize) -> Cluster {
        let seen = Arc::new(Seen::default());
        let key = |worker: usize| format!("/workerbeats/t-1-1/node-{worker}");
        let keys: Vec<_> = (0..workers).map(key).collect();
        let mut threads = Vec::new();
        for (worker, key) in keys.iter().cloned().enumerate() {
            let server = servers[worker % servers.len()];
            let seen = seen.clone();
            // Not all in step.
            let begin = Instant::now() + PERIOD * worker as u32 / workers as u32;
            threads.push(thread::spawn(move || pulse(server, &key, begin, &seen)));
        }
        threads.push(nimbus(servers, keys, &seen));
        let cluster = Cluster { seen, threads };
        wait_until("every worker has a pulse, and Nimbus asks", || {
            let state = cluster.state();
            state.workers.len() == workers && state.pass.is_some()
        });
        cluster
    }

    /// A Nimbus alone, which reads the pulses that others write.
    pub fn read(servers: &[SocketAddr], keys: Vec<String>) -> Cluster {
        let seen = Arc::new(Seen::default());
        let threads = vec![nimbus(servers, keys, &seen)];
        let cluster = Cluster { seen, threads };
        cluster.await_pass();
        cluster
    }

    /// Waits until every worker has had a pulse stored after this instant.
    pub fn await_pulses_after(&self, instant: Instant) {
        wait_until("a new pulse of every worker", || {
            self.state()
                .workers
                .values()
                .all(|(last, _)| *last > instant)
        });
    }

    /// Waits until Nimbus has read all workers once more, from the first to the last.
    pub fn await_pass(&self) {
        let now = Instant::now();
        wait_until("a pass of Nimbus", || {
            self.state().pass.is_some_and(|began| began > now)
        });
    }

    /// From here on counts what [`Outcome`] tells.
    pub fn forget(&self) {
        let mut state = self.state();
        state.longest_read = Duration::ZERO;
        state
            .workers
            .values_mut()
            .for_each(|(_, longest)| *longest = Duration::ZERO);
    }

    pub fn outcome(&self) -> Outcome {
        let state = self.state();
        let longest = state.workers.values().map(|(_, longest)| *longest).max();
        Outcome {
            longest_without_pulse: longest.unwrap_or_default(),
            longest_read: state.longest_read,
            dead: state.dead.clone(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.seen.state()
    }
}

fn wait_until(what: &str, condition: impl FnMut() -> bool) {
    assert!(holds_within(PATIENCE, condition), "waited in vain: {what}");
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.seen.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

impl Seen {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_over(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

fn nimbus(servers: &[SocketAddr], keys: Vec<String>, seen: &Arc<Seen>) -> JoinHandle<()> {
    let (servers, seen) = (servers.to_vec(), seen.clone());
    thread::spawn(move || watch(&servers, &keys, &seen))
}

/// A worker.
fn pulse(server: SocketAddr, key: &str, begin: Instant, seen: &Seen) {
    let mut link = Link::dial(server);
    let mut next = begin;
    let mut number = 0;
    loop {
        if !link.idle_until(next, seen) {
            return;
        }
        number += 1;
        let details = format!("pulse {number}");
        let request = |id| frames::send(key, &details, id);
        if link.ask(request, seen).is_some() {
            let now = Instant::now();
            let mut state = seen.state();
            let (last, longest) = state
                .workers
                .entry(key.to_owned())
                .or_insert((now, Duration::ZERO));
            *longest = (*longest).max(now - *last);
            *last = now;
        } else {
            thread::sleep(GIVING_UP);
            link = Link::dial(server);
        }
        // Storm's timer does not make up for pulses that it missed.
        next = Instant::now().max(next + PERIOD);
    }
}

/// Nimbus.
fn watch(servers: &[SocketAddr], keys: &[String], seen: &Seen) {
    let mut links: Vec<_> = servers.iter().copied().map(Link::dial).collect();
    let mut cache: BTreeMap<&str, (Option<Vec<u8>>, Instant)> = BTreeMap::new();
    loop {
        let begin = Instant::now();
        for key in keys {
            let asked = Instant::now();
            let mut found = None;
            let mut is_answered = false;
            for (link, server) in links.iter_mut().zip(servers) {
                match link.ask(|id| frames::get(key, id), seen) {
                    Some(answer) => {
                        is_answered = true;
                        found = found.or(frames::details_of(&answer));
                    }
                    None => *link = Link::dial(*server),
                }
            }
            let now = Instant::now();
            let mut state = seen.state();
            state.longest_read = state.longest_read.max(now - asked);
            let (last, changed) = cache.entry(key).or_insert((None, now));
            if found.is_some() && found != *last {
                (*last, *changed) = (found, now);
            } else if is_answered && now - *changed > TASK_TIMEOUT && !state.dead.contains(key) {
                state.dead.push(key.clone());
            }
        }
        seen.state().pass = Some(begin);
        let next = (begin + PASS_PERIOD).max(Instant::now());
        while Instant::now() < next {
            for link in &mut links {
                let step = next.min(Instant::now() + REDIAL);
                if !link.idle_until(step, seen) {
                    return;
                }
            }
        }
    }
}

/// A client's connection.
struct Link {
    server: SocketAddr,
    /// `None`: lost, and the client does not know.
    connection: Option<BlockingClient>,
    next_id: i32,
}

impl Link {
    fn dial(server: SocketAddr) -> Link {
        let deadline = Instant::now() + TRIES * TRY;
        let connection = BlockingClient::connect(&[server], deadline, 1 << 20).ok();
        Link {
            server,
            connection,
            next_id: 0,
        }
    }

    /// Waits, and dials again after a RST. False if the test is over.
    fn idle_until(&mut self, instant: Instant, seen: &Seen) -> bool {
        while Instant::now() < instant {
            if seen.is_over() {
                return false;
            }
            let step = instant.min(Instant::now() + REDIAL);
            match self
                .connection
                .as_mut()
                .map(|connection| connection.receive(step))
            {
                Some(Err(ClientError::Reset)) => {
                    thread::sleep(REDIAL);
                    *self = Link::dial(self.server);
                }
                Some(Err(ClientError::TimedOut) | Ok(_)) => {}
                Some(Err(_)) => self.connection = None,
                None => thread::sleep(step.saturating_duration_since(Instant::now())),
            }
        }
        !seen.is_over()
    }

    /// The answer; `None` if none has come in time.
    fn ask(&mut self, request: impl Fn(i32) -> Vec<u8>, seen: &Seen) -> Option<Vec<u8>> {
        self.next_id += 1;
        let id = self.next_id;
        let request = request(id);
        for _ in 0..TRIES {
            if seen.is_over() {
                return None;
            }
            let end = Instant::now() + TRY;
            let answer = self.connection.as_mut().map(|connection| {
                connection.send(&request, end)?;
                // An earlier request that was written several times is answered several times.
                loop {
                    let answer = frames::framed(&connection.receive(end)?);
                    if frames::id_of(&answer) == id {
                        return Ok(answer);
                    }
                }
            });
            match answer {
                Some(Ok(answer)) => return Some(answer),
                Some(Err(ClientError::TimedOut)) => {}
                Some(Err(_)) => self.connection = None,
                None => {}
            }
            thread::sleep(end.saturating_duration_since(Instant::now()));
        }
        None
    }
}
