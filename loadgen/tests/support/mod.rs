//! What the tests share: the generator's binary as a child process, stub servers that behave well or badly
//! on purpose, and the daemon.

pub mod daemon;
pub mod generator;
pub mod store;
pub mod stub;

#[cfg(feature = "kerberos")]
pub use generator::loadgen_in;
pub use generator::{Outcome, Report, loadgen, play, side_by_side, start_loadgen, until_valid};
pub use store::{Reply, Request, Store};
pub use stub::{Door, Stub};

use std::time::Duration;

/// How long a test waits for what must happen: generous, because the machine may be busy.
pub const PATIENCE: Duration = Duration::from_secs(30);
