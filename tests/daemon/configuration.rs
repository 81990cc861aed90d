//! What the real binary makes of files, environment, overrides and flags: precedence from end to end,
//! and the exact words and exit codes of what it refuses.

use std::path::Path;

use support::check_config::*;

/// A storm.yaml as clusters have them: foreign keys of every shape around ours.
const STORM_YAML: &str = r#"# Storm cluster "blue", managed by hand
########### ZooKeeper
storm.zookeeper.servers:
- "zk1.example.org"
- "zk2.example.org"
storm.zookeeper.port: 2181
storm.local.dir: "/var/lib/storm"

########### Nimbus
nimbus.seeds: ["nimbus1.example.org", "nimbus2.example.org"]
nimbus.childopts: "-Xmx2048m -Djava.net.preferIPv4Stack=true"
nimbus.thrift.max_buffer_size: 20480000
nimbus.daemon.user: storm
nimbus.admins: &admins
    - storm
    - "ops"
ui.users: *admins

########### Supervisors
supervisor.slots.ports:
    - 6700
    - 6701
supervisor.childopts: '-Xmx256m'
worker.childopts: "-Xmx%HEAP-MEM%m -XX:+PrintGCDetails"
supervisor.scheduler.meta: {rack: r1, tags: [a, b: {c: ~}]}
topology.max.spout.pending: null
topology.stats.sample.rate: 0.05
topology.message.timeout.secs: 30   # seconds
isolation.scheduler.machines:
    "billing":  4
    "clicks":   2

########### Pacemaker
storm.cluster.state.store: "org.apache.storm.cluster.PaceMakerStateStorageFactory"
pacemaker.servers:
    - pacemaker1.example.org
pacemaker.host: pacemaker1.example.org
pacemaker.port: 6698
pacemaker.base.threads: 10
pacemaker.max.threads: 1
pacemaker.thread.timeout: 10
pacemaker.childopts: "-Xmx1024m"
pacemaker.auth.method: "NONE"
pacemaker.thrift.message.size.max: 20_971_520
java.security.auth.login.config: /etc/storm/jaas.conf
"#;

#[test]
fn without_anything_the_defaults_are_in_force() {
    let run = check(&[]);
    run.succeeds();
    for (key, value) in [
        ("server.bind", "::"),
        ("server.port", "6699"),
        ("server.max_threads", "50"),
        ("server.minimum_wait", "5ms"),
        ("auth.method", "NONE"),
        ("auth.login_config", "\"\""),
        ("kerberos.users", "[]"),
        ("access.writes", "open"),
        ("access.deletes_below", "\"/\""),
        ("access.reads_from", "[]"),
        ("limits.handshake_deadline", "10s"),
        ("limits.handshake_size", "64KiB"),
        ("limits.unauthenticated_per_address", "1000"),
        ("limits.failed_logins", "20"),
        ("limits.frame_size", "10MiB"),
        ("limits.stored_bytes", "4GiB"),
        ("log.level", "info"),
    ] {
        assert_eq!(
            run.setting(key),
            (value.to_owned(), "default".to_owned()),
            "{key}"
        );
    }
    let (shards, rule) = run.setting("server.shards");
    assert!(
        (1..=50).contains(&shards.parse::<u64>().unwrap()),
        "{shards}"
    );
    assert!(rule.starts_with("computed: min(max_threads 50, "), "{rule}");
    // Only what it tells in any case.
    assert!(
        run.stdout.matches("note:").count() == 1 && !run.stdout.contains("warning:"),
        "{}",
        run.stdout
    );
    assert!(run.stdout.contains("note: the data plane here is "));
}

