//! Whatever a peer sends, it costs at most that peer's connection: the daemon goes on serving others
//! at once, keeps neither files nor memory of it, and logs little.

use std::net::Ipv4Addr;
use std::time::Instant;

use support::client::assert_good_client_is_served;
use support::frames::*;
use support::{Client, Daemon, Ended, Random, wait_until};

/// What damaged requests may leave behind: keys of their own, and the allocator's caches, which hold some of the
/// largest requests' buffers.
const MEMORY_SLACK_BYTES: u64 = 16 << 20;

/// Few lines a reason and peer address and minute, from each shard; and what it logs by itself.
const MOST_LOG_LINES: usize = 80;

/// A daemon under attack. Every attack ends with a good client's visit; [`Victim::stop`] looks for
/// what the attacks have left.
struct Victim {
    daemon: Daemon,
    files: usize,
    resident_bytes: u64,
}

impl Victim {
    fn start() -> Victim {
        let daemon = Daemon::start(&["--shards", "2"]);
        // All that is set up at first use is there: both shards have accepted, stored and logged.
        for _ in 0..32 {
            assert_good_client_is_served(daemon.address());
            Self::attack_with(&daemon, &framed(b"garbage"));
        }
        let mut victim = Victim {
            files: 0,
            resident_bytes: daemon.resident_bytes(),
            daemon,
        };
        victim.files = victim.settled_files();
        victim
    }

    /// The count that the daemon comes back to: two equal ones while no client is connected.
    fn settled_files(&self) -> usize {
        let mut last = 0;
        wait_until("the open files settle", || {
            assert_good_client_is_served(self.daemon.address());
            let now = self.daemon.open_files();
            std::mem::replace(&mut last, now) == now
        });
        last
    }

    /// Sends, says that nothing more comes, and waits for the daemon's last word: how it ended the
    /// connection, and whether it answered before.
    fn attack(&self, bytes: &[u8]) -> (bool, Ended) {
        Self::attack_with(&self.daemon, bytes)
    }

    fn begin_attack(&self, bytes: &[u8]) -> Client {
        Self::begin_attack_with(&self.daemon, bytes)
    }

    fn begin_attack_with(daemon: &Daemon, bytes: &[u8]) -> Client {
        let mut peer = Client::connect(daemon.address());
        peer.try_send(bytes);
        peer.finish();
        peer
    }

    fn attack_with(daemon: &Daemon, bytes: &[u8]) -> (bool, Ended) {
        let (answer, ended) = Self::begin_attack_with(daemon, bytes).read_to_end();
        (!answer.is_empty(), ended)
    }

    /// The connection ends with a RST, and without an answer.
    fn assert_reset_by(&self, what: &str, bytes: &[u8]) {
        assert_eq!(self.attack(bytes), (false, Ended::Reset), "{what}");
        self.assert_unharmed();
    }

    fn assert_unharmed(&self) {
        assert_good_client_is_served(self.daemon.address());
    }

    fn stop(self) {
        let files = self.files;
        wait_until("all connections are gone", || {
            self.daemon.open_files() <= files
        });
        let most = self.resident_bytes + MEMORY_SLACK_BYTES;
        let resident = self.daemon.resident_bytes();
        assert!(
            resident <= most,
            "{resident} bytes resident, {} before",
            self.resident_bytes
        );
        self.assert_unharmed();
        let lines = self.daemon.stop().lines().count();
        assert!(lines <= MOST_LOG_LINES, "{lines} lines in the log");
    }
}

/// Every kind of request, as recorded or built alike.
fn requests() -> Vec<Vec<u8>> {
    vec![
        hex(SEND),
        hex(GET),
        hex(GET_MISS),
        hex(NODES),
        about(EXISTS, "/w/t1/n-1", 4),
        about(CREATE_PATH, "/w", 1),
        about(GET_ALL_PULSE, "/w/t1", 8),
        about(DELETE_PATH, "/w/t2", 17),
        about(DELETE_PULSE_ID, "/w/t2/n", 16),
    ]
}

