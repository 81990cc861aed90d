//! What the real binary makes of files, environment, overrides and flags: which wins, and what is shown of it.
//! What it refuses is in `configuration_errors`.

use std::path::Path;

use support::check_config::*;
use support::says::{assert_a_line_says, assert_says};

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
        ("server.warm_up", "20s"),
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
    assert_says(&rule, "computed", &["min", "max_threads 50"]);
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
    let (output, source) = run.setting("limits.output");
    assert_eq!(output, "20MiB");
    assert_says(&source, "computed", &["limits.frame_size", "16MiB"]);
    let notes: Vec<&str> = run
        .stdout
        .lines()
        .filter_map(|line| line.strip_prefix("note: "))
        .filter(|note| note.starts_with(text(&storm)))
        .collect();
    let expected: [&[&str]; 5] = [
        &["pacemaker.servers", "clients", "server.bind"],
        &["pacemaker.host", "clients", "server.bind"],
        &["pacemaker.base.threads", "no effect"],
        &["pacemaker.thread.timeout", "no effect"],
        &["pacemaker.childopts", "-D", "JVM"],
    ];
    assert_eq!(notes.len(), expected.len(), "{notes:#?}");
    for (note, facts) in notes.iter().zip(expected) {
        let line = STORM_YAML
            .lines()
            .position(|line| line.starts_with(facts[0]));
        let place = format!("{}:{}", text(&storm), line.expect("the key") + 1);
        assert_says(note, &place, facts);
    }
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
    let file = format!("{}/storm.yaml", text(&nowhere));
    assert_a_line_says(
        &missing.stdout,
        &["warning", &file, "does not exist", "$STORM_CONF_DIR"],
    );
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
    check(&["-c", "server.port"]).fails_with(&[(
        "-c",
        &["\"server.port\"", "KEY=VALUE", "-c server.port=6699"],
    )]);
}