#[test]
fn each_layer_wins_over_the_one_before() {
    let files = Files::new();
    let toml = files.write(
        "mine.toml",
        "[server]\nbind = \"127.0.0.1\"\nport = 1\nshards = 1\nmax_threads = 7\n[limits]\nin_flight = 5\n",
    );
    let storm = files.write(
        "storm.yaml",
        "pacemaker.port: 2\npacemaker.max.threads: 3\n",
    );
    let (toml, storm) = (text(&toml), text(&storm));
    let run = check(&[
        "--config",
        toml,
        "--storm-conf",
        storm,
        "-c",
        "server.port=3",
        "-c",
        "pacemaker.port=4",
        "-c",
        "server.bind=::1",
        "--port",
        "5",
    ]);
    run.succeeds();
    let from = |value: &str, source: String| (value.to_owned(), source);
    assert_eq!(run.setting("server.port"), from("5", "--port".into()));
    assert_eq!(run.setting("server.bind"), from("::1", "-c".into()));
    assert_eq!(run.setting("server.shards"), from("1", format!("{toml}:4")));
    let storm_line = format!("{storm}:2 (pacemaker.max.threads)");
    assert_eq!(run.setting("server.max_threads"), from("3", storm_line));
    assert_eq!(
        run.setting("limits.in_flight"),
        from("5", format!("{toml}:7"))
    );
    assert_eq!(
        run.setting("limits.path_depth"),
        from("32", "default".into())
    );

    let run = check(&["-c", "server.port=3", "-c", "pacemaker.port=4"]);
    assert_eq!(
        run.setting("server.port"),
        from("4", "-c (pacemaker.port)".into())
    );
    let run = check(&["--bind", "127.0.0.1", "--shards", "1", "--port", "0"]);
    assert_eq!(
        run.setting("server.bind"),
        from("127.0.0.1", "--bind".into())
    );
    assert_eq!(run.setting("server.shards"), from("1", "--shards".into()));
    assert_eq!(run.setting("server.port"), from("0", "--port".into()));
}

#[test]
fn a_storm_yaml_of_a_real_cluster_gives_its_keys_and_its_notes() {
    let files = Files::new();
    let storm = files.write("storm.yaml", STORM_YAML);
    let run = check(&["--storm-conf", text(&storm)]);
    run.succeeds();
    for (key, value, storm_key) in [
        ("server.port", "6698", "pacemaker.port"),
        ("server.max_threads", "1", "pacemaker.max.threads"),
        ("auth.method", "NONE", "pacemaker.auth.method"),
        (
            "auth.login_config",
            "\"/etc/storm/jaas.conf\"",
            "java.security.auth.login.config",
        ),
        ("auth.nimbus_user", "\"storm\"", "nimbus.daemon.user"),
        (
            "limits.frame_size",
            "20MiB",
            "pacemaker.thrift.message.size.max",
        ),
    ] {
        let found = STORM_YAML
            .lines()
            .position(|line| line.starts_with(storm_key));
        let source = format!("{}:{} ({storm_key})", text(&storm), found.unwrap() + 1);
        assert_eq!(run.setting(key), (value.to_owned(), source));
    }
    assert_eq!(run.setting("server.shards").0, "1");
    assert_eq!(
        run.setting("limits.output"),
        (
            "20MiB".to_owned(),
            "computed: raised to limits.frame_size; the default is 16MiB".to_owned()
        )
    );
    let told: Vec<&str> = run
        .stdout
        .lines()
        .filter_map(|line| line.strip_prefix("note: ")?.split_once(": "))
        .map(|(_, told)| told)
        .collect();
    let dead = |key: &str, why: &str| format!("{key} has no effect on this daemon: {why}");
    let clients = "it tells clients where to connect; see server.bind";
    let nobody = "no version of Storm's daemon reads it";
    assert_eq!(
        told,
        [
            dead("pacemaker.servers", clients),
            dead("pacemaker.host", clients),
            dead("pacemaker.base.threads", nobody),
            dead("pacemaker.thread.timeout", nobody),
            "only the -D options about logins in pacemaker.childopts have an effect: this is not a JVM"
                .to_owned(),
        ]
    );
}

