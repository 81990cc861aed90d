//! The heap of the daemon, counted by its allocator, and its resident memory, counted by the kernel.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::thread;

use peak_alloc::PeakAlloc;
use storm_pacemaker::footprint::Accounts;
use support::metrics::Scrape;
use support::{Daemon, wait_until};
use tempfile::TempDir;

use super::attack::{self, Bounds, Server};

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

/// Names the socket on which the daemon tells its heap.
const SOCKET: &str = "HEAP_SOCKET";

/// Heap that is on no account, beyond that of an idle daemon: queues of a shard and its data plane, which keep
/// what they once needed, and answers of the admin endpoint.
const SHARD_BYTES: u64 = 512 << 10;
const BASE_BYTES: u64 = 1 << 20;

/// Heap of the page's keys and answers: what the limits of the attack allow.
const PAGE_BYTES: u64 = 12 << 20;

/// Logins that wait are judged and ended one by one, also while attackers hold still.
const RESTLESS_BYTES: u64 = 256 << 10;

/// Whether this process is to be the daemon.
pub fn is_daemon() -> bool {
    std::env::var_os(SOCKET).is_some()
}

/// The daemon's side: tells the heap in use and its peak, in bytes.
pub fn tell_to_whoever_asks() {
    let path = std::env::var_os(SOCKET).expect("the name of the socket");
    let listener = UnixListener::bind(path).expect("a socket");
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = write!(stream, "{} {}", HEAP.current_usage(), HEAP.peak_usage());
        }
    });
}

/// What the daemon tells.
#[derive(Clone, Copy, Debug)]
struct Heap {
    bytes: u64,
    peak_bytes: u64,
}

impl Heap {
    fn of(socket: &PathBuf) -> Heap {
        let mut text = String::new();
        let mut stream = UnixStream::connect(socket).expect("the daemon tells its heap");
        stream.read_to_string(&mut text).expect("text");
        let (bytes, peak) = text.split_once(' ').expect("two numbers");
        Heap {
            bytes: bytes.parse().expect("a number"),
            peak_bytes: peak.parse().expect("a number"),
        }
    }
}

/// The accounts that the daemon exports.
fn accounts(scrape: &Scrape) -> Accounts {
    let sum = |name: &str| scrape.sum(name, &[]) as u64;
    Accounts {
        stored: sum("pacemaker_stored_bytes"),
        keys: sum("pacemaker_keys"),
        index: sum("pacemaker_index_bytes"),
        buffered: sum("pacemaker_buffered_bytes"),
        parts: sum("pacemaker_parts_bytes"),
        connections: sum("pacemaker_connections"),
        addresses: sum("pacemaker_addresses"),
    }
}

pub fn is_what_the_accounts_say(shards: u64, with_login: bool) {
    let home = TempDir::new().expect("a directory");
    let socket = home.path().join("heap");
    let bounds = Bounds::small(shards, with_login);
    let program = std::env::current_exe().expect("this program");
    // The keys of the page are on no account, so one half of the tests does without.
    let page = if with_login { "local" } else { "off" };
    let arguments = bounds.arguments(&["-c", &format!("admin.page={page}")]);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let environment = [(SOCKET, socket.clone())];
    let daemon = Daemon::start_program_in(&program, &environment, &arguments);
    let server = Server {
        address: daemon.address(),
        admin: daemon.admin(),
        with_login,
    };
    let (idle, _) = at_rest(&socket, &daemon, shards);
    let page_bytes = if with_login { PAGE_BYTES } else { 0 };
    let slack = idle.bytes + SHARD_BYTES * shards + BASE_BYTES + page_bytes;
    // While all attackers hold still, what the accounts say is what is there.
    attack::run(&server, &mut || {
        let (heap, accounts) = at_rest(&socket, &daemon, shards);
        let allowed = accounts.heap_bytes() + slack;
        let bytes = heap.bytes;
        println!("{shards} shards: {bytes} bytes of heap, {allowed} allowed: {accounts:?}");
        assert!(
            bytes <= allowed,
            "{bytes} bytes of heap instead of {allowed}: {accounts:?}"
        );
    });
    let limit = Scrape::of(server.admin).sum("pacemaker_limit_memory_bytes", &[]) as u64;
    let (heap_peak, peak) = (Heap::of(&socket).peak_bytes, daemon.peak_bytes());
    println!("{shards} shards: peak {peak}, of it heap {heap_peak}, of {limit}");
    assert!(
        heap_peak <= limit,
        "a heap of {heap_peak} bytes, but a limit of {limit}"
    );
    assert!(peak <= limit, "{peak} bytes, but a limit of {limit}");
    daemon.stop();
}

/// The heap and the accounts at a time at which neither changes much: every shard has reported the same before
/// and after.
fn at_rest(socket: &PathBuf, daemon: &Daemon, shards: u64) -> (Heap, Accounts) {
    let mut found = None;
    wait_until("the daemon is at rest", || {
        let before = next_report(daemon, &wakes(&Scrape::of(daemon.admin())), shards);
        let heap = Heap::of(socket);
        // The next report may be older than the heap, the one after it is not.
        let next = next_report(daemon, &wakes(&before), shards);
        let after = next_report(daemon, &wakes(&next), shards);
        let both = [accounts(&before), accounts(&after)];
        let [less, more] = {
            let mut sorted = both;
            sorted.sort_by_key(Accounts::heap_bytes);
            sorted
        };
        if more.heap_bytes() - less.heap_bytes() <= RESTLESS_BYTES {
            found = Some((heap, more));
        }
        found.is_some()
    });
    found.expect("found")
}

/// The wakes of each shard, as it has last reported them. They grow with each report.
fn wakes(scrape: &Scrape) -> BTreeMap<String, u64> {
    let samples = scrape.samples().iter();
    let wakes = samples.filter(|sample| sample.name == "pacemaker_wakes_total");
    let of_shard = wakes.map(|sample| (sample.labels["shard"].clone(), sample.value as u64));
    of_shard.collect()
}

/// A scrape in which every shard has reported anew.
fn next_report(daemon: &Daemon, last: &BTreeMap<String, u64>, shards: u64) -> Scrape {
    let mut found = None;
    wait_until("every shard reports", || {
        let scrape = Scrape::of(daemon.admin());
        let now = wakes(&scrape);
        let is_new =
            |(shard, wakes): (&String, &u64)| last.get(shard).is_none_or(|old| wakes > old);
        if now.len() as u64 == shards && now.iter().all(is_new) {
            found = Some(scrape);
        }
        found.is_some()
    });
    found.expect("found")
}
