//! Against a server that does what it should: no error, numbers that agree with the server's own, and
//! nothing left behind.

use storm_pacemaker::wire::MessageType;

use crate::support::{Stub, play, side_by_side};

const PLAN: &str = "--supervisors 10 --topologies 3 --interval 500ms --warmup 1s --duration 2s";

/// 40 workers, two pulses a second each.
const PULSES_A_SECOND: u64 = 80;

#[test]
fn an_honest_server_has_no_errors_and_all_counts_agree() {
    side_by_side(
        &["io_uring", "epoll"],
        |plane| plane,
        |plane| counts_agree(plane),
    );
}

fn counts_agree(plane: &str) {
    let line = format!("{PLAN} --nimbus continuous --io {plane}");
    let (stub, outcome) = play(&line, Stub::honest);
    let report = outcome.report();

    assert_eq!(report.all_errors(), 0, "{outcome:#?}");
    assert_eq!(outcome.code, Some(0));
    assert_eq!(report.at("/passed"), true);
    let in_window = 2 * PULSES_A_SECOND;
    for count in ["planned", "sent", "acknowledged"] {
        let pulses = report.count(&format!("/pulses/{count}"));
        assert_eq!(pulses, in_window, "{count}");
    }
    assert_eq!(report.count("/times/pulse/count"), in_window);
    assert_eq!(report.count("/pulses/resent"), 0);
    let seen = stub.seen();
    let pulses = seen.of(MessageType::SendPulse).count() as u64;
    assert_eq!(pulses, 3 * PULSES_A_SECOND, "warm-up included");
    assert!(report.count("/times/get/count") > 0);
    assert!(report.count("/times/list/count") > 0);
    // One for each worker, and Nimbus's.
    assert_eq!(report.count("/connections"), 41);
}

#[test]
fn a_run_takes_its_topologies_off_the_server_unless_told_to_keep_them() {
    side_by_side(
        &["", "--keep"],
        |option| option,
        |option| {
            let (stub, outcome) = play(&format!("{PLAN} --nimbus off {option}"), Stub::honest);
            assert_eq!(outcome.code, Some(0), "{outcome:#?}");
            match *option {
                "--keep" => {
                    assert_eq!(stub.store().keys().len(), 40);
                    assert_eq!(stub.store().children("/workerbeats").len(), 3);
                    assert_eq!(stub.seen().of(MessageType::DeletePath).count(), 0);
                }
                _ => {
                    assert_eq!(stub.store().keys(), Vec::<String>::new());
                    assert_eq!(stub.seen().of(MessageType::DeletePath).count(), 3);
                }
            }
        },
    );
}
