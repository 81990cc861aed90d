//! What the service manager is told (`NOTIFY_SOCKET`, see sd_notify(3)): that the daemon serves, reloads,
//! stops. Says nothing where there is no manager that asks.

use sd_notify::NotifyState;
use tracing::warn;

/// It serves; the status line is what `systemctl status` shows.
pub(super) fn ready(status: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// It reads its configuration again; `ready` must follow.
pub(super) fn reloading() {
    let mut states = vec![NotifyState::Reloading];
    // What Type=notify-reload asks for. A clock that cannot be read is its loss alone.
    states.extend(NotifyState::monotonic_usec_now());
    tell(&states);
}

pub(super) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        warn!("the service manager (NOTIFY_SOCKET) cannot be told {states:?}: {error}");
    }
}
