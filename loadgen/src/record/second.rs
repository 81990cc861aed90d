//! The run second by second: what the plots of the report and the progress of a long run are made of.

use serde::Serialize;

use super::Summary;

/// One second of the run, warm-up included. Times are those of answers that came in it.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Second {
    /// Since the plan's zero.
    pub second: u32,
    pub pulse: Option<Summary>,
    pub get: Option<Summary>,
    pub acknowledged: u64,
    /// GETs and lists that were answered.
    pub reads: u64,
    pub bytes_sent: u64,
    pub bytes_received: u64,
    pub errors: u64,
    pub server: Option<ServerSecond>,
}

/// What the server process took in one second, where it runs on this host.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct ServerSecond {
    /// In cores.
    pub busy: f64,
    pub resident_bytes: u64,
}
