//! More shards than cores: correct under load from many connections, and idle without requests.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use support::frames::*;
use support::{Client, Daemon, Random};

const SHARDS: [&str; 2] = ["--shards", "8"];
const THREADS: u64 = 8;
const CONNECTIONS_OF_A_THREAD: u64 = 25;

/// One connection with a directory of its own, and what it must hold.
struct Worker {
    client: Client,
    home: String,
    stored: BTreeMap<String, Vec<u8>>,
    random: Random,
}

impl Worker {
    fn new(number: u64, address: SocketAddr) -> Worker {
        Worker {
            client: Client::connect(address),
            home: format!("/w/topology-{number}"),
            stored: BTreeMap::new(),
            random: Random(number),
        }
    }

    /// A short pipeline of random requests, and all of its answers.
    fn work(&mut self) {
        let count = 1 + self.random.below(20) as i32;
        let mut requests = Vec::new();
        let mut expected = BTreeMap::new();
        for id in 0..count {
            let (request, answer) = self.step(id);
            requests.extend(request);
            expected.insert(id, answer);
        }
        self.client.send(&requests);
        let answers = self.client.read_frames(count as usize);
        let answers: BTreeMap<_, _> = answers
            .into_iter()
            .map(|answer| (id_of(&answer), answer))
            .collect();
        assert_eq!(answers, expected, "{}", self.home);
    }

    fn step(&mut self, id: i32) -> (Vec<u8>, Vec<u8>) {
        let name = format!("n{:02}", self.random.below(30));
        let key = format!("{}/{name}", self.home);
        match self.random.below(10) {
            0..=4 => {
                let length = self.random.below(2_000);
                let details = self.random.bytes(length);
                let request = send(&key, &details, id);
                self.stored.insert(name, details);
                (request, plain(answer_to(SEND_PULSE), id))
            }
            5..=7 => {
                let details = self.stored.get(&name).map(Vec::as_slice);
                (get(&key, id), pulse_answer(&key, details, id))
            }
            8 => {
                let names: Vec<_> = self.stored.keys().map(String::as_str).collect();
                (
                    about(GET_ALL_NODES, &self.home, id),
                    nodes_answer(&names, id),
                )
            }
            _ => {
                self.stored.remove(&name);
                (
                    about(DELETE_PATH, &key, id),
                    plain(answer_to(DELETE_PATH), id),
                )
            }
        }
    }
}

#[test]
fn two_hundred_connections_get_right_answers() {
    let daemon = Daemon::start(&SHARDS);
    let address = daemon.address();
    let threads = (0..THREADS).map(|thread| {
        thread::spawn(move || {
            let numbers = thread * CONNECTIONS_OF_A_THREAD..(thread + 1) * CONNECTIONS_OF_A_THREAD;
            let mut workers: Vec<_> = numbers.map(|number| Worker::new(number, address)).collect();
            for _ in 0..10 {
                workers.iter_mut().for_each(Worker::work);
            }
            workers
        })
    });
    let threads: Vec<_> = threads.collect();
    let workers: Vec<_> = threads
        .into_iter()
        .flat_map(|thread| thread.join().expect("right answers"))
        .collect();

    // Another connection, on whichever shard, sees what all of them have left.
    let mut client = Client::connect(address);
    for worker in &workers {
        let names: Vec<_> = worker.stored.keys().cloned().collect();
        assert_eq!(client.list(&worker.home), names);
        for (name, details) in &worker.stored {
            assert_eq!(
                client.get(&format!("{}/{name}", worker.home)).as_ref(),
                Some(details)
            );
        }
    }
    let mut homes: Vec<_> = workers
        .iter()
        .filter(|worker| !worker.stored.is_empty())
        .map(|worker| worker.home["/w/".len()..].to_owned())
        .collect();
    homes.sort();
    assert_eq!(client.list("/w"), homes);
    client.delete_path("/w");
    assert_eq!(client.list("/w"), Vec::<String>::new());
    daemon.stop();
}

#[test]
fn eight_idle_shards_cost_next_to_nothing() {
    let daemon = Daemon::start(&SHARDS);
    // Idle with connections, and after work.
    let mut clients: Vec<_> = (0..40).map(|_| Client::connect(daemon.address())).collect();
    for client in &mut clients {
        client.put("/w/k", b"x");
        assert_eq!(client.list("/w"), ["k"]);
    }
    let time = Duration::from_secs(2);
    let before = daemon.cpu_time();
    thread::sleep(time); // the time that is measured
    let used = daemon.cpu_time() - before;
    assert!(used < time * 3 / 100, "{used:?} of {time:?}");
    daemon.stop();
}