#[test]
fn the_environment_says_where_storm_yaml_is() {
    let files = Files::new();
    files.write("dir/storm.yaml", "pacemaker.port: 1\n");
    files.write("home/conf/storm.yaml", "pacemaker.port: 2\n");
    let named = files.write("named.yaml", "pacemaker.port: 3\n");
    let (directory, home) = (files.path("dir"), files.path("home"));
    let run = |variables: &[(&str, &Path)], arguments: &[&str]| {
        let mut command = command(&[&["check-config"], arguments].concat());
        command.envs(variables.iter().copied());
        Run::of(command)
    };
    let both: &[(&str, &Path)] = &[("STORM_CONF_DIR", &directory), ("STORM_HOME", &home)];
    assert_eq!(
        run(both, &["--storm-conf", text(&named)])
            .setting("server.port")
            .0,
        "3"
    );
    assert_eq!(run(both, &[]).setting("server.port").0, "1");
    assert_eq!(run(&both[1..], &[]).setting("server.port").0, "2");

    // Storm goes on without the file; so do we, but not in silence.
    let nowhere = files.path("nowhere");
    let missing = run(&[("STORM_CONF_DIR", &nowhere), ("STORM_HOME", &home)], &[]);
    missing.succeeds();
    assert_eq!(missing.setting("server.port").0, "6699");
    let expected = format!(
        "warning: {}/storm.yaml does not exist ($STORM_CONF_DIR points there); continuing without \
         storm.yaml\n",
        text(&nowhere)
    );
    assert!(missing.stdout.contains(&expected), "{}", missing.stdout);
}

