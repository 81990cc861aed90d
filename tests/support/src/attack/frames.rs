//! Requests that are large, slow, deep, or many.

use std::rc::Rc;
use std::time::{Duration, Instant};

use super::crowd::{Peer, Turn, drain, repeat, strangers};
use super::{Attack, Tally};
use crate::Random;
use crate::frames::{self, DELETE_PULSE_ID, SEND_PULSE};

/// Half a frame each, and then a byte now and then. Every second one is as large as may be.
pub(super) fn trickle(attack: &Attack, tally: &mut Tally) {
    const EVERY: Duration = Duration::from_millis(200);
    let large: Rc<[u8]> = frames::send("/w/t/1", vec![0; attack.largest_details()], 1).into();
    let small: Rc<[u8]> = frames::send("/w/t/1", vec![0; 100_000], 1).into();
    let begin = |index: usize, peer: &mut Peer| {
        let frame = if index.is_multiple_of(2) {
            &large
        } else {
            &small
        };
        peer.send(frame);
        // Bytes of its first half that are still to be sent, and when the next single byte is.
        (frame.len() / 2, Instant::now())
    };
    strangers(attack, tally, 600, begin, |peer, (half, next), tally| {
        if *half > 0 {
            let count = peer.push(*half, tally)?;
            *half -= count;
            return Ok(Turn::that_moved(count));
        }
        if Instant::now() >= *next {
            *next = Instant::now() + EVERY;
            peer.push(1, tally)?;
        }
        drain(peer, tally)?;
        Ok(Turn::Idle)
    });
}

/// Whole frames of the greatest size, one after another. Every sixteenth says that it is larger still.
pub(super) fn huge(attack: &Attack, tally: &mut Tally) {
    let first: Rc<[u8]> = frames::send("/w/huge/0", b"x", 1).into();
    let details = vec![7; (10 << 20) - 4096];
    let large: Vec<Rc<[u8]>> = (0..8)
        .map(|key| frames::send(format!("/w/huge/{key}"), &details, 1).into())
        .collect();
    let too_large: Rc<[u8]> = [0x7f, 0xff, 0xff, 0xff, 8, 0, 1].into();
    let begin = |_: usize, peer: &mut Peer| {
        // With it, a server that asks for logins allows whole frames.
        peer.send(&first);
        0
    };
    strangers(attack, tally, 8, begin, |peer, turn, tally| {
        if peer.has_sent() {
            *turn += 1;
            tally.requests += 1;
            let next = if *turn % 16 == 0 {
                &too_large
            } else {
                &large[*turn % 8]
            };
            peer.send(next);
        }
        let moved = peer.push(1 << 20, tally)? + drain(peer, tally)?;
        Ok(Turn::that_moved(moved))
    });
}

/// Messages with an unknown field: a list of millions of empty structs, or of empty lists. A reader must pass over
/// each of them.
pub(super) fn nested_empties(attack: &Attack, tally: &mut Tally) {
    let bytes = attack.largest_details();
    let structs = list_field(12, bytes as i32, vec![0; bytes]);
    let empty_list = [12, 0, 0, 0, 0];
    let lists = list_field(15, (bytes / 5) as i32, empty_list.repeat(bytes / 5));
    let both: Vec<Rc<[u8]>> = [structs, lists]
        .map(|field| with_field(&field).into())
        .into();
    let begin = |index: usize, _: &mut Peer| index;
    strangers(attack, tally, 8, begin, |peer, index, tally| {
        *index += usize::from(peer.has_sent());
        repeat(peer, &both[*index % 2], 1, tally)
    });
}

/// Field 99, which no message has: a list.
fn list_field(element: u8, count: i32, elements: Vec<u8>) -> Vec<u8> {
    let mut field = vec![15, 0, 99, element];
    field.extend_from_slice(&count.to_be_bytes());
    field.extend(elements);
    field
}

/// A CREATE_PATH with a further field before its own ones.
fn with_field(field: &[u8]) -> Vec<u8> {
    let request = frames::about(frames::CREATE_PATH, "/w", 1);
    frames::framed(&[field, &request[4..]].concat())
}

/// Requests that carry records, which only answers have.
pub(super) fn carried_records(attack: &Attack, tally: &mut Tally) {
    let count = attack.largest_details();
    let mut union = vec![12, 0, 4, 15, 0, 1, 12];
    union.extend_from_slice(&(count as i32).to_be_bytes());
    union.resize(union.len() + count, 0);
    union.push(0);
    let request: Rc<[u8]> = frames::message(SEND_PULSE, &union, Some(1)).into();
    let begin = |_: usize, _: &mut Peer| ();
    strangers(attack, tally, 8, begin, |peer, (), tally| {
        repeat(peer, &request, 1, tally)
    });
}

/// Requests with the longest paths, for keys of all shards, as many as may be in flight. Every second peer reads no
/// answer.
pub(super) fn foreign_paths(attack: &Attack, tally: &mut Tally) {
    let mut random = Random(7);
    let batch: Vec<u8> = (0..256)
        .flat_map(|id| {
            let name = format!("/{:016x}", random.next_u64());
            let long = format!("{name}/{}", "p".repeat(4_000));
            frames::about(DELETE_PULSE_ID, long, id)
        })
        .collect();
    let batch: Rc<[u8]> = batch.into();
    let begin = |index: usize, _: &mut Peer| index.is_multiple_of(2);
    strangers(attack, tally, 64, begin, |peer, reads, tally| {
        if *reads {
            return repeat(peer, &batch, 256, tally);
        }
        if peer.has_sent() {
            peer.send(&batch);
            tally.requests += 256;
        }
        let sent = peer.push(usize::MAX, tally)?;
        Ok(Turn::that_moved(sent))
    });
}

/// Pulses that are as good as any, flat out.
pub(super) fn pulses(attack: &Attack, tally: &mut Tally) {
    let begin = |index: usize, _: &mut Peer| -> Rc<[u8]> {
        let batch = (0..64)
            .map(|id| frames::send(format!("/workerbeats/abuse-1-1/{index}-{id}"), [1; 200], id));
        batch.flatten().collect::<Vec<u8>>().into()
    };
    strangers(attack, tally, 64, begin, |peer, batch, tally| {
        repeat(peer, batch, 64, tally)
    });
}
