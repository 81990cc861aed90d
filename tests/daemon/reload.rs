//! SIGHUP puts new credentials and access rules in force without touching a connection; what cannot
//! be used leaves the old ones in force and says why.

use std::fs;

use rustix::process::Signal;
use support::login::{DigestFiles, PASSWORD};
use support::says::assert_a_line_says;
use support::{Client, Daemon, wait_until};
use tempfile::TempDir;

/// Sends SIGHUP, and waits for what the daemon says about it.
fn reload(daemon: &Daemon) -> String {
    let before = daemon.log().len();
    daemon.signal(Signal::HUP);
    let news = || daemon.log()[before..].to_owned();
    let answered =
        |news: &str| news.contains("reloaded the logins") || news.contains("stay in force");
    wait_until("an answer to SIGHUP", || answered(&news()));
    news()
}

#[test]
fn a_new_password_counts_at_once_and_ends_nobody() {
    let files = DigestFiles::new();
    let daemon = files.daemon(&["--shards", "2"]);
    let mut nimbus = Client::connect(daemon.address());
    nimbus.log_in();
    nimbus.put("/w/1", b"x");
    let mut half = Client::connect(daemon.address());
    half.send(&support::login::ask_for_token());
    let challenge = support::login::token_of(&half.read_frame());

    files.set_password("another");
    let news = reload(&daemon);
    assert_a_line_says(&news, &["reloaded", "logins", "access rules"]);
    assert_eq!(
        nimbus.get("/w/1").as_deref(),
        Some(&b"x"[..]),
        "who is in stays in"
    );
    // On every shard: eight connections reach both.
    for _ in 0..8 {
        let mut client = Client::connect(daemon.address());
        assert!(client.try_log_in(PASSWORD).is_err());
        let mut client = Client::connect(daemon.address());
        client.try_log_in("another").expect("the new password");
        assert!(client.may_read());
    }
    // A login that had begun is finished by what it began with.
    let response = support::login::response_to(&challenge, PASSWORD);
    half.send(&support::login::token(&response));
    assert_eq!(half.read_frames(2).len(), 2);
    assert!(half.may_read());
    daemon.stop();
}

#[test]
fn bad_files_keep_the_old_credentials_and_say_so() {
    let files = DigestFiles::new();
    let daemon = files.daemon(&["--shards", "2"]);
    let mut nimbus = Client::connect(daemon.address());
    nimbus.log_in();
    for (text, why) in [
        ("PacemakerDigest {", "jaas.conf:1:"),
        ("Other { a b=c; };", "jaas.conf"),
        ("", "PacemakerDigest"),
    ] {
        files.write(text);
        let news = reload(&daemon);
        assert!(
            news.contains("stay in force") && news.contains(why),
            "{text:?}: {news}"
        );
        assert!(nimbus.may_read());
        let mut client = Client::connect(daemon.address());
        client.log_in();
    }
    fs::remove_file(files.jaas()).expect("the file");
    let news = reload(&daemon);
    assert!(
        news.contains("stay in force") && news.contains("jaas.conf"),
        "{news}"
    );
    // Shards put a policy in force within a quarter of a second: longer than that nothing must change.
    let start = std::time::Instant::now();
    while start.elapsed() < std::time::Duration::from_millis(700) {
        Client::connect(daemon.address()).log_in();
        assert!(!Client::connect(daemon.address()).may_read());
    }
    files.set_password("corrected");
    reload(&daemon);
    Client::connect(daemon.address())
        .try_log_in("corrected")
        .expect("the new password");
    daemon.stop();
}

