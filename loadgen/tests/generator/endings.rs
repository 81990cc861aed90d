//! Servers that are missing, or that go away: however they end, the run ends in time, its errors
//! say how, and every pulse of the plan is accounted for.

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use storm_pacemaker::wire::MessageType;

use crate::support::{Door, Outcome, Reply, Report, Stub, loadgen, side_by_side, start_loadgen};

const WORKERS: u64 = 20;
const OPTIONS: &str =
    "--supervisors 5 --interval 500ms --warmup 0s --duration 2s --nimbus off --keep";

/// The plan, then the last answers: a request under way and the one that waits for it.
const IN_TIME: Duration = Duration::from_secs(2 + 12 + 4);

/// Where nothing listens: an address that no stub has.
fn nowhere() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.9:0").expect("a free port");
    listener.local_addr().expect("it is bound")
}

fn refuses() -> Outcome {
    loadgen(&format!("--target {} --json {OPTIONS}", nowhere()))
}

fn is_silent() -> Outcome {
    Stub::start(|_, _| Reply::Nothing).load(OPTIONS)
}

fn resets_every_client() -> Outcome {
    Stub::with_door(Door::Holds(0), |_, _| Reply::Nothing).load(OPTIONS)
}

fn resets_at_the_first_request() -> Outcome {
    Stub::start(|_, _| Reply::Reset).load(OPTIONS)
}

fn finishes_at_the_first_request() -> Outcome {
    Stub::start(|_, _| Reply::Finish).load(OPTIONS)
}

fn goes_away_and_stays_away() -> Outcome {
    let mut stub = Stub::honest();
    let address = stub.address();
    let run = start_loadgen(format!("--target {address} --json {OPTIONS}"));
    stub.wait_until("every worker has pulsed", |seen| {
        seen.of(MessageType::SendPulse).count() as u64 > WORKERS
    });
    stub.go_away();
    run.join().expect("the run")
}

/// All that a run without a server must still tell.
fn check(outcome: &Outcome, kinds: &[&str]) -> Report {
    let report = outcome.report();
    assert_eq!(outcome.code, Some(1), "{outcome:#?}");
    assert!(outcome.took < IN_TIME, "{outcome:#?}");
    let unexpected = report
        .kinds()
        .into_iter()
        .find(|kind| !kinds.contains(kind));
    assert_eq!(unexpected, None, "{outcome:#?}");
    assert!(report.errors("unsent") > 0, "{outcome:#?}");
    let [planned, sent, acknowledged] =
        ["planned", "sent", "acknowledged"].map(|count| report.count(&format!("/pulses/{count}")));
    assert_eq!(planned, WORKERS * 2 * 2, "the plan is kept: {outcome:#?}");
    assert_eq!(planned, sent + report.errors("unsent"), "{outcome:#?}");
    // Without a connection, too, the generator knows how late it was itself.
    assert_eq!(report.count("/times/lateness/count"), planned);
    let in_vain = report.errors("abandoned") + report.errors("unanswered");
    assert_eq!(sent, acknowledged + in_vain, "{outcome:#?}");
    report
}

fn all_fail_to_connect(report: &Report) {
    assert_eq!(report.errors("connect_failed"), WORKERS);
    assert_eq!(report.count("/connections"), 0);
    let refused = report.at("/errors/reasons").to_string();
    assert!(refused.contains("Connection refused"), "{refused}");
}

/// A RST may come before the dial is known to have succeeded, or after.
fn all_are_reset(report: &Report) {
    let ended = report.errors("connect_failed") + report.errors("connection_lost");
    assert!(ended >= WORKERS, "{ended}");
    assert_eq!(report.count("/pulses/acknowledged"), 0);
    let reset = report.at("/errors/reasons").to_string();
    assert!(reset.contains("Connection reset"), "{reset}");
}

fn all_are_finished(report: &Report) {
    assert_eq!(report.errors("abandoned"), WORKERS);
    all_are_lost(report);
}

fn all_are_lost(report: &Report) {
    assert_eq!(report.errors("connection_lost"), WORKERS);
}

fn none_is_answered(report: &Report) {
    assert_eq!(report.count("/connections"), WORKERS);
    assert_eq!(report.count("/pulses/acknowledged"), 0);
    assert!(report.errors("unanswered") >= WORKERS);
}

fn all_are_lost_and_fail_to_come_back(report: &Report) {
    all_are_lost(report);
    assert!(report.errors("connect_failed") > 0);
    assert!(report.count("/pulses/acknowledged") > 0);
}

#[test]
fn every_way_to_be_gone_ends_in_its_own_errors_and_in_time() {
    type Case = (
        &'static str,
        fn() -> Outcome,
        &'static [&'static str],
        fn(&Report),
    );
    let cases: [Case; 6] = [
        (
            "refuses",
            refuses,
            &["connect_failed", "unsent"],
            all_fail_to_connect,
        ),
        (
            "is silent",
            is_silent,
            &["unanswered", "unsent"],
            none_is_answered,
        ),
        (
            "resets every client",
            resets_every_client,
            &["abandoned", "connect_failed", "connection_lost", "unsent"],
            all_are_reset,
        ),
        (
            "resets at the first request",
            resets_at_the_first_request,
            &["abandoned", "connection_lost", "unsent"],
            all_are_reset,
        ),
        (
            "finishes at the first request",
            finishes_at_the_first_request,
            &["abandoned", "connection_lost", "unsent"],
            all_are_finished,
        ),
        (
            "goes away and stays away",
            goes_away_and_stays_away,
            &["abandoned", "connect_failed", "connection_lost", "unsent"],
            all_are_lost_and_fail_to_come_back,
        ),
    ];
    side_by_side(
        &cases,
        |(name, ..)| name,
        |(_, run, kinds, more)| more(&check(&run(), kinds)),
    );
}
