//! Who gives way when buffers run short. Shards without sockets: a test holds buffers by sending parts of
//! frames, and sees whose connections are ended.

use std::net::{IpAddr, SocketAddr};

use crate::connection::{Closed, Command, Commands, ConnectionId};
use crate::limits::Limits;
use crate::shard::mailbox::FORWARDED_BYTES;
use crate::shard::{Context, Incident, Incidents, Mailbox, Settings, Shard};
use crate::wire::message::{MessageType, encode_path, encode_pulse};

const FRAME_BYTES: u32 = 64 << 10;
const PART_BYTES: usize = 50_000;

/// Whose requests were refused.
#[derive(Default)]
struct Refused(Vec<IpAddr>);

impl Incidents for Refused {
    fn report(&mut self, peer: SocketAddr, incident: Incident) {
        if let Incident::Refusal(_) = incident {
            self.0.push(peer.ip());
        }
    }
}

/// Some shards, and the connections that they have ended.
struct World {
    shards: Vec<Shard>,
    ended: Vec<(usize, u32)>,
    refused: Refused,
    connections: u32,
    now_us: u64,
    /// Ended connections are not closed yet.
    closes_later: bool,
}

impl World {
    fn new(shards: usize, buffered_bytes: u64) -> World {
        let limits = Limits {
            frame_bytes: FRAME_BYTES,
            receive_rate: 1, // no frame is too slow
            buffered_bytes,
            ..Limits::wide()
        };
        let settings = Settings::for_tests(shards, limits);
        let mailboxes = Mailbox::for_shards(shards).into_iter().enumerate();
        World {
            shards: mailboxes
                .map(|(index, mailbox)| Shard::new(index, settings.clone(), mailbox))
                .collect(),
            ended: Vec::new(),
            refused: Refused::default(),
            connections: 0,
            now_us: 1,
            closes_later: false,
        }
    }

