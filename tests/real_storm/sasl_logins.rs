//! The JDK's own SASL clients, which are neither Storm's nor ours, log in with the right secret in every way that
//! the mechanisms allow, and are refused with a wrong one. LOGINS_AGAINST=storm tries the same
//! against Storm's daemon.

use std::thread;
use std::time::Duration;

use support::Client;
use support::jaas_files;
use support::kdc::{FOREIGN_REALM, Kdc, REALM};
use support::kerberos_site::KerberosSite;
use support::login_server::LoginServer;
use support::storm::StormProgram;

const KEY: &str = "/workerbeats/topology-1-1/worker-6700";
const IN: &str = "LOGGED_IN READ pulse";

/// What the steps of one login have in common, after a writer without a login has written.
fn steps(mechanism: &str, server: &LoginServer) -> String {
    Client::connect(server.address()).put(KEY, b"pulse");
    let to = server.by_name();
    format!("mechanism={mechanism} server={to} read={KEY}")
}

#[test]
#[ignore = "needs a JDK, Storm's jars and a KDC: make java"]
fn digest_asks_for_the_password_alone() {
    let home = tempfile::tempdir().expect("a directory");
    let file = jaas_files::write(
        home.path().join("server"),
        &[jaas_files::digest("pmuser", "pmpass")],
    );
    let settings = [
        ("pacemaker.auth.method", "DIGEST"),
        (
            "java.security.auth.login.config",
            file.to_str().expect("UTF-8"),
        ),
    ];
    let server = LoginServer::start(&settings, None);
    let mut jdk = StormProgram::sasl(None);
    let to = steps("DIGEST-MD5", &server);
    let mut attempt = |name: &str, how: &str| jdk.attempt(name, &format!("{to} {how}"));
    assert_eq!(attempt("nimbus", "user=pmuser password=pmpass"), IN);
    let anyone = "user=pmuser password=pmpass username=anyone";
    assert_eq!(attempt("anyone", anyone), IN);
    for (name, how) in [
        ("wrong-password", "user=pmuser password=wrong"),
        ("other-case", "user=pmuser password=PMPASS"),
        // It is part of the secret.
        ("wrong-user", "user=other password=pmpass"),
        ("no-name", "user=pmuser password=pmpass username="),
        ("other-realm", "user=pmuser password=pmpass realm=other"),
        ("no-realm", "user=pmuser password=pmpass realm="),
        (
            "other-identity",
            "user=pmuser password=pmpass authzid=other",
        ),
    ] {
        LoginServer::assert_refused(&attempt(name, how));
    }
    server.logs_failure(&["login_wrong_password"]);
    jdk.say("DONE");
    jdk.passes();
    server.stop();
}

#[test]
#[ignore = "needs a JDK, Storm's jars and a KDC: make java"]
fn kerberos_lets_its_users_in_with_and_without_mutual_authentication() {
    let site = KerberosSite::start();
    let server = site.server();
    let (nimbus, mallory) = (site.add_user("nimbus"), site.add_user("mallory"));
    // Of the same user on another host.
    let second = site.add_user("nimbus/second.example");
    site.add_user("other/localhost");
    site.kdc.write_keytab("server.keytab", &["other/localhost"]);
    let mut jdk = StormProgram::sasl(Some(&site.kdc.settings()));
    let to = steps("GSSAPI", &server);
    let mut attempt = |name: &str, how: &str| jdk.attempt(name, &format!("{to} jaas={how}"));
    for (name, how) in [
        ("one-way", nimbus.clone()),
        ("mutual", format!("{nimbus} mutual=true")),
        ("second", second),
        // Without an authorization identity it is the ticket's user.
        ("unsaid", format!("{nimbus} authzid=none")),
        ("first-time", format!("{nimbus} subject=kept")),
        ("same-ticket", format!("{nimbus} subject=kept")),
    ] {
        assert_eq!(attempt(name, &how), IN, "{name}");
    }
    let as_other = format!("{nimbus} authzid=mallory@{REALM}");
    let as_nimbus = format!("{mallory} authzid=nimbus@{REALM}");
    let for_other = format!("{nimbus} service=other");
    for (name, how, reasons) in [
        ("mallory", &mallory, &["login_not_a_user"][..]),
        ("as-other", &as_other, &["login_other_identity"]),
        ("as-nimbus", &as_nimbus, &["login_other_identity"]),
        // Its key is in the keytab, and is not the daemon's.
        (
            "for-other",
            &for_other,
            &["login_bad_ticket", "login_other_service"],
        ),
    ] {
        LoginServer::assert_refused(&attempt(name, how));
        server.logs_failure(reasons);
    }
    // The KDC gives no ticket to a user that it does not know.
    site.kdc.remove("mallory");
    let unknown = attempt("unknown", &mallory);
    assert!(unknown.starts_with("NO_TICKET "), "{unknown}");
    jdk.say("DONE");
    jdk.passes();
    server.stop();
}

