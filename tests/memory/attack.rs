//! Attackers of every kind over sockets, all at once. They run, hold still so that somebody can look, and
//! run again.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread;
use std::time::Duration;

use support::login::{DigestFiles, PASSWORD, ask_for_token, token};
use support::{Client, Random, frames};

const FRAME_BYTES: usize = 1 << 20;

/// Keys below /large, of 70 bytes each.
const LARGE_KEYS: usize = 8_000;

/// How often the attackers run and hold still, and for how long they run.
const ROUNDS: usize = 2;
const ROUND: Duration = Duration::from_secs(1);

/// Limits that attackers reach within a second.
pub struct Bounds {
    shards: u64,
    files: Option<DigestFiles>,
}

impl Bounds {
    pub fn small(shards: u64, with_login: bool) -> Bounds {
        Bounds {
            shards,
            files: with_login.then(DigestFiles::new),
        }
    }

    /// The daemon's arguments, before others.
    pub fn arguments(&self, others: &[&str]) -> Vec<String> {
        let shards = self.shards.to_string();
        let mut arguments = vec!["--shards", &shards];
        let limits = [
            "frame_size=1MiB",
            "output=2MiB",
            "buffered=16MiB",
            "stored_bytes=16MiB",
            "connections=500",
            "connections_per_address=500",
            "unauthenticated_per_address=500",
            "failed_logins=1000",
            // Nobody is ended for being slow.
            "output_deadline=1h",
            "handshake_deadline=5m",
            "receive_rate=64",
        ];
        let limits: Vec<String> = limits
            .iter()
            .map(|limit| format!("limits.{limit}"))
            .collect();
        for limit in &limits {
            arguments.extend(["-c", limit]);
        }
        arguments.extend(["-c", "access.deletes_below="]);
        arguments.extend(others);
        match &self.files {
            Some(files) => files.arguments(&arguments),
            None => arguments.into_iter().map(str::to_owned).collect(),
        }
    }
}

