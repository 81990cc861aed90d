//! Storm's own programs against the daemon: its published clients, and whole clusters.

mod day_in_the_life;
mod logins;
mod real_clients;
mod real_cluster;
mod sasl_logins;
mod secured_cluster;
mod zookeeper_load;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// A cluster's own deadlines count on the machine: one at a time.
fn alone() -> MutexGuard<'static, ()> {
    static CLUSTER: Mutex<()> = Mutex::new(());
    CLUSTER.lock().unwrap_or_else(PoisonError::into_inner)
}