#[test]
fn access_rules_change_for_connections_that_are_open() {
    let home = TempDir::new().expect("a directory");
    let config = home.path().join("pacemaker.toml");
    let write = |text: &str| fs::write(&config, text).expect("the configuration");
    write("");
    let daemon = Daemon::start(&["--shards", "2", "--config", config.to_str().expect("text")]);
    let mut client = Client::connect(daemon.address());
    assert!(client.may_read() && client.may_write());

    write("[access]\nreads_from = [\"10.0.0.0/8\"]\n");
    let news = reload(&daemon);
    assert_a_line_says(&news, &["changed", "access.reads_from"]);
    assert!(!client.may_read() && client.may_write());

    write("[access]\nreads_from = [\"10.0.0.0/33\"]\n");
    let news = reload(&daemon);
    assert_a_line_says(&news, &["pacemaker.toml:2", "access.reads_from"]);
    assert!(!client.may_read() && client.may_write());

    write("[access]\nreads_from = []\n\n[limits]\nin_flight = 7\n");
    let news = reload(&daemon);
    assert_a_line_says(&news, &["restart", "limits.in_flight"]);
    assert!(client.may_read());
    daemon.stop();
}

#[test]
fn the_method_cannot_change_while_it_runs() {
    let home = TempDir::new().expect("a directory");
    let config = home.path().join("pacemaker.toml");
    let files = DigestFiles::new();
    fs::write(&config, "").expect("the configuration");
    let daemon = Daemon::start(&["--config", config.to_str().expect("text")]);
    let mut client = Client::connect(daemon.address());
    let jaas = files.jaas();
    let text = format!("[auth]\nmethod = \"DIGEST\"\nlogin_config = {jaas:?}\n");
    fs::write(&config, text).expect("the configuration");
    let news = reload(&daemon);
    assert_a_line_says(&news, &["auth.method", "restart"]);
    assert!(client.may_read());
    daemon.stop();
}

#[test]
fn the_log_level_changes_while_it_runs() {
    let home = TempDir::new().expect("a directory");
    let config = home.path().join("pacemaker.toml");
    let write = |level: &str| {
        let text = format!("[log]\nlevel = \"{level}\"\nformat = \"json\"\n");
        fs::write(&config, text).expect("the configuration");
    };
    write("info");
    let daemon = Daemon::start(&["--shards", "1", "--config", config.to_str().expect("text")]);
    let spoil = |from: [u8; 4]| {
        let mut peer = Client::connect_from(from.into(), daemon.address());
        peer.send(&[0xFF; 8]);
        peer.expect_reset();
    };
    spoil([127, 1, 0, 1]);
    wait_until("a line of a bad frame", || {
        daemon.log().contains("127.1.0.1")
    });
    write("error");
    let news = reload(&daemon);
    assert_a_line_says(&news, &["changed", "log.level"]);
    // Errors are logged still. Its answer also tells that the new level is in force.
    write("nonsense");
    let news = reload(&daemon);
    assert_a_line_says(&news, &["log.level", "\\\"nonsense\\\""]);
    spoil([127, 1, 0, 2]);
    write("info");
    let news = reload(&daemon);
    assert_a_line_says(&news, &["changed", "log.level"]);
    spoil([127, 1, 0, 3]);
    wait_until("a line of a bad frame", || {
        daemon.log().contains("127.1.0.3")
    });
    let log = daemon.stop();
    assert!(!log.contains("127.1.0.2"), "{log}");
    for line in log.lines() {
        let object: serde_json::Value = serde_json::from_str(line).expect("an object a line");
        assert!(
            object["level"].is_string() && object["message"].is_string(),
            "{line}"
        );
        assert!(object["timestamp"].is_string(), "{line}");
    }
    assert!(log.contains(r#""reason":"bad_frame""#), "{log}");
}

#[test]
fn a_file_that_cannot_be_read_to_its_end_holds_up_nobody() {
    let files = DigestFiles::new();
    let daemon = files.daemon(&["--shards", "2"]);
    fs::remove_file(files.jaas()).expect("the file");
    let made = std::process::Command::new("mkfifo")
        .arg(files.jaas())
        .status();
    assert!(made.is_ok_and(|status| status.success()));
    let news = reload(&daemon);
    assert!(
        news.contains("jaas.conf") && news.contains("it is not a regular file"),
        "{news}"
    );
    Client::connect(daemon.address()).log_in();
    daemon.stop();
}
