//! Drives a plan: one thread a core for the workers, one for Nimbus, and this one, which watches the
//! time, the server process and the progress. Threads share nothing but the stage.

mod clock;
mod context;
mod driver;
mod judge;
mod link;
mod login_deadlines;
mod owners;
mod progress;
mod readers;
mod request;
mod seconds;
mod slices;
mod stage;
mod timeline;
mod worker;
mod workers;

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::thread::gettid;
use storm_pacemaker::client_login::ClientLogin;
use storm_pacemaker::ring::{Bells, EventLoop, own_descriptors};

use crate::machine;
use crate::plan::Plan;
use crate::record::{Record, Second, ServerSecond};
use crate::server_process::{self, CpuTime, Memory, Sample};
use crate::settings::{Nimbus, Settings};
use context::Context;
use driver::Driver;
use progress::Display;
use seconds::Seconds;

pub use clock::{Clock, Window};
pub use slices::Slice;
pub use stage::Stage;

/// From "all threads are ready" to the plan's zero.
const LEAD: Duration = Duration::from_millis(20);

/// How often this thread looks whether the others are done.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// All that a run has measured.
#[derive(Debug)]
pub struct Measured {
    pub record: Record,
    /// The measured window as it was: samples are taken when this thread gets to it.
    pub window_us: u64,
    pub threads: Vec<ThreadUse>,
    pub server: Option<ServerUse>,
    pub seconds: Vec<Second>,
}

/// What a driving thread took of its core in the window.
#[derive(Clone, Copy, Debug)]
pub struct ThreadUse {
    pub core: usize,
    pub time: CpuTime,
}

/// What the server process took in the window.
#[derive(Clone, Copy, Debug)]
pub struct ServerUse {
    pub time: CpuTime,
    /// Cores that it may use.
    pub cores: u32,
    /// At the end of the window.
    pub memory: Memory,
}

/// Drives the plan to its end. `log` wants the histograms of each second. An error is one of this host:
/// a ring, a thread, a core.
pub fn run(
    settings: Settings,
    plan: Plan,
    log: Option<Sender<Slice>>,
) -> Result<(Arc<Stage>, Measured), String> {
    machine::raise_open_files(settings.open_files())?;
    try_logins(&settings)?;
    let stage = Arc::new(Stage::new(settings, plan));
    let (sender, slices) = mpsc::channel();
    let crew = Crew::start(&stage, &sender)?;
    drop(sender);
    let end_us = stage.settings.end_us();
    let seconds = Seconds::new(slices, crew.threads.len(), end_us, log);
    let start = Instant::now() + LEAD;
    crew.begin(start);
    let mut watch = Watch::new(&stage, Clock::new(start), seconds);
    watch.until_done(&crew);
    let record = crew.join(&stage)?;
    Ok((stage.clone(), watch.finish(&stage, record)))
}

/// Begins a login of each kind and drops it. Without a ticket none would succeed; and a ticket that the
/// credential cache does not have yet would be fetched by each driving thread while its plan waits.
fn try_logins(settings: &Settings) -> Result<(), String> {
    for target in &settings.targets {
        let logins = &target.logins;
        for method in [&logins.readers, &logins.workers].into_iter().flatten() {
            ClientLogin::begin(method, &mut Vec::new())
                .map_err(|why| format!("no login to {} is possible: {why}", target.name))?;
        }
    }
    Ok(())
}

/// The driving threads.
struct Crew {
    threads: Vec<JoinHandle<io::Result<Record>>>,
    /// Sends each thread the plan's zero. A thread that is done stays, so that its CPU time can be
    /// read, until its sender is dropped.
    begin: Vec<Sender<Instant>>,
    /// Kernel ids of the threads that play workers, in order of their cores.
    worker_ids: Vec<u32>,
}

impl Crew {
    /// Starts all threads; they wait for `begin`.
    fn start(stage: &Arc<Stage>, seconds: &Sender<Slice>) -> Result<Crew, String> {
        let mut crew = Crew {
            threads: Vec::new(),
            begin: Vec::new(),
            worker_ids: Vec::new(),
        };
        for (index, core) in stage.settings.cores.iter().copied().enumerate() {
            let (mine, seconds) = (stage.clone(), seconds.clone());
            let id = crew.spawn(
                &format!("workers-{index}"),
                stage,
                move || machine::pin_to(core),
                move |ring, clock| {
                    let context = Context::new(mine, clock, seconds);
                    Driver::new(workers::Workers::new(context, index)).run(ring)
                },
            )?;
            crew.worker_ids.push(id);
        }
        if stage.settings.nimbus != Nimbus::Off || stage.settings.ui_readers > 0 {
            let (mine, seconds) = (stage.clone(), seconds.clone());
            crew.spawn(
                "nimbus",
                stage,
                || {
                    machine::take_precedence();
                    Ok(())
                },
                move |ring, clock| {
                    let context = Context::new(mine, clock, seconds);
                    Driver::new(readers::Readers::new(context)).run(ring)
                },
            )?;
        }
        Ok(crew)
    }

