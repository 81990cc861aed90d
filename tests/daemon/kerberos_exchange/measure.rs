//! What a login costs the server, without sockets: `cargo test --release --test daemon
//! measure -- --ignored --nocapture`.

use std::path::Path;
use std::time::{Duration, Instant};

use storm_pacemaker::auth::kerberos::{Client, ClientStep};
use storm_pacemaker::auth::{Authenticator, Progress};

use super::sides::{credentials, say};
use support::kdc::SERVICE;

const LOGINS: usize = 3000;

/// Runs in a process whose environment has a realm, a keytab and a credential cache.
pub fn run() {
    let keytab = std::env::var_os("KEYTAB").expect("a keytab");
    let begun = Instant::now();
    let authenticator = Authenticator::new(&credentials(Path::new(&keytab), SERVICE));
    let authenticator = authenticator
        .expect("it starts")
        .expect("something to log in to");
    let start = begun.elapsed();
    let mut accept = Vec::new();
    let mut judge = Vec::new();
    for _ in 0..LOGINS {
        let mut client = Client::new(SERVICE, false).expect("a name");
        let mut handshake = authenticator.begin();
        let mut out = Vec::new();
        let ClientStep::Continue(ticket) = client.step(None).expect("a ticket") else {
            panic!("too short")
        };
        let begun = Instant::now();
        handshake
            .step(Some(&ticket), &mut out)
            .expect("it is accepted");
        accept.push(begun.elapsed());
        let ClientStep::Done(choice) = client.step(Some(&out)).expect("an offer") else {
            panic!("too long")
        };
        let begun = Instant::now();
        let done = handshake
            .step(Some(&choice), &mut Vec::new())
            .expect("it is accepted");
        judge.push(begun.elapsed());
        assert!(matches!(done, Progress::Done(_)));
    }
    say(&format!("start: {start:?}"));
    say(&format!("ticket: {}", summary(accept)));
    say(&format!("choice: {}", summary(judge)));
}

fn summary(mut times: Vec<Duration>) -> String {
    let first = times[0];
    times.sort();
    let at = |percent| times[times.len() * percent / 100];
    format!("first {first:?}, median {:?}, 99% {:?}", at(50), at(99))
}
