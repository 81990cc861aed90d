//! Tells the service manager that the daemon is ready, reloads or stops (`NOTIFY_SOCKET`, sd_notify(3)).
//! Without a service manager these functions do nothing.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sd_notify::NotifyState;
use tracing::warn;

/// Another process is the service's main process: systemd takes messages from that process alone (`NotifyAccess=main`).
static HANDED_OVER: AtomicBool = AtomicBool::new(false);

/// Process `successor` serves instead of this one. It cannot say so itself before this.
pub(super) fn hand_over(successor: u32, status: &str) {
    notify(&[NotifyState::MainPid(successor), NotifyState::Status(status)]);
    HANDED_OVER.store(true, Ordering::Relaxed);
}

/// The daemon serves. `systemctl status` shows the status line.
pub(super) fn notify_ready(status: &str) {
    notify(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// The daemon reads its configuration again. [`notify_ready`] must follow.
pub(super) fn notify_reloading() {
    let mut states = vec![NotifyState::Reloading];
    // Type=notify-reload wants the time as well. It is absent only if the clock cannot be read.
    states.extend(NotifyState::monotonic_usec_now());
    notify(&states);
}

/// The daemon is being drained, and says so again within this time. A stop that has begun waits that long.
pub(super) fn notify_draining(status: &str, within: Duration) {
    let microseconds = u32::try_from(within.as_micros()).unwrap_or(u32::MAX);
    notify(&[
        NotifyState::ExtendTimeoutUsec(microseconds),
        NotifyState::Status(status),
    ]);
}

pub(super) fn notify_stopping() {
    notify(&[NotifyState::Stopping]);
}

fn notify(states: &[NotifyState<'_>]) {
    if HANDED_OVER.load(Ordering::Relaxed) {
        return;
    }
    if let Err(error) = sd_notify::notify(states) {
        warn!("cannot send {states:?} to the service manager (NOTIFY_SOCKET): {error}");
    }
}
