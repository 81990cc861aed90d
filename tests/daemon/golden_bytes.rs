//! Storm's own bytes: every request recorded from its clients gets the answer recorded from its Java
//! server, byte for byte, however TCP cuts the request.

use support::frames::*;
use support::{Client, Daemon};

/// A request and the only right answer to it.
struct Pair {
    name: &'static str,
    request: Vec<u8>,
    answer: Vec<u8>,
}

/// In this order every request finds what it needs. Requests without a recording of their own are
/// built as the recorded ones are.
fn pairs() -> Vec<Pair> {
    // Recorded with the names in a hash map's order; ours are sorted.
    let nodes = NODES_ANSWER.replace(
        "0000000374313100000002743100",
        "0000000274310000000374313100",
    );
    assert_ne!(nodes, NODES_ANSWER);
    let no_id = |kind: i32, id: i32| {
        let whole = about(kind, "/no/id", id);
        let body = &whole[4..whole.len() - 8];
        framed(&[body, &[0]].concat())
    };
    let without_id = |answer: &str| {
        let mut answer = hex(answer);
        let end = hex(NO_ID_END);
        let tail = answer.len() - end.len();
        answer[tail..].copy_from_slice(&end);
        answer
    };
    let pair = |name, request: Vec<u8>, answer: Vec<u8>| Pair {
        name,
        request,
        answer,
    };
    vec![
        pair("SEND_PULSE", hex(SEND), hex(SEND_ANSWER)),
        pair(
            "SEND_PULSE of a sibling",
            send("/w/t11/x", "", 2),
            hex(SEND_ANSWER),
        ),
        pair("GET_PULSE", hex(GET), hex(GET_ANSWER)),
        pair("GET_PULSE, a miss", hex(GET_MISS), hex(GET_MISS_ANSWER)),
        pair("GET_ALL_NODES_FOR_PATH", hex(NODES), hex(&nodes)),
        pair(
            "GET_ALL_NODES_FOR_PATH, none",
            about(GET_ALL_NODES, "/none", 12),
            hex(NO_NODES_ANSWER),
        ),
        pair("EXISTS", about(EXISTS, "/w/t1/n-1", 4), hex(EXISTS_ANSWER)),
        pair(
            "CREATE_PATH",
            about(CREATE_PATH, "/w", 1),
            hex(CREATE_ANSWER),
        ),
        // Java answers without data, whatever is stored. Ours has records.
        pair(
            "GET_ALL_PULSE_FOR_PATH",
            about(GET_ALL_PULSE, "/w/t1", 8),
            records_answer(&[("/w/t1/n-1", b"xyz")], 8),
        ),
        pair(
            "DELETE_PATH",
            about(DELETE_PATH, "/w/t2", 17),
            hex(DELETE_PATH_ANSWER),
        ),
        pair(
            "DELETE_PULSE_ID",
            about(DELETE_PULSE_ID, "/w/t2/n", 16),
            hex(DELETE_PULSE_ANSWER),
        ),
        pair(
            "CREATE_PATH without an id",
            no_id(CREATE_PATH, 1),
            without_id(CREATE_ANSWER),
        ),
        pair(
            "DELETE_PATH without an id",
            no_id(DELETE_PATH, 1),
            without_id(DELETE_PATH_ANSWER),
        ),
    ]
}

/// A daemon of one shard, a client of it, and a second one whose answered request proves that the
/// shard has already taken what the first one sent.
fn one_shard() -> (Daemon, Client, Client) {
    let daemon = Daemon::start(&["--shards", "1"]);
    let client = Client::connect(daemon.address());
    let other = Client::connect(daemon.address());
    (daemon, client, other)
}

#[test]
fn builders_write_what_storm_writes() {
    assert_eq!(send("/w/t1/n-1", "xyz", 2), hex(SEND));
    assert_eq!(get("/w/t1/n-1", 6), hex(GET));
    assert_eq!(about(GET_ALL_NODES, "/w", 9), hex(NODES));
    assert_eq!(pulse_answer("/w/t1/n-1", Some(b"xyz"), 6), hex(GET_ANSWER));
    assert_eq!(pulse_answer("/zz", None, 7), hex(GET_MISS_ANSWER));
    assert_eq!(nodes_answer(&["t11", "t1"], 9), hex(NODES_ANSWER));
    assert_eq!(nodes_answer(&[], 12), hex(NO_NODES_ANSWER));
    assert_eq!(exists_answer(true, 4), hex(EXISTS_ANSWER));
    assert_eq!(plain(answer_to(DELETE_PATH), 17), hex(DELETE_PATH_ANSWER));
}

#[test]
fn every_request_gets_its_recorded_answer() {
    for shards in ["1", "2", "4"] {
        let daemon = Daemon::start(&["--shards", shards]);
        let mut client = Client::connect(daemon.address());
        for pair in pairs() {
            let name = pair.name;
            assert_eq!(
                client.ask(&pair.request),
                pair.answer,
                "{name}, {shards} shards"
            );
        }
        daemon.stop();
    }
}

#[test]
fn a_request_may_be_cut_anywhere() {
    let (daemon, mut client, mut other) = one_shard();
    for pair in pairs() {
        let name = pair.name;
        for split in 1..pair.request.len() {
            let (first, second) = pair.request.split_at(split);
            // As two segments that may arrive together,
            client.send(first);
            client.send(second);
            assert_eq!(client.read_frame(), pair.answer, "{name}, split at {split}");
            // and so far apart that the daemon has to keep the first.
            client.send(first);
            other.get("/between");
            client.send(second);
            assert_eq!(client.read_frame(), pair.answer, "{name}, kept at {split}");
        }
    }
    daemon.stop();
}

#[test]
fn a_request_may_come_byte_by_byte() {
    let (daemon, mut client, mut other) = one_shard();
    for pair in pairs() {
        let name = pair.name;
        for byte in &pair.request {
            client.send(&[*byte]);
            other.get("/between");
        }
        assert_eq!(client.read_frame(), pair.answer, "{name}");
    }
    daemon.stop();
}

#[test]
fn all_requests_may_come_in_one_segment() {
    let (daemon, mut client, _) = one_shard();
    let pairs = pairs();
    let requests: Vec<u8> = pairs.iter().flat_map(|pair| pair.request.clone()).collect();
    for _ in 0..20 {
        client.send(&requests);
        for pair in &pairs {
            assert_eq!(client.read_frame(), pair.answer, "{}", pair.name);
        }
    }
    daemon.stop();
}

#[test]
fn a_segment_may_end_in_the_middle_of_any_request() {
    let (daemon, mut client, mut other) = one_shard();
    let pairs = pairs();
    let requests: Vec<u8> = pairs.iter().flat_map(|pair| pair.request.clone()).collect();
    for split in (1..requests.len()).step_by(7) {
        client.send(&requests[..split]);
        other.get("/between");
        client.send(&requests[split..]);
        for pair in &pairs {
            assert_eq!(
                client.read_frame(),
                pair.answer,
                "{}, split at {split}",
                pair.name
            );
        }
    }
    daemon.stop();
}
