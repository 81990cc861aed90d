//! Response times: histograms of microseconds by what they time, and their usual percentiles.

use hdrhistogram::Histogram;
use serde::Serialize;

/// Longer than any request lasts (see `storm::GIVE_UP_AFTER_US`).
const LONGEST_US: u64 = 600_000_000;

/// What is timed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Timed {
    /// From a pulse's planned instant to its answer.
    Pulse,
    /// One read by Nimbus.
    Get,
    List,
    /// Nimbus reads all workers.
    Pass,
    /// One read for a page of the UI; next, the whole page.
    UiGet,
    Page,
    /// The deletion of a worker's key as it exits, or of a topology's directory.
    Delete,
    /// From the dial to the connection, over the whole run.
    Connect,
    /// From the connection to the end of its login, over the whole run.
    Login,
    /// From a pulse's planned instant to when the generator got to it, with or without a connection: the
    /// delay of the generator itself.
    Lateness,
}

impl Timed {
    pub const ALL: [Timed; 10] = [
        Timed::Pulse,
        Timed::Get,
        Timed::List,
        Timed::Pass,
        Timed::UiGet,
        Timed::Page,
        Timed::Delete,
        Timed::Connect,
        Timed::Login,
        Timed::Lateness,
    ];

    /// Its name in reports and in `--expect`.
    pub const fn label(self) -> &'static str {
        match self {
            Timed::Pulse => "pulse",
            Timed::Get => "get",
            Timed::List => "list",
            Timed::Pass => "pass",
            Timed::UiGet => "ui_get",
            Timed::Page => "page",
            Timed::Delete => "delete",
            Timed::Connect => "connect",
            Timed::Login => "login",
            Timed::Lateness => "lateness",
        }
    }
}

/// A histogram of microseconds, to three digits.
#[derive(Clone, Debug)]
pub struct Times(Histogram<u64>);

impl Times {
    pub fn record(&mut self, us: u64) {
        self.0.saturating_record(us);
    }

    pub fn histogram(&self) -> &Histogram<u64> {
        &self.0
    }

    pub fn merge(&mut self, other: &Times) {
        self.0.add(&other.0).expect("all histograms have one range");
    }
}

impl Default for Times {
    fn default() -> Times {
        Times(Histogram::new_with_bounds(1, LONGEST_US, 3).expect("the bounds are valid"))
    }
}

/// The usual percentiles of a histogram. Microseconds.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Summary {
    pub count: u64,
    pub p50_us: u64,
    pub p90_us: u64,
    pub p99_us: u64,
    pub p99_9_us: u64,
    pub max_us: u64,
}

impl Summary {
    /// The columns of tables: p50 to the maximum.
    pub fn columns(&self) -> [u64; 5] {
        [
            self.p50_us,
            self.p90_us,
            self.p99_us,
            self.p99_9_us,
            self.max_us,
        ]
    }

    pub fn of(times: &Times) -> Option<Summary> {
        let histogram = times.histogram();
        if histogram.is_empty() {
            return None;
        }
        // The upper end of a bucket may lie beyond the maximum.
        let at = |quantile| histogram.value_at_quantile(quantile).min(histogram.max());
        Some(Summary {
            count: histogram.len(),
            p50_us: at(0.5),
            p90_us: at(0.9),
            p99_us: at(0.99),
            p99_9_us: at(0.999),
            max_us: histogram.max(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timed_is_numbered_in_the_order_of_the_list() {
        for (index, timed) in Timed::ALL.iter().enumerate() {
            assert_eq!(*timed as usize, index);
        }
    }
}