    /// Starts one thread with a ring of its own, and returns its kernel id when it is ready.
    fn spawn(
        &mut self,
        name: &str,
        stage: &Arc<Stage>,
        prepare: impl FnOnce() -> Result<(), String> + Send + 'static,
        drive: impl FnOnce(&mut EventLoop, Clock) -> io::Result<Record> + Send + 'static,
    ) -> Result<u32, String> {
        let (begin, wait): (Sender<Instant>, Receiver<Instant>) = mpsc::channel();
        let (report, ready) = mpsc::channel();
        let stage = stage.clone();
        let thread = thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                let ring = prepare().and_then(|()| {
                    own_descriptors(&[]).map_err(|error| {
                        format!("cannot give a thread descriptors of its own: {error}")
                    })?;
                    let bells = Arc::new(Bells::new(1));
                    EventLoop::new(bells, 0).map_err(|error| {
                        format!("cannot make an io_uring (it needs Linux 6.1): {error}")
                    })
                });
                let mut ring = match ring {
                    Ok(ring) => ring,
                    Err(why) => {
                        // Whoever started us waits for this.
                        let _ = report.send(Err(why));
                        return Ok(Record::default());
                    }
                };
                let _ = report.send(Ok(gettid().as_raw_nonzero().get() as u32));
                let Ok(start) = wait.recv() else {
                    return Ok(Record::default()); // another thread could not start
                };
                thread::sleep(start.saturating_duration_since(Instant::now()));
                let outcome = drive(&mut ring, Clock::new(start));
                if outcome.is_err() {
                    stage.abort();
                }
                stage.finish_one();
                let _ = wait.recv();
                outcome
            })
            .map_err(|error| format!("cannot start a thread: {error}"))?;
        let id = ready.recv().map_err(|_| format!("thread {name} died"))??;
        self.threads.push(thread);
        self.begin.push(begin);
        Ok(id)
    }

    fn begin(&self, start: Instant) {
        for begin in &self.begin {
            // A thread that is gone is found when it is joined.
            let _ = begin.send(start);
        }
    }

    fn is_done(&self, stage: &Stage) -> bool {
        stage.finished() == self.threads.len()
    }

    fn join(self, stage: &Stage) -> Result<Record, String> {
        drop(self.begin);
        let mut sum = Record::default();
        for thread in self.threads {
            let name = thread.thread().name().unwrap_or_default().to_owned();
            let record = thread
                .join()
                .map_err(|_| format!("thread {name} died"))?
                .map_err(|error| format!("the ring of thread {name} failed: {error}"))?;
            sum.merge(&record);
        }
        match stage.aborted() {
            true => Err("the run was cut short".to_owned()),
            false => Ok(sum),
        }
    }
}

/// What the calling thread does meanwhile: shows progress, puts the seconds together, and takes samples
/// every second and at both ends of the window.
struct Watch<'a> {
    stage: &'a Stage,
    clock: Clock,
    window: Window,
    seconds: Seconds,
    first: Option<Samples>,
    last: Option<Samples>,
    /// The server at the last full second.
    server: Option<(u32, Sample)>,
    worker_ids: Vec<u32>,
}

impl<'a> Watch<'a> {
    fn new(stage: &'a Stage, clock: Clock, seconds: Seconds) -> Watch<'a> {
        Watch {
            stage,
            clock,
            window: Window::of(&stage.settings),
            seconds,
            first: None,
            last: None,
            server: None,
            worker_ids: Vec::new(),
        }
    }

    fn until_done(&mut self, crew: &Crew) {
        let mut display = Display::new(&self.stage.settings);
        self.worker_ids.clone_from(&crew.worker_ids);
        while !self.stage.aborted() && (self.last.is_none() || !crew.is_done(self.stage)) {
            let now_us = self.clock.now_us();
            if self.first.is_none() && now_us >= self.window.begin_us {
                self.first = Some(Samples::take(self.stage, now_us));
            }
            if self.last.is_none() && now_us >= self.window.end_us {
                self.last = Some(Samples::take(self.stage, now_us));
            }
            self.look_at_server(now_us);
            self.seconds.collect();
            display.show(now_us, self.stage);
            let edges = [self.window.begin_us, self.window.end_us];
            let edge = edges.into_iter().find(|edge| *edge > now_us);
            let to_edge = edge.map_or(LOOK_EVERY, |edge| Duration::from_micros(edge - now_us));
            thread::sleep(LOOK_EVERY.min(to_edge));
        }
        display.finish();
    }

    /// What the server took in the last second, once that is over.
    fn look_at_server(&mut self, now_us: u64) {
        const SECOND_US: u64 = 1_000_000;
        let Some(pid) = self.stage.settings.server_pid else {
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
        let Some(sample) = Sample::of(pid) else {
            return; // it is gone; what follows has no server
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

    fn finish(self, stage: &Stage, record: Record) -> Measured {
        let (Some(first), Some(last)) = (self.first, self.last) else {
            unreachable!("a run that was cut short has ended as an error");
        };
        let cores = stage.settings.cores.iter().zip(&self.worker_ids);
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

/// One look at this process and at the server's.
struct Samples {
    taken_us: u64,
    own: Sample,
    server: Option<Sample>,
    memory: Option<Memory>,
    server_cores: Option<u32>,
}

impl Samples {
    fn take(stage: &Stage, now_us: u64) -> Samples {
        let pid = stage.settings.server_pid;
        Samples {
            taken_us: now_us,
            own: Sample::of(std::process::id()).unwrap_or_default(),
            server: pid.and_then(Sample::of),
            memory: pid.and_then(server_process::memory),
            server_cores: pid.and_then(server_process::cores),
        }
    }
}
