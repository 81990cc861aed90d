//! What a server needs to start and to go on: keytab, principal, replay cache; and what it does not keep.

use super::*;

#[test]
#[ignore = "needs a KDC: tools/setup test"]
fn a_start_without_what_it_needs_says_what() {
    let world = World::new();
    let kdc = &world.kdc;
    let refusal = |keytab: &str, principal: &str, env: &[(&str, &str)]| {
        let said = Side::server_with(kdc, &kdc.path(keytab), principal, env);
        said.err()
            .unwrap_or_else(|| panic!("{keytab} {principal} starts"))
    };
    let has = |text: &str, parts: &[&str]| {
        for part in parts {
            assert!(text.contains(part), "{part:?} is not in {text:?}");
        }
    };
    let said = refusal("no.keytab", SERVICE, &[]);
    has(
        &said,
        &[
            "/no.keytab",
            "keyTab of section PacemakerServer",
            "No such file",
        ],
    );
    fs::write(kdc.path("text"), "keytab").unwrap();
    fs::write(kdc.path("empty"), [5, 2]).unwrap();
    has(&refusal("text", SERVICE, &[]), &["/text is not a keytab"]);
    has(
        &refusal("", SERVICE, &[]),
        &["cannot read the keytab", "Is a directory"],
    );
    has(
        &refusal("empty", SERVICE, &[]),
        &["no key for \"pacemaker/localhost\"", "no keys"],
    );
    let said = refusal("pacemaker.keytab", "pacemaker/elsewhere@STORM.TEST", &[]);
    has(
        &said,
        &[
            "no key for \"pacemaker/elsewhere@STORM.TEST\"",
            "pacemaker/localhost@STORM.TEST",
        ],
    );
    has(&said, &["(version 1)"]);
    let said = refusal("pacemaker.keytab", "nimbus@STORM.TEST", &[]);
    has(
        &said,
        &["no key for \"nimbus@STORM.TEST\" or for that service on any host"],
    );
    refusal("pacemaker.keytab", "pacemaker@OTHER.TEST", &[]);
    refusal("pacemaker.keytab", "", &[]);
    for (name, value) in [
        ("KRB5RCACHEDIR", "/no/such/place"),
        ("KRB5RCACHEDIR", "/proc"),
        ("KRB5RCACHENAME", "file2:/no/such/place/cache"),
        ("KRB5RCACHENAME", "unknown:x"),
        ("KRB5RCACHETYPE", "memory"),
    ] {
        let said = refusal("pacemaker.keytab", SERVICE, &[(name, value)]);
        has(&said, &[name, "every Kerberos login would fail"]);
    }
    let text = fs::read_to_string(kdc.settings()).unwrap();
    let place = "[libdefaults]\n default_rcache_name = file2:/no/such/place\n";
    fs::write(
        kdc.path("other.conf"),
        text.replace("[libdefaults]\n", place),
    )
    .unwrap();
    let settings = kdc.path("other.conf");
    let said = refusal(
        "pacemaker.keytab",
        SERVICE,
        &[("KRB5_CONFIG", settings.to_str().unwrap())],
    );
    has(
        &said,
        &["default_rcache_name in krb5.conf", "/no/such/place"],
    );
    fs::write(kdc.path("bad.conf"), "[libdefaults\nx").unwrap();
    let settings = kdc.path("bad.conf");
    refusal(
        "pacemaker.keytab",
        SERVICE,
        &[("KRB5_CONFIG", settings.to_str().unwrap())],
    );
}

/// Why a start looks at the replay cache: without it nobody gets in.
#[test]
#[ignore = "needs a KDC: tools/setup test"]
fn what_a_replay_cache_that_is_gone_does() {
    let mut world = World::new();
    let replay = world.kdc.path("short-lived");
    fs::create_dir(&replay).unwrap();
    let env = [("KRB5RCACHEDIR", replay.to_str().unwrap())];
    let mut server = Side::server_with(&world.kdc, &world.keytab, SERVICE, &env).unwrap();
    assert_eq!(plain(&mut world.nimbus, &mut server), NIMBUS);
    fs::remove_dir_all(&replay).unwrap();
    let end = login(&mut world.nimbus, &mut server, "plain", SERVICE);
    let Answer::Failed(label, text) = end else {
        panic!("{end:?}")
    };
    assert_eq!(label, NOT_JUDGED);
    assert!(
        text.contains("No such file") && text.contains("short-lived"),
        "{text}"
    );
    fs::create_dir(&replay).unwrap();
    assert_eq!(plain(&mut world.nimbus, &mut server), NIMBUS);
    let none = [("KRB5RCACHENAME", "none:")];
    let mut server = Side::server_with(&world.kdc, &world.keytab, SERVICE, &none).unwrap();
    assert_eq!(plain(&mut world.nimbus, &mut server), NIMBUS);
}

#[test]
#[ignore = "needs a KDC: tools/setup test"]
fn a_principal_may_leave_out_its_realm_and_krb5_conf_may_be_missing() {
    let mut world = World::new();
    for principal in ["pacemaker", SERVICE] {
        // Nothing tells the library of a realm: all that counts is in the keytab.
        let env = [("KRB5_CONFIG", "/no/such/krb5.conf")];
        let server = Side::server_with(&world.kdc, &world.keytab, principal, &env);
        let mut server = server.unwrap();
        assert_eq!(plain(&mut world.nimbus, &mut server), NIMBUS, "{principal}");
    }
}

/// Each shard has a table of file descriptors of its own: the library must not count on one.
#[test]
#[ignore = "needs a KDC: tools/setup test"]
fn no_file_stays_open_and_no_memory_is_kept() {
    let mut world = World::new();
    let mut server = world.server();
    let before = server.open_files();
    for how in ["plain", "mutual"] {
        login(&mut world.nimbus, &mut server, how, SERVICE);
        server.begin("");
        server.step(Some(b"garbage"));
        assert_eq!(server.open_files(), before);
    }
    // Tickets that a client hands over live in memory until they are dropped.
    let hand_over = |nimbus: &mut Side, server: &mut Side| {
        let ticket = ticket(nimbus, DELEGATE, SERVICE);
        assert!(ticket.len() > 1200, "it hands nothing over");
        server.begin("");
        server.step(Some(&ticket)).token();
        let choice = nimbus.wrap(false, &[1, 0, 0, 0]);
        assert_eq!(server.step(Some(&choice)).outcome(), NIMBUS);
    };
    hand_over(&mut world.nimbus, &mut server);
    let rounds = |nimbus: &mut Side, server: &mut Side| {
        for _ in 0..100 {
            hand_over(nimbus, server);
        }
        server.memory_kib()
    };
    let early = rounds(&mut world.nimbus, &mut server);
    let late = rounds(&mut world.nimbus, &mut server);
    assert!(
        late - early < 200,
        "{early} KiB, then {late} KiB: 100 logins keep memory"
    );
    assert_eq!(server.open_files(), before);
}
