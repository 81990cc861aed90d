//! An honest Pacemaker in a few lines: what the stubs keep, and what an answer ought to be.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::time::Duration;

use storm_pacemaker::wire::message::{encode_nodes, encode_plain, encode_pulse};
use storm_pacemaker::wire::{Data, Message, MessageType};

/// One request as it came.
#[derive(Clone, Debug)]
pub struct Request {
    pub kind: MessageType,
    /// A pulse's key, or the path of the others; a login's messages have none.
    pub path: String,
    pub details: Vec<u8>,
    pub id: i32,
    /// The connection that it came on: the stub numbers them from 0.
    pub connection: usize,
}

/// What a stub does about a request.
#[derive(Debug)]
pub enum Reply {
    Now(Vec<u8>),
    /// So much later, while others are served. All of one stub's are equally late.
    Late(Duration, Vec<u8>),
    Nothing,
    /// Ends the connection with a RST.
    Reset,
    /// Ends it with a FIN; what comes is still read.
    Finish,
}

/// Pulses by their keys: all that were ever sent, the last one is the one that counts.
#[derive(Debug, Default)]
pub struct Store(Mutex<BTreeMap<String, Vec<Vec<u8>>>>);

impl Request {
    pub fn of(message: &Message<'_>, connection: usize) -> Request {
        let (path, details) = match &message.data {
            Some(Data::Pulse(pulse)) => (pulse.id.as_ref(), pulse.details.unwrap_or_default()),
            Some(Data::Path(path)) => (path.as_ref(), &[][..]),
            // A step of a login.
            Some(Data::Blob(blob)) => ("", *blob),
            other => panic!("no client sends a {:?} with {other:?}", message.kind),
        };
        Request {
            kind: message.kind,
            path: path.to_owned(),
            details: details.to_vec(),
            id: message.id,
            connection,
        }
    }

    /// The answer to a GET that has found these details, or nothing.
    pub fn with_details(&self, details: Option<&[u8]>) -> Reply {
        let mut out = Vec::new();
        encode_pulse(
            &mut out,
            MessageType::GetPulseResponse,
            &self.path,
            details,
            self.id,
        );
        Reply::Now(out)
    }

    /// An answer that names these children.
    pub fn with_nodes(&self, names: &BTreeSet<String>) -> Reply {
        let mut out = Vec::new();
        encode_nodes(
            &mut out,
            MessageType::GetAllNodesForPathResponse,
            names,
            self.id,
        );
        Reply::Now(out)
    }

    /// An answer without data.
    pub fn with_plain(&self, kind: MessageType) -> Reply {
        let mut out = Vec::new();
        encode_plain(&mut out, kind, self.id);
        Reply::Now(out)
    }
}

impl Reply {
    /// The bytes of an answer that goes out at once.
    pub fn bytes(self) -> Vec<u8> {
        match self {
            Reply::Now(bytes) => bytes,
            other => panic!("{other:?} has no bytes"),
        }
    }
}

impl Store {
    /// Does what the request wants, and answers as Storm's Pacemaker does.
    pub fn serve(&self, request: &Request) -> Reply {
        match request.kind {
            MessageType::SendPulse => {
                self.put(request);
                request.with_plain(MessageType::SendPulseResponse)
            }
            MessageType::GetPulse => request.with_details(self.newest(&request.path).as_deref()),
            MessageType::GetAllNodesForPath => request.with_nodes(&self.children(&request.path)),
            MessageType::DeletePath => {
                self.delete(&request.path);
                request.with_plain(MessageType::DeletePathResponse)
            }
            other => panic!("no client of a Pacemaker sends {other:?}"),
        }
    }

    fn put(&self, request: &Request) {
        let mut pulses = self.0.lock().expect("no panic");
        let of_key = pulses.entry(request.path.clone()).or_default();
        of_key.push(request.details.clone());
    }

    pub fn newest(&self, key: &str) -> Option<Vec<u8>> {
        self.0.lock().expect("no panic").get(key)?.last().cloned()
    }

    pub fn oldest(&self, key: &str) -> Option<Vec<u8>> {
        self.0.lock().expect("no panic").get(key)?.first().cloned()
    }

    /// The newest pulse of any other key.
    pub fn of_another(&self, key: &str) -> Option<Vec<u8>> {
        let pulses = self.0.lock().expect("no panic");
        let mut others = pulses.iter().filter(|(other, _)| *other != key);
        others.next()?.1.last().cloned()
    }

    fn delete(&self, path: &str) {
        let below = format!("{path}/");
        let stays = |key: &str| key != path && !key.starts_with(&below);
        let mut pulses = self.0.lock().expect("no panic");
        pulses.retain(|key, _| stays(key));
    }

    /// The first segments below a path.
    pub fn children(&self, path: &str) -> BTreeSet<String> {
        let below = format!("{path}/");
        let pulses = self.0.lock().expect("no panic");
        let names = pulses.keys().filter_map(|key| key.strip_prefix(&below));
        names
            .filter_map(|rest| rest.split('/').next())
            .map(str::to_owned)
            .collect()
    }

    pub fn keys(&self) -> Vec<String> {
        self.0.lock().expect("no panic").keys().cloned().collect()
    }
}
