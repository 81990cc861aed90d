//! Clients of Storm 2.x, and Nimbus. A request is written eleven times, a second apart, to the connection of its first
//! try; a refused dial is not noticed; after a reset the client dials again in 0.1 s.

use std::collections::BTreeMap;

use storm_pacemaker::wire::message::{MessageType as T, encode_path, encode_pulse};
use support::Random;

use super::TASK_TIMEOUT_MS;
use super::network::{Answer, Connection, Network};

const TRIES: u32 = 11;
const TRY_MS: u64 = 1000;
const REDIAL_MS: u64 = 100;

/// How long a worker's client takes to shut down before the next one dials.
const SHUTDOWN_MS: u64 = 2000;

/// `task.heartbeat.frequency.secs` and `nimbus.monitor.freq.secs`, in milliseconds.
const BEAT_MS: u64 = 3000;
const PASS_MS: u64 = 10_000;

/// Reads of one key after which Nimbus exits, and how long its restart takes.
const READS_BEFORE_EXIT: u32 = 11;
const RESTART_MS: u64 = 15_000;

/// Message slots of a client.
const SLOTS: i32 = 100;

#[derive(Default)]
struct Client {
    connection: Option<Connection>,
    dial_ms: Option<u64>,
    requests: BTreeMap<i32, Request>,
    last_id: i32,
}

struct Request {
    bytes: Vec<u8>,
    tries: u32,
    next_try_ms: u64,
    on: Option<Connection>,
}

enum Event {
    Answered(Answer),
    GaveUp(i32),
}

impl Client {
    fn dialling(at_ms: u64) -> Client {
        Client {
            dial_ms: Some(at_ms),
            ..Client::default()
        }
    }

    /// Begins a request. Returns its id.
    fn ask(&mut self, now_ms: u64, write: impl FnOnce(&mut Vec<u8>, i32)) -> i32 {
        self.last_id = (self.last_id + 1) % SLOTS;
        let mut bytes = Vec::new();
        write(&mut bytes, self.last_id);
        let request = Request {
            bytes,
            tries: 0,
            next_try_ms: now_ms,
            on: None,
        };
        self.requests.insert(self.last_id, request);
        self.last_id
    }

    fn step(&mut self, now_ms: u64, network: &mut Network, random: &mut Random) -> Vec<Event> {
        if self.dial_ms.is_some_and(|at_ms| at_ms <= now_ms) {
            self.dial_ms = None;
            self.connection = network.connect(random);
        }
        let mut events = Vec::new();
        if let Some(connection) = self.connection {
            if network.is_open(connection) {
                let answers = network.receive(connection).into_iter();
                // Answers to repeats belong to nothing.
                let answers = answers.filter(|answer| self.requests.remove(&answer.id).is_some());
                events.extend(answers.map(Event::Answered));
            } else {
                self.connection = None;
                self.dial_ms = Some(now_ms + REDIAL_MS);
            }
        }
        let connection = self.connection;
        self.requests.retain(|id, request| {
            if now_ms < request.next_try_ms {
                return true;
            }
            if request.tries == TRIES {
                events.push(Event::GaveUp(*id));
                return false;
            }
            request.tries += 1;
            request.next_try_ms += TRY_MS;
            if request.on.is_none() {
                request.on = connection;
            }
            if let Some(connection) = connection
                && request.on == Some(connection)
            {
                network.send(connection, &request.bytes);
            }
            true
        });
        events
    }

    /// Closes the connection, and dials another one.
    fn reconnect(&mut self, at_ms: u64, network: &mut Network) {
        if let Some(connection) = self.connection.take() {
            network.close(connection);
        }
        self.dial_ms = Some(at_ms);
    }
}

// ── A worker ─────────────────────────────────────────────────────────────────────────────────────

pub struct Worker {
    client: Client,
    pub key: String,
    next_beat_ms: u64,
    pub died_ms: Option<u64>,
}

