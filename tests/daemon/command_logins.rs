//! Commands log in as the configuration says, or as they are told: with a password, with a ticket of
//! kinit, with a keytab; and say what is wrong if that does not do.

use support::check_config::{Files, Run, command, text};
use support::jaas_files;
use support::java_daemon::JavaDaemon;
use support::login::DigestFiles;
use support::{Client, Daemon};

const KEY: &str = "/workerbeats/t-1-1/w-6700";

fn ls(arguments: &[&str]) -> Run {
    Run::of(command(&[&["ls"], arguments].concat()))
}

/// The options that name a server, and a JAAS file with a password for it.
fn with_password<'a>(server: &'a str, jaas: &'a str) -> [&'a str; 6] {
    ["-s", server, "--auth", "digest", "--login-config", jaas]
}

fn lists(run: &Run) {
    run.succeeds();
    assert_eq!(run.stdout, "t-1-1\n");
}

/// The command fails, and what it says has these facts.
fn fails(run: &Run, facts: &[&str]) {
    assert_eq!(run.code, Some(1), "{}", run.stderr);
    for fact in facts {
        assert!(run.stderr.contains(fact), "{fact}: {}", run.stderr);
    }
}

#[test]
fn a_password_of_the_jaas_file_opens_the_door() {
    let files = DigestFiles::new();
    let daemon = files.daemon(&["--shards", "2"]);
    Client::connect(daemon.address()).put(KEY, b"xyz");
    let server = daemon.address().to_string();
    let jaas = files.jaas();
    let own = Files::new();
    let storm = own.write(
        "storm.yaml",
        &format!(
            "pacemaker.auth.method: DIGEST\njava.security.auth.login.config: {}\npacemaker.port: {}\n",
            text(&jaas),
            daemon.address().port()
        ),
    );
    // By storm.yaml alone, which also says where; by options alone; by options over storm.yaml.
    lists(&ls(&["--storm-conf", text(&storm)]));
    lists(&ls(&with_password(&server, text(&jaas))));
    let none = ls(&["--storm-conf", text(&storm), "--auth", "none"]);
    fails(
        &none,
        &[
            &server,
            "list /workerbeats (NOT_AUTHORIZED)",
            "--auth",
            "access.*_from",
        ],
    );

    let other = own.write(
        "other.jaas",
        "PacemakerDigest { username=\"pmuser\" password=\"wrong\"; };\n",
    );
    fails(
        &ls(&with_password(&server, text(&other))),
        &[
            &server,
            "during the login",
            "password",
            "pacemaker.auth.method",
        ],
    );
    daemon.stop();
}

#[test]
#[ignore = "needs a JDK and Storm's jars: make java"]
fn so_it_does_at_storms_own_server() {
    let files = Files::new();
    let jaas = files.path("jaas");
    let jaas = jaas_files::write(jaas, &[jaas_files::digest("pmuser", "pmpass")]);
    let settings = [
        ("pacemaker.auth.method", "DIGEST"),
        ("java.security.auth.login.config", text(&jaas)),
    ];
    let daemon = JavaDaemon::start_with(&settings, "");
    Client::connect(daemon.address()).put(KEY, b"xyz");
    let server = daemon.address().to_string();
    lists(&ls(&with_password(&server, text(&jaas))));
    let run = ls(&["-s", &server]);
    assert!(run.stderr.contains("NOT_AUTHORIZED"), "{}", run.stderr);
}

#[test]
fn a_server_without_a_method_ends_a_login() {
    let files = DigestFiles::new();
    let daemon = Daemon::start(&[]);
    let server = daemon.address().to_string();
    let jaas = files.jaas();
    let run = ls(&with_password(&server, text(&jaas)));
    assert_eq!(run.code, Some(1));
    assert!(
        run.stderr.contains("another login method"),
        "{}",
        run.stderr
    );
    daemon.stop();
}

#[test]
fn what_is_missing_for_a_login_is_told() {
    let files = Files::new();
    let jaas = files.write("jaas", "Other { a.B required x=\"y\"; };\n");
    ls(&["--auth", "digest"]).fails_with(&[(
        "--auth: auth.method",
        &[
            "JAAS",
            "auth.login_config",
            "java.security.auth.login.config",
        ],
    )]);
    ls(&["--auth", "digest", "--login-config", text(&jaas)])
        .fails_with(&[(text(&jaas), &["PacemakerDigest", "missing", "\"Other\""])]);
}

