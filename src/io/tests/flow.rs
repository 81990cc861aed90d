//! Bytes in both directions: whole, in order, bounded, and paused.

use std::io::{Read, Write};
use std::thread;

use bytes::Bytes;

use super::*;
use crate::limits::EPOLL_BUFFER_BYTES;

on_both_planes! {
    bytes_arrive_in_order
    one_turn_takes_a_bounded_piece_of_each_connection
    a_paused_connection_is_not_read
    a_paused_connection_that_sends_on_does_not_wake_the_loop
    all_answers_of_a_turn_leave_in_order
    a_peer_that_does_not_read_blocks_and_then_gets_all
    a_dialled_connection_opens
    a_refused_dial_is_told
    an_urgent_byte_holds_up_nothing
    what_peers_have_sent_is_unread_until_it_is_taken
}

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|index| (index * 31 % 251) as u8).collect()
}

fn bytes_arrive_in_order(plane: DataPlane) {
    let mut server = Server::new(plane);
    let (mut peer, id) = server.accept();
    let sent = pattern(3_000_000);
    let bytes = sent.clone();
    let writer = thread::spawn(move || {
        peer.write_all(&bytes).unwrap();
        peer
    });
    server.turn_until(|recorder| {
        recorder
            .received
            .get(&id)
            .is_some_and(|received| received.len() == 3_000_000)
    });
    assert_eq!(server.recorder.received[&id], sent);
    drop(writer.join().unwrap());
}

fn one_turn_takes_a_bounded_piece_of_each_connection(plane: DataPlane) {
    let mut server = Server::new(plane);
    let (mut loud, loud_id) = server.accept();
    let (mut quiet, quiet_id) = server.accept();
    loud.set_nonblocking(true).unwrap();
    let flood = pattern(1 << 20);
    while loud.write(&flood).is_ok() {}
    quiet.write_all(b"pulse").unwrap();
    server.turn_until(|recorder| recorder.received.contains_key(&quiet_id));
    assert!(server.recorder.longest <= EPOLL_BUFFER_BYTES);
    // The rest of the flood is not forgotten, though nothing new arrives.
    server.event_loop.note_unread();
    let deadline = Instant::now() + PATIENCE;
    while server.event_loop.owes_reads() {
        assert!(Instant::now() < deadline);
        server.turn(Duration::from_millis(10));
    }
    assert!(server.recorder.received[&loud_id].len() >= 1 << 16);
}

fn a_paused_connection_is_not_read(plane: DataPlane) {
    let mut server = Server::new(plane);
    server.recorder.pause_new = true;
    let (mut peer, id) = server.accept();
    for _ in 0..3 {
        server.turn(Duration::from_millis(5));
    }
    assert!(!server.event_loop.is_reading());
    peer.write_all(b"before").unwrap();
    for _ in 0..3 {
        server.turn(Duration::from_millis(5));
    }
    peer.write_all(b" and after").unwrap();
    for _ in 0..3 {
        server.turn(Duration::from_millis(5));
    }
    assert!(server.recorder.received.is_empty());
    server.event_loop.note_unread();
    peer.write_all(b", and more").unwrap();
    server.command(Command::Resume(id));
    assert!(server.event_loop.owes_reads());
    let all = b"before and after, and more";
    server.turn_until(|recorder| {
        let received = recorder.received.get(&id);
        received.is_some_and(|bytes| bytes.len() == all.len())
    });
    assert_eq!(server.recorder.received[&id], all);
    assert!(!server.event_loop.owes_reads());
}

fn a_paused_connection_that_sends_on_does_not_wake_the_loop(plane: DataPlane) {
    let mut server = Server::new(plane);
    server.recorder.pause_new = true;
    let (mut peer, _) = server.accept();
    peer.set_nodelay(true).unwrap();
    // The pause takes effect, and the first bytes may still wake it.
    peer.write_all(b"x").unwrap();
    for _ in 0..5 {
        server.turn(Duration::from_millis(10));
    }
    let writer = thread::spawn(move || {
        for _ in 0..50 {
            peer.write_all(b"x").unwrap();
            thread::sleep(Duration::from_millis(2));
        }
        peer
    });
    let began = Instant::now();
    let mut wakes = 0;
    while began.elapsed() < Duration::from_millis(100) {
        server.turn(Duration::from_millis(50));
        wakes += 1;
    }
    assert!(wakes <= 3, "{wakes} wakes");
    drop(writer.join().unwrap());
}

