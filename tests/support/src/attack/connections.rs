//! Connections that are made for nothing, and logins that come to nothing.

use std::collections::VecDeque;
use std::rc::Rc;

use storm_pacemaker::wire::FrameReader;

use super::crowd::{Dial, Peer, Turn, dial, drain, strangers};
use super::{Attack, Tally};
use crate::frames;
use crate::login::{ask_for_token, response_to, token, token_of};

/// Connections that the attacker may have open: its own files are bounded.
const OPEN: usize = 15_000;

/// Dials as fast as the server accepts, all from one address, and keeps as many as it can.
pub(super) fn flood(attack: &Attack, tally: &mut Tally) {
    let open = attack.scaled(OPEN);
    let mut peers: VecDeque<Peer> = VecDeque::new();
    while !attack.is_over() {
        tally.dialled += 1;
        match dial(attack.address(0), attack.target, Dial::default()) {
            Ok(peer) => peers.push_back(peer),
            Err(_) => tally.ended += 1,
        }
        // Those that the server has ended are of no use; the others go when there are too many.
        if let Some(mut oldest) = peers.pop_front() {
            match drain(&mut oldest, tally) {
                Err(_) => tally.ended += 1,
                Ok(_) if peers.len() < open => peers.push_back(oldest),
                Ok(_) => {}
            }
        }
    }
}

/// Asks for the first token and says no more.
pub(super) fn half_logins(attack: &Attack, tally: &mut Tally) {
    let ask: Rc<[u8]> = ask_for_token().into();
    let begin = |_: usize, peer: &mut Peer| peer.send(&ask);
    strangers(attack, tally, 6_000, begin, |peer, (), tally| {
        let sent = peer.push(usize::MAX, tally)?;
        drain(peer, tally)?;
        tally.requests += u64::from(sent > 0);
        Ok(Turn::that_moved(sent))
    });
}

/// Logs in with a wrong password from Nimbus's own address.
pub(super) fn wrong_passwords(attack: &Attack, tally: &mut Tally) {
    let ask: Rc<[u8]> = ask_for_token().into();
    let count = attack.scaled(200);
    let mut peers: Vec<Option<(Peer, FrameReader)>> = (0..count).map(|_| None).collect();
    while !attack.is_over() {
        for slot in &mut peers {
            let Some((peer, reader)) = slot else {
                tally.dialled += 1;
                let dialled = dial(attack.nimbus, attack.target, Dial::default());
                tally.ended += u64::from(dialled.is_err());
                *slot = dialled.ok().map(|mut peer| {
                    peer.send(&ask);
                    (peer, FrameReader::new(1 << 20))
                });
                continue;
            };
            if step(peer, reader, tally).is_err() {
                tally.ended += 1;
                *slot = None;
            }
        }
        std::thread::yield_now();
    }
}

fn step(peer: &mut Peer, reader: &mut FrameReader, tally: &mut Tally) -> std::io::Result<()> {
    peer.push(usize::MAX, tally)?;
    let mut bytes = [0; 4096];
    let count = peer.pull(&mut bytes, tally)?;
    let mut rest = &bytes[..count];
    if let Some(Ok(body)) = reader.next_from(&mut rest) {
        let challenge = token_of(&frames::framed(body));
        let wrong = token(&response_to(&challenge, "not the password"));
        if peer.has_sent() {
            peer.send(&Rc::from(wrong));
            tally.requests += 1;
        }
    }
    Ok(())
}
