//! What is wrong in the configuration is told all at once, each with its place and what was expected.

use support::check_config::*;

#[test]
fn a_named_file_that_is_missing_is_an_error() {
    check(&["--config", "no.toml", "--storm-conf", "no.yaml"]).fails_with(&[
        ("no.toml", &["--config", "No such file"]),
        ("no.yaml", &["--storm-conf", "No such file"]),
    ]);
}

#[test]
fn unknown_keys_come_with_a_guess() {
    let files = Files::new();
    let toml = files.write(
        "mine.toml",
        "port = 1\n[server]\nprot = 6699\n[retain]\nuntil = \"1m\"\n[pacemaker]\nport = 1\n",
    );
    let file = text(&toml);
    check(&["--config", file, "-c", "pacemaker.prt=1"]).fails_with(&[
        (&format!("{file}:1: port"), &["unknown", "server.port?"]),
        (
            &format!("{file}:3: server.prot"),
            &["unknown", "server.port?"],
        ),
        (
            &format!("{file}:5: retain.until"),
            &["unknown", "check-config"],
        ),
        (
            &format!("{file}:7: pacemaker.port"),
            &["unknown", "server.port?"],
        ),
        ("-c: pacemaker.prt", &["unknown", "pacemaker.port?"]),
    ]);
}

#[test]
fn everything_that_is_wrong_is_told_at_once() {
    let files = Files::new();
    let toml = files.write(
        "pacemaker.toml",
        r#"[server]
bind = "localhost"
port = 70000
shards = "many"
shutdown_deadline = 5

[auth]
method = "digest"

[limits]
frame_size = "2GiB"
path_depth = 3
connections = "100"
output = "10MB"
output_deadline = "500ms"
stored_keys = true
stored_bytes = [1]
handshake_size = "1KiB"
failed_logins = 0

[access]
writes = "closed"
deletes_below = "workerbeats"
reads_from = ["10.0.0.1/8", 5, "::1"]
writes_from = "10.0.0.0/8"

[kerberos]
users = ["ops", ""]
"#,
    );
    let storm = files.write(
        "storm.yaml",
        "x: [1, {y: z}]\npacemaker.max.threads: \"50\"\n",
    );
    let (file, storm) = (text(&toml), text(&storm));
    let at = |line: usize, key: &str| format!("{file}:{line}: {key}");
    const SIZE: &str = "KiB, MiB, GiB, TiB";
    const TIME: &str = "ms, s, m, h";
    let errors: [(String, &[&str]); 21] = [
        (
            at(2, "server.bind"),
            &["\"localhost\"", "IPv4 or IPv6", "0.0.0.0"],
        ),
        (at(3, "server.port"), &["70000", "0 to 65535"]),
        (
            "--shards: server.shards".to_owned(),
            &["0", "1 to 256", "\"auto\""],
        ),
        (
            format!("{storm}:2: pacemaker.max.threads"),
            &["\"50\"", "0 to 2147483647", "without quotes"],
        ),
        (at(5, "server.shutdown_deadline"), &["5", "0ms to 1m", TIME]),
        (
            at(8, "auth.method"),
            &["\"digest\"", "NONE, DIGEST, KERBEROS", "case-sensitive"],
        ),
        (at(28, "kerberos.users"), &["list", "empty item"]),
        (
            at(22, "access.writes"),
            &["\"closed\"", "open, authenticated", "case-sensitive"],
        ),
        (
            at(23, "access.deletes_below"),
            &["\"workerbeats\"", "path", "begins with /", "\"\""],
        ),
        (
            at(24, "access.reads_from"),
            &["\"10.0.0.1/8\"", "10.0.0.0/8", "10.0.0.1", "5", "fd00::/8"],
        ),
        (
            at(25, "access.writes_from"),
            &[
                "\"10.0.0.0/8\"",
                "list",
                "[\"10.0.0.0/8\", \"192.168.1.1\"]",
            ],
        ),
        (
            at(11, "limits.frame_size"),
            &["\"2GiB\"", "1KiB to 2147483647", SIZE],
        ),
        (at(12, "limits.path_depth"), &["3", "4 to 1024"]),
        (
            at(13, "limits.connections"),
            &["\"100\"", "1 to 1000000", "without quotes"],
        ),
        (at(14, "limits.output"), &["\"10MB\"", "4KiB to 4GiB", SIZE]),
        (
            at(15, "limits.output_deadline"),
            &["\"500ms\"", "1s to 1h", TIME],
        ),
        (
            at(18, "limits.handshake_size"),
            &["\"1KiB\"", "4KiB to 1MiB", SIZE],
        ),
        (at(19, "limits.failed_logins"), &["0", "1 to 10000"]),
        (at(16, "limits.stored_keys"), &["true", "1 to 100000000"]),
        (
            at(17, "limits.stored_bytes"),
            &["list", "1MiB to 1TiB", SIZE],
        ),
        (
            "-c: log.level".to_owned(),
            &[
                "\"loud\"",
                "error, warn, info, debug, trace",
                "case-sensitive",
            ],
        ),
    ];
    let errors = errors.each_ref().map(|(place, facts)| (&**place, *facts));
    check(&[
        "--config",
        file,
        "--storm-conf",
        storm,
        "-c",
        "log.level=loud",
        "--shards",
        "0",
    ])
    .fails_with(&errors);
}

#[test]
fn values_must_agree_with_each_other() {
    let files = Files::new();
    let toml = files.write("mine.toml", "[limits]\noutput = \"1MiB\"\n");
    check(&["--config", text(&toml)]).fails_with(&[(
        &format!("{}:2: limits.output", text(&toml)),
        &["1MiB", "less than", "limits.frame_size", "10MiB", "default"],
    )]);
}

#[test]
fn syntax_errors_name_line_and_column() {
    let files = Files::new();
    let toml = files.write("broken.toml", "[server]\nport = 1\nbind = oops\n");
    let yaml = files.write("broken.yaml", "ui.port: 2\npacemaker.port: [1, 2\n");
    let run = check(&["--config", text(&toml), "--storm-conf", text(&yaml)]);
    run.fails();
    assert!(
        run.stderr.contains(&format!("\n{}:3:8: ", text(&toml))),
        "{}",
        run.stderr
    );
    assert!(
        run.stderr.contains(&format!("\n{}:", text(&yaml))),
        "{}",
        run.stderr
    );
    assert_eq!(run.stderr.lines().count(), 3, "{}", run.stderr);

    let list = files.write("list.yaml", "# no mapping\n- a\n");
    check(&["--storm-conf", text(&list)])
        .fails_with(&[(&format!("{}:2:1", text(&list)), &["expected", "mapping"])]);
    let latin = files.path("latin.toml");
    std::fs::write(&latin, b"[server]\n# caf\xe9\n").unwrap();
    check(&["--config", text(&latin)])
        .fails_with(&[(text(&latin), &["--config", "line 2", "UTF-8"])]);
}