fn all_answers_of_a_turn_leave_in_order(plane: DataPlane) {
    let mut server = Server::new(plane);
    let (mut peer, id) = server.accept();
    let stored = Bytes::from(pattern(5000));
    let mut expected = Vec::new();
    // More slices than one system call takes.
    for turn in 0..1500_u32 {
        let outbox = server.recorder.outboxes.entry(id).or_default();
        outbox.text().extend_from_slice(&turn.to_be_bytes());
        outbox.push_shared(&stored);
        expected.extend_from_slice(&turn.to_be_bytes());
        expected.extend_from_slice(&stored);
    }
    server.command(Command::Send(id));
    let all = expected.len();
    let reader = thread::spawn(move || {
        let mut received = vec![0; all];
        peer.read_exact(&mut received).unwrap();
        received
    });
    server.turn_until(|recorder| recorder.sent.get(&id) == Some(&all));
    assert!(reader.join().unwrap() == expected, "the bytes differ");
    assert!(server.recorder.outboxes.is_empty());
}

fn a_peer_that_does_not_read_blocks_and_then_gets_all(plane: DataPlane) {
    let mut server = Server::new(plane);
    let (mut peer, id) = server.accept();
    let answer = pattern(16 << 20);
    server.send(id, &answer);
    server.turn_until(|recorder| !recorder.blocked.is_empty());
    assert!(!server.event_loop.all_delivered());
    // What is queued meanwhile follows.
    server.send(id, b"the end");
    for _ in 0..3 {
        server.turn(Duration::from_millis(5));
    }
    let all = answer.len() + 7;
    assert!(server.recorder.sent.get(&id).copied().unwrap_or(0) < all);
    let reader = thread::spawn(move || {
        let mut received = vec![0; all];
        peer.read_exact(&mut received).unwrap();
        (received, peer)
    });
    server.turn_until(|recorder| recorder.sent.get(&id) == Some(&all));
    let (received, _peer) = reader.join().unwrap();
    assert!(received[..answer.len()] == answer, "the bytes differ");
    assert_eq!(&received[answer.len()..], b"the end");
    let deadline = Instant::now() + PATIENCE;
    while !server.event_loop.all_delivered() {
        assert!(Instant::now() < deadline);
        server.turn(Duration::from_millis(5));
    }
}

fn a_dialled_connection_opens(plane: DataPlane) {
    let mut server = Server::new(plane);
    let id = server.event_loop.connect(server.address, None).unwrap();
    // The loop dials itself: both ends open.
    server.turn_until(|recorder| recorder.opened.len() == 2);
    let other = server.recorder.opened.iter().find(|opened| **opened != id);
    let other = *other.unwrap();
    server.send(id, b"hello");
    server.turn_until(|recorder| recorder.received.contains_key(&other));
    server.send(other, b"welcome");
    server.turn_until(|recorder| recorder.received.contains_key(&id));
    assert_eq!(server.recorder.received[&id], b"welcome");
}

fn a_refused_dial_is_told(plane: DataPlane) {
    let mut server = Server::new(plane);
    // A port that was free a moment ago.
    let nobody = listen_at((Ipv4Addr::LOCALHOST, 0).into(), false, PATIENCE).unwrap();
    let address = local_address(&nobody).unwrap();
    drop(nobody);
    let id = server.event_loop.connect(address, None).unwrap();
    server.turn_until(|recorder| !recorder.closed.is_empty());
    let refused = Closed::NotConnected(libc::ECONNREFUSED);
    assert_eq!(server.recorder.closed, [(id, refused)]);
    assert_eq!(server.event_loop.connections(), 0);
}

/// A receive stops in front of the urgent byte, though more is there.
fn an_urgent_byte_holds_up_nothing(plane: DataPlane) {
    let mut server = Server::new(plane);
    server.recorder.pause_new = true;
    let (mut peer, id) = server.accept();
    peer.write_all(b"before").unwrap();
    rustix::net::send(&peer, b"!", rustix::net::SendFlags::OOB).unwrap();
    peer.write_all(b"after").unwrap();
    server.turn(Duration::from_millis(20));
    server.command(Command::Resume(id));
    server.turn_until(|recorder| {
        let received = recorder.received.get(&id);
        received.is_some_and(|bytes| bytes.ends_with(b"after"))
    });
}

/// A shutdown takes all that came before it, from connections that are not accepted yet, too.
fn what_peers_have_sent_is_unread_until_it_is_taken(plane: DataPlane) {
    const PEERS: usize = 600;
    support::machine::raise_open_files();
    let mut server = Server::new(plane);
    let peers: Vec<_> = (0..PEERS)
        .map(|_| {
            let mut peer = server.dial();
            peer.write_all(b"pulse").unwrap();
            peer
        })
        .collect();
    server.turn(Duration::ZERO);
    while server.event_loop.has_unaccepted() {
        server.turn(Duration::ZERO);
    }
    server.event_loop.note_unread();
    while server.event_loop.owes_reads() {
        server.turn(Duration::ZERO);
    }
    assert_eq!(server.recorder.received.len(), PEERS);
    drop(peers);
}
