//! What the calling thread does during a run: shows progress, merges the seconds, and samples the server
//! and the driving threads every second and at both ends of the window.

use std::thread;
use std::time::Duration;

use super::clock::{Clock, Window};
use super::crew::Crew;
use super::progress::Display;
use super::seconds::Seconds;
use super::shared_run::SharedRun;
use crate::record::{Record, Second, ServerSecond};
use crate::server_process::{self, CpuTime, Memory, ProcessSample};

/// How often it checks whether the driving threads are done.
const CHECK_EVERY: Duration = Duration::from_millis(50);

/// All that a run has measured.
#[derive(Debug)]
pub(crate) struct Measured {
    pub record: Record,
    /// The real length of the measured window: from the sample at its start to the one at its end.
    pub window_us: u64,
    pub threads: Vec<ThreadUse>,
    pub server: Option<ServerUse>,
    pub seconds: Vec<Second>,
}

/// CPU time of a driving thread in the window.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ThreadUse {
    pub core: usize,
    pub time: CpuTime,
}

/// CPU time and memory of the server process in the window.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ServerUse {
    pub time: CpuTime,
    /// The number of cores that it may use.
    pub cores: u32,
    /// At the end of the window.
    pub memory: Memory,
}

pub(super) struct Watch<'a> {
    shared: &'a SharedRun,
    clock: Clock,
    window: Window,
    seconds: Seconds,
    first: Option<Samples>,
    last: Option<Samples>,
    /// The server's last sample, and its second.
    server: Option<(u32, ProcessSample)>,
    worker_ids: Vec<u32>,
}

impl<'a> Watch<'a> {
    pub(super) fn new(shared: &'a SharedRun, clock: Clock, seconds: Seconds) -> Watch<'a> {
        Watch {
            shared,
            clock,
            window: Window::of(&shared.settings),
            seconds,
            first: None,
            last: None,
            server: None,
            worker_ids: Vec::new(),
        }
    }

    pub(super) fn until_done(&mut self, crew: &Crew) {
        let mut display = Display::new(&self.shared.settings);
        self.worker_ids.clone_from(&crew.worker_ids);
        while !self.shared.aborted() && (self.last.is_none() || !crew.is_done(self.shared)) {
            let now_us = self.clock.now_us();
            if self.first.is_none() && now_us >= self.window.begin_us {
                self.first = Some(Samples::take(self.shared, now_us));
            }
            if self.last.is_none() && now_us >= self.window.end_us {
                self.last = Some(Samples::take(self.shared, now_us));
            }
            self.sample_server(now_us);
            self.seconds.collect();
            display.show(now_us, self.shared);
            let edges = [self.window.begin_us, self.window.end_us];
            let edge = edges.into_iter().find(|edge| *edge > now_us);
            let to_edge = edge.map_or(CHECK_EVERY, |edge| Duration::from_micros(edge - now_us));
            thread::sleep(CHECK_EVERY.min(to_edge));
        }
        display.finish();
    }

    /// Once a second: what the server used in the last one.
    fn sample_server(&mut self, now_us: u64) {
        const SECOND_US: u64 = 1_000_000;
        let Some(pid) = self.shared.settings.server_pid else {
            return;
        };
        let second = (now_us / SECOND_US) as u32;
        if self
            .server
            .as_ref()
            .is_some_and(|(last, _)| *last == second)
        {
            return;
        }
        let Some(sample) = ProcessSample::of(pid) else {
            return; // it has ended
        };
        if let Some((last, before)) = &self.server {
            let busy_ns = sample.since(before).on_cpu_ns as f64 / f64::from(second - last);
            let memory = server_process::memory(pid);
            let server = memory.map(|memory| ServerSecond {
                busy: busy_ns / 1e9,
                resident_bytes: memory.resident_bytes,
            });
            self.seconds.add_server(second - 1, server);
        }
        self.server = Some((second, sample));
    }

    pub(super) fn finish(self, shared: &SharedRun, record: Record) -> Measured {
        let (Some(first), Some(last)) = (self.first, self.last) else {
            unreachable!("a run that was cut short has ended as an error");
        };
        let cores = shared.settings.cores.iter().zip(&self.worker_ids);
        let threads = cores
            .map(|(core, id)| ThreadUse {
                core: *core,
                time: last.own.thread_since(&first.own, *id),
            })
            .collect();
        let server = match (first.server, last.server, last.memory) {
            (Some(before), Some(after), Some(memory)) => Some(ServerUse {
                time: after.since(&before),
                cores: last.server_cores.unwrap_or(1),
                memory,
            }),
            _ => None,
        };
        Measured {
            record,
            window_us: last.taken_us - first.taken_us,
            threads,
            server,
            seconds: self.seconds.finish(),
        }
    }
}

/// One sample of this process and of the server's.
struct Samples {
    taken_us: u64,
    own: ProcessSample,
    server: Option<ProcessSample>,
    memory: Option<Memory>,
    server_cores: Option<u32>,
}

impl Samples {
    fn take(shared: &SharedRun, now_us: u64) -> Samples {
        let pid = shared.settings.server_pid;
        Samples {
            taken_us: now_us,
            own: ProcessSample::of(std::process::id()).unwrap_or_default(),
            server: pid.and_then(ProcessSample::of),
            memory: pid.and_then(server_process::memory),
            server_cores: pid.and_then(server_process::cores),
        }
    }
}
