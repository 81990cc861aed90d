//! The blocking client with the tests' patience: a daemon that is silent, or answers what is not a frame,
//! fails the test. Sends any bytes, reads whole frames, and tells how a connection ended.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use storm_pacemaker::blocking_client::{BlockingClient, ClientError};

use super::frames::{self, DELETE_PATH, DELETE_PULSE_ID, EXISTS, GET_ALL_NODES, GET_ALL_PULSE};
use super::{machine, patience, wait_until};

/// How the other side ended a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ended {
    /// With a FIN.
    Orderly,
    /// With a RST.
    Reset,
}

#[derive(Debug)]
pub struct Client {
    connection: BlockingClient,
    next_id: i32,
}

/// Frames of every length are read: what a daemon may send is for the tests to judge.
const ANY_FRAME: u32 = i32::MAX as u32;

impl Client {
    pub fn connect(to: SocketAddr) -> Client {
        Self::try_connect(to).expect("the connection is reset at once")
    }

    /// `None` if the connection is reset before the kernel has reported it as established.
    pub fn try_connect(to: SocketAddr) -> Option<Client> {
        match BlockingClient::connect(&[to], deadline(), ANY_FRAME) {
            Ok(connection) => Some(Self::of(connection)),
            Err(ClientError::Unreachable(error)) if is_reset(error.kind()) => None,
            Err(error) => panic!("connecting to {to}: {error}"),
        }
    }

    /// Connects, if the daemon then serves the connection and does not reset it.
    pub fn connect_if_served(to: SocketAddr) -> Option<Client> {
        let mut client = Self::try_connect(to)?;
        let served = client.try_send(&frames::get("/nobody", 1)) && client.frame_or_end().is_ok();
        served.then_some(client)
    }

    /// Connects from another address of this machine, such as 127.0.0.2.
    pub fn connect_from(from: IpAddr, to: SocketAddr) -> Client {
        Self::of(BlockingClient::connect_from(from, to, ANY_FRAME).expect("a connection"))
    }

    pub(crate) fn of(connection: BlockingClient) -> Client {
        Client {
            connection,
            next_id: 0,
        }
    }

    pub fn socket(&self) -> &TcpStream {
        self.connection.socket()
    }

    // ── Bytes ────────────────────────────────────────────────────────────────────────────────────

    pub fn send(&mut self, bytes: &[u8]) {
        let sent = self.connection.send(bytes, deadline());
        sent.expect("it can be sent");
    }

    /// Sends to a daemon that may end the connection meanwhile. False if it did.
    pub fn try_send(&mut self, bytes: &[u8]) -> bool {
        match self.connection.send(bytes, deadline()) {
            Ok(()) => true,
            Err(ClientError::Reset) => false,
            Err(error) => panic!("sending: {error}"),
        }
    }

    /// One whole frame, its length included.
    pub fn read_frame(&mut self) -> Vec<u8> {
        match self.frame_or_end() {
            Ok(frame) => frame,
            Err(ended) => panic!("expected an answer, the connection ended: {ended:?}"),
        }
    }

    pub fn read_frames(&mut self, count: usize) -> Vec<Vec<u8>> {
        (0..count).map(|_| self.read_frame()).collect()
    }

    pub fn frame_or_end(&mut self) -> Result<Vec<u8>, Ended> {
        let body = self.connection.receive(deadline());
        body.map(|body| frames::framed(&body)).map_err(ended)
    }

    /// What can be read right now, `most` bytes at most.
    pub fn read_some(&mut self, most: usize) -> Vec<u8> {
        let mut bytes = vec![0; most];
        let count = self.connection.receive_bytes(&mut bytes, deadline());
        bytes.truncate(count.expect("bytes of an answer"));
        bytes
    }

    /// All that still comes, and how it ends.
    pub fn read_to_end(&mut self) -> (Vec<u8>, Ended) {
        let mut bytes = Vec::new();
        let mut chunk = vec![0; 64 * 1024];
        loop {
            match self.connection.receive_bytes(&mut chunk, deadline()) {
                Ok(count) => bytes.extend_from_slice(&chunk[..count]),
                Err(error) => return (bytes, ended(error)),
            }
        }
    }