#[test]
fn a_named_file_that_is_missing_is_an_error() {
    check(&["--config", "no.toml", "--storm-conf", "no.yaml"]).fails_with(&[
        "no.toml: cannot read this file (named by --config): No such file or directory (os error 2)",
        "no.yaml: cannot read this file (named by --storm-conf): No such file or directory (os error 2)",
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
        &format!("{file}:1: port: unknown key; did you mean server.port?"),
        &format!("{file}:3: server.prot: unknown key; did you mean server.port?"),
        &format!(
            "{file}:5: retain.until: unknown key; `storm-pacemaker check-config` lists all keys"
        ),
        &format!("{file}:7: pacemaker.port: unknown key; did you mean server.port?"),
        "-c: pacemaker.prt: unknown key; did you mean pacemaker.port?",
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
    let at = |line: usize, rest: &str| format!("{file}:{line}: {rest}");
    let expected = [
        at(2, "server.bind: \"localhost\" is not an IP address (allowed: an IPv4 or IPv6 address, such as 0.0.0.0 or ::)"),
        at(3, "server.port: 70000 is not a port number (allowed: 0 to 65535)"),
        "--shards: server.shards: 0 is out of range (allowed: 1 to 256, or \"auto\")".to_owned(),
        format!("{storm}:2: pacemaker.max.threads: \"50\" is not a whole number (allowed: 0 to 2147483647; write it without quotes)"),
        at(5, "server.shutdown_deadline: 5 is not a duration (allowed: 0ms to 1m, with a unit: ms, s, m, h)"),
        at(8, "auth.method: \"digest\" is not a login method (allowed: NONE, DIGEST, KERBEROS; case-sensitive)"),
        at(28, "kerberos.users: the list has an empty item"),
        at(22, "access.writes: \"closed\" is not a rule (allowed: open, authenticated; case-sensitive)"),
        at(23, "access.deletes_below: \"workerbeats\" is not a path (allowed: a path that begins with /, or \"\")"),
        at(24, "access.reads_from: \"10.0.0.1/8\" has bits set beyond its prefix: write 10.0.0.0/8 for the network or 10.0.0.1 for the address; 5 is not a network (allowed: a network such as 10.0.0.0/8 or fd00::/8, or one address)"),
        at(25, "access.writes_from: \"10.0.0.0/8\" is not a list of networks (allowed: a list such as [\"10.0.0.0/8\", \"192.168.1.1\"])"),
        at(11, "limits.frame_size: \"2GiB\" is out of range (allowed: 1KiB to 2147483647, in bytes or with a unit: KiB, MiB, GiB, TiB)"),
        at(12, "limits.path_depth: 3 is out of range (allowed: 4 to 1024)"),
        at(13, "limits.connections: \"100\" is not a whole number (allowed: 1 to 1000000; write it without quotes)"),
        at(14, "limits.output: \"10MB\" is not a size (allowed: 4KiB to 4GiB, in bytes or with a unit: KiB, MiB, GiB, TiB)"),
        at(15, "limits.output_deadline: \"500ms\" is out of range (allowed: 1s to 1h, with a unit: ms, s, m, h)"),
        at(18, "limits.handshake_size: \"1KiB\" is out of range (allowed: 4KiB to 1MiB, in bytes or with a unit: KiB, MiB, GiB, TiB)"),
        at(19, "limits.failed_logins: 0 is out of range (allowed: 1 to 10000)"),
        at(16, "limits.stored_keys: true is not a whole number (allowed: 1 to 100000000)"),
        at(17, "limits.stored_bytes: a list is not a size (allowed: 1MiB to 1TiB, in bytes or with a unit: KiB, MiB, GiB, TiB)"),
        "-c: log.level: \"loud\" is not a log level (allowed: error, warn, info, debug, trace; case-sensitive)".to_owned(),
    ];
    let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
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
    .fails_with(&expected);
}

#[test]
fn values_must_agree_with_each_other() {
    let files = Files::new();
    let toml = files.write("mine.toml", "[limits]\noutput = \"1MiB\"\n");
    check(&["--config", text(&toml)]).fails_with(&[&format!(
        "{}:2: limits.output: 1MiB is less than limits.frame_size (10MiB, the default); it must hold \
         one request or answer of that size",
        text(&toml)
    )]);
}

#[test]
fn lists_are_shown_as_they_would_be_written() {
    let files = Files::new();
    let toml = files.write(
        "mine.toml",
        "[access]\nreads_from = [\"10.0.0.0/8\", \"::ffff:192.168.1.1\", \"fd00::/8\"]\n\
         deletes_below = \"/workerbeats//\"\n[kerberos]\nusers = [\n  \"ops\",\n]\n",
    );
    let run = check(&[
        "--config",
        text(&toml),
        "-c",
        "access.writes_from=10.0.0.0/8, ::1",
        "-c",
        r#"access.connect_from=["10.0.0.0/8"]"#,
        "-c",
        "access.deletes_from=",
    ]);
    run.succeeds();
    for (key, value) in [
        (
            "access.reads_from",
            r#"["10.0.0.0/8", "192.168.1.1", "fd00::/8"]"#,
        ),
        ("access.writes_from", r#"["10.0.0.0/8", "::1"]"#),
        ("access.connect_from", r#"["10.0.0.0/8"]"#),
        ("access.deletes_from", "[]"),
        ("access.deletes_below", "\"/workerbeats\""),
        ("kerberos.users", r#"["ops"]"#),
    ] {
        assert_eq!(run.setting(key).0, value, "{key}");
    }
    assert_eq!(
        run.setting("kerberos.users").1,
        format!("{}:5", text(&toml))
    );
    // One long list does not push the other keys' sources out of sight.
    assert!(
        run.stdout.lines().next().unwrap().len() < 90,
        "{}",
        run.stdout
    );
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
    check(&["--storm-conf", text(&list)]).fails_with(&[&format!(
        "{}:2:1: expected a mapping of keys to values",
        text(&list)
    )]);
    let latin = files.path("latin.toml");
    std::fs::write(&latin, b"[server]\n# caf\xe9\n").unwrap();
    check(&["--config", text(&latin)]).fails_with(&[&format!(
        "{}: cannot read this file (named by --config): line 2 is not valid UTF-8",
        text(&latin)
    )]);
}

#[test]
fn usage_and_version() {
    let version = Run::of(command(&["--version"]));
    version.succeeds();
    let name_and_number = concat!("storm-pacemaker ", env!("CARGO_PKG_VERSION"));
    assert_eq!(version.stdout.lines().next(), Some(name_and_number));
    assert!(version.stdout.contains("DIGEST"), "{}", version.stdout);
    assert_eq!(
        version.stdout.contains("KERBEROS"),
        cfg!(feature = "kerberos"),
        "{}",
        version.stdout
    );
    for wrong in [
        &["--nonsense"][..],
        &["nonsense"],
        &["check-config", "--port"],
    ] {
        let run = Run::of(command(wrong));
        assert_eq!(run.code, Some(2), "{wrong:?}");
        assert!(
            run.stderr.contains("Usage:") || run.stderr.contains("--help"),
            "{}",
            run.stderr
        );
    }
    check(&["-c", "server.port"])
        .fails_with(&["-c: \"server.port\" is not KEY=VALUE (example: -c server.port=6699)"]);
}
