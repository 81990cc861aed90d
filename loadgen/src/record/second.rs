//! The run second by second, for the plots of the report.

use serde::Serialize;

use super::Summary;

/// One second of the run, including the warm-up. Times are those of the answers that came in it.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Second {
    /// Counted from the start of the plan.
    pub second: u32,
    pub pulse: Option<Summary>,
    pub get: Option<Summary>,
    pub acknowledged: u64,
    /// Answered GETs and lists.
    pub reads: u64,
    pub bytes_sent: u64,
    pub bytes_received: u64,
    pub errors: u64,
    pub server: Option<ServerSecond>,
}

/// What the server process used in one second, if it is measured.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct ServerSecond {
    /// In cores.
    pub busy: f64,
    pub resident_bytes: u64,
}