/// The daemon.
pub struct Server {
    pub address: SocketAddr,
    pub admin: SocketAddr,
    pub with_login: bool,
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum Kind {
    Trickles,
    Huge,
    Lists,
    Records,
    Deletes,
    Reads,
    Replaces,
    Keys,
    Fragments,
    Forwards,
    HalfLogins,
    WrongPasswords,
    Connects,
    Watches,
}

/// A group of attackers of one kind.
#[derive(Clone, Copy, Debug)]
struct Group {
    kind: Kind,
    connections: usize,
    /// Bytes that each writes and reads at a time.
    writes: usize,
    reads: usize,
    /// Turns after which it resets its connection and dials again. 0: never.
    turns: usize,
}

const fn group(kind: Kind, connections: usize, writes: usize, reads: usize, turns: usize) -> Group {
    Group {
        kind,
        connections,
        writes,
        reads,
        turns,
    }
}

const MUCH: usize = 256 * 1024;

const GROUPS: [Group; 19] = [
    group(Kind::Trickles, 40, MUCH, 0, 0),
    group(Kind::Huge, 5, MUCH, MUCH, 0),
    group(Kind::Huge, 10, 10_000, 0, 30),
    group(Kind::Lists, 40, MUCH, 0, 0),
    group(Kind::Lists, 20, MUCH, 2_000, 40),
    group(Kind::Lists, 10, MUCH, MUCH, 5),
    group(Kind::Records, 10, MUCH, 0, 0),
    group(Kind::Records, 5, MUCH, MUCH, 20),
    group(Kind::Deletes, 1, MUCH, MUCH, 0),
    group(Kind::Reads, 20, MUCH, 0, 0),
    group(Kind::Reads, 20, MUCH, 3_000, 0),
    group(Kind::Replaces, 10, MUCH, 0, 0),
    group(Kind::Replaces, 5, MUCH, MUCH, 50),
    group(Kind::Keys, 3, MUCH, MUCH, 0),
    group(Kind::Fragments, 2, MUCH, MUCH, 0),
    group(Kind::Forwards, 20, MUCH, MUCH, 10),
    group(Kind::Forwards, 10, MUCH, 0, 0),
    group(Kind::Connects, 50, MUCH, 0, 2),
    group(Kind::Watches, 8, MUCH, 4_000, 100),
];

const LOGIN_GROUPS: [Group; 2] = [
    group(Kind::HalfLogins, 60, MUCH, MUCH, 0),
    group(Kind::WrongPasswords, 10, MUCH, MUCH, 3),
];

const RUN: u8 = 0;
const HOLD: u8 = 1;
const OVER: u8 = 2;

/// Runs all of them. `look` is called when they hold still.
pub fn run(server: &Server, look: &mut dyn FnMut()) {
    fill(server);
    let state = AtomicU8::new(RUN);
    let logins: &[Group] = if server.with_login {
        &LOGIN_GROUPS
    } else {
        &[]
    };
    thread::scope(|scope| {
        for (seed, group) in GROUPS.iter().chain(logins).enumerate() {
            let state = &state;
            scope.spawn(move || attack(server, group, Random(seed as u64), state));
        }
        for _ in 0..ROUNDS {
            thread::sleep(ROUND);
            state.store(HOLD, Ordering::Relaxed);
            look();
            state.store(RUN, Ordering::Relaxed);
        }
        state.store(OVER, Ordering::Relaxed);
    });
}

fn fill(server: &Server) {
    let mut client = Client::connect(server.address);
    for from in (0..LARGE_KEYS).step_by(1_000) {
        let pulses = (from..from + 1_000).flat_map(|id| frames::send(large(id), "", id as i32));
        client.send(&pulses.collect::<Vec<_>>());
        client.read_frames(1_000);
    }
}

fn large(number: usize) -> String {
    format!("/large/{number:0>63}")
}

fn attack(server: &Server, group: &Group, mut random: Random, state: &AtomicU8) {
    let mut peers: Vec<Option<Peer>> = (0..group.connections).map(|_| None).collect();
    loop {
        match state.load(Ordering::Relaxed) {
            RUN => {}
            HOLD => {
                thread::sleep(Duration::from_millis(5));
                continue;
            }
            _ => return,
        }
        for place in &mut peers {
            let is_old = |peer: &Peer| group.turns > 0 && peer.turns >= group.turns;
            if place.as_ref().is_some_and(is_old) {
                place
                    .take()
                    .into_iter()
                    .for_each(|peer| peer.client.reset());
            }
            let peer = match place {
                Some(peer) => peer,
                None => match Peer::connect(server, group.kind, &mut random) {
                    Some(peer) => place.insert(peer),
                    None => continue,
                },
            };
            if peer.turn(group, &mut random).is_err() {
                *place = None;
            }
        }
        thread::sleep(Duration::from_millis(2));
    }
}

struct Peer {
    client: Client,
    to_send: Vec<u8>,
    turns: usize,
}

/// The daemon has ended the connection.
struct Ended;

impl Peer {
    fn connect(server: &Server, kind: Kind, random: &mut Random) -> Option<Peer> {
        let from = Ipv4Addr::new(127, 0, 0, 2 + random.below(60) as u8);
        let to = if kind == Kind::Watches {
            server.admin
        } else {
            server.address
        };
        let mut client = Client::connect_from(IpAddr::from(from), to);
        if server.with_login && kind.reads() && client.try_log_in(PASSWORD).is_err() {
            return None;
        }
        client.socket().set_nonblocking(true).ok()?;
        Some(Peer {
            client,
            to_send: Vec::new(),
            turns: 0,
        })
    }

    fn turn(&mut self, group: &Group, random: &mut Random) -> Result<(), Ended> {
        self.turns += 1;
        if self.to_send.is_empty() {
            group.kind.write(&mut self.to_send, self.turns, random);
        }
        let mut socket = self.client.socket();
        let most = self.to_send.len().min(group.writes);
        match socket.write(&self.to_send[..most]) {
            Ok(count) => drop(self.to_send.drain(..count)),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => return Err(Ended),
        }
        if group.reads == 0 {
            return Ok(());
        }
        match socket.read(&mut vec![0; group.reads]) {
            Ok(0) => Err(Ended),
            Ok(_) => Ok(()),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => Ok(()),
            Err(_) => Err(Ended),
        }
    }
}

impl Kind {
    /// Where a login is offered, its requests need one.
    fn reads(self) -> bool {
        matches!(
            self,
            Kind::Lists | Kind::Records | Kind::Reads | Kind::Replaces | Kind::Forwards
        )
    }

