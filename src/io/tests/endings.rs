//! How connections end, from both sides, and what becomes of their ids.

use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;

use rustix::net::sockopt;

use super::*;

on_both_planes! {
    a_close_is_a_reset_unless_a_fin_is_asked_for
    a_fin_is_told_after_the_bytes_before_it
    a_peer_that_finishes_still_gets_its_answers
    a_reset_by_the_peer_is_told
    a_reset_while_a_send_waits_is_told
    a_killed_peer_behind_a_pause_is_told_at_once
    a_peer_that_finishes_behind_a_pause_is_told_once_it_is_read
    ids_are_never_used_again
    late_commands_for_a_connection_that_is_gone_do_nothing
    what_is_not_accepted_is_reset_when_the_loop_stops_listening
    a_connection_is_quiet_when_nothing_is_unread_or_unacknowledged
    a_dial_may_be_left_without_an_answer
}

/// Whether the connection ended with a RST; false: with a FIN.
fn is_reset(peer: &mut TcpStream) -> bool {
    match peer.read(&mut [0; 16]) {
        Ok(0) => false,
        Ok(_) => panic!("bytes that nobody sent"),
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::ConnectionReset);
            true
        }
    }
}

/// Ends with a RST when it is dropped.
fn reset_on_close(peer: &TcpStream) {
    sockopt::set_socket_linger(peer, Some(Duration::ZERO)).unwrap();
}

fn a_close_is_a_reset_unless_a_fin_is_asked_for(plane: DataPlane) {
    let mut server = Server::new(plane);
    for (ending, reset) in [(Ending::Reset, true), (Ending::Orderly, false)] {
        let (mut peer, id) = server.accept();
        server.command(Command::Close(id, ending));
        assert_eq!(server.recorder.closed.last(), Some(&(id, Closed::ByUs)));
        while server.event_loop.connections() > 0 {
            server.turn(Duration::from_millis(5));
        }
        assert_eq!(is_reset(&mut peer), reset, "{ending:?}");
    }
}

fn a_fin_is_told_after_the_bytes_before_it(plane: DataPlane) {
    let mut server = Server::new(plane);
    server.recorder.answer_fin = true;
    let (mut peer, id) = server.accept();
    peer.write_all(&[7; 100_000]).unwrap();
    peer.shutdown(Shutdown::Write).unwrap();
    server.turn_until(|recorder| !recorder.closed.is_empty());
    assert_eq!(server.recorder.received[&id].len(), 100_000);
    assert_eq!(server.recorder.finished, [id]);
    while server.event_loop.connections() > 0 {
        server.turn(Duration::from_millis(5));
    }
    assert!(!is_reset(&mut peer));
}

fn a_peer_that_finishes_still_gets_its_answers(plane: DataPlane) {
    let mut server = Server::new(plane);
    let (mut peer, id) = server.accept();
    peer.shutdown(Shutdown::Write).unwrap();
    server.turn_until(|recorder| !recorder.finished.is_empty());
    server.send(id, b"answer");
    let mut answer = [0; 6];
    server.turn(Duration::from_millis(5));
    peer.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"answer");
    assert_eq!(server.recorder.finished, [id], "told once");
}

fn a_reset_by_the_peer_is_told(plane: DataPlane) {
    let mut server = Server::new(plane);
    let (mut peer, id) = server.accept();
    peer.write_all(b"pulse").unwrap();
    server.turn_until(|recorder| recorder.received.contains_key(&id));
    reset_on_close(&peer);
    drop(peer);
    server.turn_until(|recorder| !recorder.closed.is_empty());
    let reset = Closed::Error(libc::ECONNRESET);
    assert_eq!(server.recorder.closed, [(id, reset)]);
    assert_eq!(server.event_loop.connections(), 0);
}

fn a_reset_while_a_send_waits_is_told(plane: DataPlane) {
    let mut server = Server::new(plane);
    server.recorder.pause_new = true;
    let (peer, id) = server.accept();
    server.send(id, &vec![1; 16 << 20]);
    server.turn_until(|recorder| !recorder.blocked.is_empty());
    reset_on_close(&peer);
    drop(peer);
    server.turn_until(|recorder| !recorder.closed.is_empty());
    assert!(matches!(
        server.recorder.closed[..],
        [(closed, Closed::Error(_))] if closed == id
    ));
    while server.event_loop.connections() > 0 {
        server.turn(Duration::from_millis(5));
    }
}

/// Otherwise peers that ask for lists, reset and dial again would fill all slots with what is gone.
fn a_killed_peer_behind_a_pause_is_told_at_once(plane: DataPlane) {
    let mut server = Server::new(plane);
    for (pause_new, last_words) in [(true, true), (true, false), (false, true), (false, false)] {
        server.recorder.pause_new = pause_new;
        let (mut peer, id) = server.accept();
        if !pause_new {
            // Paused, read again and paused, as one that asks for several lists.
            for command in [Command::Pause(id), Command::Resume(id), Command::Pause(id)] {
                server.command(command);
                server.turn(Duration::ZERO);
            }
        }
        if last_words {
            peer.write_all(b"last words").unwrap();
            server.turn(Duration::from_millis(20));
        }
        reset_on_close(&peer);
        drop(peer);
        server.turn_until(|recorder| !recorder.is_open(id));
        assert!(!server.recorder.received.contains_key(&id));
        while server.event_loop.connections() > 0 {
            server.turn(Duration::from_millis(5));
        }
    }
}

