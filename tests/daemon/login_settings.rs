//! Settings of logins as operators write them: where the JAAS file's path may come from, what is said
//! when something is missing, and that no output of the real binary shows a password.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use support::check_config::*;
use support::says::assert_says;

const DIGEST: &str =
    "PacemakerDigest {\n  username=\"some user\"\n  password=\"Zq-hunter2\";\n};\n";

const SERVER: &str = "PacemakerServer {
  com.sun.security.auth.module.Krb5LoginModule required
  useKeyTab=true
  keyTab=\"/nowhere/pacemaker.keytab\"
  principal=\"pacemaker/host@EXAMPLE.COM\";
};
";

/// A file that its owner alone may read.
fn private(files: &Files, name: &str, content: &str) -> std::path::PathBuf {
    let path = files.write(name, content);
    set_mode(&path, 0o600);
    path
}

/// A keytab with one key of the principal in `SERVER`: MIT's file format, version 2.
#[cfg(feature = "kerberos")]
fn keytab_of_pacemaker() -> Vec<u8> {
    let text = |text: &str| [&(text.len() as u16).to_be_bytes()[..], text.as_bytes()].concat();
    let entry = [
        &2_u16.to_be_bytes()[..], // parts of the name
        &text("EXAMPLE.COM"),
        &text("pacemaker"),
        &text("host"),
        &1_u32.to_be_bytes(),  // a principal
        &[0; 4],               // the time
        &[1],                  // the key's version
        &18_u16.to_be_bytes(), // aes256-cts-hmac-sha1-96
        &32_u16.to_be_bytes(),
        &[7; 32],
    ]
    .concat();
    [&[5, 2][..], &(entry.len() as u32).to_be_bytes(), &entry].concat()
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

fn warnings(run: &Run) -> Vec<&str> {
    let lines = run.stdout.lines();
    lines.filter(|line| line.starts_with("warning: ")).collect()
}

#[test]
fn digest_takes_its_credentials_from_the_jaas_file() {
    let files = Files::new();
    let jaas = private(&files, "jaas.conf", DIGEST);
    let run = check(&["-c", "auth.method=DIGEST", "--login-config", text(&jaas)]);
    run.succeeds();
    assert_eq!(run.setting("auth.method").0, "DIGEST");
    assert_eq!(
        run.setting("auth.login_config"),
        (format!("{:?}", text(&jaas)), "--login-config".to_owned())
    );
    let warned = warnings(&run);
    assert_eq!(warned.len(), 1, "{}", run.stdout);
    assert_says(warned[0], "warning", &["DIGEST", "Storm 2.x"]);

    set_mode(&jaas, 0o644);
    let run = check(&["-c", "auth.method=DIGEST", "--login-config", text(&jaas)]);
    run.succeeds();
    let facts = [text(&jaas), "password", "everyone", "chmod o-r"];
    assert_says(warnings(&run)[1], "warning", &facts);
}

#[cfg(feature = "kerberos")]
#[test]
fn kerberos_takes_its_key_from_the_jaas_file() {
    let files = Files::new();
    let keytab = private(&files, "key tab", "");
    std::fs::write(&keytab, keytab_of_pacemaker()).unwrap();
    let jaas = files.write(
        "jaas.conf",
        &SERVER.replace("/nowhere/pacemaker.keytab", "FILE:${dir}${/}key tab"),
    );
    let directory = format!("-Ddir={}", text(keytab.parent().unwrap()));
    let arguments = [
        "-c",
        "auth.method=KERBEROS",
        "-c",
        "nimbus.daemon.user=nimbus",
        "--login-config",
        text(&jaas),
        &directory,
    ];
    let run = check(&arguments);
    run.succeeds();
    assert!(warnings(&run).is_empty(), "{}", run.stdout);
    let other = [&arguments[..], &["-Ddir=/nowhere"]].concat();
    let run = check(&other);
    assert_eq!(run.code, Some(2));
    assert_says(&run.stderr, "storm-pacemaker", &["/nowhere/key tab"]);
    let run = check(&arguments);
    let mut notes = run.stdout.lines().filter(|line| line.starts_with("note: "));
    let note = notes.next().expect("a note about what is ignored");
    let used = ["keyTab", "principal", "useKeyTab"];
    assert_says(
        note,
        &format!("note: {}", text(&jaas)),
        &["PacemakerServer"],
    );
    assert_says(note, "note", &used);

    set_mode(&keytab, 0o604);
    let wider = ["-c", "kerberos.realms=OTHER.COM,*"];
    let run = check(&[&arguments[..], &wider].concat());
    run.succeeds();
    support::says::assert_lines_say(
        &warnings(&run).join("\n"),
        &[
            ("warning", &["kerberos.realms", "\"*\"", "any realm"]),
            ("warning", &[text(&keytab), "key", "everyone", "chmod o-r"]),
        ],
    );
}

#[cfg(not(feature = "kerberos"))]
#[test]
fn a_build_without_kerberos_says_so() {
    let files = Files::new();
    let storm = files.write("storm.yaml", "\npacemaker.auth.method: KERBEROS\n");
    // The daemon, a check of its configuration, and a command as a client.
    for command_line in [
        &["serve", "--storm-conf", text(&storm)][..],
        &["check-config", "--storm-conf", text(&storm)],
        &["ls", "/", "--storm-conf", text(&storm)],
    ] {
        let run = Run::of(command(command_line));
        run.fails();
        let error = run.stderr.lines().last().expect("an error");
        let place = format!("{}:2: pacemaker.auth.method", text(&storm));
        assert_says(error, &place, &["Kerberos", "--features kerberos"]);
    }
}

const NO_JAAS_FILE: [&str; 3] = [
    "JAAS",
    "auth.login_config",
    "java.security.auth.login.config",
];

#[test]
fn digest_says_what_it_lacks() {
    let files = Files::new();
    let server = files.write("server.conf", SERVER);
    let with = |file: &str, more: &[&str]| {
        check(&[&["-c", "auth.method=DIGEST", "--login-config", file], more].concat())
    };
    check(&["-c", "pacemaker.auth.method=DIGEST"])
        .fails_with(&[("-c: pacemaker.auth.method", &NO_JAAS_FILE)]);
    with(text(&server), &[]).fails_with(&[(
        text(&server),
        &["PacemakerDigest", "missing", "PacemakerServer"],
    )]);
    with("no.conf", &["--port", "x"]).fails_with(&[
        ("--port: server.port", &["\"x\"", "0 to 65535"]),
        (
            "no.conf",
            &["--login-config", "auth.login_config", "No such file"],
        ),
    ]);
}

#[cfg(feature = "kerberos")]
#[test]
fn kerberos_says_what_it_lacks() {
    let files = Files::new();
    let digest = private(&files, "digest.conf", DIGEST);
    let storm = files.write(
        "storm.yaml",
        "nimbus.daemon.user: \"nimbus@EXAMPLE.COM\"\npacemaker.auth.method: KERBEROS\n",
    );
    let storm = text(&storm);
    check(&["-c", "auth.method=KERBEROS"]).fails_with(&[
        (
            "-c: auth.method",
            &["auth.nimbus_user", "nimbus.daemon.user", "kerberos.users"],
        ),
        ("-c: auth.method", &NO_JAAS_FILE),
    ]);
    let only_the_first_part = ["first part", "before any / or @"];
    check(&["--storm-conf", storm, "-c", "kerberos.users=ops/x"]).fails_with(&[
        (
            &format!("{storm}:1: nimbus.daemon.user"),
            &[&["\"nimbus@EXAMPLE.COM\""], &only_the_first_part[..]].concat(),
        ),
        (
            "-c: kerberos.users",
            &[&["\"ops/x\""], &only_the_first_part[..]].concat(),
        ),
        (&format!("{storm}:2: pacemaker.auth.method"), &NO_JAAS_FILE),
    ]);
    check(&[
        "-c",
        "auth.method=KERBEROS",
        "-c",
        "kerberos.users=a",
        "--login-config",
        text(&digest),
    ])
    .fails_with(&[(
        text(&digest),
        &["PacemakerServer", "missing", "PacemakerDigest"],
    )]);
}

#[test]
fn rules_that_need_a_login_need_a_method() {
    let facts = |action| {
        [
            "\"authenticated\"",
            "auth.method",
            "NONE",
            action,
            "\"open\"",
        ]
    };
    check(&[
        "-c",
        "access.writes=authenticated",
        "-c",
        "access.deletes=authenticated",
    ])
    .fails_with(&[
        ("-c: access.writes", &facts("write")),
        ("-c: access.deletes", &facts("delete")),
    ]);
    let files = Files::new();
    let jaas = private(&files, "jaas.conf", DIGEST);
    let run = check(&[
        "-c",
        "auth.method=DIGEST",
        "-c",
        "access.writes=authenticated",
        "--login-config",
        text(&jaas),
    ]);
    run.succeeds();
    let warned = warnings(&run);
    assert_says(
        warned[1],
        "warning",
        &["access.writes", "\"authenticated\"", "Storm 2.3"],
    );
}

#[test]
fn without_a_method_the_jaas_file_is_not_read() {
    check(&["--login-config", "no.conf"]).succeeds();
}

#[test]
fn java_options_say_where_the_files_are() {
    let files = Files::new();
    let storm = files.write(
        "storm.yaml",
        "java.security.auth.login.config: yaml.conf\npacemaker.childopts: >-\n  -Xmx1g \
         -Djava.security.auth.login.config=\"child opts.conf\"\n  -Djava.security.krb5.conf=krb5.conf\n",
    );
    let storm = text(&storm);
    let run = |java_opts: &str, arguments: &[&str]| {
        let mut command = command(&[&["check-config", "--storm-conf", storm], arguments].concat());
        command.env("JAVA_OPTS", java_opts);
        let run = Run::of(command);
        run.succeeds();
        run.setting("auth.login_config")
    };
    let from = |value: &str, source: &str| (format!("{value:?}"), source.to_owned());
    // As in Storm: a property wins over the key of storm.yaml.
    let childopts = format!("{storm}:2 (pacemaker.childopts)");
    assert_eq!(run("-Xmx1g", &[]), from("child opts.conf", &childopts));
    let java_opts = "-Djava.security.auth.login.config=env.conf";
    let name = "java.security.auth.login.config";
    let environment = format!("$JAVA_OPTS ({name})");
    assert_eq!(run(java_opts, &[]), from("env.conf", &environment));
    let define = format!("-D{name}=d.conf");
    let options = format!("-Dstorm.options={name}%3Do.conf,nimbus.seeds%3Dx,pacemaker.port%3D7");
    let options = options.as_str();
    let given = format!("-Dstorm.options ({name})");
    assert_eq!(run(java_opts, &[options]), from("o.conf", &given));
    let by_key = ["-c", "auth.login_config=c.conf", options];
    assert_eq!(run(java_opts, &by_key), from("c.conf", "-c"));
    let defined = [&define, "-c", "auth.login_config=c.conf"];
    assert_eq!(
        run(java_opts, &defined),
        from("d.conf", &format!("-D ({name})"))
    );
    let flag = [&define, "--login-config", "flag.conf"];
    assert_eq!(run(java_opts, &flag), from("flag.conf", "--login-config"));

    let run = check(&["--storm-conf", storm, options]);
    assert_eq!(
        run.setting("kerberos.krb5_conf"),
        from("krb5.conf", &childopts)
    );
    assert_eq!(run.setting("server.port").0, "7");
    let list = "pacemaker.childopts: [-Xmx1g, -Djava.security.krb5.conf=list.conf]\n";
    let list = files.write("list.yaml", list);
    let childopts = format!("{}:1 (pacemaker.childopts)", text(&list));
    let arguments = ["--storm-conf", text(&list)];
    assert_eq!(
        check(&arguments).setting("kerberos.krb5_conf"),
        from("list.conf", &childopts)
    );
    let over = ["-c", "pacemaker.childopts=-Djava.security.krb5.conf=c.conf"];
    assert_eq!(
        check(&[&arguments[..], &over].concat()).setting("kerberos.krb5_conf"),
        from("c.conf", "-c (pacemaker.childopts)")
    );
}

#[test]
fn the_jaas_file_may_ask_for_java_properties() {
    let files = Files::new();
    let content = DIGEST.replace("some user", "${user.name} of ${cluster} in ${user.home}");
    let jaas = private(&files, "jaas.conf", &content);
    let arguments = [
        "check-config",
        "-c",
        "auth.method=DIGEST",
        "--login-config",
        text(&jaas),
    ];
    let run = |arguments: &[&str]| {
        let mut command = command(arguments);
        command.env("HOME", "/home/storm").env("USER", "storm");
        Run::of(command)
    };
    run(&[&arguments[..], &["-Dcluster=blue"]].concat()).succeeds();
    run(&arguments).fails_with(&[(
        &format!("{}:2:12", text(&jaas)),
        &["username", "\"cluster\"", "Java property"],
    )]);
}

/// Also where the daemon itself starts, and where the file is broken at any place.
#[test]
fn no_output_shows_a_password() {
    let files = Files::new();
    let mut broken: Vec<String> = vec![
        DIGEST.to_owned(),
        DIGEST.replace("username", "user"),
        DIGEST.replace("PacemakerDigest", "Other"),
        DIGEST.replace("hunter2", "${hunter2}"),
        format!("{DIGEST}{DIGEST}"),
    ];
    for part in ["\"some", "user\"", "\"Zq", "2\"", ";\n", "};", "{", "=\"Zq"] {
        assert!(DIGEST.contains(part), "{part}");
        for other in ["", "'", "#", "/"] {
            broken.push(DIGEST.replace(part, &part.replace(['"', ';', '}', '{', '='], other)));
        }
    }
    for (index, content) in broken.iter().enumerate() {
        let jaas = files.write(&format!("{index}.conf"), content);
        let arguments = ["-c", "auth.method=DIGEST", "--login-config", text(&jaas)];
        let mut runs = vec![check(&arguments)];
        if runs[0].code != Some(0) {
            runs.push(Run::of(command(
                &[&["serve", "--port", "0"], &arguments[..]].concat(),
            )));
        }
        for run in runs {
            let said = format!("{}{}", run.stdout, run.stderr);
            assert!(
                !said.contains("Zq") && !said.contains("hunter2"),
                "{content}\n{said}"
            );
            assert!(said.contains(text(&jaas)), "{said}");
        }
    }
}
