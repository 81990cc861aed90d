//! One simulated worker: its connection, its pulses, and the one request that it waits for.

use storm_pacemaker::wire::MessageType;
use storm_pacemaker::wire::message::{encode_path, encode_pulse_head, encode_pulse_tail};

use super::link::Link;
use super::request::Request;
use crate::payload::{self, Stamp};

/// The most bytes of a SEND_PULSE frame besides the key and the details.
const FRAME_OVERHEAD_BYTES: usize = 64;

#[derive(Debug)]
pub struct Worker {
    pub link: Link,
    /// Index of its current server.
    pub target: usize,
    /// Number of the last request: its message id, and the sequence number of a pulse.
    sequence: u32,
    /// The request under way: Storm's worker waits for each answer before it sends the next pulse.
    pub request: Option<Request<RequestKind>>,
    /// The planned instant of the pulse that waits until the request is over.
    pub waiting_us: Option<u64>,
    /// Additional answers to come, to repeated requests.
    owed: u32,
    pub life: Life,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RequestKind {
    Pulse,
    /// Deletes its own key as it exits.
    Delete,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Life {
    Running,
    /// Its key must still be deleted on this number of servers.
    Exiting {
        servers: usize,
        all_deleted: bool,
    },
    Gone,
}

impl Worker {
    pub fn new(target: usize) -> Worker {
        Worker {
            link: Link::default(),
            target,
            sequence: 0,
            request: None,
            waiting_us: None,
            owed: 0,
            life: Life::Running,
        }
    }

    /// Begins the next request, and returns its id. Call `write` next.
    pub fn begin(&mut self, what: RequestKind, planned_us: u64) -> i32 {
        debug_assert!(self.request.is_none());
        self.sequence += 1;
        let id = self.sequence as i32;
        self.request = Some(Request::new(id, what, planned_us));
        id
    }

    /// Whether the request under way is its first.
    pub fn is_new(&self) -> bool {
        self.sequence <= 1
    }

    /// Queues the request under way, and returns the size of its frame in bytes.
    pub fn write(&mut self, key: &str, run: u64, index: u32, bytes: usize) -> usize {
        let Some(request) = &self.request else {
            return 0;
        };
        let text = self.link.outbox.text();
        let before = text.len();
        match request.what {
            RequestKind::Pulse => {
                let stamp = Stamp {
                    run,
                    worker: index,
                    sequence: self.sequence,
                };
                text.reserve_exact(key.len() + bytes + FRAME_OVERHEAD_BYTES);
                encode_pulse_head(text, MessageType::SendPulse, key, bytes);
                payload::append(text, stamp, bytes);
                encode_pulse_tail(text, request.id);
            }
            RequestKind::Delete => encode_path(text, MessageType::DeletePath, key, request.id),
        }
        text.len() - before
    }

    /// The request was repeated: the server will answer each copy.
    pub fn owe(&mut self) {
        self.owed += 1;
    }

    /// Finds the request that an answer belongs to.
    pub fn match_answer(&mut self, kind: MessageType, id: i32) -> Match {
        let fits = |request: &mut Request<RequestKind>| {
            let answer = match request.what {
                RequestKind::Pulse => MessageType::SendPulseResponse,
                RequestKind::Delete => MessageType::DeletePathResponse,
            };
            let fits = kind == answer || kind == MessageType::NotAuthorized;
            request.id == id && request.was_written() && fits
        };
        if let Some(request) = self.request.take_if(fits) {
            return match kind {
                MessageType::NotAuthorized => Match::Refused(request),
                _ => Match::Answered(request),
            };
        }
        if self.owed > 0 && (1..=self.sequence as i32).contains(&id) {
            self.owed -= 1;
            return Match::Duplicate;
        }
        Match::Unasked
    }

    /// The connection is gone: no additional answers will come.
    pub fn forget_owed(&mut self) {
        self.owed = 0;
    }

    /// Turns to the next server.
    pub fn rotate(&mut self, targets: usize) {
        self.target = (self.target + 1) % targets;
    }
}

/// What an answer belongs to.
#[derive(Debug)]
pub enum Match {
    Answered(Request<RequestKind>),
    Refused(Request<RequestKind>),
    /// An additional answer to a repeated request.
    Duplicate,
    /// It belongs to no request.
    Unasked,
}

#[cfg(test)]
mod tests {
    use storm_pacemaker::connection::ConnectionId;
    use storm_pacemaker::wire::message::FRAME_PREFIX_BYTES;
    use storm_pacemaker::wire::{Data, decode};

    use super::*;

    const CONNECTION: ConnectionId = ConnectionId {
        slot: 0,
        generation: 0,
    };

    fn with_pulse_under_way() -> Worker {
        let mut worker = Worker::new(0);
        worker.begin(RequestKind::Pulse, 10);
        let request = worker.request.as_mut().unwrap();
        request.attempt(Some(CONNECTION));
        worker
    }

    #[test]
    fn a_pulse_is_a_whole_frame() {
        let mut worker = with_pulse_under_way();
        let bytes = worker.write("/workerbeats/t/w", 7, 3, 64);
        let frame = worker.link.outbox.as_single_slice().unwrap();
        assert_eq!(frame.len(), bytes);
        let message = decode(&frame[FRAME_PREFIX_BYTES..]).unwrap();
        let Some(Data::Pulse(pulse)) = message.data else {
            panic!("no pulse: {message:?}");
        };
        assert_eq!((&*pulse.id, message.id), ("/workerbeats/t/w", 1));
        let stamp = payload::read(pulse.details.unwrap()).unwrap();
        assert_eq!((stamp.run, stamp.worker, stamp.sequence), (7, 3, 1));
    }

    #[test]
    fn a_repeated_request_has_the_same_bytes() {
        let mut worker = with_pulse_under_way();
        let bytes = worker.write("/workerbeats/t/w", 7, 3, 64);
        worker.write("/workerbeats/t/w", 7, 3, 64);
        let both = worker.link.outbox.as_single_slice().unwrap();
        assert_eq!(both[..bytes], both[bytes..]);
    }

    #[test]
    fn an_answer_matches_its_own_request_only() {
        let mut worker = with_pulse_under_way();
        let answer = MessageType::SendPulseResponse;
        let wrong_type = worker.match_answer(MessageType::DeletePathResponse, 1);
        assert!(matches!(wrong_type, Match::Unasked));
        assert!(matches!(worker.match_answer(answer, 2), Match::Unasked));
        assert!(matches!(worker.match_answer(answer, 1), Match::Answered(_)));
        assert!(matches!(worker.match_answer(answer, 1), Match::Unasked));
        let refusal = with_pulse_under_way().match_answer(MessageType::NotAuthorized, 1);
        assert!(matches!(refusal, Match::Refused(_)));
    }

    #[test]
    fn a_second_answer_needs_a_second_write() {
        let mut worker = with_pulse_under_way();
        worker.owe();
        let answer = MessageType::SendPulseResponse;
        assert!(matches!(worker.match_answer(answer, 1), Match::Answered(_)));
        assert!(matches!(worker.match_answer(answer, 1), Match::Duplicate));
        assert!(matches!(worker.match_answer(answer, 1), Match::Unasked));
    }
}
