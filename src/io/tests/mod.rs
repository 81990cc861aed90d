//! What the logic may expect of any data plane: each test runs on both.

mod endings;
mod flow;
mod sleeping;

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Instant;

use super::*;
use crate::connection::{Batching, Command, Ending};

/// How long a test waits for what must happen.
const PATIENCE: Duration = Duration::from_secs(20);

/// Runs tests on each data plane.
macro_rules! on_both_planes {
    ($($test:ident)*) => {
        mod on_io_uring {
            $(#[test] fn $test() {
                super::$test($crate::io::DataPlane::IoUring);
            })*
        }
        mod on_epoll {
            $(#[test] fn $test() {
                super::$test($crate::io::DataPlane::Epoll);
            })*
        }
    };
}
use on_both_planes;

/// Remembers all calls, and does what it is told beforehand.
#[derive(Default)]
struct Recorder {
    opened: Vec<ConnectionId>,
    received: HashMap<ConnectionId, Vec<u8>>,
    /// The longest piece that one call brought.
    longest: usize,
    finished: Vec<ConnectionId>,
    sent: HashMap<ConnectionId, usize>,
    blocked: Vec<ConnectionId>,
    closed: Vec<(ConnectionId, Closed)>,
    outboxes: HashMap<ConnectionId, Outbox>,
    awaits_sent: bool,
    has_messages: bool,
    accept_failures: usize,
    wakes: usize,
    /// Pause each new connection at once.
    pause_new: bool,
    /// Close with a FIN when the peer has sent its own.
    answer_fin: bool,
}

impl Handler for Recorder {
    fn woke(&mut self) {
        self.wakes += 1;
    }

    fn opened(&mut self, id: ConnectionId, peer: SocketAddr, commands: &mut Commands) {
        assert!(peer.ip().is_loopback());
        assert!(!self.opened.contains(&id), "{id:?} is used twice");
        self.opened.push(id);
        if self.pause_new {
            commands.push(Command::Pause(id));
        }
    }

    fn received(&mut self, id: ConnectionId, bytes: &[u8], _commands: &mut Commands) {
        assert!(!bytes.is_empty());
        assert!(self.is_open(id), "bytes of a connection that is gone");
        self.longest = self.longest.max(bytes.len());
        self.received
            .entry(id)
            .or_default()
            .extend_from_slice(bytes);
    }

    fn finished(&mut self, id: ConnectionId, commands: &mut Commands) {
        assert!(self.is_open(id));
        self.finished.push(id);
        if self.answer_fin {
            commands.push(Command::Close(id, Ending::Orderly));
        }
    }

    fn sent(&mut self, id: ConnectionId, bytes: usize, _held: usize, _: &mut Commands) {
        assert!(bytes > 0 && self.is_open(id));
        *self.sent.entry(id).or_default() += bytes;
    }

    fn blocked(&mut self, id: ConnectionId) {
        self.blocked.push(id);
    }

    fn closed(&mut self, id: ConnectionId, why: Closed, _held: usize, _: &mut Commands) {
        assert!(self.closed.iter().all(|(closed, _)| *closed != id));
        self.closed.push((id, why));
    }

    fn take_outbox(&mut self, id: ConnectionId) -> Outbox {
        self.outboxes.remove(&id).unwrap_or_default()
    }

    fn awaits_sent(&mut self, _id: ConnectionId) -> bool {
        self.awaits_sent
    }

    fn has_messages(&self) -> bool {
        self.has_messages
    }

    fn accept_failed(&mut self, _error: io::Error) {
        self.accept_failures += 1;
    }
}

impl Recorder {
    fn is_open(&self, id: ConnectionId) -> bool {
        self.closed.iter().all(|(closed, _)| *closed != id)
    }
}

/// An event loop that listens, and what it has called.
struct Server {
    event_loop: EventLoop,
    recorder: Recorder,
    address: SocketAddr,
    bells: Arc<Bells>,
}

impl Server {
    fn new(plane: DataPlane) -> Server {
        let bells = Arc::new(Bells::new(plane, 2).unwrap());
        let mut event_loop = EventLoop::new(bells.clone(), 0).unwrap();
        let listener = listen_at((Ipv4Addr::LOCALHOST, 0).into(), false, PATIENCE).unwrap();
        let address = local_address(&listener).unwrap();
        event_loop.listen(listener).unwrap();
        Server {
            event_loop,
            recorder: Recorder::default(),
            address,
            bells,
        }
    }

    fn dial(&self) -> TcpStream {
        let peer = TcpStream::connect(self.address).unwrap();
        peer.set_read_timeout(Some(PATIENCE)).unwrap();
        peer
    }

    /// Dials and turns until the connection is open.
    fn accept(&mut self) -> (TcpStream, ConnectionId) {
        let before = self.recorder.opened.len();
        let peer = self.dial();
        self.turn_until(|recorder| recorder.opened.len() > before);
        (peer, self.recorder.opened[before])
    }

    fn turn(&mut self, at_most: Duration) -> usize {
        let plan = SleepPlan {
            at_most,
            batching: None,
        };
        self.event_loop.turn(&mut self.recorder, plan).unwrap()
    }

    fn turn_until(&mut self, condition: impl Fn(&Recorder) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !condition(&self.recorder) {
            assert!(Instant::now() < deadline, "waited in vain");
            self.turn(Duration::from_millis(10));
        }
    }

    fn command(&mut self, command: Command) {
        let mut commands = Commands::default();
        commands.push(command);
        self.event_loop
            .apply_commands(&mut self.recorder, &mut commands)
            .unwrap();
    }

    fn send(&mut self, id: ConnectionId, bytes: &[u8]) {
        let outbox = self.recorder.outboxes.entry(id).or_default();
        outbox.text().extend_from_slice(bytes);
        self.command(Command::Send(id));
    }
}
