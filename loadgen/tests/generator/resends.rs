//! Storm's client writes a request again after a second without an answer, eleven times in all: so does
//! the generator, to the byte, and it knows the second answers when they come.

use std::collections::HashMap;
use std::time::Duration;

use storm_pacemaker::wire::MessageType;

use crate::support::{Reply, Stub, play};

#[test]
fn answers_after_a_second_and_a_half_are_late_and_their_second_ones_are_no_surprise() {
    const LATE: Duration = Duration::from_millis(1500);
    let (stub, outcome) = play(
        "--supervisors 5 --interval 4s --warmup 0s --duration 6s --nimbus continuous --keep",
        || Stub::start(|store, request| Reply::Late(LATE, store.serve(request).bytes())),
    );
    let report = outcome.report();
    assert_eq!(outcome.code, Some(1), "{outcome:#?}");
    assert_eq!(report.kinds(), ["over_1s"], "{outcome:#?}");
    let sent = report.count("/pulses/sent");
    let reads = stub.seen().of(MessageType::GetPulse).count() as u64;
    assert!(sent >= 20 && reads > 0);
    // Each pulse, and each of Nimbus's questions, was written twice.
    assert!(report.count("/pulses/resent") > sent, "{outcome:#?}");
    let pulses = stub.seen().of(MessageType::SendPulse).count() as u64;
    assert_eq!(pulses, 2 * sent);
    assert!(report.count("/times/pulse/p50_us") >= 1_500_000);
}

#[test]
fn a_request_without_an_answer_is_written_eleven_times_to_the_byte() {
    let stub = Stub::start(|_, _| Reply::Nothing);
    // One pulse of each worker.
    let outcome =
        stub.load("--supervisors 5 --interval 1s --warmup 0s --duration 1s --nimbus off --keep");
    let report = outcome.report();
    assert_eq!(report.kinds(), ["unanswered"], "{outcome:#?}");
    assert_eq!(report.count("/pulses/resent"), 20 * 10);

    let seen = stub.seen();
    assert_eq!(seen.connections.len(), 20);
    let mut copies: HashMap<(usize, i32), Vec<&[u8]>> = HashMap::new();
    for arrival in &seen.requests {
        let request = &arrival.request;
        let of_one = copies.entry((request.connection, request.id)).or_default();
        of_one.push(&arrival.body);
    }
    assert_eq!(copies.len(), 20, "one request on each connection");
    for ((connection, id), bodies) in copies {
        assert_eq!(bodies.len(), 11, "request {id} on connection {connection}");
        let alike = bodies.iter().all(|body| *body == bodies[0]);
        assert!(alike, "request {id} on connection {connection}");
    }
}