/// Fails with LOGINS_AGAINST=storm: Storm's daemon then takes a ticket for any key of the keytab.
#[test]
#[ignore = "needs a JDK, Storm's jars and a KDC: make java"]
fn a_principal_without_a_host_is_no_other_service() {
    let site = KerberosSite::start();
    let nimbus = site.add_user("nimbus");
    site.add_user("other/localhost");
    site.kdc.write_keytab("server.keytab", &["other/localhost"]);
    let server = site.server_of(&format!("pacemaker@{REALM}"), &[]);
    let mut jdk = StormProgram::sasl(Some(&site.kdc.settings()));
    let to = format!("{} jaas={nimbus}", steps("GSSAPI", &server));
    assert_eq!(jdk.attempt("right", &to), IN);
    let other = jdk.attempt("other", &format!("{to} service=other"));
    LoginServer::assert_refused(&other);
    server.logs_failure(&["login_other_service"]);
    jdk.say("DONE");
    jdk.passes();
    server.stop();
}

#[test]
#[ignore = "needs a JDK, Storm's jars and a KDC: make java"]
fn foreign_realms_get_in_where_they_are_named() {
    let site = KerberosSite::of(Kdc::start_with_foreign_realm());
    let foreign = site.add_user(&format!("nimbus@{FOREIGN_REALM}"));
    let mut jdk = StormProgram::sasl(Some(&site.kdc.settings()));
    if !LoginServer::is_storms() {
        let server = site.server();
        let to = format!("{} jaas={foreign}", steps("GSSAPI", &server));
        LoginServer::assert_refused(&jdk.attempt("stranger", &to));
        server.logs_failure(&["login_foreign_realm"]);
        server.stop();
    }
    let named = format!("kerberos.realms={FOREIGN_REALM}");
    for realms in [&named, "kerberos.realms=*"] {
        let service = format!("{}@{REALM}", support::kdc::SERVICE);
        let server = site.server_of(&service, &["-c", realms]);
        let to = format!("{} jaas={foreign}", steps("GSSAPI", &server));
        assert_eq!(jdk.attempt("friend", &to), IN, "{realms}");
        server.stop();
        if LoginServer::is_storms() {
            break;
        }
    }
    jdk.say("DONE");
    jdk.passes();
}

#[test]
#[ignore = "needs a JDK, Storm's jars and a KDC: make java"]
fn a_changed_key_asks_for_new_tickets_and_no_restart() {
    let site = KerberosSite::start();
    let server = site.server();
    let nimbus = site.add_user("nimbus");
    let mut jdk = StormProgram::sasl(Some(&site.kdc.settings()));
    let to = format!("{} jaas={nimbus}", steps("GSSAPI", &server));
    let holder = format!("{to} subject=holder");
    assert_eq!(jdk.attempt("before", &holder), IN);
    site.change_key();
    // Until the keytab has the new key, new tickets are of no use.
    LoginServer::assert_refused(&jdk.attempt("too-early", &to));
    server.logs_failure(&["login_bad_ticket"]);
    // Storm's daemon asks the KDC for a ticket of its own, and has not got its new key.
    if !LoginServer::is_storms() {
        assert_eq!(jdk.attempt("still-good", &holder), IN);
    }
    site.replace_keytab();
    assert_eq!(jdk.attempt("after", &to), IN);
    LoginServer::assert_refused(&jdk.attempt("stale", &holder));
    jdk.say("DONE");
    jdk.passes();
    server.stop();
}

#[test]
#[ignore = "needs a JDK, Storm's jars and a KDC: make java"]
fn an_expired_ticket_is_refused() {
    const LIFE_SECONDS: u32 = 3;
    const CLOCK_SKEW_SECONDS: u32 = 2;
    let mut site = KerberosSite::start();
    site.kdc.set_clock_skew(CLOCK_SKEW_SECONDS);
    let server = site.server();
    let nimbus = site.add_user("nimbus");
    site.kdc.limit_life("nimbus", LIFE_SECONDS);
    let mut jdk = StormProgram::sasl(Some(&site.kdc.settings()));
    let to = format!("{} jaas={nimbus}", steps("GSSAPI", &server));
    assert_eq!(jdk.attempt("at-once", &to), IN);
    jdk.say(&format!("TRY late {to} hold=true"));
    assert_eq!(jdk.expect("late"), "HOLDING");
    // Past the ticket's end, what clocks may differ by, and the part of a second that is cut off.
    let past = LIFE_SECONDS + CLOCK_SKEW_SECONDS + 1;
    thread::sleep(Duration::from_secs(past.into()));
    jdk.say("GO");
    LoginServer::assert_refused(&jdk.expect("late"));
    server.logs_failure(&["login_bad_ticket"]);
    jdk.say("DONE");
    jdk.passes();
    // That, and not the age of what came with it.
    let log = server.stop();
    assert!(LoginServer::is_storms() || log.contains("expired"), "{log}");
}
