//! Peers that send half of a request and then nothing do not hold the buffers for ever: when buffers
//! run short they are ended, and those who send whole requests are not.

use support::client::assert_good_client_is_served;
use support::frames::*;
use support::{Client, Daemon};

fn large() -> Vec<u8> {
    send("/large", vec![b'x'; 200_000], 1)
}

/// Enough to take more than half of 1 MiB.
fn stalled(daemon: &Daemon) -> Vec<Client> {
    let half = &large()[..100_000];
    let stall = |_| {
        let mut peer = Client::connect(daemon.address());
        peer.send(half);
        peer
    };
    (0..7).map(stall).collect()
}

#[test]
fn half_requests_give_way_when_buffers_run_short() {
    let daemon = Daemon::start(&["--shards", "1", "-c", "limits.buffered=1MiB"]);
    let mut stalled = stalled(&daemon);
    // Little is held for this one, so it may take its time.
    let mut patient = Client::connect(daemon.address());
    let small = send("/small", vec![b'x'; 10_000], 2);
    patient.send(&small[..9_000]);
    for peer in &mut stalled {
        peer.expect_reset();
    }
    patient.send(&small[9_000..]);
    assert_eq!(patient.read_frame(), plain(answer_to(SEND_PULSE), 2));
    assert_good_client_is_served(daemon.address());
    let log = daemon.stop();
    assert!(log.contains("reason=\"buffers_full\""), "{log}");
}

#[test]
fn half_requests_may_wait_while_there_is_room() {
    let daemon = Daemon::start(&["--shards", "1", "-c", "limits.buffered=4MiB"]);
    let whole = large();
    let mut waiting = Client::connect(daemon.address());
    waiting.send(&whole[..100_000]);
    // As long as it takes to end the others.
    let crowded = Daemon::start(&["--shards", "1", "-c", "limits.buffered=1MiB"]);
    let mut stalled = stalled(&crowded);
    stalled.iter_mut().for_each(Client::expect_reset);
    waiting.send(&whole[100_000..]);
    assert_eq!(waiting.read_frame(), plain(answer_to(SEND_PULSE), 1));
    crowded.stop();
    daemon.stop();
}
