//! One storm.yaml serves every daemon of a cluster: what Storm's reader takes does not stop this one, nor does
//! what is wrong with other daemons' keys. A key of ours is never lost in silence.

use std::path::PathBuf;

use support::check_config::*;

fn case(name: &str) -> PathBuf {
    support::repository().join("tests/cases").join(name)
}

#[test]
fn files_that_storm_reads_are_read() {
    for name in [
        "list-closed-at-column-0.yaml",
        "list-with-last-comma.yaml",
        "map-closed-at-column-0.yaml",
        "quoted-text-continues-at-column-0.yaml",
    ] {
        let run = check(&["--storm-conf", text(&case(name))]);
        run.succeeds();
        assert_eq!(run.setting("server.port").0, "7001", "{name}");
        assert!(!run.stdout.contains("warning: "), "{name}: {}", run.stdout);
    }
}

#[test]
fn other_encodings_matter_in_our_values_only() {
    let run = check(&["--storm-conf", text(&case("comment-in-latin-1.yaml"))]);
    run.succeeds();
    assert_eq!(run.setting("server.port").0, "7001");
    let note = run.stdout.lines().find(|line| line.contains("UTF-8"));
    assert!(
        note.is_some_and(|note| note.contains("latin-1.yaml:1: ")),
        "{}",
        run.stdout
    );

    let files = Files::new();
    let path = files.path("storm.yaml");
    let bytes = b"worker.childopts: \"\xe9\"\npacemaker.port: 1\nnimbus.daemon.user: g\xe9rant\n";
    std::fs::write(&path, bytes).unwrap();
    let run = check(&["--storm-conf", text(&path)]);
    run.fails();
    assert!(
        run.stderr.contains("storm.yaml:3: nimbus.daemon.user: "),
        "{}",
        run.stderr
    );
}

#[test]
fn faults_of_other_daemons_keys_are_told_and_passed_over() {
    let files = Files::new();
    for fault in [
        "nimbus.seeds: [n1,\n",
        "worker.childopts: \"-Xmx1g\n",
        "storm.local.dir: @home@\n",
        "ui.users:\n  - a\n b: c\n",
    ] {
        let text_of_file = format!("pacemaker.auth.method: NONE\n{fault}\npacemaker.port: 7001\n");
        let path = files.write("storm.yaml", &text_of_file);
        let run = check(&["--storm-conf", text(&path)]);
        run.succeeds();
        assert_eq!(run.setting("server.port").0, "7001", "{fault}");
        assert_eq!(
            run.setting("server.port").1,
            format!(
                "{}:{} (pacemaker.port)",
                text(&path),
                text_of_file.lines().count()
            )
        );
        assert!(run.stdout.contains("warning: "), "{}", run.stdout);
    }
}

#[test]
fn a_fault_that_may_hide_a_key_of_ours_is_an_error_with_its_place() {
    let files = Files::new();
    for (fault, line) in [
        ("x: y\n  pacemaker.auth.method: \"DIGEST\"\n", 3),
        ("x: [1,\npacemaker.auth.method: \"DIGEST]\n", 3),
        ("pacemaker.auth.method: \"DIGEST\n", 2),
        ("pacemaker.auth.method: !ours DIGEST\n", 2),
        ("pacemaker.auth.method: *digest\n", 2),
        ("<<: *security\n", 2),
        ("---\npacemaker.auth.method: DIGEST\n", 2),
    ] {
        let path = files.write("storm.yaml", &format!("a: b\n{fault}c: d\n"));
        let run = check(&["--storm-conf", text(&path)]);
        run.fails();
        let place = format!("storm.yaml:{line}:");
        assert!(run.stderr.contains(&place), "{fault}: {}", run.stderr);
    }
}

/// It would set nothing, not even a login.
#[test]
fn what_is_no_storm_yaml_is_refused() {
    let files = Files::new();
    for (name, content) in [
        ("mine.toml", "# Ours\n[auth]\nmethod = \"DIGEST\"\n"),
        (
            "mine.toml",
            "limits.in_flight = 5\n\n[auth]\n# Logins\nmethod = \"DIGEST\"\n",
        ),
        (
            "storm.yaml",
            "<configuration>\n  <a b=\"[\"/>\n</configuration>\n",
        ),
        ("storm.yaml", "- pacemaker.port: 1\n- [\n"),
    ] {
        let path = files.write(name, content);
        let run = check(&["--storm-conf", text(&path)]);
        run.fails();
        assert!(run.stderr.contains(name), "{}", run.stderr);
        let hint = run.stderr.contains("--config");
        assert_eq!(hint, name.ends_with(".toml"), "{}", run.stderr);
    }
}

#[test]
fn keys_that_do_nothing_here_are_told() {
    let run = check(&["--storm-conf", text(&case("metrics-reporter.yaml"))]);
    run.succeeds();
    assert_eq!(run.setting("server.port").0, "7001");
    let note = run
        .stdout
        .lines()
        .find(|line| line.contains("reporter.plugins"));
    let note = note.expect("a note about the metrics");
    assert!(
        note.contains("/metrics") && note.contains("admin.address"),
        "{note}"
    );

    let files = Files::new();
    let path = files.write("storm.yaml", "pacemaker.auth.methd: DIGEST\n");
    let run = check(&["--storm-conf", text(&path)]);
    run.succeeds();
    let warning = run
        .stdout
        .lines()
        .find(|line| line.starts_with("warning: "));
    assert!(
        warning.is_some_and(|line| line.contains("pacemaker.auth.method?")),
        "{}",
        run.stdout
    );
}
