//! Keys by the million: written, deleted, and up to the limits.

use std::rc::Rc;
use std::time::Duration;

use super::crowd::{Dial, Peer, Turn, dial, drain, strangers};
use super::{Attack, Tally};
use crate::frames::{self, DELETE_PATH};

/// Where an attacker's keys are: topologies beside the honest ones.
pub(super) const DIRECTORY: &str = "/workerbeats/abuse-1-1";

const BATCH: usize = 1_000;

/// Bytes of the answer to a pulse or a deletion, whatever it says.
const ANSWER_BYTES: usize = 19;

/// Writes a million keys, deletes their directory, and begins again.
pub(super) fn write_and_delete(attack: &Attack, tally: &mut Tally) {
    let keys = attack.scaled(1_000_000);
    while !attack.is_over() {
        fill(attack, keys, tally);
        let mut writer = Writer::new(attack);
        let delete: Rc<[u8]> = frames::about(DELETE_PATH, DIRECTORY, 1).into();
        writer.ask(&delete, 1, tally);
    }
}

/// Stores that many keys with small pulses below [`DIRECTORY`].
pub(super) fn fill(attack: &Attack, keys: usize, tally: &mut Tally) {
    write(attack, keys, |key| format!("{DIRECTORY}/{key:08x}"), tally);
}

/// New keys until the attack is over, a thousand for each topology.
pub(super) fn flood(attack: &Attack, tally: &mut Tally) {
    let path = |key| {
        format!(
            "/workerbeats/abuse-{}-1/supervisor-of-usual-length-{key:08x}-6700",
            key / 1000
        )
    };
    write(attack, usize::MAX, path, tally);
}

/// New keys with large pulses until the attack is over.
pub(super) fn flood_bytes(attack: &Attack, tally: &mut Tally) {
    let details = vec![3; 60_000];
    let mut key = 0_u64;
    let begin = |_: usize, _: &mut Peer| ();
    strangers(attack, tally, 32, begin, |peer, (), tally| {
        if peer.has_sent() {
            key += 1;
            let pulse = frames::send(format!("{DIRECTORY}/{key:08x}"), &details, 1);
            peer.send(&pulse.into());
            tally.requests += 1;
        }
        let moved = peer.push(usize::MAX, tally)? + drain(peer, tally)?;
        Ok(Turn::that_moved(moved))
    });
}

fn write(attack: &Attack, keys: usize, path: impl Fn(usize) -> String, tally: &mut Tally) {
    // One batch is made while the other is being stored.
    let mut writers = [Writer::new(attack), Writer::new(attack)];
    let mut key = 0;
    while key < keys && !attack.is_over() {
        for writer in &mut writers {
            writer.finish(tally);
            let to = keys.min(key.saturating_add(BATCH));
            let batch = (key..to).flat_map(|key| frames::send(path(key), b"beat", 1));
            let batch: Rc<[u8]> = batch.collect::<Vec<u8>>().into();
            writer.begin(&batch, to - key, tally);
            key = to;
        }
    }
    for writer in &mut writers {
        writer.finish(tally);
    }
}

/// One connection that sends requests and waits for the answers to them. A lost one is dialled again.
struct Writer<'a> {
    attack: &'a Attack,
    peer: Option<Peer>,
    /// Bytes of answers that are missing.
    missing: usize,
}

impl Writer<'_> {
    fn new(attack: &Attack) -> Writer<'_> {
        Writer {
            attack,
            peer: None,
            missing: 0,
        }
    }

    fn ask(&mut self, requests: &Rc<[u8]>, count: usize, tally: &mut Tally) {
        self.begin(requests, count, tally);
        self.finish(tally);
    }

    fn begin(&mut self, requests: &Rc<[u8]>, count: usize, tally: &mut Tally) {
        if self.peer.is_none() {
            tally.dialled += 1;
            self.peer = dial(self.attack.address(0), self.attack.target, Dial::default()).ok();
        }
        match &mut self.peer {
            Some(peer) => {
                peer.send(requests);
                self.missing = count * ANSWER_BYTES;
                tally.requests += count as u64;
                self.step(tally);
            }
            None => {
                tally.ended += 1;
                std::thread::sleep(Duration::from_millis(10));
            }
        }
    }

    /// Waits for the answers, or for the end of the attack.
    fn finish(&mut self, tally: &mut Tally) {
        while self.missing > 0 && !self.attack.is_over() {
            self.step(tally);
        }
    }

    fn step(&mut self, tally: &mut Tally) {
        let Some(peer) = &mut self.peer else {
            self.missing = 0;
            return;
        };
        let sent = peer.push(usize::MAX, tally);
        match sent.and_then(|sent| Ok((sent, drain(peer, tally)?))) {
            Ok((0, 0)) => std::thread::sleep(Duration::from_micros(100)),
            Ok((_, read)) => self.missing = self.missing.saturating_sub(read),
            Err(_) => {
                tally.ended += 1;
                (self.peer, self.missing) = (None, 0);
            }
        }
    }
}
