//! A process that was stopped, as a paused container is, deletes no keys of workers that live.

use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use support::frames::*;
use support::metrics::Scrape;
use support::{Client, Daemon, wait_until};

const WORKERS: i32 = 1_300;

/// The shortest that is allowed.
const EXPIRE_AFTER: Duration = Duration::from_secs(60);

/// A host whose workers share a connection.
struct Host {
    client: Client,
    workers: std::ops::Range<i32>,
}

impl Host {
    fn send_pulses(&mut self) {
        let pulses = self.workers.clone().flat_map(|id| {
            let path = format!("/workerbeats/topology-{}/worker-{id}", id % 7);
            send(path, [b'x'; 50], id)
        });
        self.client.send(&pulses.collect::<Vec<_>>());
    }

    fn read_answers(&mut self) {
        self.client.read_frames(self.workers.len());
    }
}

#[test]
#[ignore = "needs more than a minute"]
fn a_pause_longer_than_expire_after_deletes_no_keys_of_live_workers() {
    let expire_after = format!("expire.after={}s", EXPIRE_AFTER.as_secs());
    let daemon = Daemon::start(&["--shards", "3", "-c", &expire_after]);
    let mut hosts: Vec<_> = (0..WORKERS)
        .step_by(100)
        .map(|first| Host {
            client: Client::connect(daemon.address()),
            workers: first..first + 100,
        })
        .collect();
    for host in &mut hosts {
        host.send_pulses();
        host.read_answers();
    }
    let written = Instant::now();
    daemon.signal(Signal::STOP);
    // The age of the keys is what the test is about.
    thread::sleep((EXPIRE_AFTER + Duration::from_secs(3)).saturating_sub(written.elapsed()));
    // Half of the hosts have written meanwhile, the others are about to.
    let (waiting, later) = hosts.split_at_mut(7);
    waiting.iter_mut().for_each(Host::send_pulses);
    daemon.signal(Signal::CONT);
    waiting.iter_mut().for_each(Host::read_answers);
    // A pass over all keys takes 5 s.
    for host in later {
        thread::sleep(Duration::from_millis(500));
        host.send_pulses();
        host.read_answers();
    }
    wait_until("all are counted", || {
        let scrape = Scrape::of(daemon.admin());
        scrape.sum("pacemaker_keys", &[]) == f64::from(WORKERS)
            && scrape.sum("pacemaker_pulse_size_bytes_count", &[]) >= f64::from(2 * WORKERS)
    });
    let expired = Scrape::of(daemon.admin()).sum("pacemaker_keys_expired_total", &[]);
    assert_eq!(expired, 0.0);
    daemon.stop();
}
