//! A server on a port of its own, with a thread for each connection. What it answers is up to the test;
//! what it has seen can be asked and waited for. When it is dropped nothing of it stays.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, Weak};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::net::sockopt::set_socket_linger;
use storm_pacemaker::wire::{FrameReader, MessageType, decode};

use super::{PATIENCE, Reply, Request, Store};

/// `pacemaker.thrift.message.size.max`.
const FRAME_BYTES: u32 = 10 << 20;

type Manners = dyn Fn(&Store, &Request) -> Reply + Send + Sync;

/// Whom a stub lets in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Door {
    Open,
    /// Connections at a time; others are reset as soon as they are accepted.
    Holds(usize),
}

pub struct Stub {
    address: SocketAddr,
    shared: Arc<Shared>,
    /// Accepts until the stub goes away; returns the threads of its connections.
    acceptor: Option<JoinHandle<Vec<JoinHandle<()>>>>,
    late: Option<JoinHandle<()>>,
}

/// What a stub has seen.
#[derive(Debug, Default)]
pub struct Seen {
    pub requests: Vec<Arrival>,
    /// When each connection was accepted.
    pub connections: Vec<Instant>,
}

#[derive(Debug)]
pub struct Arrival {
    pub at: Instant,
    pub request: Request,
    /// The frame without its length.
    pub body: Vec<u8>,
}

struct Shared {
    manners: Box<Manners>,
    door: Door,
    store: Store,
    seen: Mutex<Seen>,
    news: Condvar,
    /// Sockets by the numbers of their connections. Its thread alone holds one, so that it is closed,
    /// and reset where that is wanted, when the thread lets go.
    open: Mutex<HashMap<usize, Weak<TcpStream>>>,
    late: Mutex<Option<Sender<LateAnswer>>>,
    leaving: AtomicBool,
}

struct LateAnswer {
    due: Instant,
    socket: Arc<TcpStream>,
    bytes: Vec<u8>,
}

impl Stub {
    /// One that does what it should.
    pub fn honest() -> Stub {
        Stub::start(Store::serve)
    }

    pub fn start(manners: impl Fn(&Store, &Request) -> Reply + Send + Sync + 'static) -> Stub {
        Stub::with_door(Door::Open, manners)
    }

    pub fn with_door(
        door: Door,
        manners: impl Fn(&Store, &Request) -> Reply + Send + Sync + 'static,
    ) -> Stub {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let (sender, late) = mpsc::channel();
        let shared = Arc::new(Shared {
            manners: Box::new(manners),
            door,
            store: Store::default(),
            seen: Mutex::default(),
            news: Condvar::new(),
            open: Mutex::default(),
            late: Mutex::new(Some(sender)),
            leaving: AtomicBool::new(false),
        });
        let (mine, other) = (shared.clone(), shared.clone());
        Stub {
            address,
            shared,
            acceptor: Some(thread::spawn(move || accept(&listener, &mine))),
            late: Some(thread::spawn(move || other.answer_late(&late))),
        }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn store(&self) -> &Store {
        &self.shared.store
    }

    pub fn seen(&self) -> MutexGuard<'_, Seen> {
        self.shared.seen.lock().expect("no panic")
    }

    /// Waits until the stub has seen what is wanted.
    pub fn wait_until(&self, what: &str, mut wanted: impl FnMut(&Seen) -> bool) {
        let seen = self.seen();
        let waited = self
            .shared
            .news
            .wait_timeout_while(seen, PATIENCE, |seen| !wanted(seen));
        let in_vain = waited.is_ok_and(|(_seen, waited)| waited.timed_out());
        assert!(!in_vain, "waited in vain: {what}");
    }

    /// Resets those connections.
    pub fn reset(&self, which: impl Fn(usize) -> bool) {
        for socket in self.shared.those(which) {
            make_resetting(&socket);
            // Its thread wakes, lets go, and so closes it. Nothing goes out before that.
            let _ = socket.shutdown(Shutdown::Read);
        }
    }

    /// Says on those connections that no more will come.
    pub fn finish(&self, which: impl Fn(usize) -> bool) {
        for socket in self.shared.those(which) {
            let _ = socket.shutdown(Shutdown::Write);
        }
    }

