//! Storm's published clients log in, 1.x with DIGEST and all of them with KERBEROS, beside writers without a login. LOGINS_AGAINST=storm tries the
//! same against Storm's daemon.

use support::jaas_files;
use support::kerberos_site::KerberosSite;
use support::login_server::LoginServer;
use support::storm::StormProgram;
use support::tap::Tap;
use tempfile::TempDir;

const KEY: &str = "/workerbeats/topology-1-1/worker-6700";

/// DIGEST: a server, and a client's JAAS files.
struct DigestSite {
    server: LoginServer,
    right: String,
    wrong: String,
    _home: TempDir,
}

impl DigestSite {
    /// `section` is the server's.
    fn start(section: String) -> DigestSite {
        let home = TempDir::new().expect("a directory for JAAS files");
        let write = |name: &str, section| {
            let path = jaas_files::write(home.path().join(name), &[section]);
            path.into_os_string().into_string().expect("UTF-8")
        };
        let file = write("server", section);
        let settings = [
            ("pacemaker.auth.method", "DIGEST"),
            ("java.security.auth.login.config", &file),
        ];
        DigestSite {
            server: LoginServer::start(&settings, None),
            right: write("right", jaas_files::digest("pmuser", "pmpass")),
            wrong: write("wrong", jaas_files::digest("pmuser", "wrong")),
            _home: home,
        }
    }
}

#[test]
#[ignore = "needs a JDK and Storm's jars: make java"]
fn digest_lets_in_clients_of_1_x_that_know_the_password() {
    // The manual's form, where it is understood.
    let section = if LoginServer::is_storms() {
        jaas_files::digest
    } else {
        jaas_files::digest_of_the_manual
    };
    let site = DigestSite::start(section("pmuser", "pmpass"));
    let to = format!("{} {KEY}", site.server.address());
    let mut clients = ["1.0.6", "1.2.4"].map(|version| StormProgram::logins(version, None));
    for client in &mut clients {
        client.say(&format!("WRITE {to} pulse"));
        client.say(&format!("TRY guest NONE - {to}"));
        client.say(&format!("TRY nimbus DIGEST {} {to}", site.right));
    }
    for client in &mut clients {
        client.expect("WRITTEN");
        assert_eq!(client.expect("guest"), "NOT_AUTHORIZED");
        assert_eq!(client.expect("nimbus"), "READ pulse");
    }
    all_give_up(clients, &format!("DIGEST {} {to}", site.wrong));
    site.server.logs_failure(&["login_wrong_password"]);
    site.server.stop();
}

/// No server can change this: the client is ready when the server has shown that it knows the password,
/// and once more when the login is complete, and then ends its own connection. Until the login is
/// complete, it throws every answer away.
#[test]
#[ignore = "needs a JDK and Storm's jars: make java"]
fn clients_of_2_x_end_their_own_digest_login() {
    let site = DigestSite::start(jaas_files::digest("pmuser", "pmpass"));
    let tap = Tap::on(site.server.address());
    let mut client = StormProgram::logins("2.8.3", None);
    client.say(&format!("WRITE {} {KEY} pulse", site.server.address()));
    client.say(&format!(
        "TRY nimbus DIGEST {} {} {KEY}",
        site.right,
        tap.address()
    ));
    client.say("DONE");
    client.expect("WRITTEN");
    assert_gave_up(&client.expect("nimbus"));
    client.passes();
    let [passed] = &tap.passed()[..] else {
        panic!("not one connection: {:?}", tap.passed());
    };
    assert_eq!(
        passed[..4],
        ["C: CONTROL -202", "S: TOKEN", "C: TOKEN", "S: TOKEN"]
    );
    let first = |what: &str| passed.iter().position(|line| line.ends_with(what));
    // Both make it ready; the second time it ends what it then takes for an older connection.
    let (complete, end) = (first("S: CONTROL -203"), first("end"));
    assert!(complete.is_some() && complete < end, "{passed:?}");
    assert_eq!(passed[end.expect("an end")], "C: end", "{passed:?}");
    site.server.stop();
}

#[test]
#[ignore = "needs a JDK and Storm's jars: make java"]
fn kerberos_lets_in_the_nimbus_of_every_generation() {
    let site = KerberosSite::start();
    let server = site.server();
    let (nimbus, mallory) = (site.add_user("nimbus"), site.add_user("mallory"));
    let to = format!("{} {KEY}", server.by_name());
    let settings = site.kdc.settings();
    let mut clients =
        ["1.0.6", "1.2.4", "2.8.3"].map(|version| StormProgram::logins(version, Some(&settings)));
    for client in &mut clients {
        client.say(&format!("WRITE {to} pulse"));
        client.say(&format!("TRY guest NONE - {to}"));
        client.say(&format!("TRY nimbus KERBEROS {nimbus} {to}"));
    }
    for client in &mut clients {
        client.expect("WRITTEN");
        assert_eq!(client.expect("guest"), "NOT_AUTHORIZED");
        assert_eq!(client.expect("nimbus"), "READ pulse");
    }
    // A valid ticket of a user who is not allowed.
    all_give_up(clients, &format!("KERBEROS {mallory} {to}"));
    server.logs_failure(&["login_not_a_user"]);
    server.stop();
}

/// None of them gets in. It is their last login: a refused client tries again and again, and then every login from
/// its address has to wait.
fn all_give_up<const COUNT: usize>(mut clients: [StormProgram; COUNT], how: &str) {
    for client in &mut clients {
        client.say(&format!("TRY stranger {how}"));
        client.say("DONE");
    }
    for mut client in clients {
        assert_gave_up(&client.expect("stranger"));
        client.passes();
    }
}

/// A client of Storm's that does not get in gives up in the end.
fn assert_gave_up(outcome: &str) {
    assert!(outcome.starts_with("GAVE_UP "), "{outcome}");
}
