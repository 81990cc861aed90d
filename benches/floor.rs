//! The floor: the server's own event loop with no work behind it. It cuts frames and answers each
//! with an acknowledgement, and neither decodes nor stores nor shards. What the daemon costs beyond
//! this is the price of what it does.
//!
//! Not a measurement in itself: `cargo bench --bench floor -- PORT [epoll]` serves until it is stopped, for
//! loadgen to drive, as it drives the daemon.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use storm_pacemaker::connection::{
    Batching, Closed, Command, Commands, ConnectionId, Ending, Outbox, SleepPlan,
};
use storm_pacemaker::io::{Bells, DataPlane, EventLoop, Handler, listen_at, local_address};
use storm_pacemaker::shard::pace::{BATCH_FULL, Pace};
use storm_pacemaker::wire::{FrameReader, MessageType, message};

/// As in config/pacemaker.toml.
const MINIMUM_WAIT: Duration = Duration::from_millis(5);

const UNACKNOWLEDGED_TIME: Duration = Duration::from_secs(60);

struct Floor {
    peers: Vec<Option<Peer>>,
    pace: Pace,
    started: Instant,
    now_us: u64,
}

struct Peer {
    reader: FrameReader,
    outbox: Outbox,
}

impl Floor {
    fn peer(&mut self, id: ConnectionId) -> Option<&mut Peer> {
        self.peers.get_mut(id.slot as usize)?.as_mut()
    }
}

impl Handler for Floor {
    fn woke(&mut self) {
        self.now_us = self.started.elapsed().as_micros() as u64;
    }

    fn opened(&mut self, id: ConnectionId, _peer: SocketAddr, _commands: &mut Commands) {
        let slot = id.slot as usize;
        if slot >= self.peers.len() {
            self.peers.resize_with(slot + 1, || None);
        }
        self.peers[slot] = Some(Peer {
            reader: FrameReader::new(10 << 20),
            outbox: Outbox::default(),
        });
    }

    fn received(&mut self, id: ConnectionId, bytes: &[u8], commands: &mut Commands) {
        let Some(peer) = self.peer(id) else { return };
        let outbox = &mut peer.outbox;
        let mut chunk = bytes;
        let command = loop {
            let body = match peer.reader.next_from(&mut chunk) {
                None => break Command::Send(id),
                Some(Err(_)) => break Command::Close(id, Ending::Reset),
                Some(Ok(body)) => body,
            };
            // The id is all that the client looks at: the last field, and the stop byte.
            let at = body.len().saturating_sub(5);
            let message_id = body[at..]
                .first_chunk()
                .map_or(-1, |id| i32::from_be_bytes(*id));
            message::encode_plain(outbox.text(), MessageType::SendPulseResponse, message_id);
        };
        commands.push(command);
    }

    fn finished(&mut self, id: ConnectionId, commands: &mut Commands) {
        commands.push(Command::Close(id, Ending::Orderly));
    }

    fn sent(&mut self, _: ConnectionId, _bytes: usize, _held: usize, _: &mut Commands) {}

    fn blocked(&mut self, _id: ConnectionId) {}

    fn closed(&mut self, id: ConnectionId, _why: Closed, _held: usize, _: &mut Commands) {
        self.peers[id.slot as usize] = None;
    }

    fn take_outbox(&mut self, id: ConnectionId) -> Outbox {
        self.peer(id)
            .map(|peer| std::mem::take(&mut peer.outbox))
            .unwrap_or_default()
    }

    fn has_messages(&self) -> bool {
        false
    }

    fn accept_failed(&mut self, error: io::Error) {
        eprintln!("accept: {error}");
    }
}

fn main() -> io::Result<()> {
    // `cargo test` runs benches too, without arguments: there is nothing to serve then.
    let Some(port) = std::env::args().skip(1).find_map(|word| word.parse().ok()) else {
        println!("usage: floor PORT [epoll]");
        return Ok(());
    };
    let plane = if std::env::args().any(|word| word == DataPlane::Epoll.name()) {
        DataPlane::Epoll
    } else {
        DataPlane::IoUring
    };
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let listener = listen_at(address, false, UNACKNOWLEDGED_TIME)?;
    println!("listening on {} with no work", local_address(&listener)?);
    let mut event_loop = EventLoop::new(Arc::new(Bells::new(plane, 1)?), 0)?;
    event_loop.listen(listener)?;
    let mut floor = Floor {
        peers: Vec::new(),
        pace: Pace::new(MINIMUM_WAIT),
        started: Instant::now(),
        now_us: 0,
    };
    loop {
        let batching = floor
            .pace
            .minimum_wait(floor.now_us)
            .map(|at_least| Batching {
                completions: BATCH_FULL,
                at_least,
            });
        let plan = SleepPlan {
            at_most: Duration::from_millis(100),
            batching,
        };
        let completions = event_loop.turn(&mut floor, plan)?;
        floor
            .pace
            .note_wake(completions, batching.is_some(), floor.now_us);
    }
}
