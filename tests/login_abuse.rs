//! What somebody who cannot log in can do to others: nothing. Half-finished logins end by a deadline,
//! failed ones are slowed by address, unauthenticated connections are bounded by address.

mod support;

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use rustix::process::{Resource, getrlimit, setrlimit};
use support::login::{DigestFiles, PASSWORD, USER, ask_for_token, token, token_of};
use support::{Client, Ended, wait_until};

const SECOND: Duration = Duration::from_secs(1);

fn address(last: u8) -> IpAddr {
    IpAddr::from([127, 9, 0, last])
}

/// A client that has asked for the first token, and has it if its turn has come.
fn half_logged_in(from: IpAddr, to: SocketAddr) -> Client {
    let mut client = Client::connect_from(from, to);
    client.try_send(&ask_for_token());
    client
}

#[test]
fn a_login_that_is_not_finished_in_time_ends_and_silence_does_not() {
    let files = DigestFiles::new();
    let daemon = files.daemon(&["--shards", "1", "-c", "limits.handshake_deadline=1s"]);
    let mut silent = Client::connect(daemon.address());
    let mut writer = Client::connect(daemon.address());
    writer.put("/w/1", b"x");
    let mut user = Client::connect(daemon.address());
    user.log_in();
    let start = Instant::now();
    let mut half = half_logged_in(address(1), daemon.address());
    token_of(&half.read_frame());
    half.expect_reset();
    let took = start.elapsed();
    assert!(took >= SECOND - Duration::from_millis(10), "{took:?}");
    silent.log_in();
    assert!(user.may_read());
    writer.put("/w/1", b"y");
    let log = daemon.stop();
    assert!(log.contains("reason=\"login_too_slow\""), "{log}");
}

#[test]
fn failed_logins_slow_their_address_and_no_other() {
    let files = DigestFiles::new();
    let daemon = files.daemon(&["--shards", "1", "-c", "limits.failed_logins=3"]);
    let guess = |from| {
        let mut client = Client::connect_from(from, daemon.address());
        let start = Instant::now();
        assert_eq!(client.try_log_in("a guess"), Err(Ended::Reset));
        start.elapsed()
    };
    let guesses: Vec<Duration> = (0..6).map(|_| guess(address(1))).collect();
    assert!(
        guesses[..3].iter().all(|took| *took < SECOND / 2),
        "{guesses:?}"
    );
    let all: Duration = guesses.iter().sum();
    assert!(
        all > 2 * SECOND,
        "three more guesses, one a second: {guesses:?}"
    );
    let start = Instant::now();
    for _ in 0..20 {
        // Good logins are on nobody's account.
        Client::connect_from(address(2), daemon.address()).log_in();
    }
    assert!(start.elapsed() < SECOND);
    // The right password from the slowed address waits its turn and gets in.
    Client::connect_from(address(1), daemon.address()).log_in();
    // Writers of that address do not wait.
    let start = Instant::now();
    Client::connect_from(address(1), daemon.address()).put("/w/1", b"x");
    assert!(start.elapsed() < SECOND / 2);
    let log = daemon.stop();
    let lines = log.matches("reason=\"login_wrong_password\"").count();
    assert_eq!(lines, 1, "one line for a peer and reason: {log}");
}

#[test]
fn attempts_whose_turn_is_too_far_off_end_at_once() {
    let files = DigestFiles::new();
    let daemon = files.daemon(&[
        "--shards",
        "1",
        "-c",
        "limits.failed_logins=1",
        "-c",
        "limits.handshake_deadline=2s",
    ]);
    let mut attempts: Vec<Client> = (0..4)
        .map(|_| half_logged_in(address(1), daemon.address()))
        .collect();
    // The first begins now, the next two in one and two seconds, the fourth is one too many.
    attempts.pop().expect("the fourth").expect_reset();
    token_of(&attempts[0].read_frame());
    token_of(&attempts[1].read_frame());
    token_of(&attempts[2].read_frame());
    let log = daemon.stop();
    assert!(log.contains("reason=\"login_throttled\""), "{log}");
}

