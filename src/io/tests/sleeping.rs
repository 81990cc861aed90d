//! Sleeping and waking: doorbells, limits of a sleep, batches, and accepting in bounded steps.

use std::io::Write;
use std::thread;

use support::sandbox::{Forbidden, forbid_here};

use super::*;

on_both_planes! {
    a_sleep_ends_after_its_time
    a_short_sleep_is_not_rounded_up_to_milliseconds
    a_message_keeps_the_loop_awake
    a_bell_wakes_a_sleeper_once
    a_bell_from_outside_wakes_a_sleeper
    an_awaited_send_wakes_the_loop
    a_batch_is_gathered
    a_thousand_dials_are_all_accepted
    a_loop_without_descriptors_stops_accepting_for_a_moment
}

fn a_sleep_ends_after_its_time(plane: DataPlane) {
    let mut server = Server::new(plane);
    let began = Instant::now();
    assert_eq!(server.turn(Duration::from_millis(30)), 0);
    assert!(began.elapsed() >= Duration::from_millis(30));
}

fn a_short_sleep_is_not_rounded_up_to_milliseconds(plane: DataPlane) {
    let mut server = Server::new(plane);
    let shortest = (0..50).map(|_| {
        let began = Instant::now();
        server.turn(Duration::from_micros(200));
        began.elapsed()
    });
    let shortest = shortest.min().unwrap();
    assert!(shortest >= Duration::from_micros(200), "{shortest:?}");
    assert!(shortest < Duration::from_millis(1), "{shortest:?}");
}

fn a_message_keeps_the_loop_awake(plane: DataPlane) {
    let mut server = Server::new(plane);
    server.recorder.has_messages = true;
    let began = Instant::now();
    server.turn(PATIENCE);
    assert!(began.elapsed() < PATIENCE);
}

/// A second loop rings the first one, which sleeps on another thread.
fn a_bell_wakes_a_sleeper_once(plane: DataPlane) {
    let bells = Arc::new(Bells::new(plane, 2).unwrap());
    let sleeper_bells = bells.clone();
    let sleeper = thread::spawn(move || {
        let mut event_loop = EventLoop::new(sleeper_bells, 0).unwrap();
        let mut recorder = Recorder::default();
        let plan = SleepPlan {
            at_most: PATIENCE,
            batching: None,
        };
        let began = Instant::now();
        event_loop.turn(&mut recorder, plan).unwrap();
        began.elapsed()
    });
    let mut ringer = EventLoop::new(bells, 1).unwrap();
    let mut recorder = Recorder::default();
    let deadline = Instant::now() + PATIENCE;
    while !sleeper.is_finished() {
        assert!(Instant::now() < deadline);
        let mut commands = Commands::default();
        commands.push(Command::RingBell(0));
        commands.push(Command::RingBell(0));
        ringer.apply_commands(&mut recorder, &mut commands).unwrap();
        let plan = SleepPlan {
            at_most: Duration::from_millis(1),
            batching: None,
        };
        ringer.turn(&mut recorder, plan).unwrap();
    }
    assert!(sleeper.join().unwrap() < PATIENCE);
    assert_eq!(ringer.bells_rung(), 1, "only a sleeper is rung, and once");
}

fn a_bell_from_outside_wakes_a_sleeper(plane: DataPlane) {
    let mut server = Server::new(plane);
    let bells = server.bells.clone();
    let ringer = thread::spawn(move || {
        thread::sleep(Duration::from_millis(20));
        ring_all(&bells).unwrap();
    });
    let began = Instant::now();
    server.turn(PATIENCE);
    assert!(began.elapsed() < PATIENCE);
    ringer.join().unwrap();
}

fn an_awaited_send_wakes_the_loop(plane: DataPlane) {
    let mut server = Server::new(plane);
    let (_peer, id) = server.accept();
    server.send(id, b"nobody waits for this");
    server.turn(Duration::from_millis(20));
    let before = server.recorder.sent[&id];
    server.recorder.awaits_sent = true;
    server.send(id, b"answer");
    let began = Instant::now();
    server.turn(PATIENCE);
    assert!(began.elapsed() < PATIENCE);
    assert_eq!(server.recorder.sent[&id], before + 6);
}

