//! What hostile peers send: each kind tries to make the shards hold or do as much as it can.

use std::collections::VecDeque;

use storm_pacemaker::connection::{ConnectionId, Outbox};
use storm_pacemaker::wire::message::{MessageType as T, encode_path, encode_plain, encode_pulse};
use support::Random;
use support::login;

/// The kinds of attackers.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Kind {
    /// Begins frames and sends a few bytes of them now and then.
    Trickles,
    /// Sends requests of nearly the largest size.
    Huge,
    /// Asks for lists of large directories.
    Lists,
    Records,
    /// Deletes everything.
    Deletes,
    /// Reads pulses that it has replaced before the answer leaves.
    Replaces,
    /// Fills the store with keys of every shape.
    Keys,
    /// Long paths, for keys of other shards.
    Forwards,
    /// Reads of keys that nobody has written yet, and again with the same ids.
    Waits,
    /// Begins logins.
    HalfLogins,
    WrongPasswords,
    /// What is no request.
    Garbage,
}

const KINDS: [Kind; 12] = [
    Kind::Trickles,
    Kind::Huge,
    Kind::Lists,
    Kind::Records,
    Kind::Deletes,
    Kind::Replaces,
    Kind::Keys,
    Kind::Forwards,
    Kind::Waits,
    Kind::HalfLogins,
    Kind::WrongPasswords,
    Kind::Garbage,
];

/// One hostile connection.
pub struct Attacker {
    pub kind: Kind,
    pub shard: usize,
    pub id: ConnectionId,
    /// It takes none of its answers.
    pub never_reads: bool,
    pub to_send: VecDeque<u8>,
    /// Set while it is paused: whether a chunk is still on its way from before.
    pub after_pause: Option<bool>,
    pub closed: bool,
    /// What the event loop sends, and how much of it is sent.
    pub sending: Option<(Outbox, usize)>,
}

impl Kind {
    /// One to three kinds, or all of them. Most come with keys.
    pub fn some(random: &mut Random) -> Vec<Kind> {
        if random.one_in(5) {
            return KINDS.to_vec();
        }
        let [first, second] = [(); 2].map(|()| KINDS[random.below(KINDS.len())]);
        match random.below(3) {
            0 => vec![first],
            1 => vec![first, Kind::Keys],
            _ => vec![first, second, Kind::Keys],
        }
    }

    /// Appends what an attacker sends next.
    pub fn write(self, out: &mut Vec<u8>, random: &mut Random, frame_bytes: usize) {
        let id = random.next_u64() as i32;
        let directory = format!("/d{}", random.below(3));
        match self {
            Kind::Trickles => {
                let body = random.below(frame_bytes) as u32;
                out.extend(body.to_be_bytes());
                out.extend(vec![b'x'; random.below(200)]);
            }
            Kind::Huge => {
                let details = vec![b'h'; frame_bytes - 200 - random.below(frame_bytes / 2)];
                let key = format!("{directory}/huge{}", random.below(8));
                encode_pulse(out, T::SendPulse, &key, Some(&details), id);
            }
            Kind::Lists => {
                let path = if random.one_in(4) { "/" } else { &directory };
                encode_path(out, T::GetAllNodesForPath, path, id);
            }
            Kind::Records => encode_path(out, T::GetAllPulseForPath, &directory, id),
            Kind::Deletes => {
                let path = ["/", "", "/d0", "//"][random.below(4)];
                encode_path(out, T::DeletePath, path, id);
            }
            Kind::Replaces => {
                let key = format!("{directory}/large{}", random.below(2));
                let details = vec![b'l'; 300 + random.below(frame_bytes / 3)];
                encode_pulse(out, T::SendPulse, &key, Some(&details), id);
                for _ in 0..random.below(8) {
                    encode_path(out, T::GetPulse, &key, id);
                }
            }
            Kind::Keys => {
                for _ in 0..40 {
                    let details = vec![b'k'; [0, 1, 30, 400][random.below(4)]];
                    let key = any_key(&directory, random);
                    encode_pulse(out, T::SendPulse, &key, Some(&details), id);
                }
            }
            Kind::Forwards => {
                for _ in 0..20 {
                    let path = format!("{directory}/{}", "f".repeat(random.below(4000)));
                    let kind = [T::Exists, T::GetPulse, T::DeletePulseId][random.below(3)];
                    encode_path(out, kind, &format!("{path}{}", random.below(100)), id);
                }
            }
            Kind::Waits => {
                for _ in 0..20 {
                    let key = format!("{directory}/name-{}", random.below(100_000));
                    let id = random.below(200) as i32;
                    encode_path(out, T::GetPulse, &key, id);
                    if random.one_in(4) {
                        encode_path(out, T::GetPulse, &key, id);
                    }
                    if random.one_in(16) {
                        encode_path(out, T::DeletePath, &key, -1);
                    }
                }
            }
            Kind::HalfLogins => out.extend(login::ask_for_token()),
            Kind::WrongPasswords => {
                out.extend(login::ask_for_token());
                out.extend(login::token(&vec![b'w'; random.below(3000)]));
            }
            Kind::Garbage => garbage(out, random, id),
        }
    }
}

/// Keys of many segments, of long and of empty ones.
fn any_key(directory: &str, random: &mut Random) -> String {
    let number = random.below(100_000);
    match random.below(5) {
        0 => format!("{directory}/{number:x}{}", "/a".repeat(random.below(28))),
        1 => format!("{directory}{}{number}", "/".repeat(1 + random.below(28))),
        2 => format!("{directory}/{}{number}", "long".repeat(random.below(500))),
        3 => format!("{}/{number}", "/".repeat(random.below(20))),
        _ => format!("{directory}/name-{number}"),
    }
}

fn garbage(out: &mut Vec<u8>, random: &mut Random, id: i32) {
    match random.below(5) {
        0 => {
            let bytes = 1 + random.below(64);
            out.extend(random.bytes(bytes));
        }
        1 => encode_plain(out, T::NotAuthorized, id),
        2 => out.extend_from_slice(&[0, 0, 0, 0]),
        3 => encode_path(out, T::CreatePath, &"/c".repeat(random.below(60)), id),
        _ => {
            // A path of bytes that are not UTF-8: each becomes three.
            let begin = out.len();
            encode_path(out, T::GetPulse, &"x".repeat(9000), id);
            for byte in &mut out[begin..] {
                if *byte == b'x' {
                    *byte = 0xFF;
                }
            }
        }
    }
}
