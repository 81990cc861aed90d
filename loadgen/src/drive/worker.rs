//! One simulated worker: its connection, its sequence of pulses, and those that have no answer yet.

use std::collections::VecDeque;

use storm_pacemaker::wire::MessageType;
use storm_pacemaker::wire::message::{encode_pulse_head, encode_pulse_tail};

use super::link::Link;
use crate::payload::{self, Stamp};

/// Bytes of a SEND_PULSE frame besides the key and the details.
const FRAME_AROUND_BYTES: usize = 64;

#[derive(Debug, Default)]
pub struct Worker {
    pub link: Link,
    /// Of the last pulse; also its message id.
    sequence: u32,
    /// In the order of their planned instants.
    pub in_flight: VecDeque<InFlight>,
    /// The planned instant of a pulse that waits for the connection.
    pub held_us: Option<u64>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct InFlight {
    pub sequence: u32,
    pub planned_us: u64,
}

impl Worker {
    /// Queues the next pulse, and returns the bytes of its frame.
    pub fn pulse(
        &mut self,
        key: &str,
        run: u64,
        index: u32,
        bytes: usize,
        planned_us: u64,
    ) -> usize {
        self.sequence += 1;
        let stamp = Stamp {
            run,
            worker: index,
            sequence: self.sequence,
        };
        let text = self.link.outbox.text();
        let before = text.len();
        text.reserve_exact(key.len() + bytes + FRAME_AROUND_BYTES);
        encode_pulse_head(text, MessageType::SendPulse, key, bytes);
        payload::append(text, stamp, bytes);
        encode_pulse_tail(text, self.sequence as i32);
        self.in_flight.push_back(InFlight {
            sequence: self.sequence,
            planned_us,
        });
        text.len() - before
    }

    /// The pulse that an answer with this id is for.
    pub fn settle(&mut self, id: i32) -> Option<InFlight> {
        let mut pulses = self.in_flight.iter();
        let position = pulses.position(|pulse| pulse.sequence as i32 == id)?;
        self.in_flight.remove(position)
    }
}

#[cfg(test)]
mod tests {
    use storm_pacemaker::wire::message::FRAME_PREFIX_BYTES;
    use storm_pacemaker::wire::{Data, decode};

    use super::*;

    #[test]
    fn a_pulse_is_a_whole_frame_that_its_answer_settles() {
        let mut worker = Worker::default();
        for (sequence, planned_us) in [(1, 10), (2, 20)] {
            let start = worker.link.outbox.len();
            let bytes = worker.pulse("/workerbeats/t/w", 7, 3, 64, planned_us);
            let frame = &worker.link.outbox.as_single_slice().unwrap()[start..];
            assert_eq!(frame.len(), bytes);
            let message = decode(&frame[FRAME_PREFIX_BYTES..]).unwrap();
            let Some(Data::Pulse(pulse)) = message.data else {
                panic!("no pulse: {message:?}");
            };
            assert_eq!((&*pulse.id, message.id), ("/workerbeats/t/w", sequence));
            let stamp = payload::read(pulse.details.unwrap()).unwrap();
            assert_eq!(
                (stamp.run, stamp.worker, stamp.sequence),
                (7, 3, sequence as u32)
            );
        }
        assert_eq!(worker.settle(3), None);
        assert_eq!(worker.settle(2).unwrap().planned_us, 20);
        assert_eq!(worker.settle(2), None);
        assert_eq!(worker.settle(1).unwrap().planned_us, 10);
    }
}
