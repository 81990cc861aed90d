//! What somebody who cannot log in can do to others: nothing. Half-finished logins end by a deadline,
//! failed ones are slowed by address, unauthenticated connections are bounded by address.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use support::login::{DigestFiles, PASSWORD, USER, half_logged_in, response_to, token, token_of};
use support::metrics::Scrape;
use support::{Client, Ended, wait_until};

const SECOND: Duration = Duration::from_secs(1);

fn address(last: u8) -> IpAddr {
    IpAddr::from([127, 9, 0, last])
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
    Client::connect_from(address(2), daemon.address()).log_in();
    assert!(start.elapsed() < SECOND / 2);
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

/// A client whose response to the challenge is on its way, right or wrong.
fn responded(from: IpAddr, to: SocketAddr, password: &str) -> Client {
    let mut client = half_logged_in(from, to);
    let challenge = token_of(&client.read_frame());
    client.send(&token(&response_to(&challenge, password)));
    client
}

#[test]
fn guesses_beyond_those_that_may_wait_end_at_once() {
    let files = DigestFiles::new();
    let daemon = files.daemon(&["--shards", "1", "-c", "limits.failed_logins=2"]);
    let guess = || responded(address(1), daemon.address(), "a guess");
    guess().expect_reset();
    guess().expect_reset();
    let (mut third, mut fourth) = (guess(), guess());
    let start = Instant::now();
    guess().expect_reset();
    assert!(start.elapsed() < SECOND / 2);
    third.expect_reset();
    fourth.expect_reset();
    assert!(start.elapsed() > SECOND, "they have waited for their turns");
    let log = daemon.stop();
    assert!(log.contains("reason=\"login_throttled\""), "{log}");
}

#[test]
fn a_login_that_waits_too_long_for_its_turn_ends() {
    let files = DigestFiles::new();
    let daemon = files.daemon(&[
        "--shards",
        "1",
        "-c",
        "limits.failed_logins=5",
        "-c",
        "limits.handshake_deadline=2s",
    ]);
    let guess = |_| responded(address(1), daemon.address(), "a guess");
    (0..5)
        .map(guess)
        .for_each(|mut client| client.expect_reset());
    let start = Instant::now();
    let mut waiting: Vec<Client> = (0..5).map(guess).collect();
    for client in &mut waiting {
        client.expect_reset();
    }
    let took = start.elapsed();
    assert!(
        took > 2 * SECOND - Duration::from_millis(300) && took < 4 * SECOND,
        "{took:?}"
    );
    let log = daemon.stop();
    assert!(log.contains("reason=\"login_throttled\""), "{log}");
}

/// All workers of a Storm 1.x host, or of a cluster behind one gateway, after a restart.
#[test]
fn logins_that_succeed_never_make_others_wait() {
    let files = DigestFiles::new();
    let daemon = files.daemon(&["--shards", "2"]);
    let to = daemon.address();
    let start = Instant::now();
    let mut clients: Vec<Client> = (0..400).map(|_| half_logged_in(address(1), to)).collect();
    let challenges: Vec<_> = clients
        .iter_mut()
        .map(|client| token_of(&client.read_frame()))
        .collect();
    for (client, challenge) in clients.iter_mut().zip(&challenges) {
        client.send(&token(&response_to(challenge, PASSWORD)));
    }
    for client in &mut clients {
        assert_eq!(client.read_frames(2).len(), 2);
        assert!(client.may_read());
    }
    let took = start.elapsed();
    println!("400 logins at once: {took:?}");
    assert!(took < 2 * SECOND, "{took:?}");
    daemon.stop();
}

/// A peer that only begins logins has guessed nothing: its address is not locked out.
#[test]
fn logins_that_are_given_up_make_nobody_wait() {
    let files = DigestFiles::new();
    let daemon = files.daemon(&["--shards", "1"]);
    for _ in 0..500 {
        token_of(&half_logged_in(address(1), daemon.address()).read_frame());
    }
    let start = Instant::now();
    Client::connect_from(address(1), daemon.address()).log_in();
    assert!(start.elapsed() < SECOND);
    daemon.stop();
}

#[test]
fn a_stop_does_not_wait_for_logins_that_wait() {
    let files = DigestFiles::new();
    let daemon = files.daemon(&["--shards", "1", "-c", "limits.failed_logins=4"]);
    let guess = |_| responded(address(1), daemon.address(), "a guess");
    (0..4)
        .map(guess)
        .for_each(|mut client| client.expect_reset());
    // The last of them would be judged in four seconds.
    let mut waiting: Vec<Client> = (0..4).map(guess).collect();
    let mut other = Client::connect_from(address(1), daemon.address());
    other.put("/w/1", b"the daemon has read what came before");
    let start = Instant::now();
    let log = daemon.stop();
    assert!(start.elapsed() < 2 * SECOND, "{:?}", start.elapsed());
    for client in &mut waiting {
        client.expect_reset();
    }
    assert!(
        !log.contains("login_throttled"),
        "nobody was at fault: {log}"
    );
}

#[test]
fn one_address_cannot_take_all_connections() {
    let daemon = support::Daemon::start(&[
        "--shards",
        "1",
        "-c",
        "limits.connections=100",
        "-c",
        "limits.connections_per_address=10",
    ]);
    let connect = |from| Client::connect_from(from, daemon.address());
    let mut many: Vec<Client> = (0..10).map(|_| connect(address(1))).collect();
    for client in &mut many {
        client.put("/w/1", b"x");
    }
    connect(address(1)).expect_reset();
    connect(address(2)).put("/w/2", b"x");
    drop(many.pop());
    wait_until("there is room again", || {
        let mut client = connect(address(1));
        client.try_send(&support::frames::get("/w/1", 1)) && client.frame_or_end().is_ok()
    });
    let log = daemon.stop();
    assert!(log.contains("reason=\"too_many_of_address\""), "{log}");
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
    // Writers and users do not count as unauthenticated: any number of them may connect.
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

/// All that one address may have are served, however the kernel spreads them over the shards.
#[test]
fn unauthenticated_connections_of_many_shards_are_bounded_exactly() {
    let files = DigestFiles::new();
    let daemon = files.daemon(&[
        "--shards",
        "12",
        "-c",
        "limits.unauthenticated_per_address=150",
    ]);
    let to = daemon.address();
    let mut begun: Vec<Client> = (0..150).map(|_| half_logged_in(address(1), to)).collect();
    for client in &mut begun {
        token_of(&client.read_frame());
    }
    for _ in 0..5 {
        Client::connect_from(address(1), to).expect_reset();
    }
    Client::connect_from(address(2), to).log_in();
    // Those that write no longer count.
    for client in &mut begun {
        client.put("/w/1", b"x");
    }
    wait_until("there is room again", || {
        Client::connect_from(address(1), to)
            .try_log_in(PASSWORD)
            .is_ok()
    });
    let log = daemon.stop();
    assert!(log.contains("reason=\"too_many_unauthenticated\""), "{log}");
}

#[test]
fn connections_of_an_address_to_many_shards_are_bounded_exactly() {
    let daemon =
        support::Daemon::start(&["--shards", "10", "-c", "limits.connections_per_address=130"]);
    let connect = || Client::connect_from(address(1), daemon.address());
    let mut many: Vec<Client> = (0..130).map(|_| connect()).collect();
    for client in &mut many {
        client.put("/w/1", b"x");
    }
    for _ in 0..5 {
        connect().expect_reset();
    }
    Client::connect_from(address(2), daemon.address()).put("/w/2", b"x");
    drop(many.pop());
    wait_until("there is room again", || {
        let mut client = connect();
        client.try_send(&support::frames::get("/w/1", 1)) && client.frame_or_end().is_ok()
    });
    daemon.stop();
}

#[test]
fn failed_logins_of_an_address_count_together_on_all_shards() {
    let files = DigestFiles::new();
    let daemon = files.daemon(&["--shards", "8", "-c", "limits.failed_logins=16"]);
    let guess = || responded(address(1), daemon.address(), "a guess").expect_reset();
    let start = Instant::now();
    (0..16).for_each(|_| guess());
    assert!(start.elapsed() < SECOND, "none of them waits");
    guess();
    assert!(start.elapsed() >= SECOND, "this one does");
    daemon.stop();
}

/// A client with a wrong password that dials again and again, on whatever shard.
#[test]
fn a_right_password_gets_its_turn_among_wrong_ones_of_other_shards() {
    let files = DigestFiles::new();
    let daemon = files.daemon(&["--shards", "8", "-c", "limits.failed_logins=4"]);
    let to = daemon.address();
    let ended = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            // Bounded, so that it ends even if the other side fails.
            for _ in 0..30 {
                if ended.load(Ordering::Relaxed) {
                    break;
                }
                let mut client = Client::connect_from(address(1), to);
                assert_eq!(client.try_log_in("a guess"), Err(Ended::Reset));
            }
        });
        wait_until("logins wait", || {
            let scrape = Scrape::of(daemon.admin());
            scrape.sum("pacemaker_logins_deferred_total", &[]) > 0.0
        });
        for _ in 0..2 {
            let start = Instant::now();
            Client::connect_from(address(1), to).log_in();
            assert!(start.elapsed() < 4 * SECOND, "{:?}", start.elapsed());
        }
        ended.store(true, Ordering::Relaxed);
    });
    daemon.stop();
}