    fn write(self, out: &mut Vec<u8>, turn: usize, random: &mut Random) {
        let id = random.next_u64() as i32;
        let directory = format!("/d{}", random.below(3));
        match self {
            Kind::Trickles if turn > 1 => out.push(b'x'),
            Kind::Trickles => {
                let half = FRAME_BYTES / 2 - random.below(FRAME_BYTES / 4);
                let frame = frames::send(&directory, vec![b't'; FRAME_BYTES - 200], id);
                out.extend_from_slice(&frame[..half]);
            }
            Kind::Huge => {
                let details = vec![b'h'; FRAME_BYTES - 200 - random.below(FRAME_BYTES / 2)];
                let key = format!("{directory}/huge{}", random.below(8));
                out.extend(frames::send(key, details, id));
            }
            Kind::Lists => {
                let path = ["/large", "/", "/d0", "/fragments"][random.below(4)];
                out.extend(frames::about(frames::GET_ALL_NODES, path, id));
            }
            Kind::Records => out.extend(frames::about(frames::GET_ALL_PULSE, &directory, id)),
            Kind::Deletes => {
                let path = ["/d0", "/d1", "//", "/"][random.below(4)];
                let deletes = random.one_in(50) && path != "/" || random.one_in(500);
                let kind = if deletes {
                    frames::DELETE_PATH
                } else {
                    frames::EXISTS
                };
                out.extend(frames::about(kind, path, id));
            }
            Kind::Reads => {
                for number in 0..8 {
                    out.extend(frames::get(format!("{directory}/huge{number}"), id));
                }
            }
            Kind::Replaces => {
                let key = format!("{directory}/replaced{}", random.below(4));
                let details = vec![b'r'; 300 + random.below(FRAME_BYTES / 4)];
                out.extend(frames::send(&key, details, id));
                for _ in 0..4 {
                    out.extend(frames::get(&key, id));
                }
            }
            Kind::Keys => {
                for _ in 0..100 {
                    let details = vec![b'k'; [0, 1, 30, 400][random.below(4)]];
                    out.extend(frames::send(any_key(&directory, random), details, id));
                }
            }
            Kind::Fragments => fragments(out, turn, random),
            Kind::Forwards => {
                for _ in 0..40 {
                    let path = format!("{directory}/{}", "f".repeat(3_900));
                    let kind = [frames::EXISTS, frames::GET_PULSE][random.below(2)];
                    out.extend(frames::about(
                        kind,
                        format!("{path}{}", random.below(100)),
                        id,
                    ));
                }
            }
            Kind::HalfLogins if turn > 1 => {}
            Kind::HalfLogins => out.extend(ask_for_token()),
            Kind::WrongPasswords => {
                out.extend(ask_for_token());
                out.extend(token(&vec![b'w'; random.below(3000)]));
            }
            Kind::Connects => {}
            Kind::Watches => {
                let path = ["/cluster.json", "/metrics", "/status"][random.below(3)];
                let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
                out.extend(request.into_bytes());
            }
        }
    }
}

/// Keys of many segments, of long and of empty ones.
fn any_key(directory: &str, random: &mut Random) -> String {
    let number = random.below(1_000_000);
    match random.below(5) {
        0 => format!("{directory}/{number:x}{}", "/a".repeat(random.below(28))),
        1 => format!("{directory}{}{number}", "/".repeat(1 + random.below(28))),
        2 => format!("{directory}/{}{number}", "long".repeat(random.below(900))),
        3 => format!("{}/{number}", "/".repeat(random.below(20))),
        _ => format!("{directory}/name-{number}"),
    }
}

/// Stores pulses of one size, deletes most of them, and goes on with larger ones: what is left keeps pages
/// that others cannot use.
fn fragments(out: &mut Vec<u8>, turn: usize, random: &mut Random) {
    let size = 64 << (turn / 200 % 10);
    for _ in 0..(64 * 1024 / size).clamp(1, 100) {
        let number = random.below(1_000_000);
        let key = format!("/fragments/{size}-{number}");
        out.extend(frames::send(&key, vec![b'f'; size], number as i32));
        if !number.is_multiple_of(32) {
            out.extend(frames::about(frames::DELETE_PULSE_ID, &key, number as i32));
        }
    }
}
