//! The driving threads: started, given the start of the plan, joined.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use rustix::thread::gettid;
use storm_pacemaker::io::{Bells, DataPlane, EventLoop, own_descriptors};

use super::clock::Clock;
use super::context::Context;
use super::driver::Driver;
use super::readers::Readers;
use super::shared_run::SharedRun;
use super::slices::Slice;
use super::workers::Workers;
use crate::machine;
use crate::record::Record;
use crate::settings::Nimbus;

pub(super) struct Crew {
    threads: Vec<JoinHandle<io::Result<Record>>>,
    /// Sends each thread the start of the plan. A finished thread stays until its sender is dropped, so that its
    /// CPU time can be read.
    begin: Vec<Sender<Instant>>,
    /// Kernel ids of the workers' threads, in the order of their cores.
    pub worker_ids: Vec<u32>,
}

impl Crew {
    /// Starts all threads; they wait for `begin`.
    pub(super) fn start(shared: &Arc<SharedRun>, seconds: &Sender<Slice>) -> Result<Crew, String> {
        let mut crew = Crew {
            threads: Vec::new(),
            begin: Vec::new(),
            worker_ids: Vec::new(),
        };
        for (index, core) in shared.settings.cores.iter().copied().enumerate() {
            let (mine, seconds) = (shared.clone(), seconds.clone());
            let id = crew.spawn(
                &format!("workers-{index}"),
                shared,
                move || machine::pin_to(core),
                move |event_loop, clock| {
                    let context = Context::new(mine, clock, seconds);
                    Driver::new(Workers::new(context, index)).run(event_loop)
                },
            )?;
            crew.worker_ids.push(id);
        }
        if shared.settings.nimbus != Nimbus::Off || shared.settings.ui_readers > 0 {
            let (mine, seconds) = (shared.clone(), seconds.clone());
            crew.spawn(
                "nimbus",
                shared,
                || {
                    machine::raise_priority();
                    Ok(())
                },
                move |event_loop, clock| {
                    let context = Context::new(mine, clock, seconds);
                    Driver::new(Readers::new(context)).run(event_loop)
                },
            )?;
        }
        Ok(crew)
    }

    /// Starts one thread with an event loop of its own, and returns its kernel id when it is ready.
    fn spawn(
        &mut self,
        name: &str,
        shared: &Arc<SharedRun>,
        prepare: impl FnOnce() -> Result<(), String> + Send + 'static,
        drive: impl FnOnce(&mut EventLoop, Clock) -> io::Result<Record> + Send + 'static,
    ) -> Result<u32, String> {
        let (begin, wait) = mpsc::channel();
        let (report, ready) = mpsc::channel();
        let shared = shared.clone();
        let thread = thread::Builder::new()
            .name(name.to_owned())
            .spawn(
                move || match prepare().and_then(|()| make_event_loop(shared.settings.plane)) {
                    Ok(mut event_loop) => {
                        let _ = report.send(Ok(gettid().as_raw_nonzero().get() as u32));
                        play(&shared, &wait, |clock| drive(&mut event_loop, clock))
                    }
                    Err(why) => {
                        let _ = report.send(Err(why));
                        Ok(Record::default())
                    }
                },
            )
            .map_err(|error| format!("cannot start a thread: {error}"))?;
        let id = ready.recv().map_err(|_| format!("thread {name} died"))??;
        self.threads.push(thread);
        self.begin.push(begin);
        Ok(id)
    }

    pub(super) fn threads(&self) -> usize {
        self.threads.len()
    }

    pub(super) fn begin(&self, start: Instant) {
        for begin in &self.begin {
            // `join` reports a thread that is gone.
            let _ = begin.send(start);
        }
    }

    pub(super) fn is_done(&self, shared: &SharedRun) -> bool {
        shared.finished() == self.threads.len()
    }

    pub(super) fn join(self, shared: &SharedRun) -> Result<Record, String> {
        drop(self.begin);
        let mut sum = Record::default();
        for thread in self.threads {
            let name = thread.thread().name().unwrap_or_default().to_owned();
            let record = thread
                .join()
                .map_err(|_| format!("thread {name} died"))?
                .map_err(|error| format!("the event loop of thread {name} failed: {error}"))?;
            sum.merge(&record);
        }
        if shared.aborted() {
            Err("the run was cut short".to_owned())
        } else {
            Ok(sum)
        }
    }
}

fn make_event_loop(plane: DataPlane) -> Result<EventLoop, String> {
    own_descriptors(&[])
        .map_err(|error| format!("cannot give a thread descriptors of its own: {error}"))?;
    Bells::new(plane, 1)
        .and_then(|bells| EventLoop::new(Arc::new(bells), 0))
        .map_err(|error| {
            if error.kind() == io::ErrorKind::OutOfMemory && plane == DataPlane::IoUring {
                return format!(
                    "cannot use {}: {error}. The machine is out of memory, or this user's programs have used \
                     up the limit on locked memory, of which each thread needs 0.4 MiB: use fewer threads \
                     (--threads), raise the limit (ulimit -l, or memlock in /etc/security/limits.conf), or \
                     use --io epoll",
                    plane.name()
                );
            }
            format!("cannot use {}: {error}; see --io", plane.name())
        })
}

/// Waits for the start of the plan, drives, and stays until the sender of `wait` is dropped.
fn play(
    shared: &SharedRun,
    wait: &Receiver<Instant>,
    drive: impl FnOnce(Clock) -> io::Result<Record>,
) -> io::Result<Record> {
    let Ok(start) = wait.recv() else {
        return Ok(Record::default()); // another thread could not start
    };
    thread::sleep(start.saturating_duration_since(Instant::now()));
    let outcome = drive(Clock::new(start));
    if outcome.is_err() {
        shared.abort();
    }
    shared.finish_one();
    let _ = wait.recv();
    outcome
}
