//! How the server ends a connection decides the outage, as with Storm's 2.x client: after a RST a worker
//! is back at once, after a FIN it is blind until a request has failed.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use storm_pacemaker::wire::MessageType;

use crate::support::stub::Seen;
use crate::support::{Outcome, Stub, start_loadgen, until_valid};

const WORKERS: usize = 20;
const INTERVAL: Duration = Duration::from_millis(500);

/// What a busy machine may add.
const SLACK: Duration = Duration::from_secs(1);

/// Plays a plan, ends every second connection in the middle of it, and tells when that was.
fn with_half_of_them_ended(
    seconds: u32,
    options: &str,
    end: impl Fn(&Stub),
) -> ((Stub, Instant), Outcome) {
    until_valid(|| {
        let stub = Stub::honest();
        let line = format!(
            "--target {} --json --supervisors 5 --interval 500ms --warmup 0s --duration {seconds}s \
             --nimbus off --keep {options}",
            stub.address()
        );
        let run = start_loadgen(line);
        stub.wait_until("every worker has pulsed", |seen| {
            keys_on(seen, |_| true).len() == WORKERS
        });
        let ended = Instant::now();
        end(&stub);
        let outcome = run.join().expect("the run");
        ((stub, ended), outcome)
    })
}

fn is_ended(connection: usize) -> bool {
    connection < WORKERS && connection.is_multiple_of(2)
}

fn keys_on(seen: &Seen, which: impl Fn(usize) -> bool) -> BTreeSet<&str> {
    let pulses = seen.of(MessageType::SendPulse);
    let on_those = pulses.filter(|arrival| which(arrival.request.connection));
    on_those
        .map(|arrival| arrival.request.path.as_str())
        .collect()
}

/// From then until the first pulse of a key on a connection that was made later.
fn blind_for(seen: &Seen, key: &str, since: Instant) -> Option<Duration> {
    let mut pulses = seen.of(MessageType::SendPulse);
    let back = pulses.find(|arrival| {
        arrival.request.path == key && seen.connections[arrival.request.connection] > since
    })?;
    Some(back.at - since)
}

/// Of all other workers, none has been silent for longer than it should.
fn others_go_on(seen: &Seen) {
    for key in keys_on(seen, |connection| !is_ended(connection)) {
        if keys_on(seen, is_ended).contains(key) {
            continue;
        }
        let pulses = seen.of(MessageType::SendPulse);
        let mine: Vec<_> = pulses
            .filter(|arrival| arrival.request.path == key)
            .collect();
        for two in mine.windows(2) {
            let gap = two[1].at - two[0].at;
            assert!(gap < INTERVAL + SLACK, "{key} was silent for {gap:?}");
        }
    }
}

#[test]
fn after_a_reset_workers_are_back_within_a_second_and_the_others_go_on() {
    let ((stub, ended), outcome) = with_half_of_them_ended(4, "", |stub| stub.reset(is_ended));
    let report = outcome.report();
    assert_eq!(report.errors("connection_lost"), 10, "{outcome:#?}");
    assert_eq!(report.count("/connections"), 30, "{outcome:#?}");
    let seen = stub.seen();
    for at in &seen.connections[WORKERS..] {
        let away = *at - ended;
        assert!(away < Duration::from_secs(1) + SLACK, "{away:?}");
    }
    let reset = keys_on(&seen, is_ended);
    assert_eq!(reset.len(), 10);
    let blind = reset.iter().map(|key| blind_for(&seen, key, ended));
    let soon = Duration::from_secs(1) + INTERVAL + SLACK;
    let back = blind.filter(|blind| blind.is_some_and(|blind| blind < soon));
    // A request that was under way is lost, and its worker waits for it in vain.
    let waiting = report.errors("abandoned");
    assert_eq!(back.count() as u64, 10 - waiting, "{outcome:#?}");
    assert!(waiting < 5, "{outcome:#?}");
    others_go_on(&seen);
}

#[test]
fn after_a_fin_a_worker_is_blind_for_eleven_seconds_and_the_others_go_on() {
    let ((stub, ended), outcome) = with_half_of_them_ended(14, "", |stub| stub.finish(is_ended));
    let report = outcome.report();
    assert_eq!(outcome.code, Some(1));
    assert_eq!(report.errors("connection_lost"), 10, "{outcome:#?}");
    let seen = stub.seen();
    let finished = keys_on(&seen, is_ended);
    assert_eq!(finished.len(), 10);
    for key in finished {
        // From the first request that goes nowhere: the next pulse that is due, or one under way.
        let blind = blind_for(&seen, key, ended).expect("it is back");
        let (least, most) = (Duration::from_millis(10_500), Duration::from_secs(11));
        assert!(
            blind > least && blind < most + INTERVAL + SLACK,
            "{key}: {blind:?}"
        );
    }
    others_go_on(&seen);
    let planned = report.count("/pulses/planned");
    let sent = report.count("/pulses/sent");
    assert_eq!(planned, sent + report.errors("unsent"));
}

#[test]
fn where_the_server_drains_a_reset_between_two_requests_is_no_error() {
    let (_, outcome) = with_half_of_them_ended(4, "--drains", |stub| stub.reset(is_ended));
    let report = outcome.report();
    let lost = report.errors("connection_lost");
    // Only those that met a request.
    assert_eq!(lost, report.errors("abandoned"), "{outcome:#?}");
    assert_eq!(report.count("/moved") + lost, 10, "{outcome:#?}");
    assert_eq!(report.count("/connections"), 30, "{outcome:#?}");
    assert!(lost < 5, "{outcome:#?}");
}