fn a_batch_is_gathered(plane: DataPlane) {
    gather_a_batch(Server::new(plane));
}

/// As kernels before 6.12 do.
#[test]
fn a_batch_is_gathered_by_a_ring_without_a_minimum_wait() {
    let mut server = Server::new(DataPlane::IoUring);
    let Plane::Ring(ring) = &mut server.event_loop.plane else {
        unreachable!("it was asked for");
    };
    ring.emulate_minimum_wait();
    gather_a_batch(server);
}

fn gather_a_batch(mut server: Server) {
    let mut peers: Vec<_> = (0..50).map(|_| server.accept().0).collect();
    let (begin, wait) = std::sync::mpsc::channel();
    let writer = thread::spawn(move || {
        let () = wait.recv().unwrap();
        for peer in &mut peers {
            peer.write_all(b"pulse").unwrap();
        }
        peers
    });
    // Nothing comes: what came before is no measure.
    while server.turn(Duration::from_millis(1)) > 0 {}
    let plan = SleepPlan {
        at_most: PATIENCE,
        batching: Some(Batching {
            completions: 64,
            at_least: Duration::from_millis(200),
        }),
    };
    begin.send(()).unwrap();
    let began = Instant::now();
    let completions = server.event_loop.turn(&mut server.recorder, plan).unwrap();
    assert!(began.elapsed() >= Duration::from_millis(200));
    assert_eq!(completions, 50, "one wake serves all");
    drop(writer.join().unwrap());
}

fn a_thousand_dials_are_all_accepted(plane: DataPlane) {
    let mut server = Server::new(plane);
    // As many as the backlog may hold on any machine.
    for _ in 0..10 {
        let peers: Vec<_> = (0..100).map(|_| server.dial()).collect();
        let before = server.recorder.opened.len();
        server.turn_until(|recorder| recorder.opened.len() == before + peers.len());
        assert_eq!(server.event_loop.connections(), 100);
        drop(peers);
        while server.event_loop.connections() > 0 {
            for id in std::mem::take(&mut server.recorder.finished) {
                server.command(Command::Close(id, Ending::Reset));
            }
            server.turn(Duration::from_millis(5));
        }
    }
}

/// In a thread with a descriptor table of its own, filled to the limit of its table.
fn a_loop_without_descriptors_stops_accepting_for_a_moment(plane: DataPlane) {
    if !can_own_descriptors() {
        return;
    }
    let test = thread::spawn(move || {
        let mut server = Server::new(plane);
        let address = server.address;
        own_descriptors(&[]).unwrap();
        let mut fillers = Vec::new();
        while let Ok(filler) = rustix::io::dup(std::io::stderr()) {
            fillers.push(filler);
        }
        // Dialled by a thread that has descriptors.
        drop(fillers.pop());
        let peer = TcpStream::connect(address).unwrap();
        server.turn_until(|recorder| recorder.accept_failures > 0);
        assert!(server.recorder.opened.is_empty());
        let began = Instant::now();
        drop(fillers);
        server.turn_until(|recorder| !recorder.opened.is_empty());
        assert!(began.elapsed() < PATIENCE);
        drop(peer);
        // Its limit on open files is 100 ms of pauses away: no spinning.
        assert!(server.recorder.accept_failures < 10);
    });
    test.join().unwrap();
}

/// The kernel limits the epoll watches of each user. Peers that use them up must not end a shard.
#[test]
fn a_loop_without_epoll_watches_stops_accepting_and_serves_on() {
    let test = thread::spawn(|| {
        let mut server = Server::new(DataPlane::Epoll);
        let (mut peer, id) = server.accept();
        forbid_here(Forbidden::EpollWatches);
        let _refused = server.dial();
        // The listener cannot be watched again, either.
        server.turn_until(|recorder| recorder.accept_failures > 2);
        assert_eq!(server.event_loop.connections(), 1);
        peer.write_all(b"request").unwrap();
        server.turn_until(|recorder| recorder.received.contains_key(&id));
        server.send(id, b"answer");
        server.turn_until(|recorder| recorder.sent.contains_key(&id));
    });
    test.join().unwrap();
}
