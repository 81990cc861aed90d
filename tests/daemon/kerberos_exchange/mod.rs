//! Logins with real tickets of a real KDC: who gets in, who does not, and what a server with a
//! keytab that changes does. Tokens only, no sockets.

mod measure;
mod sides;
mod starts;

use std::fs;
use std::path::PathBuf;

use sides::{Answer, Side};
use support::kdc::{FOREIGN_REALM, Kdc, REALM, SERVICE};

/// The entry of child processes.
#[test]
fn side() {
    sides::run();
}

/// A realm with Nimbus, the daemon, and somebody who is neither.
struct World {
    kdc: Kdc,
    keytab: PathBuf,
    nimbus: Side,
}

impl World {
    fn new() -> World {
        let kdc = Kdc::start();
        let keytab = kdc.add_with_keytab(SERVICE, "pacemaker.keytab");
        let nimbus = user(&kdc, "nimbus");
        World {
            kdc,
            keytab,
            nimbus,
        }
    }

    fn server(&self) -> Side {
        Side::server(&self.kdc, &self.keytab, SERVICE).expect("it starts")
    }

    /// One for which the keytab holds keys of further services, with a principal without a host.
    fn server_of_any_host(&self, services: &[&str]) -> Side {
        for service in services {
            self.kdc.add(service);
        }
        let keytab = self
            .kdc
            .write_keytab("several.keytab", &[services, &[SERVICE]].concat());
        let principal = format!("pacemaker@{REALM}");
        Side::server(&self.kdc, &keytab, &principal).expect("it starts")
    }
}

/// Somebody who has a ticket-granting ticket.
fn user(kdc: &Kdc, name: &str) -> Side {
    let file = name.replace('/', "-");
    let keytab = kdc.add_with_keytab(name, &format!("{file}.keytab"));
    let cache = kdc.log_in(name, &keytab, &format!("{file}.cache"), &["-f"]);
    Side::client(kdc, &cache)
}

/// A whole login with the crate's own client.
fn login(client: &mut Side, server: &mut Side, how: &str, service: &str) -> Answer {
    client.begin(&format!("{how} {service}"));
    server.begin("");
    let mut to_server = client.step(None);
    loop {
        let last = matches!(to_server, Answer::Done(_));
        let answer = server.step(Some(&to_server.token()));
        match answer {
            Answer::Continue(token) if !last => to_server = client.step(Some(&token)),
            end => return end,
        }
    }
}

fn plain(client: &mut Side, server: &mut Side) -> String {
    login(client, server, "plain", SERVICE).outcome()
}

/// The bare library's first token.
fn ticket(client: &mut Side, how: &str, service: &str) -> Vec<u8> {
    client.begin(&format!("{how} {service}@{REALM}"));
    client.step(None).token()
}

const NIMBUS: &str = "nimbus@STORM.TEST";
const BAD_TICKET: &str = "login_bad_ticket";
const NOT_JUDGED: &str = "login_not_judged";
const MALFORMED: &str = "login_malformed";
/// Flags of GSSAPI: delegate, mutual, integrity; and the last with Microsoft's third leg.
const DELEGATE: &str = "raw:33";
const MUTUAL: &str = "raw:34";
const RAW: &str = "raw:32";
const THIRD_LEG: &str = "raw:4130";

#[test]
#[ignore = "needs a KDC: tools/setup test"]
fn nimbus_logs_in_and_others_are_known_by_name() {
    let mut world = World::new();
    let mut server = world.server();
    for how in ["plain", "mutual"] {
        let end = login(&mut world.nimbus, &mut server, how, SERVICE);
        assert_eq!(end.outcome(), NIMBUS, "{how}: {end:?}");
        let full = format!("{SERVICE}@{REALM}");
        assert_eq!(
            login(&mut world.nimbus, &mut server, how, &full).outcome(),
            NIMBUS
        );
    }
    let mut mallory = user(&world.kdc, "mallory");
    let end = login(&mut mallory, &mut server, "plain", SERVICE);
    let Answer::Failed(label, text) = end else {
        panic!("{end:?}")
    };
    assert_eq!(label, "login_not_a_user");
    assert!(text.contains("\"mallory@STORM.TEST\""), "{text}");
    // A host in the user's name, as with Storm's own principals.
    let mut other = user(&world.kdc, "nimbus/some.host");
    assert_eq!(
        plain(&mut other, &mut server),
        "nimbus/some.host@STORM.TEST"
    );
}

