//! The metrics of the process: `process_*`, under the names that Prometheus client libraries use.

use std::fmt;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::registry::Unit;

use super::encode::Encoder;
use crate::admin::Facts;
use crate::admin::board::Board;
use crate::admin::process::{self, Process};

#[derive(Debug)]
pub(super) struct ProcessMetrics {
    pub(super) facts: Arc<Facts>,
    pub(super) board: Arc<Board>,
}

impl Collector for ProcessMetrics {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let out = &mut Encoder(encoder);
        let (seconds, bytes) = (Some(&Unit::Seconds), Some(&Unit::Bytes));
        let process = Process::read();
        let one = |number: fn(Process) -> u64| process.map(|process| ([], number(process)));
        let cpu = process.map(|process| ([], process.cpu_seconds));
        out.counter("cpu", seconds, "User and system time of all threads", cpu)?;
        let resident = one(|process| process.resident_bytes);
        out.gauge("resident_memory", bytes, "Resident memory", resident)?;
        let help = "Virtual memory";
        out.gauge(
            "virtual_memory",
            bytes,
            help,
            one(|process| process.virtual_bytes),
        )?;
        out.gauge("threads", None, "Threads", one(|process| process.threads))?;
        let started = self.facts.started.duration_since(UNIX_EPOCH);
        let started = started.map(|since| ([], since.as_secs_f64()));
        out.gauge(
            "start_time",
            seconds,
            "Start time of the daemon, in seconds since 1970",
            started,
        )?;
        let mut tables = vec![process::open_files(None)];
        let shards = if self.facts.own_descriptors {
            self.board.entries()
        } else {
            &[]
        };
        tables.extend(
            shards
                .iter()
                .map(|entry| process::open_files(Some(entry.thread()?))),
        );
        let open = tables.iter().copied().sum::<Option<u64>>();
        let help =
            "Open files in all descriptor tables: each shard has one, the other threads share one";
        out.gauge("open_fds", None, help, open.map(|open| ([], open)))?;
        let fullest = tables.into_iter().flatten().max();
        let help = "Open files in the fullest descriptor table; the limit applies to each table";
        out.gauge(
            "open_fds_fullest_table",
            None,
            help,
            fullest.map(|open| ([], open)),
        )?;
        let max = process::max_open_files();
        let help = "Open files allowed in each descriptor table";
        out.gauge("max_fds", None, help, max.map(|max| ([], max)))
    }
}
