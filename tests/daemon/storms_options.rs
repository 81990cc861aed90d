//! Options as Storm's scripts pass them: keys of other daemons, another storm.yaml, properties of Java. Nothing
//! that could ask for logins is ignored in silence.

use support::check_config::*;

#[test]
fn keys_of_other_daemons_get_a_note_and_misspelt_ones_an_error() {
    let run = check(&[
        "-c",
        "storm.local.hostname=pm1",
        "-c",
        r#"storm.zookeeper.servers=["zk"]"#,
        "-Dstorm.options=nimbus.seeds%3D%5B%22n1%22%5D,pacemaker.port%3D7002",
    ]);
    run.succeeds();
    assert_eq!(run.setting("server.port").0, "7002");
    for key in [
        "storm.local.hostname",
        "storm.zookeeper.servers",
        "nimbus.seeds",
    ] {
        let is_told = |line: &str| line.starts_with("note: ") && line.contains(key);
        assert!(run.stdout.lines().any(is_told), "{key}: {}", run.stdout);
    }
    for misspelt in [
        ["-c", "pacemaker.auth.methd=DIGEST"],
        ["-c", "nimbus.daemon.usr=storm"],
        ["-c", "auth.mehtod=DIGEST"],
        ["-D", "storm.options=pacemaker.auth.methd%3DDIGEST"],
        ["-D", "pacemaker.auth.method=DIGEST"],
    ] {
        let run = check(&misspelt);
        run.fails();
        let meant = ["auth.method", "nimbus.daemon.user"];
        assert!(
            meant.iter().any(|meant| run.stderr.contains(meant)),
            "{misspelt:?}: {}",
            run.stderr
        );
    }
}

#[test]
fn another_storm_yaml_is_read_however_storm_names_it() {
    let file = support::repository().join("tests/cases/other-file.yaml");
    let property = format!("-Dstorm.conf.file={}", text(&file));
    let no_login = ["-c", "pacemaker.auth.method=NONE"];
    for options in [&["--config", text(&file)][..], &[property.as_str()]] {
        let run = check(&[options, &no_login].concat());
        run.succeeds();
        assert_eq!(run.setting("server.port").0, "7777", "{options:?}");
        // DIGEST does not become NONE: without a JAAS file it is an error.
        let run = check(options);
        run.fails();
        assert!(run.stderr.contains("DIGEST"), "{}", run.stderr);
        // Before the command, and with the command that Storm's script has.
        for command in ["check-config", "pacemaker"] {
            let run = started(&[options, &[command]].concat());
            run.fails();
            assert!(run.stderr.contains("DIGEST"), "{}", run.stderr);
        }
    }
    let mut command = command(&["check-config", "-c", "pacemaker.auth.method=NONE"]);
    command.env("JAVA_OPTS", &property);
    assert_eq!(Run::of(command).setting("server.port").0, "7777");
}

#[test]
fn an_option_without_a_name_or_a_value_is_told() {
    for option in ["server.port", "=5", " = 5"] {
        let run = check(&["-c", option]);
        run.fails();
        assert!(run.stderr.contains("KEY=VALUE"), "{option}: {}", run.stderr);
    }
}

fn started(arguments: &[&str]) -> Run {
    Run::of(command(arguments))
}

#[test]
fn another_storm_yaml_is_looked_for_where_storm_looks() {
    let files = Files::new();
    files.write("conf/storm.yaml", "pacemaker.port: 1\n");
    files.write("conf/other.yaml", "pacemaker.port: 2\n");
    files.write("other.yaml", "pacemaker.port: 3\n");
    files.write("third.yaml", "pacemaker.port: 4\n");
    let port = |arguments: &[&str]| {
        let mut command = command(&[&["check-config"], arguments].concat());
        command.env("STORM_CONF_DIR", files.path("conf"));
        command.current_dir(files.path(""));
        let run = Run::of(command);
        (run.code == Some(0)).then(|| run.setting("server.port").0)
    };
    assert_eq!(port(&[]).as_deref(), Some("1"));
    assert_eq!(port(&["-Dstorm.conf.file="]).as_deref(), Some("1"));
    assert_eq!(
        port(&["-Dstorm.conf.file=other.yaml"]).as_deref(),
        Some("2")
    );
    assert_eq!(port(&["--config", "other.yaml"]).as_deref(), Some("2"));
    assert_eq!(port(&["--storm-conf", "other.yaml"]).as_deref(), Some("3"));
    assert_eq!(
        port(&["-Dstorm.conf.file=third.yaml"]).as_deref(),
        Some("4")
    );
    assert_eq!(port(&["-Dstorm.conf.file=none.yaml"]), None);
    // Which of two counts is not for us to guess.
    assert_eq!(
        port(&["--config", "other.yaml", "--storm-conf", "third.yaml"]),
        None
    );
    let both = ["--config", "other.yaml", "-Dstorm.conf.file=other.yaml"];
    assert_eq!(port(&both).as_deref(), Some("2"));
}

#[test]
fn a_storm_yaml_that_names_another_one_is_refused() {
    let files = Files::new();
    let path = files.write(
        "storm.yaml",
        "pacemaker.childopts: \"-Xmx1g -Dstorm.conf.file=secure.yaml\"\n",
    );
    let run = check(&["--storm-conf", text(&path)]);
    run.fails();
    assert!(run.stderr.contains("storm.yaml:1"), "{}", run.stderr);
}

#[test]
fn both_kinds_of_file_may_be_named() {
    let files = Files::new();
    let toml = files.write("mine.toml", "[limits]\nin_flight = 5\n");
    let yaml = files.write("mine.yaml", "pacemaker.port: 9\n");
    let misnamed = files.write("storm.conf", "# Storm\npacemaker.port: 9\n");
    let run = Run::of(command(&[
        "--config",
        text(&toml),
        "check-config",
        "--config",
        text(&yaml),
    ]));
    run.succeeds();
    assert_eq!(run.setting("limits.in_flight").0, "5");
    assert_eq!(run.setting("server.port").0, "9");
    let run = check(&["--config", text(&toml), "--config", text(&toml)]);
    run.fails();
    let run = check(&["--config", text(&misnamed)]);
    run.fails();
    assert!(run.stderr.contains("--storm-conf"), "{}", run.stderr);
}

#[test]
fn options_before_and_behind_the_command_all_count() {
    let run = Run::of(command(&[
        "-c",
        "pacemaker.auth.method=DIGEST",
        "check-config",
        "-c",
        "server.port=7000",
    ]));
    run.fails();
    assert!(run.stderr.contains("DIGEST"), "{}", run.stderr);
}