#[test]
#[ignore = "needs a KDC: tools/setup test"]
fn a_client_without_a_ticket_is_told_why() {
    let world = World::new();
    let mut nobody = Side::client(&world.kdc, &world.kdc.path("no.cache"));
    nobody.begin(&format!("plain {SERVICE}"));
    let Answer::Failed(label, text) = nobody.step(None) else {
        panic!("it has a ticket")
    };
    assert_eq!(label, NOT_JUDGED);
    assert!(text.contains("no.cache"), "{text}");
    let mut nimbus = world.nimbus;
    nimbus.begin("plain nosuch/localhost");
    let Answer::Failed(_, text) = nimbus.step(None) else {
        panic!("it has a ticket")
    };
    assert!(text.contains("nosuch/localhost@STORM.TEST"), "{text}");
}

#[test]
#[ignore = "needs a KDC: tools/setup test"]
fn who_a_client_may_want_to_be_and_how() {
    let mut world = World::new();
    let mut server = world.server();
    let mut choose = |choice: &[u8], encrypt: bool| {
        server.begin("");
        let ticket = ticket(&mut world.nimbus, RAW, SERVICE);
        server.step(Some(&ticket)).token();
        let choice = world.nimbus.wrap(encrypt, choice);
        server.step(Some(&choice)).outcome()
    };
    let with = |head: [u8; 4], name: &str| [&head[..], name.as_bytes()].concat();
    assert_eq!(choose(&with([1, 0, 0, 0], NIMBUS), false), NIMBUS);
    assert_eq!(choose(&with([1, 0, 0, 0], NIMBUS), true), NIMBUS);
    // Java's client leaves the size at zero; others name one.
    assert_eq!(choose(&with([1, 255, 255, 255], NIMBUS), false), NIMBUS);
    // Nobody in particular: the ticket's owner.
    assert_eq!(choose(&with([1, 0, 0, 0], ""), false), NIMBUS);
    for name in [
        "nimbus",
        "nimbus@OTHER.TEST",
        "NIMBUS@STORM.TEST",
        "nimbus@STORM.TEST\0",
        " ",
    ] {
        let end = choose(&with([1, 0, 0, 0], name), false);
        assert_eq!(end, "login_other_identity", "{name:?}");
    }
    for layer in [0, 2, 3, 4, 5, 7, 9, 128, 129, 255] {
        assert_eq!(
            choose(&with([layer, 0, 0, 0], NIMBUS), false),
            MALFORMED,
            "{layer}"
        );
    }
    for short in [&[][..], &[1], &[1, 0, 0]] {
        assert_eq!(choose(short, false), MALFORMED, "{short:?}");
    }
    assert_eq!(choose(&[1, 0, 0, 0, b'n', 0xFF], false), MALFORMED);
}

#[test]
#[ignore = "needs a KDC: tools/setup test"]
fn no_bit_of_a_choice_can_be_turned() {
    let mut world = World::new();
    let mut server = world.server();
    let choice = [&[1, 0, 0, 0], NIMBUS.as_bytes()].concat();
    let bits = {
        ticket(&mut world.nimbus, RAW, SERVICE);
        world.nimbus.wrap(false, &choice).len() * 8
    };
    for bit in (0..bits).step_by(3) {
        server.begin("");
        let ticket = ticket(&mut world.nimbus, RAW, SERVICE);
        server.step(Some(&ticket)).token();
        let mut token = world.nimbus.wrap(false, &choice);
        token[bit / 8] ^= 1 << (bit % 8);
        let end = server.step(Some(&token)).outcome();
        assert_eq!(end, BAD_TICKET, "bit {bit}");
    }
}