/// At the default bounds most of such a flood from one address is refused at once.
#[test]
fn a_flood_from_one_address_is_refused() {
    let files = DigestFiles::new();
    let daemon = files.daemon(&["--shards", "2"]);
    let mut begun: Vec<Client> = (0..2_000)
        .map(|_| half_logged_in(address(1), daemon.address()))
        .collect();
    let start = Instant::now();
    Client::connect_from(address(2), daemon.address()).log_in();
    assert!(start.elapsed() < SECOND);
    begun.retain_mut(|client| client.frame_or_end().is_ok());
    assert!(begun.len() <= 1_000, "{} are left", begun.len());
    let log = daemon.stop();
    assert!(log.contains("reason=\"too_many_unauthenticated\""), "{log}");
}

/// What is kept of the password is what logins are checked by, which is not the password.
#[test]
fn the_password_is_not_in_the_daemons_memory() {
    let files = DigestFiles::new();
    let daemon = files.daemon(&["--shards", "2"]);
    Client::connect(daemon.address()).log_in();
    let _ = Client::connect(daemon.address()).try_log_in("a guess");
    files.set_password("a-later-secret-word");
    let before = daemon.log().len();
    daemon.signal(rustix::process::Signal::HUP);
    wait_until("the reload", || daemon.log()[before..].contains("reloaded"));
    for secret in [PASSWORD, "a-later-secret-word"] {
        let places = support::memory::places_of(daemon.pid(), secret.as_bytes());
        assert_eq!(places, 0, "{secret}");
    }
    // It does find what is there.
    Client::connect(daemon.address()).put("/w/1", b"a pulse that can be found in memory");
    let found = support::memory::places_of(daemon.pid(), b"a pulse that can be found in memory");
    assert!(found > 0);
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

/// A peer that nobody knows sends small frames; a first pulse is enough to be known.
#[test]
fn unknown_peers_send_smaller_frames_until_their_first_pulse() {
    let files = DigestFiles::new();
    let daemon = files.daemon(&["--shards", "1", "-c", "limits.frame_size=1MiB"]);
    let large = vec![b'x'; 300_000];
    let mut unknown = Client::connect(daemon.address());
    unknown.try_send(&support::frames::send("/w/large", large.clone(), 1));
    assert!(unknown.frame_or_end().is_err());
    let mut worker = Client::connect(daemon.address());
    worker.put("/w/1", b"pulse");
    worker.put("/w/1", &large);
    let mut user = Client::connect(daemon.address());
    user.log_in();
    user.put("/w/2", &large);
    let log = daemon.stop();
    assert!(log.contains("reason=\"bad_frame\""), "{log}");
}