#[test]
fn truncated_frames() {
    let victim = Victim::start();
    for request in requests() {
        for length in 0..request.len() {
            // The frame never gets whole: the peer is gone before.
            let outcome = victim.attack(&request[..length]);
            assert_eq!(
                outcome,
                (false, Ended::Orderly),
                "{length} bytes of {request:02x?}"
            );
        }
        victim.assert_unharmed();
        for length in 4..request.len() - 1 {
            // The frame is whole, the message in it is not.
            victim_resets_short_message(&victim, &request, length);
        }
        victim.assert_unharmed();
    }
    victim.stop();
}

fn victim_resets_short_message(victim: &Victim, request: &[u8], length: usize) {
    let outcome = victim.attack(&framed(&request[4..length]));
    assert_eq!(
        outcome,
        (false, Ended::Reset),
        "a message of {length} bytes of {request:02x?}"
    );
}

#[test]
fn corrupted_bytes() {
    let victim = Victim::start();
    let mut random = Random(1);
    for request in requests() {
        let mut peers = Vec::new();
        for position in 0..request.len() {
            let was = request[position];
            // Every Thrift type, the edges of signed bytes, and one at random.
            let edges = [0x7f, 0x80, 0xfe, 0xff, was ^ 1, random.next_u64() as u8];
            for value in (0..=16).chain(edges) {
                if value != was {
                    let mut corrupted = request.clone();
                    corrupted[position] = value;
                    peers.push(victim.begin_attack(&corrupted));
                }
            }
        }
        // Every one of them gets an end, whatever its request has become.
        for mut peer in peers {
            peer.read_to_end();
        }
        victim.assert_unharmed();
    }
    victim.stop();
}

#[test]
fn lengths() {
    let victim = Victim::start();
    let limit = 10 << 20; // limits.frame_size
    victim.assert_reset_by("an empty frame", &framed(&[]));
    for length in [-1, -4, i32::MIN, i32::MAX, limit + 1, 0x0d0a_0d0a] {
        victim.assert_reset_by(&format!("length {length}"), &length.to_be_bytes());
    }
    // As long as allowed, and never sent: nothing is kept for it.
    let outcome = victim.attack(&i32::to_be_bytes(limit));
    assert_eq!(outcome, (false, Ended::Orderly));
    victim.stop();
}

#[test]
fn messages_that_kill_java() {
    let victim = Victim::start();
    let path = [11, 0, 1, 0, 0, 0, 2, b'/', b'w'];
    let pulse_without_details = [12, 0, 2, 11, 0, 1, 0, 0, 0, 2, b'/', b'w', 0];
    let pulse_without_id = [12, 0, 2, 11, 0, 2, 0, 0, 0, 1, b'x', 0];
    let id = Some(1);
    for (what, bytes) in [
        ("garbage", framed(&[0xff; 100])),
        ("no type", framed(&[8, 0, 3, 0, 0, 0, 1, 0])),
        ("nothing but a stop byte", framed(&[0])),
        ("type 19", message(19, &path, id)),
        ("type -1", message(-1, &path, id)),
        ("an enum of 2^31-1", message(i32::MAX, &path, id)),
        ("SEND_PULSE without data", plain(SEND_PULSE, 1)),
        ("SEND_PULSE of a path", message(SEND_PULSE, &path, id)),
        (
            "SEND_PULSE without details",
            message(SEND_PULSE, &pulse_without_details, id),
        ),
        (
            "SEND_PULSE without an id",
            message(SEND_PULSE, &pulse_without_id, id),
        ),
        ("GET_PULSE without data", plain(GET_PULSE, 1)),
        (
            "GET_PULSE of a pulse",
            message(GET_PULSE, &pulse_without_details, id),
        ),
        (
            "EXISTS of a truth value",
            message(EXISTS, &[2, 0, 3, 1], id),
        ),
        (
            "DELETE_PATH of a field that is not in the union",
            message(DELETE_PATH, &[8, 0, 6, 0, 0, 0, 1], id),
        ),
        ("an empty union", message(GET_PULSE, &[0], id)),
        ("a control message", framed(&hex(CONTROL))),
        ("a SASL token", framed(&hex(TOKEN))),
        ("a control message without a blob", plain(16, 1)),
    ] {
        victim.assert_reset_by(what, &bytes);
    }
    for kind in (1..=15).step_by(2).chain([NOT_AUTHORIZED]) {
        victim.assert_reset_by("a response as a request", &message(kind, &path, id));
    }
    victim.stop();
}