    /// The server goes away: its port is closed and all connections are reset.
    pub fn go_away(&mut self) {
        let Some(acceptor) = self.acceptor.take() else {
            return;
        };
        self.shared.leaving.store(true, Ordering::SeqCst);
        // Wakes the acceptor, which sees that it is to go.
        let _ = TcpStream::connect(self.address);
        let connections = acceptor.join();
        self.reset(|_| true);
        self.shared.late.lock().expect("no panic").take();
        let late = self.late.take().map(JoinHandle::join);
        let ended = connections.map(|all| all.into_iter().map(JoinHandle::join).collect());
        let ended: Result<(), _> = ended.and_then(|all: Vec<_>| all.into_iter().collect());
        if !thread::panicking() {
            ended.expect("no thread of the stub panics");
            late.transpose().expect("nor the one of late answers");
        }
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        self.go_away();
    }
}

impl Seen {
    /// Arrivals of one kind.
    pub fn of(&self, kind: MessageType) -> impl Iterator<Item = &Arrival> + Clone {
        self.requests
            .iter()
            .filter(move |arrival| arrival.request.kind == kind)
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) -> Vec<JoinHandle<()>> {
    let mut threads = Vec::new();
    loop {
        let (socket, _) = listener.accept().expect("a connection");
        if shared.leaving.load(Ordering::SeqCst) {
            return threads;
        }
        if let Door::Holds(most) = shared.door
            && shared.open.lock().expect("no panic").len() >= most
        {
            make_resetting(&socket);
            continue;
        }
        let socket = Arc::new(socket);
        let number = shared.welcome(&socket);
        let mine = shared.clone();
        threads.push(thread::spawn(move || mine.serve(socket, number)));
    }
}

/// Closing it sends a RST.
fn make_resetting(socket: &TcpStream) {
    set_socket_linger(socket, Some(Duration::ZERO)).expect("an option that every socket has");
}

impl Shared {
    fn welcome(&self, socket: &Arc<TcpStream>) -> usize {
        socket.set_nodelay(true).expect("it is a TCP socket");
        let mut seen = self.seen.lock().expect("no panic");
        let number = seen.connections.len();
        seen.connections.push(Instant::now());
        let weak = Arc::downgrade(socket);
        self.open.lock().expect("no panic").insert(number, weak);
        self.news.notify_all();
        number
    }

    fn serve(&self, socket: Arc<TcpStream>, number: usize) {
        let mut frames = FrameReader::new(FRAME_BYTES);
        let mut bytes = vec![0; 64 << 10];
        let mut go_on = true;
        while go_on {
            let length = match (&*socket).read(&mut bytes) {
                Ok(0) | Err(_) => break,
                Ok(length) => length,
            };
            let mut chunk = &bytes[..length];
            while go_on && let Some(body) = frames.next_from(&mut chunk) {
                let body = body.expect("the generator's frames have proper lengths");
                go_on = self.answer(&socket, number, body);
            }
        }
        // One that others hold for a moment is not open to them.
        self.open.lock().expect("no panic").remove(&number);
    }

    /// False when the connection is over.
    fn answer(&self, socket: &Arc<TcpStream>, number: usize, body: &[u8]) -> bool {
        let message = decode(body).expect("the generator sends messages");
        let request = Request::of(&message, number);
        self.note(&request, body);
        let answered = match (self.manners)(&self.store, &request) {
            Reply::Now(bytes) => (&**socket).write_all(&bytes),
            Reply::Late(by, bytes) => {
                let late = self.late.lock().expect("no panic");
                let answer = LateAnswer {
                    due: Instant::now() + by,
                    socket: socket.clone(),
                    bytes,
                };
                // A stub that goes away answers no more.
                let _ = late.as_ref().map(|late| late.send(answer));
                Ok(())
            }
            Reply::Nothing => Ok(()),
            Reply::Reset => {
                make_resetting(socket);
                return false;
            }
            Reply::Finish => socket.shutdown(Shutdown::Write),
        };
        answered.is_ok()
    }

    fn note(&self, request: &Request, body: &[u8]) {
        let mut seen = self.seen.lock().expect("no panic");
        seen.requests.push(Arrival {
            at: Instant::now(),
            request: request.clone(),
            body: body.to_vec(),
        });
        self.news.notify_all();
    }

    fn answer_late(&self, answers: &Receiver<LateAnswer>) {
        for answer in answers {
            if !self.leaving.load(Ordering::SeqCst) {
                thread::sleep(answer.due.saturating_duration_since(Instant::now()));
            }
            // The generator may have given up.
            let _ = (&*answer.socket).write_all(&answer.bytes);
        }
    }

    fn those(&self, which: impl Fn(usize) -> bool) -> Vec<Arc<TcpStream>> {
        let open = self.open.lock().expect("no panic");
        let chosen = open.iter().filter(|(number, _)| which(**number));
        chosen.filter_map(|(_, socket)| socket.upgrade()).collect()
    }
}
