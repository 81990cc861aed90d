//! A server that stalls cannot hide: response times count from the planned instant, and a pulse that could
//! not be sent because of the stall is an error, not a gap in the plan.

use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use storm_pacemaker::wire::MessageType;

use crate::support::{Outcome, Reply, Stub, side_by_side, until_valid};

/// A stall of this length, every so often; the first one so long after the first request.
const STALL: Duration = Duration::from_millis(500);
const EVERY: Duration = Duration::from_secs(10);
const FIRST: Duration = Duration::from_secs(4);

/// Holds the requests that come in a stall until it is over.
#[derive(Default)]
struct Stalls {
    start: OnceLock<Instant>,
    /// Those that have held any request.
    seen: Mutex<Vec<u128>>,
}

impl Stalls {
    fn pass(&self) {
        let since = self.start.get_or_init(Instant::now).elapsed();
        let Some(since_first) = since.checked_sub(FIRST) else {
            return;
        };
        let number = since_first.as_nanos() / EVERY.as_nanos();
        let begun = FIRST + EVERY * u32::try_from(number).expect("a short run");
        let Some(rest) = (begun + STALL).checked_sub(since) else {
            return;
        };
        let mut seen = self.seen.lock().expect("no panic");
        if !seen.contains(&number) {
            seen.push(number);
        }
        drop(seen);
        std::thread::sleep(rest);
    }
}

/// Plays that against a server with stalls, two of them within the window.
fn load_with_stalls(options: &str) -> Outcome {
    let options = format!("{options} --nimbus off --warmup 0s --duration 22s");
    let (_, outcome) = until_valid(|| {
        let stalls = Arc::new(Stalls::default());
        let mine = stalls.clone();
        let stub = Stub::start(move |store, request| {
            mine.pass();
            store.serve(request)
        });
        let outcome = stub.load(&options);
        let seen = stalls.seen.lock().expect("no panic");
        assert_eq!(*seen, [0, 1], "both stalls have held requests");
        ((), outcome)
    });
    outcome
}

fn shows_in_the_times() {
    let outcome = load_with_stalls("--supervisors 20 --interval 1s");
    let report = outcome.report();
    assert_eq!(report.all_errors(), 0, "{outcome:#?}");
    assert_eq!(outcome.code, Some(0));
    let time = |name: &str| report.count(&format!("/times/pulse/{name}_us"));
    assert!(time("p50") < 50_000, "{outcome:#?}");
    assert!(time("p99_9") >= 400_000, "{outcome:#?}");
    assert!(time("max") < 1_000_000, "{outcome:#?}");
    // 2 x 500 ms of 22 s hold 4.5% of the pulses, up to 500 ms each: 1% waits 390 ms or more. A
    // generator that did not send while the server stalls would have found a few slow ones only.
    assert!(time("p99") >= 300_000, "{outcome:#?}");
    assert_eq!(report.count("/pulses/planned"), 80 * 22);
    assert_eq!(report.count("/pulses/acknowledged"), 80 * 22);
}

fn costs_the_pulses_that_were_due_in_it() {
    let outcome = load_with_stalls("--supervisors 3 --interval 100ms");
    let report = outcome.report();
    assert_eq!(report.kinds(), ["unsent"], "{outcome:#?}");
    assert_eq!(outcome.code, Some(1));
    let planned = report.count("/pulses/planned");
    assert_eq!(planned, 12 * 10 * 22);
    assert_eq!(
        planned,
        report.count("/pulses/sent") + report.errors("unsent")
    );
    // Of five that are due in a stall one is under way and one waits for it.
    let unsent = report.errors("unsent");
    let (least, most) = (12 * 2 * 2, 12 * 2 * 5);
    assert!((least..=most).contains(&unsent), "{unsent} unsent");
    // Those two are timed from when they were due: the first of the five waits 400 ms and more, the last
    // one up to 100 ms. They are 0.9% each of all that is timed.
    let time = |name: &str| report.count(&format!("/times/pulse/{name}_us"));
    assert!(time("p99_9") >= 400_000, "{outcome:#?}");
    assert!(time("p99") >= 50_000, "{outcome:#?}");
}

#[test]
fn a_stall_of_half_a_second_every_ten_shows() {
    let cases: [(&str, fn()); 2] = [
        ("in the times", shows_in_the_times),
        ("in what was not sent", costs_the_pulses_that_were_due_in_it),
    ];
    side_by_side(&cases, |(name, _)| name, |(_, run)| run());
}

/// The slowest pass is the likeliest to be cut off by the end of the run.
#[test]
fn a_pass_that_misses_its_ten_seconds_is_told_although_the_run_ends_first() {
    let stub = Stub::start(|store, request| {
        if request.kind == MessageType::GetPulse {
            std::thread::sleep(Duration::from_millis(700));
        }
        store.serve(request)
    });
    let outcome = stub.load(
        "--supervisors 5 --interval 1s --warmup 0s --duration 11s --nimbus continuous \
         --expect pass.max<10s",
    );
    let report = outcome.report();
    assert!(
        report.count("/times/pass/max_us") >= 10_000_000,
        "{outcome:#?}"
    );
    assert_eq!(outcome.code, Some(1), "{outcome:#?}");
}

/// Reads that no answer comes to are in the times with their age, as pulses are.
#[test]
fn a_server_that_leaves_reads_unanswered_does_not_look_fast() {
    let stub = Stub::start(|store, request| match request.kind {
        MessageType::GetPulse => Reply::Nothing,
        _ => store.serve(request),
    });
    let outcome = stub.load(
        "--supervisors 2 --interval 500ms --warmup 0s --duration 2s --keep --expect get.max<100ms",
    );
    let report = outcome.report();
    assert_eq!(outcome.code, Some(1), "{outcome:#?}");
    assert!(report.errors("unanswered") > 0, "{outcome:#?}");
    // Storm's client gives up after eleven seconds.
    assert!(
        report.count("/times/get/max_us") >= 10_000_000,
        "{outcome:#?}"
    );
    assert_eq!(report.at("/limits/0/met"), &serde_json::Value::from(false));
}