#[test]
fn a_stop_does_not_wait_for_logins_that_wait() {
    let files = DigestFiles::new();
    let daemon = files.daemon(&["--shards", "1", "-c", "limits.failed_logins=1"]);
    let mut first = half_logged_in(address(1), daemon.address());
    token_of(&first.read_frame());
    let mut waiting = half_logged_in(address(1), daemon.address());
    let mut other = Client::connect_from(address(1), daemon.address());
    other.put("/w/1", b"the daemon has read what came before");
    let start = Instant::now();
    daemon.stop();
    assert!(start.elapsed() < 2 * SECOND);
    waiting.expect_reset();
}

#[test]
fn unauthenticated_connections_are_bounded_by_address() {
    let files = DigestFiles::new();
    let daemon = files.daemon(&[
        "--shards",
        "1",
        "-c",
        "limits.unauthenticated_per_address=5",
    ]);
    let connect = || Client::connect_from(address(1), daemon.address());
    // Writers and users are no guests: any number of them may be here.
    let mut known: Vec<Client> = (0..20)
        .map(|index| {
            let mut client = connect();
            match index % 2 {
                0 => client.put("/w/1", b"x"),
                _ => client.log_in(),
            }
            client
        })
        .collect();
    let mut silent: Vec<Client> = (0..5).map(|_| connect()).collect();
    connect().expect_reset();
    Client::connect_from(address(2), daemon.address()).log_in();
    silent[0].log_in();
    known.push(connect());
    connect().expect_reset();
    drop(silent.pop());
    wait_until("there is room again", || {
        connect().try_log_in(PASSWORD).is_ok()
    });
    known.truncate(20);
    for client in &mut known {
        client.put("/w/1", b"y");
    }
    let log = daemon.stop();
    assert!(log.contains("reason=\"too_many_unauthenticated\""), "{log}");
}

/// Ten thousand logins that were begun and are never finished, all at once.
#[test]
fn ten_thousand_half_finished_logins_delay_nobody() {
    const LOGINS: usize = 10_000;
    let mut files_limit = getrlimit(Resource::Nofile);
    files_limit.current = files_limit.maximum;
    setrlimit(Resource::Nofile, files_limit).expect("the soft limit");
    let files = DigestFiles::new();
    let daemon = files.daemon(&[
        "--shards",
        "2",
        "-c",
        "limits.failed_logins=10000",
        "-c",
        "limits.unauthenticated_per_address=10000",
        "-c",
        "limits.handshake_deadline=20s",
    ]);
    let mut nimbus = Client::connect(daemon.address());
    nimbus.log_in();
    let mut worker = Client::connect(daemon.address());
    let before = daemon.resident_bytes();
    let mut slowest = Duration::ZERO;
    let mut half = Vec::with_capacity(LOGINS);
    for index in 0..LOGINS {
        let from = address((index % 200) as u8);
        let mut client = half_logged_in(from, daemon.address());
        token_of(&client.read_frame());
        half.push(client);
        if index % 50 == 0 {
            let start = Instant::now();
            worker.put("/w/1", b"x");
            assert!(nimbus.get("/w/1").is_some());
            Client::connect(daemon.address()).log_in();
            slowest = slowest.max(start.elapsed());
        }
    }
    let bytes = daemon.resident_bytes().saturating_sub(before) / LOGINS as u64;
    println!("a write, a read and a login beside them: {slowest:?}; {bytes} bytes each");
    assert!(slowest < SECOND, "{slowest:?}");
    assert!(bytes < 8 * 1024, "{bytes} bytes for each");
    let open = daemon.open_files();
    assert!(open >= LOGINS, "{open} files");
    // Each ends by the deadline, and gives back what it had.
    for client in &mut half {
        let (bytes, ended) = client.read_to_end();
        assert_eq!((bytes.len(), ended), (0, Ended::Reset));
    }
    wait_until("their files are closed", || daemon.open_files() < 200);
    assert!(nimbus.get("/w/1").is_some());
    worker.put("/w/1", b"y");
    let log = daemon.stop();
    let lines = log.lines().count();
    assert!(lines < 1_000, "{lines} lines: the log's rate is bounded");
}

