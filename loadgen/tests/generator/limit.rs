//! `--find-limit` finds how much a server carries, and says what gave out.

use crate::support::{Door, Store, Stub};

const STEP: &str = "--find-limit --supervisors 1 --workers-per-supervisor 4 --interval 500ms \
                    --warmup 0s --duration 1s --nimbus off";

#[test]
fn a_server_that_holds_sixteen_connections_carries_four_supervisors_of_four() {
    let stub = Stub::with_door(Door::Holds(16), Store::serve);
    // No cleaning up: its connection would be one more.
    let outcome = stub.load(&format!("{STEP} --expect errors=0 --keep"));
    let found = outcome.report();
    assert_eq!(outcome.code, Some(0), "{outcome:#?}");
    assert_eq!(found.count("/last_good"), 4, "{outcome:#?}");
    assert_eq!(found.count("/first_bad"), 5, "{outcome:#?}");
    assert_eq!(found.at("/gave_out/what"), "connections", "{outcome:#?}");
}

#[test]
fn what_no_server_can_keep_has_no_good_size() {
    let stub = Stub::honest();
    let outcome = stub.load(&format!("{STEP} --expect pulse.max<1us"));
    let found = outcome.report();
    assert_eq!(outcome.code, Some(1), "{outcome:#?}");
    assert!(found.at("/last_good").is_null(), "{outcome:#?}");
    assert_eq!(found.count("/first_bad"), 1, "{outcome:#?}");
}
