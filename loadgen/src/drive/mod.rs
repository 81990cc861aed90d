//! Drives a plan: one thread per core for the workers, one for Nimbus's reads, and the calling thread, which
//! watches the time, the server process and the progress. Threads share nothing but a [`SharedRun`].

mod clock;
mod context;
mod crew;
mod driver;
mod judge;
mod link;
mod login_deadlines;
mod owners;
mod progress;
mod readers;
mod request;
mod seconds;
mod shared_run;
mod slices;
mod timeline;
mod watch;
mod worker;
mod workers;

use std::sync::Arc;
use std::sync::mpsc::{self, Sender};
use std::time::{Duration, Instant};

use storm_pacemaker::client_login::ClientLogin;

use crate::machine;
use crate::plan::Plan;
use crate::settings::Settings;
use clock::Clock;
use crew::Crew;
use seconds::Seconds;
use watch::Watch;

pub(crate) use shared_run::SharedRun;
pub(crate) use slices::Slice;
pub(crate) use watch::{Measured, ServerUse, ThreadUse};

/// From the moment when all threads are ready to the start of the plan.
const LEAD: Duration = Duration::from_millis(20);

/// Drives the plan to its end. `log` receives the histograms of each second. Errors are those of this
/// host: no ring, no thread, no core.
pub(crate) fn run(
    settings: Settings,
    plan: Plan,
    log: Option<Sender<Slice>>,
) -> Result<(Arc<SharedRun>, Measured), String> {
    machine::raise_open_files(settings.open_files())?;
    try_logins(&settings)?;
    let shared = Arc::new(SharedRun::new(settings, plan));
    let (sender, slices) = mpsc::channel();
    let crew = Crew::start(&shared, &sender)?;
    drop(sender);
    let end_us = shared.settings.end_us();
    let seconds = Seconds::new(slices, crew.threads(), end_us, log);
    let start = Instant::now() + LEAD;
    crew.begin(start);
    let mut watch = Watch::new(&shared, Clock::new(start), seconds);
    watch.until_done(&crew);
    let record = crew.join(&shared)?;
    Ok((shared.clone(), watch.finish(&shared, record)))
}

/// Begins one login of each kind and drops it. This finds a missing ticket before the run, and fetches
/// tickets into the credential cache now, not on the driving threads while their plan waits.
fn try_logins(settings: &Settings) -> Result<(), String> {
    for target in &settings.targets {
        let logins = &target.logins;
        for method in [&logins.readers, &logins.workers].into_iter().flatten() {
            ClientLogin::begin(method, &mut Vec::new())
                .map_err(|why| format!("cannot log in to {}: {why}", target.name))?;
        }
    }
    Ok(())
}
