//! Who has logged in may read, who has not may write, and every other order of a login's messages
//! ends that connection. With DIGEST and clients by hand; Storm's own are in `logins.rs`.

use support::frames::*;
use support::login::*;
use support::{Client, Ended};

#[test]
fn a_login_opens_reads_and_nothing_opens_them_without_one() {
    let files = DigestFiles::new();
    let daemon = files.daemon(&["--shards", "2"]);
    let mut nimbus = Client::connect(daemon.address());
    nimbus.log_in();
    let mut worker = Client::connect(daemon.address());
    worker.put("/workerbeats/t1/w1", b"beat");
    for kind in [EXISTS, GET_ALL_PULSE, GET_ALL_NODES, GET_PULSE] {
        let answer = worker.ask(&about(kind, "/workerbeats/t1/w1", 7));
        assert_eq!(answer, plain(NOT_AUTHORIZED, 7), "request {kind}");
    }
    assert_eq!(
        nimbus.get("/workerbeats/t1/w1").as_deref(),
        Some(&b"beat"[..])
    );
    assert_eq!(nimbus.list("/workerbeats"), ["t1"]);
    // As Storm's daemon: writes and deletions are open to everyone.
    worker.delete("/workerbeats/t1/w1");
    assert!(!nimbus.exists("/workerbeats/t1/w1"));
    let log = daemon.stop();
    assert!(
        log.contains("logged in: \"cGFjZW1ha2VyLWNsaWVudA==\""),
        "{log}"
    );
    assert!(log.contains("reason=\"not_authorized\""), "{log}");
}

#[test]
fn a_peer_that_begins_with_a_request_has_given_up_its_login() {
    let files = DigestFiles::new();
    let daemon = files.daemon(&["--shards", "1"]);
    let mut writer = Client::connect(daemon.address());
    writer.put("/w/1", b"x");
    assert!(!writer.may_read());
    writer.send(&ask_for_token());
    writer.expect_reset();
    // In the middle of a login, too: the request is served, the login is over.
    let mut writer = Client::connect(daemon.address());
    let challenge = token_of(&writer.ask(&ask_for_token()));
    writer.put("/w/2", b"y");
    assert!(!writer.may_read());
    writer.send(&token(&response_to(&challenge, PASSWORD)));
    writer.expect_reset();
    let log = daemon.stop();
    assert!(log.contains("reason=\"login_after_request\""), "{log}");
}

#[test]
fn every_faulty_login_ends_its_connection_and_says_nothing() {
    let files = DigestFiles::new();
    let daemon = files.daemon(&["--shards", "1", "-c", "limits.failed_logins=1000"]);
    let mut nimbus = Client::connect(daemon.address());
    nimbus.log_in();
    nimbus.put("/w/1", b"kept");

    // A response that was good on the connection that it was made for.
    let mut first = Client::connect(daemon.address());
    let challenge = token_of(&first.ask(&ask_for_token()));
    let replayed = response_to(&challenge, PASSWORD);
    first.send(&token(&replayed));
    assert!(first.read_frames(2).len() == 2 && first.may_read());

    type Attack = Box<dyn Fn(&[u8]) -> Vec<u8>>;
    let always = |bytes: Vec<u8>| -> Attack { Box::new(move |_| bytes.clone()) };
    let attacks: Vec<(&str, &str, Attack)> = vec![
        (
            "a wrong password",
            "login_wrong_password",
            Box::new(|challenge| token(&response_to(challenge, "pmpass"))),
        ),
        (
            "a replayed response",
            "login_malformed",
            always(token(&replayed)),
        ),
        ("an empty token", "login_malformed", always(token(b""))),
        ("garbage", "login_malformed", always(token(&[0xFF; 300]))),
        (
            "4 097 bytes",
            "login_malformed",
            always(token(&[b'a'; 4097])),
        ),
        (
            "1 MiB",
            "login_too_large",
            always(token(&vec![b'a'; 1 << 20])),
        ),
        (
            "a second request for a token",
            "login_out_of_order",
            always(ask_for_token()),
        ),
        (
            "the server's own word",
            "login_out_of_order",
            always(control(-203)),
        ),
        ("no code that there is", "bad_message", always(control(-1))),
    ];
    for (what, label, attack) in attacks {
        let mut peer = Client::connect(daemon.address());
        let challenge = token_of(&peer.ask(&ask_for_token()));
        peer.try_send(&attack(&challenge));
        assert_eq!(peer.read_to_end(), (vec![], Ended::Reset), "{what}");
        support::wait_until(label, || daemon.log().contains(label));
    }
    for (what, bytes) in [
        ("a token before it is asked for", token(b"x")),
        (
            "a token message without its blob",
            message(SASL_TOKEN, &[], None),
        ),
        (
            "a control message without its blob",
            message(CONTROL_MESSAGE, &[], None),
        ),
    ] {
        let mut peer = Client::connect(daemon.address());
        peer.send(&bytes);
        assert_eq!(peer.read_to_end(), (vec![], Ended::Reset), "{what}");
    }
    // After the end: the login cannot be taken up again, nor begun anew.
    for bytes in [token(&replayed), ask_for_token()] {
        let mut peer = Client::connect(daemon.address());
        peer.log_in();
        peer.send(&bytes);
        peer.expect_reset();
    }
    assert_eq!(nimbus.get("/w/1").as_deref(), Some(&b"kept"[..]));
    daemon.stop();
}

/// Bits of a good response, flipped: none in a value that the hash covers is a login.
#[test]
fn flipped_bits_are_no_login() {
    let files = DigestFiles::new();
    let daemon = files.daemon(&["--shards", "1", "-c", "limits.failed_logins=10000"]);
    let mut tried = 0;
    let mut bit = 0;
    loop {
        let mut peer = Client::connect(daemon.address());
        let challenge = token_of(&peer.ask(&ask_for_token()));
        let good = response_to(&challenge, PASSWORD);
        let covered = covered_by_the_hash(&good);
        let index = bit / 8;
        if index >= good.len() {
            break;
        }
        // Every bit of what is covered, and some of the rest.
        let is_covered = covered.iter().any(|range| range.contains(&index));
        bit += if is_covered { 1 } else { 3 };
        let mut response = good.clone();
        response[index] ^= 1 << (bit % 8);
        peer.try_send(&token(&response));
        peer.finish();
        let (answer, _) = peer.read_to_end();
        if is_covered {
            let what = String::from_utf8_lossy(&response).into_owned();
            assert!(answer.is_empty(), "byte {index} of {what}");
            tried += 1;
        }
    }
    assert!(tried > 1_000, "{tried}");
    Client::connect(daemon.address()).log_in();
    daemon.stop();
}

/// Where the values are that a login depends on.
fn covered_by_the_hash(response: &[u8]) -> Vec<std::ops::Range<usize>> {
    let text = std::str::from_utf8(response).expect("ASCII");
    let names = [
        "username=",
        "realm=",
        "nonce=",
        "nc=",
        "cnonce=",
        "digest-uri=",
        "response=",
    ];
    let range = |name: &&str| {
        let at = text.find(&format!(",{name}")).expect("it is in there") + 1 + name.len();
        let quoted = text[at..].starts_with('"');
        let from = at + usize::from(quoted);
        let end = if quoted { '"' } else { ',' };
        let length = text[from..].find(end).unwrap_or(text.len() - from);
        from..from + length
    };
    names.iter().map(range).collect()
}
