//! `compare` plays one plan against two servers in turn, and prints what comes to what.

use storm_pacemaker::wire::MessageType;

use crate::support::{Stub, loadgen};

#[test]
fn two_honest_servers_are_compared_row_by_row() {
    let (a, b) = (Stub::honest(), Stub::honest());
    let outcome = loadgen(&format!(
        "compare {} {} --rounds 2 --json --supervisors 5 --interval 500ms --warmup 0s \
         --duration 1s --nimbus continuous",
        a.address(),
        b.address()
    ));
    assert_eq!(outcome.code, Some(0), "{outcome:#?}");
    assert!(outcome.stderr.contains("round 2 of 2"), "{outcome:#?}");
    let comparison = outcome.report();
    assert_eq!(comparison.at("/passed"), true);
    assert_eq!(comparison.at("/reports").as_array().map(Vec::len), Some(4));
    let rows = comparison.at("/rows").as_array().expect("a list");
    for name in ["pulses acknowledged", "pulse p50", "pulse p99", "get p50"] {
        let row = rows.iter().find(|row| row["name"] == name);
        let row = row.unwrap_or_else(|| panic!("no row {name}: {outcome:#?}"));
        let ratio = |which: &str| row["ratio"][which].as_f64().expect("a number");
        assert!(ratio("least") > 0.0, "{row}");
        assert!(ratio("least") <= ratio("median"), "{row}");
        assert!(ratio("median") <= ratio("most"), "{row}");
    }
    // Each has had the plan twice: 20 workers, two pulses a second, one second.
    for stub in [a, b] {
        assert_eq!(stub.seen().of(MessageType::SendPulse).count(), 2 * 20 * 2);
    }
}