fn a_peer_that_finishes_behind_a_pause_is_told_once_it_is_read(plane: DataPlane) {
    let mut server = Server::new(plane);
    server.recorder.pause_new = true;
    let (mut peer, id) = server.accept();
    peer.write_all(b"last words").unwrap();
    peer.shutdown(Shutdown::Write).unwrap();
    for _ in 0..3 {
        server.turn(Duration::from_millis(5));
    }
    assert!(server.recorder.closed.is_empty() && server.recorder.finished.is_empty());
    server.command(Command::Resume(id));
    server.turn_until(|recorder| !recorder.finished.is_empty());
    assert_eq!(server.recorder.received[&id], b"last words");
}

fn ids_are_never_used_again(plane: DataPlane) {
    let mut server = Server::new(plane);
    for _ in 0..50 {
        // The recorder compares each id with all before it.
        let (peer, id) = server.accept();
        assert_eq!(id.slot, 0);
        reset_on_close(&peer);
        drop(peer);
        server.turn_until(|recorder| !recorder.is_open(id));
        while server.event_loop.connections() > 0 {
            server.turn(Duration::from_millis(5));
        }
    }
}

fn late_commands_for_a_connection_that_is_gone_do_nothing(plane: DataPlane) {
    let mut server = Server::new(plane);
    let (_old_peer, old) = server.accept();
    server.command(Command::Close(old, Ending::Reset));
    while server.event_loop.connections() > 0 {
        server.turn(Duration::from_millis(5));
    }
    let (mut peer, new) = server.accept();
    assert_eq!(old.slot, new.slot);
    server.send(old, b"for another");
    server.command(Command::Pause(old));
    server.command(Command::Close(old, Ending::Reset));
    server.send(new, b"x");
    server.turn(Duration::from_millis(5));
    let mut answer = [0; 1];
    peer.read_exact(&mut answer).unwrap();
    peer.write_all(b"read").unwrap();
    server.turn_until(|recorder| recorder.received.contains_key(&new));
    assert_eq!(&answer, b"x");
}

fn what_is_not_accepted_is_reset_when_the_loop_stops_listening(plane: DataPlane) {
    let mut server = Server::new(plane);
    let (_accepted, _) = server.accept();
    let mut waiting = server.dial();
    server.event_loop.stop_listening().unwrap();
    for _ in 0..3 {
        server.turn(Duration::from_millis(5));
    }
    assert!(is_reset(&mut waiting));
    assert!(TcpStream::connect(server.address).is_err());
    assert_eq!(server.event_loop.connections(), 1);
    assert_eq!(server.recorder.opened.len(), 1);
}

/// Only on epoll: the kernel closes the sockets of a ring with the process, not with the loop.
#[test]
fn a_dropped_epoll_loop_resets_its_connections() {
    let mut server = Server::new(DataPlane::Epoll);
    let (mut peer, _) = server.accept();
    drop(server);
    assert!(is_reset(&mut peer));
}

fn a_connection_is_quiet_when_nothing_is_unread_or_unacknowledged(plane: DataPlane) {
    let mut server = Server::new(plane);
    let (mut peer, id) = server.accept();
    assert!(server.event_loop.is_quiet(id));
    peer.write_all(b"pulse").unwrap();
    assert!(!server.event_loop.is_quiet(id), "it is unread");
    server.turn_until(|recorder| recorder.received.contains_key(&id));
    assert!(server.event_loop.is_quiet(id));
    // More than the kernel takes while the peer does not read.
    let answer = vec![7; 8 << 20];
    server.send(id, &answer);
    assert!(!server.event_loop.is_quiet(id), "it is not sent");
    server.turn_until(|recorder| !recorder.blocked.is_empty());
    assert!(!server.event_loop.is_quiet(id), "it is not acknowledged");
    let reader = std::thread::spawn(move || {
        peer.read_exact(&mut vec![0; 8 << 20]).unwrap();
        peer
    });
    let deadline = Instant::now() + PATIENCE;
    while !server.event_loop.is_quiet(id) {
        assert!(Instant::now() < deadline, "waited in vain");
        server.turn(Duration::from_millis(5));
    }
    assert_eq!(server.recorder.sent[&id], answer.len());
    drop(reader.join().unwrap());
}

fn a_dial_may_be_left_without_an_answer(plane: DataPlane) {
    let mut server = Server::new(plane);
    let (mut peer, id) = server.accept();
    server.event_loop.ignore_dials().unwrap();
    let dial = TcpStream::connect_timeout(&server.address, Duration::from_millis(100));
    assert_eq!(dial.unwrap_err().kind(), ErrorKind::TimedOut);
    // The open one goes on.
    peer.write_all(b"pulse").unwrap();
    server.turn_until(|recorder| recorder.received.contains_key(&id));
    server.send(id, b"answer");
    server.turn(Duration::from_millis(5));
    let mut answer = [0; 6];
    peer.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"answer");
}