#[test]
#[ignore = "needs a KDC: tools/setup test"]
fn tokens_have_their_order() {
    const OUT_OF_ORDER: &str = "login_out_of_order";
    let mut world = World::new();
    let mut server = world.server();
    // Nobody asks for the first one.
    server.begin("");
    assert_eq!(server.step(None).outcome(), OUT_OF_ORDER);
    // A proof of the server's is answered with nothing.
    let begin_mutual = |nimbus: &mut Side, server: &mut Side| {
        server.begin("");
        let ticket = ticket(nimbus, MUTUAL, SERVICE);
        let proof = server.step(Some(&ticket)).token();
        assert_eq!(nimbus.step(Some(&proof)), Answer::Continue(vec![]));
    };
    begin_mutual(&mut world.nimbus, &mut server);
    let choice = world.nimbus.wrap(false, &[1, 0, 0, 0]);
    assert_eq!(server.step(Some(&choice)).outcome(), OUT_OF_ORDER);
    begin_mutual(&mut world.nimbus, &mut server);
    server.step(Some(b"")).token();
    let choice = world.nimbus.wrap(false, &[1, 0, 0, 0]);
    assert_eq!(server.step(Some(&choice)).outcome(), NIMBUS);
    // Nothing comes after the end, be it good or bad.
    for token in [&choice[..], b""] {
        let end = server.step(Some(token));
        assert!(matches!(end, Answer::Failed(..)), "{end:?}");
    }
    server.begin("");
    assert_eq!(server.step(Some(b"")).outcome(), BAD_TICKET);
    let ticket = ticket(&mut world.nimbus, RAW, SERVICE);
    let end = server.step(Some(&ticket));
    assert!(matches!(end, Answer::Failed(..)), "{end:?}");
    // Without a mutual login, an empty token is no choice.
    server.begin("");
    server.step(Some(&ticket)).token();
    assert_eq!(server.step(Some(b"")).outcome(), BAD_TICKET);
}

#[test]
#[ignore = "needs a KDC: tools/setup test"]
fn kerberos_alone_and_in_one_leg() {
    let mut world = World::new();
    let mut server = world.server();
    for (how, expected) in [("spnego", BAD_TICKET), (THIRD_LEG, MALFORMED)] {
        server.begin("");
        let token = ticket(&mut world.nimbus, how, SERVICE);
        let end = server.step(Some(&token));
        assert_eq!(end.outcome(), expected, "{how}: {end:?}");
    }
}

#[test]
#[ignore = "needs a KDC: tools/setup test"]
fn a_ticket_for_another_service_is_refused_though_its_key_is_in_the_keytab() {
    let mut world = World::new();
    // As long as "pacemaker", so that its name can be written over.
    let services = ["backstage/localhost", "pacemaker/other.host", "pacemaker"];
    let mut server = world.server_of_any_host(&services);
    for service in [SERVICE, "pacemaker/other.host", "pacemaker"] {
        let full = format!("{service}@{REALM}");
        let end = login(&mut world.nimbus, &mut server, "plain", &full);
        assert_eq!(end.outcome(), NIMBUS, "{service}");
    }
    let other = ticket(&mut world.nimbus, RAW, services[0]);
    server.begin("");
    let Answer::Failed(label, text) = server.step(Some(&other)) else {
        panic!("accepted")
    };
    assert_eq!(label, "login_other_service");
    assert!(text.contains("backstage/localhost@STORM.TEST"), "{text}");
    // The name outside of the ticket's seal is the sender's to choose.
    let forged = replace(
        &ticket(&mut world.nimbus, RAW, services[0]),
        b"backstage",
        b"pacemaker",
    );
    server.begin("");
    let end = server.step(Some(&forged));
    assert_eq!(end.outcome(), "login_other_service", "{end:?}");
    let masked = replace(
        &ticket(&mut world.nimbus, RAW, SERVICE),
        b"pacemaker",
        b"backstage",
    );
    server.begin("");
    let end = server.step(Some(&masked));
    assert!(matches!(end, Answer::Continue(_)), "{end:?}");
    // With a host in the principal, that host's tickets alone.
    let mut server = Side::server(&world.kdc, &world.kdc.path("several.keytab"), SERVICE).unwrap();
    assert_eq!(plain(&mut world.nimbus, &mut server), NIMBUS);
    for service in services {
        let ticket = ticket(&mut world.nimbus, RAW, service);
        server.begin("");
        let end = server.step(Some(&ticket));
        assert_eq!(end.outcome(), BAD_TICKET, "{service}: {end:?}");
    }
}

