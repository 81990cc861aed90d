//! Each lie of a server is found, and called by its name and by no other.

use std::collections::BTreeSet;
use std::thread;
use std::time::Duration;

use storm_pacemaker::wire::MessageType;

use crate::support::{Reply, Request, Store, Stub, play, side_by_side};

type Manners = fn(&Store, &Request) -> Reply;

const READING: &str = "--supervisors 5 --topologies 2 --interval 500ms --warmup 0s --duration 3s \
                       --nimbus continuous";

/// Topologies come and go all the time.
const CHURNING: &str = "--supervisors 10 --topologies 8 --interval 500ms --warmup 0s --duration 9s \
                        --nimbus continuous --churn 240";

/// Who deletes no key deletes no topology either: one lie, found in two ways.
const NOT_DELETED: [&str; 2] = ["list_stale", "undead"];

fn on_get(store: &Store, request: &Request, lie: fn(&Store, &Request) -> Reply) -> Reply {
    match request.kind {
        MessageType::GetPulse => lie(store, request),
        _ => store.serve(request),
    }
}

fn another_workers_pulse(store: &Store, request: &Request) -> Reply {
    on_get(store, request, |store, request| {
        let details = store.of_another(&request.path);
        // While there is no other, it has to tell the truth.
        let details = details.or_else(|| store.newest(&request.path));
        request.with_details(details.as_deref())
    })
}

fn its_first_pulse(store: &Store, request: &Request) -> Reply {
    on_get(store, request, |store, request| {
        request.with_details(store.oldest(&request.path).as_deref())
    })
}

fn one_flipped_bit(store: &Store, request: &Request) -> Reply {
    on_get(store, request, |store, request| {
        let mut details = store.newest(&request.path);
        if let Some(last) = details.as_mut().and_then(|details| details.last_mut()) {
            *last ^= 1;
        }
        request.with_details(details.as_deref())
    })
}

fn no_pulse(store: &Store, request: &Request) -> Reply {
    on_get(store, request, |_, request| request.with_details(None))
}

fn not_authorized(store: &Store, request: &Request) -> Reply {
    on_get(store, request, |_, request| {
        request.with_plain(MessageType::NotAuthorized)
    })
}

/// Frames that are no messages, before the answers.
fn garbage(store: &Store, request: &Request) -> Reply {
    on_get(store, request, |store, request| {
        let garbage = [&[0, 0, 0, 5][..], b"\xffoops"].concat();
        Reply::Now([garbage, store.serve(request).bytes()].concat())
    })
}

/// An answer of another type than the question's, with its id.
fn another_type(store: &Store, request: &Request) -> Reply {
    on_get(store, request, |_, request| {
        request.with_plain(MessageType::SendPulseResponse)
    })
}

/// An answer to another key than the one that was asked for.
fn another_key(store: &Store, request: &Request) -> Reply {
    on_get(store, request, |store, request| {
        let mut other = request.clone();
        other.path.push_str("-other");
        other.with_details(store.newest(&request.path).as_deref())
    })
}

fn half_a_list(store: &Store, request: &Request) -> Reply {
    match request.kind {
        MessageType::GetAllNodesForPath => {
            let names: BTreeSet<_> = store.children(&request.path).into_iter().skip(1).collect();
            request.with_nodes(&names)
        }
        _ => store.serve(request),
    }
}

/// A full store goes on serving what it holds.
fn late_writes_not_authorized(store: &Store, request: &Request) -> Reply {
    match request.kind {
        MessageType::SendPulse if request.id > 1 => request.with_plain(MessageType::NotAuthorized),
        _ => store.serve(request),
    }
}

fn deletions_not_authorized(store: &Store, request: &Request) -> Reply {
    match request.kind {
        MessageType::DeletePath => request.with_plain(MessageType::NotAuthorized),
        _ => store.serve(request),
    }
}

fn deletes_nothing(store: &Store, request: &Request) -> Reply {
    match request.kind {
        MessageType::DeletePath => request.with_plain(MessageType::DeletePathResponse),
        _ => store.serve(request),
    }
}

/// The same, so slow to read that workers leave while Nimbus passes over them.
fn deletes_nothing_and_reads_slowly(store: &Store, request: &Request) -> Reply {
    if request.kind == MessageType::GetPulse {
        thread::sleep(Duration::from_millis(20));
    }
    deletes_nothing(store, request)
}

/// Without this pause Nimbus, which asks again at once, would take the whole core.
fn take_time(request: &Request) {
    if request.kind == MessageType::GetPulse {
        thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn every_lie_is_called_by_its_name() {
    let cases: [(&str, &str, &str, Manners); 13] = [
        (
            "another worker's pulse",
            READING,
            "foreign",
            another_workers_pulse,
        ),
        ("an older pulse", READING, "stale", its_first_pulse),
        ("a flipped bit", READING, "corrupt", one_flipped_bit),
        ("no pulse", READING, "missing", no_pulse),
        ("a read refused", READING, "refused", not_authorized),
        (
            "a write refused",
            READING,
            "refused",
            late_writes_not_authorized,
        ),
        // What was not deleted may be listed.
        (
            "a deletion refused",
            CHURNING,
            "refused",
            deletions_not_authorized,
        ),
        ("a garbage frame", READING, "bad_answer", garbage),
        ("another answer's type", READING, "bad_answer", another_type),
        ("another key", READING, "bad_answer", another_key),
        (
            "a topology left out",
            READING,
            "list_incomplete",
            half_a_list,
        ),
        (
            "a deleted topology",
            CHURNING,
            "list_stale",
            deletes_nothing,
        ),
        (
            "a deleted key",
            CHURNING,
            "undead",
            deletes_nothing_and_reads_slowly,
        ),
    ];
    side_by_side(
        &cases,
        |(lie, ..)| lie,
        |(_, options, kind, manners)| {
            let manners = *manners;
            let (_, outcome) = play(options, || {
                Stub::start(move |store, request| {
                    take_time(request);
                    manners(store, request)
                })
            });
            let report = outcome.report();
            assert!(report.errors(kind) > 0, "{kind}: {outcome:#?}");
            let mut kinds = report.kinds();
            if NOT_DELETED.contains(kind) {
                kinds.retain(|other| other == kind || !NOT_DELETED.contains(other));
            }
            assert_eq!(kinds, [*kind], "{outcome:#?}");
            assert_eq!(outcome.code, Some(1));
            assert_eq!(report.at("/passed"), false);
        },
    );
}

/// The one that a client cannot go on after: it closes the connection, and makes another one.
#[test]
fn a_frame_without_a_proper_length_is_a_bad_answer_and_ends_the_connection() {
    let stub = Stub::start(|store, request| {
        let is_first = request.connection == 0;
        match request.kind {
            MessageType::SendPulse if is_first => Reply::Now([0xff; 8].to_vec()),
            _ => store.serve(request),
        }
    });
    let outcome = stub.load(
        "--supervisors 1 --workers-per-supervisor 1 --interval 1s --warmup 0s --duration 1s \
         --nimbus off --keep",
    );
    let report = outcome.report();
    assert_eq!(report.errors("bad_answer"), 1, "{outcome:#?}");
    assert_eq!(report.kinds(), ["abandoned", "bad_answer"], "{outcome:#?}");
    assert_eq!(outcome.code, Some(1));
}
