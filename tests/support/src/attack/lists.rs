//! Floods of requests for the list of a directory with 400 000 names.

use std::rc::Rc;
use std::time::Duration;

use super::crowd::{Dial, Peer, Turn, crowd, repeat};
use super::keys::{DIRECTORY, fill};
use super::{Attack, Tally};
use crate::frames::{GET_ALL_NODES, about};

const NAMES: usize = 400_000;

/// 150 connections that ask again and again. Every second one reads no answer.
pub(super) fn flood(attack: &Attack, tally: &mut Tally) {
    fill(attack, attack.scaled(NAMES), tally);
    let ask = question();
    let begin = |index: usize, _: &mut Peer| index.is_multiple_of(2);
    crowd(
        attack,
        tally,
        attack.scaled(150),
        reader(attack),
        begin,
        |peer, reads, tally| {
            if *reads {
                return repeat(peer, &ask, 1, tally);
            }
            if peer.has_sent() && peer.since.elapsed() < Duration::from_secs(1) {
                peer.send(&ask);
                tally.requests += 1;
            }
            let sent = peer.push(usize::MAX, tally)?;
            Ok(Turn::that_moved(sent))
        },
    );
}

/// 40 connections that ask, are reset and dialled again.
pub(super) fn flood_reconnecting(attack: &Attack, tally: &mut Tally) {
    fill(attack, attack.scaled(NAMES), tally);
    let ask = question();
    let begin = |_: usize, peer: &mut Peer| peer.send(&ask);
    crowd(
        attack,
        tally,
        attack.scaled(40),
        reader(attack),
        begin,
        |peer, (), tally| {
            if peer.push(usize::MAX, tally)? > 0 {
                tally.requests += 1;
                return Ok(Turn::Moved);
            }
            let is_old = peer.since.elapsed() > Duration::from_millis(20);
            Ok(if is_old { Turn::Redial } else { Turn::Idle })
        },
    );
}

fn question() -> Rc<[u8]> {
    about(GET_ALL_NODES, DIRECTORY, 1).into()
}

pub(super) fn reader(attack: &Attack) -> Dial {
    Dial {
        logs_in: attack.has_logins,
        ..Dial::default()
    }
}