    fn call(&mut self, shard: usize, call: impl FnOnce(&mut Shard, &mut Context<'_>)) {
        let mut commands = Commands::default();
        let mut cx = Context {
            now_us: self.now_us,
            commands: &mut commands,
            incidents: &mut self.refused,
        };
        call(&mut self.shards[shard], &mut cx);
        for command in commands.drain() {
            if let Command::Close(id, _) = command {
                self.ended.push((shard, id.slot));
                if !self.closes_later {
                    self.shards[shard].closed(id, Closed::ByUs, 0);
                }
            }
        }
    }

    /// A new connection sends a part of a frame, a second after the last one. Returns its number.
    fn hold(&mut self, shard: usize, from: IpAddr) -> u32 {
        self.hold_bytes(shard, from, PART_BYTES)
    }

    fn hold_bytes(&mut self, shard: usize, from: IpAddr, bytes: usize) -> u32 {
        let id = ConnectionId {
            slot: self.connections,
            generation: 0,
        };
        self.connections += 1;
        self.now_us += 1_000_000;
        self.call(shard, |shard, cx| shard.opened(id, (from, 1).into(), cx));
        let mut part = FRAME_BYTES.to_be_bytes().to_vec();
        part.resize(bytes, 0);
        self.call(shard, |shard, cx| shard.received(id, &part, cx));
        id.slot
    }

    /// New connections of as many addresses.
    fn hold_many(&mut self, shard: usize, count: u8) -> Vec<u32> {
        (0..count)
            .map(|last| self.hold(shard, address(last)))
            .collect()
    }

    fn wake(&mut self, shard: usize) {
        self.call(shard, |shard, cx| shard.exchange_messages(cx));
    }

    fn tick(&mut self, shard: usize) {
        self.call(shard, |shard, cx| shard.tick(cx, |_| 0));
    }

    fn take_ended(&mut self) -> Vec<(usize, u32)> {
        std::mem::take(&mut self.ended)
    }
}

fn address(last: u8) -> IpAddr {
    IpAddr::from([192, 0, 2, last])
}

/// Four shards, each with a guaranteed part of five parts of frames and a little.
fn guaranteed_five() -> World {
    World::new(4, 4 * 4 * 5 * 52_000)
}

#[test]
fn a_shard_may_use_its_guaranteed_part_whatever_the_others_hold() {
    let mut world = guaranteed_five();
    world.hold_many(0, 83);
    assert_eq!(world.take_ended(), [], "one shard may use all that is left");
    let fifth = world.hold_many(1, 5)[0];
    assert_eq!(world.take_ended(), [], "its own part");
    world.hold(1, address(99));
    assert_eq!(world.take_ended(), [(1, fifth)], "the oldest of its own");
}

#[test]
fn a_shard_that_has_more_than_it_is_guaranteed_gives_way() {
    let mut world = guaranteed_five();
    let held = world.hold_many(0, 83);
    world.hold_many(1, 5);
    world.tick(1);
    world.tick(2);
    assert_eq!(
        world.take_ended(),
        [],
        "these have no more than they are guaranteed"
    );
    // As many at once as it takes, so that all together are within the limit again.
    world.tick(0);
    let oldest: Vec<_> = held[..5].iter().map(|id| (0, *id)).collect();
    assert_eq!(world.take_ended(), oldest);
    world.tick(0);
    assert_eq!(world.take_ended(), []);
}

/// Who holds little is ended as well if all together hold too much, but never for asking.
#[test]
fn small_holders_give_way_too() {
    let part = 10_000;
    let mut world = World::new(1, 20 * part as u64 + 4_000);
    let held: Vec<u32> = (0..20)
        .map(|last| world.hold_bytes(0, address(last), part))
        .collect();
    assert_eq!(world.take_ended(), []);
    for (oldest, last) in held.into_iter().zip(100..) {
        world.hold_bytes(0, address(last), part);
        assert_eq!(world.take_ended(), [(0, oldest)]);
    }
}

/// Ended connections take a wake or two to close, and what the kernel still sends of theirs some more.
#[test]
fn nobody_is_ended_for_what_is_about_to_be_free() {
    let mut world = guaranteed_five();
    let held = world.hold_many(0, 83);
    world.hold_many(1, 5);
    assert_eq!(world.take_ended(), []);
    world.closes_later = true;
    world.tick(0);
    let ended = world.take_ended();
    assert_eq!(ended.len(), 5, "{ended:?}");
    // Their memory is not free yet, wherever one looks.
    for shard in [0, 1, 0] {
        world.tick(shard);
    }
    assert_eq!(world.take_ended(), []);
    for (shard, slot) in ended {
        let id = ConnectionId {
            slot,
            generation: 0,
        };
        world.call(shard, |shard, _| {
            shard.closed(id, Closed::ByUs, PART_BYTES);
        });
    }
    world.tick(0);
    assert_eq!(world.take_ended(), [], "the kernel has not let go of it");
    world.call(0, |shard, _| shard.freed(5 * PART_BYTES));
    world.hold_many(2, 5);
    world.tick(0);
    assert_eq!(world.take_ended()[0], (0, held[5]));
}

#[test]
fn a_share_has_room_for_a_frame_however_many_shards_there_are() {
    let mut world = World::new(64, 1 << 20);
    world.hold_many(0, 20);
    for shard in 1..64 {
        world.hold(shard, address(1));
    }
    assert_eq!(world.take_ended(), []);
}

#[test]
fn an_address_ends_its_own_connections_and_no_others() {
    // An address may have ten parts and a little.
    let mut world = World::new(1, 2 * 10 * 52_000);
    let honest = world.hold_many(0, 5);
    let greedy = address(77);
    let held: Vec<u32> = (0..10).map(|_| world.hold(0, greedy)).collect();
    assert_eq!(world.take_ended(), []);
    for oldest in &held[..5] {
        world.hold(0, greedy);
        assert_eq!(world.take_ended(), [(0, *oldest)]);
    }
    // Others are not ended, although they have held theirs for longest, and still find room.
    world.hold(0, address(78));
    assert_eq!(world.take_ended(), []);
    assert!(honest[0] < held[0]);
}

#[test]
fn an_address_may_have_half_of_all_on_one_shard() {
    // Four shares of five parts and a little: ten parts for one address, two of them on any shard.
    let mut world = World::new(4, 4 * 5 * 52_000);
    let greedy = address(77);
    let held: Vec<u32> = (0..10).map(|_| world.hold(0, greedy)).collect();
    assert_eq!(world.take_ended(), []);
    world.hold(0, greedy);
    assert_eq!(world.take_ended(), [(0, held[0])]);
    let of_other_shard = [world.hold(1, greedy), world.hold(1, greedy)];
    assert_eq!(world.take_ended(), []);
    world.hold(1, greedy);
    assert_eq!(world.take_ended(), [(1, of_other_shard[0])]);
    // Where it has more than its share, it gives way to itself elsewhere.
    world.tick(1);
    assert_eq!(world.take_ended(), []);
    for oldest in &held[1..3] {
        world.tick(0);
        assert_eq!(world.take_ended(), [(0, *oldest)]);
    }
    world.tick(0);
    assert_eq!(world.take_ended(), []);
}

const PATH_BYTES: usize = 3_000;

/// What a new connection to shard 0 sends.
fn send(world: &mut World, from: IpAddr, bytes: &[u8]) {
    let id = ConnectionId {
        slot: world.connections,
        generation: 0,
    };
    world.connections += 1;
    world.call(0, |shard, cx| {
        shard.opened(id, (from, 1).into(), cx);
        shard.received(id, bytes, cx);
    });
}

fn ask(world: &mut World, from: IpAddr, kind: MessageType, path: &str) {
    let mut request = Vec::new();
    encode_path(&mut request, kind, path, 1);
    send(world, from, &request);
}

/// A connection to shard 0 stores a pulse of one byte under each key.
fn store(world: &mut World, keys: impl Iterator<Item = String>) {
    let mut pulses = Vec::new();
    for key in keys {
        encode_pulse(&mut pulses, MessageType::SendPulse, &key, Some(&[1]), 1);
    }
    send(world, address(50), &pulses);
    for _ in 0..10 {
        (0..world.shards.len()).for_each(|shard| world.wake(shard));
    }
}

/// Five addresses ask for lists that are too much together; another one asks for a short list and for a deletion.
#[test]
fn who_asks_for_little_is_not_refused_because_others_ask_for_much() {
    let nimbus = address(99);
    for wakes_before in 0..12 {
        let mut world = World::new(1, 1 << 18);
        let large = (0..4_500).map(|number| format!("/large/{number:06}"));
        let others = ["/short/a", "/gone/a"].map(String::from);
        store(&mut world, large.chain(others));
        assert_eq!(world.shards[0].accounts().keys, 4_502);
        for last in 1..=5 {
            ask(
                &mut world,
                address(last),
                MessageType::GetAllNodesForPath,
                "/large",
            );
        }
        (0..wakes_before).for_each(|_| world.wake(0));
        ask(
            &mut world,
            nimbus,
            MessageType::GetAllNodesForPath,
            "/short",
        );
        ask(&mut world, nimbus, MessageType::DeletePath, "/gone");
        let mut most = 0;
        for _ in 0..100 {
            world.wake(0);
            most = most.max(world.shards[0].accounts().parts);
        }
        let frame = u64::from(FRAME_BYTES);
        assert!((frame..2 * frame).contains(&most), "{most} bytes of lists");
        assert_eq!(world.shards[0].accounts().keys, 4_501);
        assert!(
            !world.refused.0.contains(&nimbus),
            "after {wakes_before} wakes"
        );
    }
}

/// A connection to shard 0 asks about many long paths, and some belong to shard 1. Returns its id, and
/// how many do.
fn ask_for_others(world: &mut World, from: IpAddr, count: u32) -> (ConnectionId, u64) {
    let id = ConnectionId {
        slot: world.connections,
        generation: 0,
    };
    world.connections += 1;
    let before = world.shards[0].counters().forwarded_requests;
    world.call(0, |shard, cx| shard.opened(id, (from, 1).into(), cx));
    for number in 0..count {
        let mut bytes = Vec::new();
        let path = format!("/{number:0PATH_BYTES$}");
        encode_path(&mut bytes, MessageType::Exists, &path, 1);
        world.call(0, |shard, cx| {
            shard.received(id, &bytes, cx);
            shard.exchange_messages(cx); // another wake
        });
    }
    let forwarded = world.shards[0].counters().forwarded_requests - before;
    (id, forwarded)
}

#[test]
fn a_part_of_a_list_counts_where_it_was_made_until_it_is_taken() {
    let mut world = World::new(2, 1 << 30);
    store(
        &mut world,
        (0..4_500).map(|number| format!("/large/{number:06}")),
    );
    ask(
        &mut world,
        address(1),
        MessageType::GetAllNodesForPath,
        "/large",
    );
    world.wake(0);
    (0..10).for_each(|_| world.wake(1));
    let parts = |world: &World, shard: usize| world.shards[shard].accounts().parts;
    // Half of the names, 10 bytes each.
    assert!(
        (18_000..40_000).contains(&parts(&world, 1)),
        "{}",
        parts(&world, 1)
    );
    (0..10).for_each(|_| world.wake(0));
    assert_eq!([parts(&world, 0), parts(&world, 1)], [0, 0]);
}

#[test]
fn a_shard_reads_no_request_while_much_is_about_to_be_free() {
    // A quarter of it is five parts and a little.
    let mut world = World::new(1, 4 * 5 * 52_000);
    let held: Vec<u32> = (0..6).map(|last| world.hold(0, address(last))).collect();
    for slot in held {
        let id = ConnectionId {
            slot,
            generation: 0,
        };
        world.call(0, |shard, _| {
            shard.closed(id, Closed::Error(104), PART_BYTES)
        });
    }
    store(&mut world, ["/a".to_owned()].into_iter());
    assert_eq!(
        world.shards[0].accounts().keys,
        0,
        "the kernel has their answers"
    );
    world.call(0, |shard, _| shard.freed(PART_BYTES));
    world.wake(0);
    assert_eq!(
        world.shards[0].accounts().keys,
        1,
        "what was received is kept"
    );
    assert_eq!(world.take_ended(), []);
}

#[test]
fn requests_in_other_shards_mailboxes_count_until_they_are_answered() {
    let mut world = World::new(2, 1 << 30);
    let (id, forwarded) = ask_for_others(&mut world, address(1), 300);
    assert!((100..200).contains(&forwarded), "{forwarded}");
    let held = |world: &World| world.shards[0].buffered_bytes() as u64;
    let least = forwarded * PATH_BYTES as u64;
    assert!(held(&world) > least, "{}", held(&world));
    // Not by its peer's leaving.
    world.call(0, |shard, _| shard.closed(id, Closed::Error(104), 0));
    assert!(held(&world) > least, "{}", held(&world));
    for shard in [1, 0] {
        world.call(shard, |shard, cx| shard.exchange_messages(cx));
    }
    assert_eq!(held(&world), 0);
}

#[test]
fn a_shard_reads_no_request_while_others_must_answer_too_many_of_peers_that_are_gone() {
    let mut world = World::new(2, 1 << 30);
    // A quarter of a frame has five of them.
    let (id, forwarded) = ask_for_others(&mut world, address(1), 40);
    assert!(forwarded > 5, "{forwarded}");
    let (_, of_others) = ask_for_others(&mut world, address(2), 40);
    assert!(of_others > 5, "a peer that is there answers for its own");
    world.call(0, |shard, _| shard.closed(id, Closed::Error(104), 0));
    let before = world.shards[0].counters().forwarded_requests;
    let (_, now) = ask_for_others(&mut world, address(2), 40);
    assert_eq!(now, 0);
    for shard in [1, 0] {
        world.call(shard, |shard, cx| shard.exchange_messages(cx));
    }
    // They were kept, and are served by now.
    let after = world.shards[0].counters().forwarded_requests;
    assert!(after > before + 5, "{after}");
    assert_eq!(world.take_ended(), []);
}

#[test]
fn an_address_answers_for_what_its_former_connections_have_left() {
    // An address may have a million bytes.
    let mut world = World::new(2, 2_000_000);
    let (id, forwarded) = ask_for_others(&mut world, address(1), 500);
    assert_eq!(world.take_ended(), []);
    world.call(0, |shard, _| shard.closed(id, Closed::Error(104), 0));
    let left = 1_000_000 - forwarded as usize * (PATH_BYTES + FORWARDED_BYTES);
    let fit = (left / PART_BYTES) as u8;
    for _ in 0..fit {
        world.hold(0, address(1));
    }
    assert_eq!(world.take_ended(), []);
    world.hold(0, address(1));
    assert_eq!(world.take_ended().len(), 1);
    world.hold(0, address(2));
    assert_eq!(world.take_ended(), [], "of another address");
}
