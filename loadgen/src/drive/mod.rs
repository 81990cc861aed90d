//! Drives a plan: one thread a core for the workers, one for Nimbus, and this one, which watches the
//! time, the server process and the progress. Threads share nothing but the stage.

mod clock;
mod judge;
mod link;
mod nimbus;
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
use storm_pacemaker::ring::{Bells, EventLoop};

use crate::machine;
use crate::plan::Plan;
use crate::progress::Display;
use crate::record::Record;
use crate::server_process::{self, CpuTime, Memory, Sample};
use crate::settings::{Nimbus, Settings};
pub use clock::{Clock, Window};
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

/// Drives the plan to its end. An error is one of this host: a ring, a thread, a core.
pub fn run(settings: Settings, plan: Plan) -> Result<(Arc<Stage>, Measured), String> {
    let stage = Arc::new(Stage::new(settings, plan));
    let crew = Crew::start(&stage)?;
    let start = Instant::now() + LEAD;
    crew.begin(start);
    let measured = watch(&stage, Clock::new(start), &crew);
    let record = crew.join(&stage)?;
    let (window_us, threads, server) = measured;
    let measured = Measured {
        record,
        window_us,
        threads,
        server,
    };
    Ok((stage, measured))
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
    fn start(stage: &Arc<Stage>) -> Result<Crew, String> {
        let mut crew = Crew {
            threads: Vec::new(),
            begin: Vec::new(),
            worker_ids: Vec::new(),
        };
        for (index, core) in stage.settings.cores.iter().copied().enumerate() {
            let mine = stage.clone();
            let id = crew.spawn(
                &format!("workers-{index}"),
                stage,
                move || machine::pin_to(core),
                move |ring, clock| workers::Workers::new(mine, index, clock).run(ring),
            )?;
            crew.worker_ids.push(id);
        }
        if stage.settings.nimbus != Nimbus::Off {
            let mine = stage.clone();
            crew.spawn(
                "nimbus",
                stage,
                || {
                    machine::take_precedence();
                    Ok(())
                },
                move |ring, clock| nimbus::Reader::new(mine, clock).run(ring),
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

/// Shows progress until all threads are done, and takes samples at both ends of the window.
fn watch(stage: &Stage, clock: Clock, crew: &Crew) -> (u64, Vec<ThreadUse>, Option<ServerUse>) {
    let mut display = Display::new(&stage.settings);
    let window = Window::of(&stage.settings);
    let mut first: Option<Samples> = None;
    let mut last: Option<Samples> = None;
    while !stage.aborted() && (last.is_none() || !crew.is_done(stage)) {
        let now_us = clock.now_us();
        if first.is_none() && now_us >= window.begin_us {
            first = Some(Samples::take(stage, now_us));
        }
        if last.is_none() && now_us >= window.end_us {
            last = Some(Samples::take(stage, now_us));
        }
        display.show(now_us, stage);
        let edges = [window.begin_us, window.end_us];
        let edge = edges.into_iter().find(|edge| *edge > now_us);
        let to_edge = edge.map_or(LOOK_EVERY, |edge| Duration::from_micros(edge - now_us));
        thread::sleep(LOOK_EVERY.min(to_edge));
    }
    display.finish();
    let (Some(first), Some(last)) = (first, last) else {
        return (0, Vec::new(), None); // cut short
    };
    let cores = stage.settings.cores.iter().zip(&crew.worker_ids);
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
    (last.taken_us - first.taken_us, threads, server)
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
