//! Storm's own programs against the daemon: its published clients, and whole clusters.

mod away;
mod cluster;
mod cluster_with_logins;
mod day_in_the_life;
mod high_availability;
mod logins;
mod real_clients;
mod sasl_logins;
mod zookeeper_load;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Waits until no other cluster runs: two at a time would miss their own deadlines on two cores. Their tests come
/// first by name, so that the others run beside them.
fn alone() -> MutexGuard<'static, ()> {
    static CLUSTER: Mutex<()> = Mutex::new(());
    CLUSTER.lock().unwrap_or_else(PoisonError::into_inner)
}