fn replace(token: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let at = token
        .windows(from.len())
        .position(|part| part == from)
        .expect("it is there");
    [&token[..at], to, &token[at + from.len()..]].concat()
}

#[test]
#[ignore = "needs a KDC: tools/setup test"]
fn a_new_key_in_the_keytab_counts_without_a_restart() {
    let mut world = World::new();
    let mut server = world.server();
    assert_eq!(plain(&mut world.nimbus, &mut server), NIMBUS);
    // The KDC has a new key before the daemon does; then the keytab has both.
    world.kdc.change_key(SERVICE);
    let keytab = world.kdc.path("nimbus.keytab");
    let mut later = {
        let cache = world.kdc.log_in("nimbus", &keytab, "later.cache", &[]);
        Side::client(&world.kdc, &cache)
    };
    let end = login(&mut later, &mut server, "plain", SERVICE);
    let Answer::Failed(label, text) = end else {
        panic!("{end:?}")
    };
    assert_eq!(label, BAD_TICKET);
    assert!(
        text.contains("Cannot find key for pacemaker/localhost@STORM.TEST kvno 2"),
        "{text}"
    );
    world.kdc.write_keytab("pacemaker.keytab", &[SERVICE]);
    assert_eq!(plain(&mut later, &mut server), NIMBUS);
    assert_eq!(plain(&mut world.nimbus, &mut server), NIMBUS);
    // A keytab that is replaced by one without the old key.
    let new = world.kdc.write_keytab("new.keytab", &[SERVICE]);
    fs::rename(new, &world.keytab).unwrap();
    assert_eq!(plain(&mut later, &mut server), NIMBUS);
    let end = login(&mut world.nimbus, &mut server, "plain", SERVICE);
    let Answer::Failed(label, text) = end else {
        panic!("{end:?}")
    };
    assert_eq!(label, BAD_TICKET);
    assert!(
        text.contains("Cannot find key for pacemaker/localhost@STORM.TEST kvno 1"),
        "{text}"
    );
    // And while the keytab is missing.
    fs::rename(&world.keytab, world.kdc.path("away")).unwrap();
    let end = login(&mut later, &mut server, "plain", SERVICE);
    assert_eq!(end.outcome(), BAD_TICKET);
    fs::rename(world.kdc.path("away"), &world.keytab).unwrap();
    assert_eq!(plain(&mut later, &mut server), NIMBUS);
}

#[test]
#[ignore = "needs a KDC: tools/setup test"]
fn a_login_cannot_be_sent_again() {
    let mut world = World::new();
    // Two servers of one user, as two shards are: they share the replay cache.
    let mut servers = [world.server(), world.server()];
    let ticket = ticket(&mut world.nimbus, RAW, SERVICE);
    servers[0].begin("");
    servers[0].step(Some(&ticket)).token();
    for server in &mut servers {
        server.begin("");
        let end = server.step(Some(&ticket));
        let Answer::Failed(label, text) = end else {
            panic!("{end:?}")
        };
        assert_eq!(label, BAD_TICKET);
        assert!(text.contains("replay"), "{text}");
    }
}

