//! A cluster that does not stand still, against a server that does what it should.

use std::collections::BTreeSet;

use storm_pacemaker::wire::MessageType;

use crate::support::{Stub, play};

#[test]
fn churn_deletes_keys_and_topologies_and_an_honest_server_has_no_errors() {
    // Kept, so that all deletions are those of the cluster.
    let (stub, outcome) = play(
        "--supervisors 10 --topologies 8 --interval 1s --warmup 1s --duration 12s --churn 60 \
         --ui-readers 3 --executors 1-20 --seed 10 --keep",
        Stub::honest,
    );
    let report = outcome.report();
    assert_eq!(report.all_errors(), 0, "{outcome:#?}");
    assert_eq!(outcome.code, Some(0));
    for time in ["delete", "page", "ui_get", "get", "pass"] {
        let count = report.count(&format!("/times/{time}/count"));
        assert!(count > 0, "{time}: {outcome:#?}");
    }
    let seen = stub.seen();
    let paths = || {
        seen.of(MessageType::DeletePath)
            .map(|delete| &delete.request.path)
    };
    let of_depth = |depth| paths().filter(move |path| path.split('/').count() == depth);
    // /workerbeats/<topology>, and a worker's key below it.
    let topologies: BTreeSet<_> = of_depth(3).collect();
    let workers: BTreeSet<_> = of_depth(4).collect();
    assert!(!topologies.is_empty() && !workers.is_empty());
    assert_eq!(topologies.len() + workers.len(), paths().count());
    let sizes: BTreeSet<_> = seen
        .of(MessageType::SendPulse)
        .map(|pulse| pulse.request.details.len())
        .collect();
    assert!(sizes.len() > 5, "sizes go by the executors: {sizes:?}");
}