    /// Says that nothing more will be sent.
    pub fn finish(&mut self) {
        // The daemon may have reset the connection before.
        let _ = self.connection.finish();
    }

    /// Ends the connection with a RST.
    pub fn reset(self) {
        self.connection.reset_on_drop().expect("an option");
    }

    pub fn expect_reset(&mut self) {
        assert_eq!(self.read_to_end(), (vec![], Ended::Reset));
    }

    pub fn expect_closed(&mut self) {
        assert_eq!(self.read_to_end(), (vec![], Ended::Orderly));
    }

    // ── Requests ─────────────────────────────────────────────────────────────────────────────────

    /// Sends one request and reads one answer.
    pub fn ask(&mut self, request: &[u8]) -> Vec<u8> {
        self.send(request);
        self.read_frame()
    }

    fn ask_about(&mut self, kind: i32, path: &str) -> Vec<u8> {
        let id = self.next_id();
        let answer = self.ask(&frames::about(kind, path, id));
        assert_eq!(frames::id_of(&answer), id, "an answer to another request");
        answer
    }

    fn next_id(&mut self) -> i32 {
        self.next_id = (self.next_id + 1) % 100;
        self.next_id
    }

    /// The answer's type: 5, or 18 if it is refused.
    pub fn try_put(&mut self, path: &str, details: &[u8]) -> i32 {
        let id = self.next_id();
        let answer = self.ask(&frames::send(path, details, id));
        let kind = frames::kind_of(&answer);
        assert_eq!(answer, frames::plain(kind, id));
        kind
    }

    pub fn put(&mut self, path: &str, details: &[u8]) {
        assert_eq!(
            self.try_put(path, details),
            frames::answer_to(frames::SEND_PULSE)
        );
    }

    pub fn get(&mut self, path: &str) -> Option<Vec<u8>> {
        frames::details_of(&self.ask_about(frames::GET_PULSE, path))
    }

    pub fn exists(&mut self, path: &str) -> bool {
        let answer = self.ask_about(EXISTS, path);
        let yes = frames::exists_answer(true, self.next_id);
        assert!(answer == yes || answer == frames::exists_answer(false, self.next_id));
        answer == yes
    }

    pub fn list(&mut self, path: &str) -> Vec<String> {
        frames::names_of(&self.ask_about(GET_ALL_NODES, path))
    }

    /// The raw answer.
    pub fn records(&mut self, path: &str) -> Vec<u8> {
        self.ask_about(GET_ALL_PULSE, path)
    }

    pub fn delete_path(&mut self, path: &str) {
        let answer = self.ask_about(DELETE_PATH, path);
        assert_eq!(
            answer,
            frames::plain(frames::answer_to(DELETE_PATH), self.next_id)
        );
    }

    pub fn delete(&mut self, path: &str) {
        let answer = self.ask_about(DELETE_PULSE_ID, path);
        assert_eq!(
            answer,
            frames::plain(frames::answer_to(DELETE_PULSE_ID), self.next_id)
        );
    }
}

/// A new client gets right answers, and gets them at once.
pub fn assert_good_client_is_served(to: SocketAddr) {
    let start = Instant::now();
    let mut client = Client::connect(to);
    client.put("/good/client/1", b"fine");
    assert_eq!(client.get("/good/client/1").as_deref(), Some(&b"fine"[..]));
    assert_eq!(client.list("/good"), ["client"]);
    client.delete_path("/good");
    assert_eq!(client.get("/good/client/1"), None);
    let took = start.elapsed();
    assert!(
        took < Duration::from_secs(1) * machine::slowdown(),
        "a good client waited {took:?}"
    );
}

/// Tries new connections until one is served.
pub fn wait_until_served(to: SocketAddr) -> Client {
    let mut served = None;
    wait_until("a new connection is served", || {
        served = Client::connect_if_served(to);
        served.is_some()
    });
    served.expect("a served client")
}

fn deadline() -> Instant {
    Instant::now() + patience()
}

/// How the connection ended; every other error fails the test.
fn ended(error: ClientError) -> Ended {
    match error {
        ClientError::Closed => Ended::Orderly,
        ClientError::Reset => Ended::Reset,
        error => panic!("waiting for an answer: {error}"),
    }
}

fn is_reset(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::ConnectionReset | ErrorKind::BrokenPipe)
}
