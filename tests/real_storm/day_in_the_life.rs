//! A worker dies and its key is not deleted: the gauge and the page show the key as stale, the alert fires, and in
//! the end the key expires, while another worker keeps beating. Both workers are Storm's own client, 2.8.3.

use std::thread;
use std::time::{Duration, Instant};

use support::browser::Page;
use support::metrics::Scrape;
use support::storm::StormProgram;
use support::{Client, Daemon, holds_within, promtool, wait_until};

/// The shortest that `expire.after` may be.
const EXPIRE_AFTER: Duration = Duration::from_secs(60);

const TOPOLOGY: &str = "words-1-1795449600";

fn key(port: u16) -> String {
    format!("/workerbeats/{TOPOLOGY}/0b6f1f9e-6d3c-4f5e-9d5a-000000000001-{port}")
}

struct Worker {
    program: StormProgram,
    to: String,
}

impl Worker {
    fn start(daemon: &Daemon, port: u16) -> Worker {
        Worker {
            program: StormProgram::logins("2.8.3", None),
            to: format!("{} {}", daemon.address(), key(port)),
        }
    }

    fn beat(&mut self) {
        self.program.say(&format!("WRITE {} beat", self.to));
        self.program.expect("WRITTEN");
    }
}

#[test]
#[ignore = "needs a JDK, Storm's jars, a browser and promtool: tools/setup test, make java"]
fn a_killed_worker_turns_stale_raises_the_alert_and_expires() {
    let daemon = Daemon::start(&[
        "--shards",
        "2",
        "-c",
        "expire.after=60s",
        "-c",
        "expire.stale_after=5s",
    ]);
    let gauge = |name| Scrape::of(daemon.admin()).sum(name, &[]);
    let mut living = Worker::start(&daemon, 6700);
    let mut doomed = Worker::start(&daemon, 6701);
    let mut page = Page::open(&format!("http://{}/", daemon.admin()));
    for _ in 0..2 {
        living.beat();
        doomed.beat();
    }
    wait_until("both are counted", || gauge("pacemaker_keys") == 2.0);
    let last_beat = Instant::now();
    doomed.program.kill();

    // The other worker beats faster than every three seconds, so that it never turns stale.
    let mut beat_until = |what: &str, mut condition: Box<dyn FnMut() -> bool + '_>| {
        let patience = EXPIRE_AFTER + Duration::from_secs(20);
        let held = holds_within(patience, || {
            living.beat();
            thread::sleep(Duration::from_millis(500));
            condition()
        });
        assert!(held, "waited in vain: {what}");
    };
    beat_until(
        "the gauge counts it as stale",
        Box::new(|| gauge("pacemaker_keys_stale") == 1.0),
    );
    assert!(last_beat.elapsed() >= Duration::from_secs(5));
    beat_until(
        "the page shows it on top",
        Box::new(|| page.text("#total-stale") == "1" && page.text("tr.topology bdi") == TOPOLOGY),
    );
    page.eval("document.getElementById('expand').click()");
    assert!(page.text("tr.worker.stale bdi").ends_with("-6701"));
    assert_eq!(page.complaints(), [""; 0]);
    let stale = gauge("pacemaker_keys_stale");
    promtool::assert_fires("PacemakerStaleWorkers", "pacemaker_keys_stale", stale);
    let mut reader = Client::connect(daemon.address());
    assert!(reader.exists(&key(6701)), "stale is not gone");

    beat_until(
        "its key expires",
        Box::new(|| gauge("pacemaker_keys_expired_total") == 1.0),
    );
    assert!(last_beat.elapsed() >= EXPIRE_AFTER);
    assert!(!reader.exists(&key(6701)) && reader.exists(&key(6700)));
    beat_until(
        "no key is stale",
        Box::new(|| gauge("pacemaker_keys_stale") == 0.0),
    );
    beat_until(
        "the page has forgotten it",
        Box::new(|| page.text("#total-workers") == "1" && page.text("#total-stale") == "0"),
    );
    println!("it went {:?} after its last beat", last_beat.elapsed());
    daemon.stop();
}