#[test]
fn nesting_and_counts() {
    let victim = Victim::start();
    let get = about(GET_PULSE, "/w", 1);
    let nested = |levels: usize, level: &[u8]| {
        let unknown = level.repeat(levels);
        framed(&[&unknown[..], &get[4..]].concat())
    };
    victim.assert_reset_by("200 000 structs", &nested(200_000, &[12, 0, 99]));
    victim.assert_reset_by(
        "200 000 structs in the data",
        &message(GET_PULSE, &[12, 0, 99].repeat(200_000), Some(1)),
    );
    // A list of one list of one list …: its element type and count, over and over.
    let lists = [&[15, 0, 99][..], &[15, 0, 0, 0, 1].repeat(200_000)].concat();
    victim.assert_reset_by("200 000 lists", &framed(&lists));
    for count in [i32::MAX, -1, i32::MIN, 1 << 24] {
        let count = count.to_be_bytes();
        for element in [2, 3, 8, 10, 11, 12, 13, 15, 16, 0, 99] {
            let list = [&[15, 0, 1, element][..], &count].concat();
            let nodes = [&[12, 0, 5][..], &list, &[0]].concat();
            let records = [&[12, 0, 4][..], &list, &[0]].concat();
            let unknown = [&[15, 0, 99, element][..], &count].concat();
            let map = [&[13, 0, 99, element, element][..], &count].concat();
            for union in [nodes, records, unknown, map] {
                let outcome = victim.attack(&message(GET_PULSE, &union, Some(1)));
                assert_eq!(outcome, (false, Ended::Reset), "{union:?}");
            }
        }
        let string = [&[11, 0, 1][..], &count, b"/w"].concat();
        victim.assert_reset_by(
            "a string longer than its frame",
            &message(GET_PULSE, &string, Some(1)),
        );
    }
    victim.stop();
}

/// Ten million of them take a shard's time, which others need.
#[test]
fn many_values_that_mean_nothing() {
    let victim = Victim::start();
    let get = about(GET_PULSE, "/w", 1);
    let with = |unknown: &[u8]| framed(&[unknown, &get[4..]].concat());
    let list = |element: u8, count: u32, elements: &[u8]| {
        let head = [&[15, 0, 99, element][..], &count.to_be_bytes()].concat();
        with(&[&head[..], elements].concat())
    };
    let few = list(12, 10_000, &[0; 10_000]);
    let (answered, ended) = victim.attack(&few);
    assert_eq!((answered, ended), (true, Ended::Orderly), "Java skips them");
    let structs = list(12, 1_500_000, &vec![0; 1_500_000]);
    victim.assert_reset_by("a list of empty structs", &structs);
    let lists = list(15, 300_000, &[3, 0, 0, 0, 0].repeat(300_000));
    victim.assert_reset_by("a list of empty lists", &lists);
    let fields = with(&[2, 0, 99, 1].repeat(400_000));
    victim.assert_reset_by("fields", &fields);
    let data = [&[12, 0, 2, 11, 0, 1, 0, 0, 0, 1][..], b"x\0"].concat();
    victim.assert_reset_by("the data again and again", &with(&data.repeat(120_000)));
    let malformed = about(EXISTS, vec![0xFF; 1_400_000], 1);
    victim.assert_reset_by("text that is no UTF-8", &malformed);
    victim.stop();
}

/// Only answers carry lists. Decoded, they would take many times their bytes.
#[test]
fn lists_in_requests_take_no_memory() {
    let daemon = Daemon::start(&["--shards", "1"]);
    assert_good_client_is_served(daemon.address());
    let before = daemon.peak_bytes();
    let list = |field: u8, count: u32, element: &[u8]| {
        let head = [&[12, 0, field, 15, 0, 1, 11][..], &count.to_be_bytes()].concat();
        [&head[..], &element.repeat(count as usize), &[0]].concat()
    };
    let pulse = [&[11, 0, 1, 0, 0, 0, 0][..], &[0]].concat();
    for union in [list(5, 700_000, &[0; 4]), list(4, 400_000, &pulse)] {
        let bytes = union.len() as u64;
        for kind in [GET_PULSE, GET_ALL_NODES] {
            let mut peer = Client::connect(daemon.address());
            peer.try_send(&message(kind, &union, Some(1)));
            peer.expect_reset();
        }
        let grew = daemon.peak_bytes() - before;
        assert!(grew < 3 * bytes + (4 << 20), "{grew} bytes for {bytes}");
    }
    daemon.stop();
}

