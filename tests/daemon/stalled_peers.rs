//! Peers that send a part of a request and then nothing, or a byte now and then, do not hold buffers
//! for ever, and never at the expense of those who send whole requests.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use support::client::assert_good_client_is_served;
use support::frames::*;
use support::{Client, Daemon, wait_until};

/// Ends the peers that trickle, whether a test succeeds or not.
struct Until<'a>(&'a AtomicBool);

impl Drop for Until<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Sends a byte now and then until the peer is closed or `over`, and counts them.
fn trickle(mut peer: Client, over: &AtomicBool, trickled: &AtomicUsize) {
    while !over.load(Ordering::Relaxed) && peer.try_send(b"x") {
        trickled.fetch_add(1, Ordering::Relaxed);
        thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn honest_requests_are_served_while_others_trickle_theirs() {
    for shards in ["1", "4"] {
        let bounds = ["-c", "limits.frame_size=1MiB", "-c", "limits.buffered=3MiB"];
        let daemon = Daemon::start(&[&["--shards", shards], &bounds[..]].concat());
        let whole = send("/large", vec![b'x'; 900_000], 1);
        let over = AtomicBool::new(false);
        let trickled = AtomicUsize::new(0);
        thread::scope(|scope| {
            let _until = Until(&over);
            // Together they want more than there is.
            for _ in 0..9 {
                let mut peer = Client::connect(daemon.address());
                peer.try_send(&whole[..450_000]);
                scope.spawn(|| trickle(peer, &over, &trickled));
            }
            // Only time tells them from honest peers: who holds most for longest is ended.
            wait_until("they have trickled for a second", || {
                trickled.load(Ordering::Relaxed) > 100
            });
            // More than is left beside the holders.
            let details = vec![b'y'; 700_000];
            for worker in 0..25 {
                let mut honest = Client::connect(daemon.address());
                let path = format!("/w/t/{worker}");
                honest.put(&path, &details);
                assert_eq!(honest.get(&path).as_deref(), Some(&details[..]), "{path}");
            }
        });
        assert_good_client_is_served(daemon.address());
        let log = daemon.stop();
        // With more shards each has its own guaranteed part.
        if shards == "1" {
            assert!(log.contains("reason=\"buffers_full\""), "{log}");
        }
    }
}

#[test]
fn a_frame_has_a_time_however_it_trickles() {
    let daemon = Daemon::start(&["--shards", "1"]);
    let whole = send("/large", vec![b'x'; 200_000], 1);
    let begun = Instant::now();
    let mut slow = Client::connect(daemon.address());
    // The default of limits.receive_rate gives it a second more than the first ten.
    slow.send(&whole[..20_000]);
    // Small and slow, but within its time.
    let mut patient = Client::connect(daemon.address());
    let small = send("/small", vec![b'x'; 10_000], 2);
    patient.send(&small[..9_000]);
    // One request after another on one connection: each frame has its own time.
    let mut busy = Client::connect(daemon.address());
    let mut rest = Some(&small[9_000..]);
    while slow.try_send(b"x") && begun.elapsed() < Duration::from_secs(30) {
        busy.put("/busy", b"pulse");
        if begun.elapsed() > Duration::from_secs(5)
            && let Some(rest) = rest.take()
        {
            patient.send(rest);
            assert_eq!(patient.read_frame(), plain(answer_to(SEND_PULSE), 2));
        }
        thread::sleep(Duration::from_millis(200));
    }
    let took = begun.elapsed();
    assert!(
        (Duration::from_secs(10)..Duration::from_secs(14)).contains(&took),
        "{took:?}"
    );
    busy.put("/busy", b"pulse");
    let log = daemon.stop();
    assert!(log.contains("reason=\"frame_too_slow\""), "{log}");
}

#[test]
fn half_requests_may_wait_while_there_is_room() {
    let daemon = Daemon::start(&["--shards", "1"]);
    let whole = send("/large", vec![b'x'; 200_000], 1);
    let mut waiting = Client::connect(daemon.address());
    waiting.send(&whole[..100_000]);
    thread::sleep(Duration::from_secs(6));
    waiting.send(&whole[100_000..]);
    assert_eq!(waiting.read_frame(), plain(answer_to(SEND_PULSE), 1));
    daemon.stop();
}
