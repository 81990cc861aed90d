//! A server that is slow, or loses connections again and again, but no pulse, is called neither a liar nor
//! forgetful: what a client cannot know, the generator does not claim.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use storm_pacemaker::wire::MessageType;

use crate::support::{Outcome, Reply, Request, Store, Stub, side_by_side};

/// Workers leave and topologies are deleted all the time.
const PLAN: &str = "--supervisors 10 --topologies 8 --interval 1s --warmup 0s --duration 6s \
                    --nimbus continuous --ui-readers 2 --churn 240";

/// What such a server costs.
const HONEST_ERRORS: [&str; 7] = [
    "abandoned",
    "connect_failed",
    "connection_lost",
    "over_1s",
    "refused",
    "unanswered",
    "unsent",
];

/// Serves, but resets every fortieth time, reads aside, before or after it has done what the request wants.
fn resetting(before: bool) -> impl Fn(&Store, &Request) -> Reply {
    const EVERY: u64 = 40;
    let requests = AtomicU64::new(0);
    move |store, request| {
        let is_read = request.kind == MessageType::GetPulse;
        if is_read {
            thread::sleep(Duration::from_millis(2));
        }
        let number = requests.fetch_add(u64::from(!is_read), Ordering::Relaxed);
        let resets = !is_read && number % EVERY == EVERY - 1;
        if resets && before {
            return Reply::Reset;
        }
        let reply = store.serve(request);
        if resets { Reply::Reset } else { reply }
    }
}

fn late(store: &Store, request: &Request) -> Reply {
    Reply::Late(Duration::from_millis(1300), store.serve(request).bytes())
}

#[test]
fn a_server_that_loses_connections_or_time_but_no_pulse_is_not_called_a_liar() {
    type Case = (&'static str, fn() -> Outcome);
    let cases: [Case; 5] = [
        ("resets before", || Stub::start(resetting(true)).load(PLAN)),
        ("resets after", || Stub::start(resetting(false)).load(PLAN)),
        ("late", || Stub::start(late).load(PLAN)),
        ("two servers", || {
            let other = Stub::start(resetting(true));
            let options = format!("{PLAN} --target {}", other.address());
            Stub::start(resetting(false)).load(&options)
        }),
        // The first one's pulses cannot be read, which is not the other one's fault.
        ("two servers, one of them refusing reads", || {
            let honest = Stub::honest();
            let refusing = Stub::start(|store, request| match request.kind {
                MessageType::GetPulse => request.with_plain(MessageType::NotAuthorized),
                _ => store.serve(request),
            });
            let options = "--supervisors 5 --interval 500ms --warmup 0s --duration 4s \
                           --nimbus continuous";
            refusing.load(&format!("{options} --target {}", honest.address()))
        }),
    ];
    side_by_side(
        &cases,
        |(name, _)| name,
        |(_, run)| {
            let outcome = run();
            let report = outcome.report();
            assert_eq!(outcome.code, Some(1), "{outcome:#?}");
            let kinds = report.kinds();
            let only_honest = kinds.iter().all(|kind| HONEST_ERRORS.contains(kind));
            assert!(only_honest, "{kinds:?}: {outcome:#?}");
        },
    );
}