/// Bits that no seal covers may be turned: the AP-REQ's options, and the service's name and realm as
/// they stand beside the sealed ticket, which the library replaces by those of the key that fits.
/// Nobody becomes another by it.
#[test]
#[ignore = "needs a KDC: tools/setup test"]
fn a_turned_bit_of_a_ticket_makes_nobody_another() {
    let mut world = World::new();
    let mut server = world.server();
    let mut any_host = world.server_of_any_host(&["backstage/localhost"]);
    let length = ticket(&mut world.nimbus, RAW, SERVICE).len();
    let mut unseen = 0;
    for server in [&mut server, &mut any_host] {
        for bit in (0..length * 8).step_by(7) {
            // A token is a byte or two longer or shorter, as numbers in it are.
            let mut token = ticket(&mut world.nimbus, RAW, SERVICE);
            let bit = bit % (token.len() * 8);
            token[bit / 8] ^= 1 << (bit % 8);
            server.begin("");
            let answer = server.step(Some(&token));
            match answer {
                Answer::Failed(label, _) => assert_ne!(label, NOT_JUDGED, "bit {bit}"),
                Answer::Done(_) => panic!("bit {bit}: a login in one step"),
                Answer::Continue(_) => {
                    let choice = world.nimbus.wrap(false, &[1, 0, 0, 0]);
                    let end = server.step(Some(&choice)).outcome();
                    assert!(end == NIMBUS || end == BAD_TICKET, "bit {bit}: {end}");
                    unseen += usize::from(end == NIMBUS);
                }
            }
        }
    }
    // Else the sentence above is wrong.
    assert!(unseen > 0);
}

#[test]
#[ignore = "needs a KDC: tools/setup test"]
fn garbage_is_refused() {
    let mut world = World::new();
    let mut server = world.server();
    let ticket = ticket(&mut world.nimbus, RAW, SERVICE);
    let long = |length| [&ticket[..], &vec![0; length]].concat();
    let mut tokens = vec![
        vec![0],
        vec![0xFF; 4097],
        vec![0x60; 65536],
        b"NTLMSSP\0".to_vec(),
    ];
    tokens.extend([b"n".repeat(700), long(1), long(4097), long(65000)]);
    tokens.extend(
        (1..ticket.len())
            .step_by(13)
            .map(|end| ticket[..end].to_vec()),
    );
    for token in tokens {
        server.begin("");
        let end = server.step(Some(&token));
        let (length, start) = (token.len(), &token[..token.len().min(8)]);
        assert_eq!(
            end.outcome(),
            BAD_TICKET,
            "{length} bytes {start:?}: {end:?}"
        );
        let Answer::Failed(_, text) = end else {
            panic!()
        };
        assert!(
            text.len() < 300 && !text.contains(char::is_control),
            "{text:?}"
        );
    }
    assert_eq!(plain(&mut world.nimbus, &mut server), NIMBUS);
}

#[test]
#[ignore = "needs a KDC: tools/setup test"]
fn tickets_that_are_over_or_from_elsewhere() {
    let mut kdc = Kdc::start_with_foreign_realm();
    let keytab = kdc.add_with_keytab(SERVICE, "pacemaker.keytab");
    let mut server = Side::server(&kdc, &keytab, SERVICE).unwrap();
    let mut foreign = user(&kdc, &format!("nimbus@{FOREIGN_REALM}"));
    let full = format!("{SERVICE}@{REALM}");
    let end = login(&mut foreign, &mut server, "plain", &full);
    let Answer::Failed(label, text) = end else {
        panic!("{end:?}")
    };
    assert_eq!(label, "login_foreign_realm");
    assert!(text.contains("nimbus@OTHER.TEST"), "{text}");

    kdc.set_clock(-3600);
    let mut late = user(&kdc, "nimbus");
    let end = login(&mut late, &mut server, "plain", SERVICE);
    let Answer::Failed(label, text) = end else {
        panic!("{end:?}")
    };
    assert_eq!(
        (&*label, text.ends_with("Ticket expired")),
        (BAD_TICKET, true),
        "{text}"
    );
}

#[test]
#[ignore = "a measurement; run it in release, on an idle machine"]
fn measure_logins() {
    let world = World::new();
    let mut command = Side::command(&world.kdc, "measure");
    command
        .env("KEYTAB", &world.keytab)
        .env("KRB5CCNAME", world.kdc.path("nimbus.cache"));
    let output = command.output().unwrap();
    println!("{}", String::from_utf8_lossy(&output.stdout));
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
