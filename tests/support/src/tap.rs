//! A tap on the line: passes bytes between clients and a server on, and keeps what the frames were
//! and who ended a connection first.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use storm_pacemaker::wire::message::{self, Data, MessageType};

use super::PATIENCE;

/// What passed in one connection, in order: `C: CONTROL -202`, `S: TOKEN`, `C: GetPulse`, `C: end`.
pub type Passed = Vec<String>;

pub struct Tap {
    address: SocketAddr,
    connections: Arc<Mutex<Vec<Arc<Mutex<Passed>>>>>,
}

impl Tap {
    /// Listens on a free port of 127.0.0.1. Its threads end with their connections.
    pub fn on(server: SocketAddr) -> Tap {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("its address");
        let connections: Arc<Mutex<Vec<Arc<Mutex<Passed>>>>> = Arc::default();
        let all = connections.clone();
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let server = TcpStream::connect_timeout(&server, PATIENCE).expect("the server");
                let passed: Arc<Mutex<Passed>> = Arc::default();
                all.lock().expect("the connections").push(passed.clone());
                let back = (server.try_clone(), client.try_clone());
                let back = (back.0.expect("a socket"), back.1.expect("a socket"));
                let copy = passed.clone();
                thread::spawn(move || pass("C", client, server, &copy));
                thread::spawn(move || pass("S", back.0, back.1, &passed));
            }
        });
        Tap {
            address,
            connections,
        }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Of every connection so far.
    pub fn passed(&self) -> Vec<Passed> {
        let connections = self.connections.lock().expect("the connections");
        let passed = connections
            .iter()
            .map(|passed| passed.lock().expect("it").clone());
        passed.collect()
    }
}

/// Notes each whole frame before it goes on, so that the order of notes is one of causes.
fn pass(who: &str, mut from: TcpStream, mut to: TcpStream, passed: &Mutex<Passed>) {
    let note = |what: &str| passed.lock().expect("it").push(format!("{who}: {what}"));
    let mut length = [0; 4];
    loop {
        let mut body = Vec::new();
        if from.read_exact(&mut length).is_err() {
            break;
        }
        body.resize(u32::from_be_bytes(length) as usize, 0);
        if from.read_exact(&mut body).is_err() {
            break;
        }
        note(&kind(&body));
        if to.write_all(&[&length[..], &body].concat()).is_err() {
            break;
        }
    }
    note("end");
    let _ = to.shutdown(Shutdown::Write);
}

fn kind(body: &[u8]) -> String {
    let message = message::decode(body).expect("a message");
    match (message.kind, message.data) {
        (MessageType::ControlMessage, Some(Data::Blob(blob))) => {
            let code = i16::from_be_bytes(blob[..2].try_into().expect("a code"));
            format!("CONTROL {code}")
        }
        (MessageType::SaslMessageToken, _) => "TOKEN".to_owned(),
        (kind, _) => format!("{kind:?}"),
    }
}