impl Worker {
    pub fn new(key: String, first_beat_ms: u64) -> Worker {
        Worker {
            client: Client::dialling(first_beat_ms),
            key,
            next_beat_ms: first_beat_ms,
            died_ms: None,
        }
    }

    pub fn step(&mut self, now_ms: u64, network: &mut Network, random: &mut Random) {
        if self.died_ms.is_some() {
            return;
        }
        for event in self.client.step(now_ms, network, random) {
            if let Event::GaveUp(_) = event {
                let dial_ms = now_ms + SHUTDOWN_MS;
                self.client.reconnect(dial_ms, network);
                self.next_beat_ms = dial_ms + random.below(BEAT_MS as usize) as u64;
            }
        }
        if self.client.requests.is_empty() && now_ms >= self.next_beat_ms {
            self.next_beat_ms = now_ms + BEAT_MS;
            // It holds the time, in seconds.
            let details = (now_ms / 1000).to_string();
            self.client.ask(now_ms, |bytes, id| {
                encode_pulse(bytes, T::SendPulse, &self.key, Some(details.as_bytes()), id);
            });
        }
    }

    /// It is killed: it deletes nothing.
    pub fn die(&mut self, now_ms: u64, network: &mut Network) {
        self.died_ms.get_or_insert(now_ms);
        self.client.reconnect(now_ms, network);
    }
}

// ── Nimbus ───────────────────────────────────────────────────────────────────────────────────────

pub struct Nimbus {
    client: Client,
    /// Its workers, by topology.
    topologies: Vec<Vec<usize>>,
    /// What it knows of each worker.
    beats: BTreeMap<usize, Beat>,
    stage: Stage,
    /// Reads of the same key that were given up.
    failures: u32,
    /// A reader for the UI shares the connection, and reads some worker again and again.
    ui: Option<i32>,
    ui_next_ms: u64,
    dead: Vec<usize>,
    /// When its process was started.
    pub began_ms: u64,
}

/// An entry of the HeartbeatCache.
struct Beat {
    last: Option<Vec<u8>>,
    changed_ms: u64,
}

enum Stage {
    Pausing {
        until_ms: u64,
    },
    Reading {
        topology: usize,
        found: Vec<Option<Vec<u8>>>,
        id: i32,
    },
    Listing {
        id: i32,
    },
}

impl Nimbus {
    pub fn new(topologies: Vec<Vec<usize>>) -> Nimbus {
        let mut nimbus = Nimbus {
            client: Client::default(),
            topologies,
            beats: BTreeMap::new(),
            stage: Stage::Pausing { until_ms: 5000 },
            failures: 0,
            ui: None,
            ui_next_ms: 0,
            dead: Vec::new(),
            began_ms: 0,
        };
        nimbus.begin(0);
        nimbus
    }

    /// Starts with an empty cache.
    fn begin(&mut self, at_ms: u64) {
        self.client = Client::dialling(at_ms);
        self.stage = Stage::Pausing {
            until_ms: at_ms + 5000,
        };
        self.failures = 0;
        self.ui = None;
        self.began_ms = at_ms + TASK_TIMEOUT_MS;
        let workers = self.topologies.iter().flatten();
        let new = |worker: &usize| {
            let beat = Beat {
                last: None,
                changed_ms: at_ms,
            };
            (*worker, beat)
        };
        self.beats = workers.map(new).collect();
    }

    /// Whether it takes this worker for alive.
    pub fn has(&self, worker: usize) -> bool {
        self.beats.contains_key(&worker)
    }

    /// The workers that it has given up.
    pub fn take_dead(&mut self) -> Vec<usize> {
        std::mem::take(&mut self.dead)
    }

