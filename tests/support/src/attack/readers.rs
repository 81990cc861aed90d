//! Readers that ask for more than they read. Each writes a pulse before it asks for it, so that every answer that waits
//! holds a pulse of its own.

use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::crowd::{Dial, Peer, Turn, crowd};
use super::lists::reader;
use super::{Attack, Tally};
use crate::frames;

const READERS: usize = 400;

/// Bytes of each pulse, which is as large as a peer without a login may send.
const DETAILS_BYTES: usize = 1 << 20;

pub(super) fn read_nothing(attack: &Attack, tally: &mut Tally) {
    read(attack, tally, |_, _| Ok(()));
}

pub(super) fn read_a_byte_a_second(attack: &Attack, tally: &mut Tally) {
    read(attack, tally, |peer, tally| {
        peer.pull(&mut [0], tally).map(drop)
    });
}

fn read(
    attack: &Attack,
    tally: &mut Tally,
    each_second: impl Fn(&mut Peer, &mut Tally) -> io::Result<()>,
) {
    let pair = |index: usize| -> Rc<[u8]> {
        let key = format!("/workerbeats/abuse-1-1/{}", index % 8);
        [
            frames::send(&key, vec![5; DETAILS_BYTES], 1),
            frames::get(&key, 1),
        ]
        .concat()
        .into()
    };
    let pairs: Vec<Rc<[u8]>> = (0..8).map(pair).collect();
    let how = Dial {
        receive_buffer_bytes: Some(4096),
        ..reader(attack)
    };
    let begin = |index: usize, _: &mut Peer| (index, Instant::now() + Duration::from_secs(1));
    crowd(
        attack,
        tally,
        attack.scaled(READERS),
        how,
        begin,
        |peer, (index, read), tally| {
            if peer.has_sent() {
                peer.send(&pairs[*index % 8]);
                tally.requests += 2;
            }
            let sent = peer.push(usize::MAX, tally)?;
            let now = Instant::now();
            if now >= *read {
                *read += Duration::from_secs(1);
                each_second(peer, tally)?;
            }
            Ok(Turn::that_moved(sent))
        },
    );
}