#[cfg(feature = "kerberos")]
mod kerberos {
    use super::*;
    use support::check_config::text;
    use support::kdc::{Kdc, REALM};
    use support::kerberos_site::KerberosSite;

    /// A command in the realm, with this credential cache.
    fn ls_in(kdc: &Kdc, cache: &str, arguments: &[&str]) -> Run {
        let mut command = kdc.command(env!("CARGO_BIN_EXE_storm-pacemaker"));
        command.arg("ls").args(arguments);
        command.env("KRB5CCNAME", kdc.path(cache));
        Run::of(command)
    }

    #[test]
    #[ignore = "needs a KDC: tools/setup test"]
    fn a_ticket_or_a_keytab_opens_the_door() {
        let site = KerberosSite::start();
        let server = site.server();
        Client::connect(server.address()).put(KEY, b"xyz");
        let at = server.by_name();
        let login = ["-s", &at, "--auth", "kerberos"];

        // kinit's ticket, without any file.
        let keytab = site.kdc.add_with_keytab("nimbus", "nimbus.keytab");
        site.kdc.log_in("nimbus", &keytab, "kinit.cache", &[]);
        lists(&ls_in(&site.kdc, "kinit.cache", &login));

        // Storm's own section, of which the keytab is used, with nothing in the cache.
        let section = |options: &str| {
            format!(
                "PacemakerClient {{\n  com.sun.security.auth.module.Krb5LoginModule required\n  \
                 {options};\n}};\n"
            )
        };
        let files = Files::new();
        let of_keytab = section(&format!(
            "useKeyTab=true keyTab=\"{}\" principal=\"nimbus@{REALM}\" serviceName=\"pacemaker\"",
            text(&keytab)
        ));
        let jaas = files.write("keytab.jaas", &of_keytab);
        let with = |jaas| [&login[..], &["--login-config", jaas]].concat();
        lists(&ls_in(&site.kdc, "none.cache", &with(text(&jaas))));

        // A cache that the section names.
        let cache = site.kdc.path("kinit.cache");
        let of_cache = section(&format!(
            "useTicketCache=true ticketCache=\"{}\"",
            text(&cache)
        ));
        let jaas = files.write("cache.jaas", &of_cache);
        lists(&ls_in(&site.kdc, "none.cache", &with(text(&jaas))));

        // A server that is dialled by another name than its principal's.
        let by_address = server.address().to_string();
        let named = [
            "-s",
            &by_address,
            "--auth",
            "kerberos",
            "--service",
            "pacemaker/localhost",
        ];
        lists(&ls_in(&site.kdc, "kinit.cache", &named));
        server.stop();
    }

    #[test]
    #[ignore = "needs a KDC: tools/setup test"]
    fn who_has_no_ticket_or_no_right_is_told() {
        let site = KerberosSite::start();
        let server = site.server();
        let at = server.by_name();
        let login = ["-s", &at, "--auth", "kerberos"];
        let run = ls_in(&site.kdc, "none.cache", &login);
        assert_eq!(run.code, Some(1));
        let start = format!("storm-pacemaker: cannot log in to {at}: ");
        let end = ": get a ticket with kinit, or name a JAAS file with a keytab (--login-config)\n";
        assert!(run.stderr.starts_with(&start), "{}", run.stderr);
        assert!(run.stderr.ends_with(end), "{}", run.stderr);

        let keytab = site.kdc.add_with_keytab("mallory", "mallory.keytab");
        site.kdc.log_in("mallory", &keytab, "mallory.cache", &[]);
        let run = ls_in(&site.kdc, "mallory.cache", &login);
        assert_eq!(run.code, Some(1));
        let start = format!("storm-pacemaker: {at} ended the connection during the login: ");
        assert!(run.stderr.starts_with(&start), "{}", run.stderr);
        server.logs_failure(&["login_not_a_user"]);
        server.stop();
    }
}