/// At the default bounds most of such a flood is refused at once, and the rest waits.
#[test]
fn a_flood_from_one_address_is_refused() {
    let files = DigestFiles::new();
    let daemon = files.daemon(&["--shards", "2"]);
    let mut begun: Vec<Client> = (0..500)
        .map(|_| half_logged_in(address(1), daemon.address()))
        .collect();
    // Two shards with half of twenty attempts each, and ten more in ten seconds.
    let log = || daemon.log();
    wait_until("the flood is refused", || log().contains("login_throttled"));
    let start = Instant::now();
    Client::connect_from(address(2), daemon.address()).log_in();
    assert!(start.elapsed() < SECOND);
    begun.retain_mut(|client| {
        let short = Some(Duration::from_millis(1));
        client.socket().set_read_timeout(short).expect("an option");
        let mut byte = [0];
        !matches!(client.socket().peek(&mut byte), Err(error)
            if error.kind() == std::io::ErrorKind::ConnectionReset)
    });
    assert!(begun.len() <= 60, "{} are left", begun.len());
    daemon.stop();
}

/// Everything that the daemon prints at its most talkative, in good times and bad.
#[test]
fn no_secret_is_ever_printed() {
    use base64::Engine;
    use sha2::{Digest, Sha512};
    let files = DigestFiles::new();
    let mut printed = String::new();
    for level in ["error", "warn", "info", "debug", "trace"] {
        files.set_password(PASSWORD);
        let level = format!("log.level={level}");
        let daemon = files.daemon(&["--shards", "2", "-c", &level]);
        Client::connect(daemon.address()).log_in();
        let _ = Client::connect(daemon.address()).try_log_in("a-wrong-guess-of-mine");
        let mut peer = half_logged_in(address(1), daemon.address());
        token_of(&peer.read_frame());
        peer.send(&token(PASSWORD.as_bytes()));
        peer.expect_reset();
        files.write(&format!(
            "PacemakerDigest {{ username={USER} password=\"{PASSWORD}\" }}"
        ));
        daemon.signal(rustix::process::Signal::HUP);
        files.set_password("another-secret-word");
        daemon.signal(rustix::process::Signal::HUP);
        Client::connect(daemon.address()).put("/w/1", b"x");
        printed += &daemon.stop();
    }
    for text in [
        format!("PacemakerDigest {{ username={USER} password=\"{PASSWORD}\"; }};"),
        format!("PacemakerDigest {{ username={USER} password=\"{PASSWORD}\" "),
        format!("PacemakerDigest {{ username={USER} password=\"{PASSWORD}\n\"; }};"),
        format!("PacemakerDigest {{ username={USER} password=\"{PASSWORD}\"; }}; \"{PASSWORD}\""),
        format!("PacemakerDigest {{ a optional username={USER} password \"{PASSWORD}\"; }};"),
    ] {
        files.write(&text);
        let arguments = files.arguments(&["check-config"]);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let output = support::Daemon::run(0, &arguments);
        printed += &String::from_utf8_lossy(&output.stdout);
        printed += &String::from_utf8_lossy(&output.stderr);
    }
    let hash: String = Sha512::digest(format!("{USER}:{PASSWORD}"))
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let encoded = base64::engine::general_purpose::STANDARD.encode(&hash);
    let guess = "a-wrong-guess-of-mine";
    for secret in [PASSWORD, "another-secret-word", guess, &hash, &encoded] {
        assert!(!printed.contains(secret), "{secret}: {printed}");
    }
    assert!(
        printed.contains("login_wrong_password"),
        "it did print: {printed}"
    );
}
