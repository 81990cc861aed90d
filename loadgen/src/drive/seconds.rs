//! Merges the threads' slices, second by second.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, Sender};

use super::slices::Slice;
use crate::record::Summary;
use crate::record::{Second, ServerSecond};

pub struct Seconds {
    slices: Receiver<Slice>,
    threads: usize,
    /// Seconds with slices of some threads, and the number of these threads.
    open: BTreeMap<u32, (Slice, usize)>,
    /// What the server used in each second, if known.
    servers: Vec<Option<ServerSecond>>,
    done: Vec<Second>,
    /// Also receives each second, with its histograms.
    log: Option<Sender<Slice>>,
    /// Seconds of the plan. Later ones have only the last answers.
    planned: u32,
}

impl Seconds {
    pub fn new(
        slices: Receiver<Slice>,
        threads: usize,
        end_us: u64,
        log: Option<Sender<Slice>>,
    ) -> Seconds {
        Seconds {
            slices,
            threads,
            open: BTreeMap::new(),
            servers: Vec::new(),
            done: Vec::new(),
            log,
            planned: end_us.div_ceil(1_000_000) as u32,
        }
    }

    /// Takes the slices that have come.
    pub fn collect(&mut self) {
        while let Ok(slice) = self.slices.try_recv() {
            let second = slice.second;
            match self.open.get_mut(&second) {
                None => {
                    self.open.insert(second, (slice, 1));
                }
                Some((sum, threads)) => {
                    sum.merge(&slice);
                    *threads += 1;
                }
            }
        }
        while let Some(entry) = self.open.first_entry()
            && entry.get().1 == self.threads
        {
            let (slice, _) = entry.remove();
            self.close(slice);
        }
    }

    /// What the server used in a past second. Call it in the order of the seconds.
    pub fn add_server(&mut self, second: u32, server: Option<ServerSecond>) {
        self.servers.resize(second as usize, None);
        self.servers.push(server);
    }

    pub fn finish(mut self) -> Vec<Second> {
        self.collect();
        for second in &mut self.done {
            second.server = self.servers.get(second.second as usize).copied().flatten();
        }
        self.done
    }

    fn close(&mut self, slice: Slice) {
        if slice.second >= self.planned {
            return;
        }
        self.done.push(Second {
            second: slice.second,
            pulse: Summary::of(&slice.pulse),
            get: Summary::of(&slice.get),
            acknowledged: slice.acknowledged,
            reads: slice.reads,
            bytes_sent: slice.bytes_sent,
            bytes_received: slice.bytes_received,
            errors: slice.errors,
            server: None,
        });
        if let Some(log) = &self.log {
            // The log reports its own errors.
            let _ = log.send(slice);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    fn slice(second: u32, acknowledged: u64) -> Slice {
        Slice {
            second,
            acknowledged,
            ..Slice::default()
        }
    }

    #[test]
    fn a_second_is_complete_with_the_slices_of_all_threads() {
        let (sender, slices) = channel();
        let (log, logged) = channel();
        let mut seconds = Seconds::new(slices, 2, 2_000_000, Some(log));
        for part in [slice(0, 1), slice(1, 10), slice(0, 2)] {
            sender.send(part).unwrap();
        }
        seconds.collect();
        assert_eq!(logged.try_iter().count(), 1);
        sender.send(slice(1, 20)).unwrap();
        // The last answers, after the plan.
        sender.send(slice(2, 1)).unwrap();
        sender.send(slice(2, 1)).unwrap();
        seconds.add_server(
            1,
            Some(ServerSecond {
                busy: 0.5,
                resident_bytes: 7,
            }),
        );
        let done = seconds.finish();
        let seen: Vec<_> = done.iter().map(|s| (s.second, s.acknowledged)).collect();
        assert_eq!(seen, [(0, 3), (1, 30)]);
        assert!(done[0].server.is_none() && done[1].server.is_some());
    }
}
