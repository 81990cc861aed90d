//! Floods of the admin endpoint.

use std::net::SocketAddr;
use std::rc::Rc;

use super::crowd::{Dial, Peer, Turn, crowd, drain};
use super::keys::fill;
use super::{Attack, Tally};

/// Keys in the table.
const KEYS: usize = 200_000;

/// More than the endpoint keeps.
const CONNECTIONS: usize = 100;

pub(super) fn metrics(attack: &Attack, tally: &mut Tally) {
    ask(attack, "/metrics", tally);
}

/// The page's table, with as many keys as it may have. Every fourth reader does not read it.
pub(super) fn table(attack: &Attack, tally: &mut Tally) {
    fill(attack, attack.scaled(KEYS), tally);
    ask(attack, "/cluster.json", tally);
}

fn ask(attack: &Attack, path: &str, tally: &mut Tally) {
    let target: SocketAddr = attack.admin.expect("the address of the admin endpoint");
    let there = Attack {
        target,
        ..attack.clone()
    };
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let request: Rc<[u8]> = request.into_bytes().into();
    let begin = |index: usize, peer: &mut Peer| {
        peer.send(&request);
        !index.is_multiple_of(4)
    };
    crowd(
        &there,
        tally,
        CONNECTIONS,
        Dial::default(),
        begin,
        |peer, reads, tally| {
            let sent = peer.push(usize::MAX, tally)?;
            tally.requests += u64::from(sent > 0);
            let read = if *reads { drain(peer, tally)? } else { 0 };
            Ok(if sent + read > 0 {
                Turn::Moved
            } else {
                Turn::Idle
            })
        },
    );
}