#[test]
fn other_protocols() {
    let victim = Victim::start();
    let http = b"GET /metrics HTTP/1.1\r\nHost: pacemaker:6699\r\nAccept: */*\r\n\r\n";
    victim.assert_reset_by("an HTTP request", http);
    // A TLS hello's first four bytes are the length 0x16030100: too large.
    let hello = hex("1603010200010001fc0303000102030405060708090a0b0c0d0e0f1011121314");
    victim.assert_reset_by("a TLS hello", &hello);
    victim.assert_reset_by("SSH", b"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u2\r\n");
    victim.assert_reset_by("four-letter words of ZooKeeper", b"ruok");
    let mut random = Random(2);
    for _ in 0..300 {
        let length = random.below(20_000);
        victim.attack(&random.bytes(length));
        // The same as the body of a frame.
        let length = random.below(2_000);
        let (answered, ended) = victim.attack(&framed(&random.bytes(length)));
        assert_eq!((answered, ended), (false, Ended::Reset));
    }
    victim.stop();
}

#[test]
fn a_hundred_peers_that_dribble() {
    let victim = Victim::start();
    let mut peers: Vec<_> = (0..100)
        .map(|_| Client::connect(victim.daemon.address()))
        .collect();
    let request = hex(SEND);
    for byte in &request {
        peers.iter_mut().for_each(|peer| peer.send(&[*byte]));
    }
    victim.assert_unharmed();
    for peer in &mut peers {
        assert_eq!(peer.read_frame(), hex(SEND_ANSWER));
    }
    drop(peers);
    victim.stop();
}

#[test]
fn half_a_frame_and_gone() {
    let victim = Victim::start();
    let large = send("/half", vec![b'x'; 300_000], 1);
    for round in 0..5 {
        let mut peers = Vec::new();
        for number in 0..40 {
            let mut peer = Client::connect(victim.daemon.address());
            peer.send(&large[..large.len() * (number + 1) / 41]);
            peers.push(peer);
        }
        victim.assert_unharmed();
        for (number, peer) in peers.into_iter().enumerate() {
            if (number + round) % 2 == 0 {
                peer.reset();
            }
        }
    }
    victim.stop();
}

#[test]
fn connect_and_close_storms() {
    let victim = Victim::start();
    for number in 0..5_000 {
        let mut peer = Client::connect(victim.daemon.address());
        match number % 4 {
            0 => drop(peer),
            1 => peer.reset(),
            2 => {
                peer.send(&hex(GET)); // and does not wait for the answer
                peer.reset();
            }
            _ => peer.send(&hex(GET)[..9]),
        }
    }
    victim.assert_unharmed();
    victim.stop();
}

#[test]
fn peers_that_say_nothing() {
    let victim = Victim::start();
    let mut peers: Vec<_> = (0..500)
        .map(|_| Client::connect(victim.daemon.address()))
        .collect();
    victim.assert_unharmed();
    // They may still speak.
    for peer in &mut peers {
        assert_eq!(peer.ask(&hex(GET_MISS)), hex(GET_MISS_ANSWER));
    }
    drop(peers);
    victim.stop();
}

#[test]
fn a_crowd_of_hostile_addresses_does_not_flood_the_log() {
    let victim = Victim::start();
    let start = Instant::now();
    let peers = 2_000_u16;
    for number in 0..peers {
        let [high, low] = (number + 2).to_be_bytes();
        let from = Ipv4Addr::new(127, 1, high, low).into();
        let mut peer = Client::connect_from(from, victim.daemon.address());
        peer.send(&framed(b"garbage"));
        peer.expect_reset();
    }
    // Ten lines a second and shard, of two shards.
    let most = 20 * (start.elapsed().as_secs() as usize + 2);
    victim.assert_unharmed();
    let log = victim.daemon.stop();
    let lines = log.lines().filter(|line| line.contains("127.1.")).count();
    assert!(
        lines <= most && most < usize::from(peers) / 2,
        "{lines} lines, {most} allowed"
    );
}