    pub fn step(
        &mut self,
        now_ms: u64,
        workers: &[Worker],
        network: &mut Network,
        random: &mut Random,
    ) {
        for event in self.client.step(now_ms, network, random) {
            match event {
                Event::Answered(answer) if self.ui == Some(answer.id) => self.ui = None,
                Event::Answered(answer) => self.answered(answer, now_ms, workers),
                Event::GaveUp(id) => self.gave_up(id, now_ms, workers, network),
            }
        }
        match self.stage {
            Stage::Pausing { until_ms } if until_ms <= now_ms => {
                self.read_next(0, Vec::new(), now_ms, workers);
            }
            _ => {}
        }
        if self.ui.is_none() && now_ms >= self.ui_next_ms {
            self.ui_next_ms = now_ms + random.below(8000) as u64;
            let key = &workers[random.below(workers.len())].key;
            let id = self.client.ask(now_ms, |bytes, id| {
                encode_path(bytes, T::GetPulse, key, id);
            });
            self.ui = Some(id);
        }
    }

    fn answered(&mut self, answer: Answer, now_ms: u64, workers: &[Worker]) {
        self.failures = 0;
        match &mut self.stage {
            Stage::Reading {
                topology,
                found,
                id,
            } if *id == answer.id => {
                assert_eq!(answer.kind, T::GetPulseResponse);
                found.push(answer.details);
                let (topology, found) = (*topology, std::mem::take(found));
                self.read_next(topology, found, now_ms, workers);
            }
            Stage::Listing { id } if *id == answer.id => {
                assert_eq!(answer.kind, T::GetAllNodesForPathResponse);
                self.stage = Stage::Pausing {
                    until_ms: now_ms + PASS_MS,
                };
            }
            _ => {}
        }
    }

    /// Reads the next worker of a topology, or judges the topology and goes on with the next one.
    fn read_next(
        &mut self,
        mut topology: usize,
        mut found: Vec<Option<Vec<u8>>>,
        now_ms: u64,
        workers: &[Worker],
    ) {
        while let Some(of_topology) = self.topologies.get(topology) {
            if let Some(worker) = of_topology.get(found.len()) {
                let key = &workers[*worker].key;
                let id = self.client.ask(now_ms, |bytes, id| {
                    encode_path(bytes, T::GetPulse, key, id);
                });
                self.stage = Stage::Reading {
                    topology,
                    found,
                    id,
                };
                return;
            }
            self.judge(topology, std::mem::take(&mut found), now_ms);
            topology += 1;
        }
        let id = self.client.ask(now_ms, |bytes, id| {
            encode_path(bytes, T::GetAllNodesForPath, "/workerbeats", id);
        });
        self.stage = Stage::Listing { id };
    }

    /// `HeartbeatCache.updateFromZkHeartbeat`: the time moves only when a heartbeat differs from the last one.
    fn judge(&mut self, topology: usize, found: Vec<Option<Vec<u8>>>, now_ms: u64) {
        for (worker, details) in self.topologies[topology].clone().into_iter().zip(found) {
            let Some(beat) = self.beats.get_mut(&worker) else {
                continue;
            };
            if details.is_some() && details != beat.last {
                beat.changed_ms = now_ms;
                beat.last = details;
            }
            if now_ms - beat.changed_ms >= TASK_TIMEOUT_MS {
                self.dead.push(worker);
                self.beats.remove(&worker);
                // It is moved: the new one has another key.
                self.topologies[topology].retain(|other| *other != worker);
            }
        }
    }

    fn gave_up(&mut self, id: i32, now_ms: u64, workers: &[Worker], network: &mut Network) {
        self.client.reconnect(now_ms, network);
        if self.ui == Some(id) {
            self.ui = None;
            return;
        }
        self.failures += 1;
        if self.failures == READS_BEFORE_EXIT {
            self.begin(now_ms + RESTART_MS);
            return;
        }
        match &mut self.stage {
            Stage::Reading {
                topology, found, ..
            } => {
                let (topology, found) = (*topology, std::mem::take(found));
                self.read_next(topology, found, now_ms, workers);
            }
            Stage::Listing { .. } => {
                // The timer's run has failed; the next one begins anew.
                self.stage = Stage::Pausing {
                    until_ms: now_ms + PASS_MS,
                };
            }
            Stage::Pausing { .. } => {}
        }
    }
}
