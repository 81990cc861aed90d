//! The metrics of shards: `pacemaker_*`.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::registry::Unit;

use super::encode::{Encoder, Labels, sum_by_label, sum_histograms};
use crate::access::RequestKind;
use crate::admin::Facts;
use crate::admin::board::{Board, Report};
use crate::admin::process;
use crate::fault::{Fault, Refusal};
use crate::shard::{Snapshot, WarmUpProgress, WarmUpStage};

/// What shards count, read from the board at each scrape.
#[derive(Debug)]
pub(super) struct ShardMetrics {
    pub(super) facts: Arc<Facts>,
    pub(super) board: Arc<Board>,
}

impl Collector for ShardMetrics {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let entries = self.board.entries();
        let reports: Vec<(usize, Report)> = entries
            .iter()
            .enumerate()
            .filter_map(|(shard, entry)| Some((shard, entry.report()?)))
            .collect();
        let out = &mut Encoder(encoder);
        self.daemon(out)?;
        requests(out, &reports)?;
        warm_up(out, &reports)?;
        connections(out, &reports)?;
        let addresses = self.facts.accounts.count() as u64;
        let help = "Addresses that have connections, or failed logins that still count";
        out.gauge("addresses", None, help, [([], addresses)])?;
        storage(out, &reports)?;
        faults(out, &reports)?;
        event_loops(out, &reports)?;
        self.limits(out)
    }
}

impl ShardMetrics {
    fn daemon(&self, out: &mut Encoder<'_>) -> fmt::Result {
        out.info(
            "build",
            "Version of the daemon, its login method and its data plane",
            &[
                ("version", env!("CARGO_PKG_VERSION").to_owned()),
                ("io", self.facts.io.to_owned()),
                ("login_method", self.facts.login_method.to_owned()),
            ],
        )?;
        let entries = self.board.entries();
        out.gauge(
            "shards",
            None,
            "Shards; each is one thread",
            [([], entries.len() as u64)],
        )?;
        let draining = u64::from(self.board.is_draining());
        let help = "1 while the daemon moves its clients to another server, else 0";
        out.gauge("draining", None, help, [([], draining)])?;
        let left = self.board.clients_left().unwrap_or_default();
        let left = [("writer", left.writers), ("reader", left.readers)];
        let left = left.map(|(role, clients)| ([("role", role.to_owned())], clients));
        let help = "Clients that a drain has not moved yet; 0 unless the daemon is draining";
        out.gauge("clients_left", None, help, left)?;
        let now_ms = self.board.now_ms();
        let silences = entries.iter().enumerate().filter_map(|(shard, entry)| {
            Some((shard_label(shard), entry.silence(now_ms)?.as_secs_f64()))
        });
        out.gauge(
            "shard_silence",
            Some(&Unit::Seconds),
            "Time since the shard last reported that it is alive; at most 0.35 s when healthy",
            silences,
        )?;
        let cpu = entries.iter().enumerate().filter_map(|(shard, entry)| {
            Some((
                shard_label(shard),
                process::thread_cpu_seconds(entry.thread()?)?,
            ))
        });
        let help = "CPU time of the shard's thread, user and system";
        out.counter("shard_cpu", Some(&Unit::Seconds), help, cpu)
    }

    /// The limits in force, to compare the other numbers with.
    fn limits(&self, out: &mut Encoder<'_>) -> fmt::Result {
        let limits = &self.facts.limits;
        let help = "Open connections allowed: limits.connections, or fewer if the open-file limit is lower";
        out.gauge("limit_connections", None, help, [([], limits.connections)])?;
        let help = "Keys allowed (limits.stored_keys)";
        out.gauge("limit_keys", None, help, [([], limits.stored_keys)])?;
        let help = "Stored bytes allowed (limits.stored_bytes)";
        let bytes = Some(&Unit::Bytes);
        out.gauge("limit_stored", bytes, help, [([], limits.stored_bytes)])?;
        let help = "Buffered bytes allowed (limits.buffered)";
        out.gauge("limit_buffered", bytes, help, [([], limits.buffered_bytes)])?;
        let help = "The most resident memory that the limits allow";
        let footprint = self.facts.footprint_bytes;
        out.gauge("limit_memory", bytes, help, [([], footprint)])
    }
}

type Reports = [(usize, Report)];

fn shard_label(shard: usize) -> [(&'static str, String); 1] {
    [("shard", shard.to_string())]
}

/// One number of each shard.
fn of_each<N>(
    reports: &Reports,
    number: fn(&Snapshot) -> N,
) -> impl Iterator<Item = (Labels<1>, N)> {
    reports
        .iter()
        .map(move |(shard, report)| (shard_label(*shard), number(&report.shard)))
}

fn requests(out: &mut Encoder<'_>, reports: &Reports) -> fmt::Result {
    let by_kind = reports.iter().flat_map(|(shard, report)| {
        report.shard.counters.requests.iter().map(|(kind, count)| {
            let labels = [("shard", shard.to_string()), ("kind", (*kind).to_owned())];
            (labels, *count)
        })
    });
    let help = "Requests received, whether carried out or refused";
    out.counter("requests", None, help, by_kind)?;
    let times = RequestKind::ALL.iter().map(|kind| {
        let of_shards = reports
            .iter()
            .map(|(_, report)| &report.shard.times[*kind as usize]);
        ([("kind", kind.label().to_owned())], of_shards)
    });
    let times = times.filter_map(|(labels, of_shards)| Some((labels, sum_histograms(of_shards)?)));
    out.histogram(
        "request_duration",
        &Unit::Seconds,
        "Time from the wake that brought a request's bytes until its answer is handed to the kernel",
        1e-6,
        times,
    )?;
    let sizes = sum_histograms(reports.iter().map(|(_, report)| &report.shard.pulse_sizes));
    let help = "Stored pulses by the size of their details";
    out.histogram(
        "pulse_size",
        &Unit::Bytes,
        help,
        1.0,
        sizes.map(|sizes| ([], sizes)),
    )?;
    let largest = reports
        .iter()
        .map(|(_, report)| report.shard.counters.largest_pulse_bytes);
    let help = "Details of the largest pulse stored since the start";
    let bytes = Some(&Unit::Bytes);
    out.gauge(
        "largest_pulse",
        bytes,
        help,
        largest.max().map(|largest| ([], largest)),
    )?;
    let read = of_each(reports, |shard| shard.counters.read_pulse_bytes);
    let help = "Details sent in answers to GET_PULSE";
    out.counter("read_pulse", bytes, help, read)?;
    let misses = of_each(reports, |shard| shard.counters.get_pulse_misses);
    out.counter(
        "get_pulse_misses",
        None,
        "GET_PULSE requests for keys that do not exist",
        misses,
    )
}

fn warm_up(out: &mut Encoder<'_>, reports: &Reports) -> fmt::Result {
    let progress = reports.iter().map(|(_, report)| report.shard.warm_up);
    let progress: WarmUpProgress = progress.sum();
    let is_on = u64::from(progress.stage == WarmUpStage::On);
    let help = "1 while reads of keys without a pulse wait because clients may not be back (server.warm_up)";
    out.gauge("warm_up", None, help, [([], is_on)])?;
    let waiting = of_each(reports, |shard| shard.kept_reads);
    let help = "GET_PULSE requests that wait for the pulses of their keys";
    out.gauge("reads_waiting", None, help, waiting)?;
    let kept = of_each(reports, |shard| shard.counters.kept_reads);
    let help = "GET_PULSE requests that had to wait for the pulses of their keys";
    out.counter("reads_kept", None, help, kept)?;
    let counters = || reports.iter().map(|(_, report)| &report.shard.counters);
    let results: [(_, u64); 3] = [
        (
            "found",
            counters().map(|counters| counters.kept_reads_found).sum(),
        ),
        (
            "missing",
            counters().map(|counters| counters.kept_reads_missing).sum(),
        ),
        (
            "given_up",
            counters()
                .map(|counters| counters.kept_reads_given_up)
                .sum(),
        ),
    ];
    let results = results.map(|(result, count)| ([("result", result.to_owned())], count));
    let help = "GET_PULSE requests that had to wait, by how that ended";
    out.counter("reads_kept_ended", None, help, results)
}

fn connections(out: &mut Encoder<'_>, reports: &Reports) -> fmt::Result {
    let open = of_each(reports, |shard| {
        shard.counters.connections_opened - shard.counters.connections_closed
    });
    out.gauge("connections", None, "Open connections", open)?;
    let opened = of_each(reports, |shard| shard.counters.connections_opened);
    out.counter("connections_opened", None, "Connections accepted", opened)?;
    let closed = of_each(reports, |shard| shard.counters.connections_closed);
    let help = "Connections closed by either side";
    out.counter("connections_closed", None, help, closed)?;
    let failures = reports
        .iter()
        .map(|(shard, report)| (shard_label(*shard), report.accept_failures));
    let help = "Failures to accept a connection, mostly because the open-file limit was reached";
    out.counter("accept_failures", None, help, failures)?;
    let bytes = Some(&Unit::Bytes);
    let received = of_each(reports, |shard| shard.counters.received_bytes);
    out.counter("received", bytes, "Bytes received from peers", received)?;
    let sent = of_each(reports, |shard| shard.counters.sent_bytes);
    out.counter("sent", bytes, "Bytes sent to peers", sent)?;
    let buffered = of_each(reports, |shard| shard.accounts.buffered);
    out.gauge(
        "buffered",
        bytes,
        "Memory of half-received requests, unread answers, forwarded requests, logins and lists",
        buffered,
    )?;
    let parts = of_each(reports, |shard| shard.accounts.parts);
    let help = "Memory of parts of lists, and of pulses on their way to other shards";
    out.gauge("parts", bytes, help, parts)
}

fn storage(out: &mut Encoder<'_>, reports: &Reports) -> fmt::Result {
    let keys = of_each(reports, |shard| shard.usage.keys);
    out.gauge("keys", None, "Keys that have a pulse", keys)?;
    let stale = of_each(reports, |shard| shard.counters.stale_keys);
    let help = "Keys not refreshed for expire.stale_after";
    out.gauge("keys_stale", None, help, stale)?;
    let expired = of_each(reports, |shard| shard.counters.expired_keys);
    let help = "Keys removed because they were not refreshed for expire.after";
    out.counter("keys_expired", None, help, expired)?;
    let bytes = Some(&Unit::Bytes);
    let stored = of_each(reports, |shard| shard.usage.bytes());
    out.gauge("stored", bytes, "Bytes of keys and details", stored)?;
    let index = of_each(reports, |shard| shard.accounts.index);
    out.gauge(
        "index",
        bytes,
        "Memory of the index, in addition to the stored bytes",
        index,
    )
}

/// These have no shard label: the kernel decides which shard a peer reaches, so it means nothing.
fn faults(out: &mut Encoder<'_>, reports: &Reports) -> fmt::Result {
    let counters = || reports.iter().map(|(_, report)| &report.shard.counters);
    let faults = sum_by_label(&Fault::LABELS, counters().map(|counters| &counters.faults));
    let refusals = sum_by_label(
        &Refusal::LABELS,
        counters().map(|counters| &counters.refusals),
    );
    let logins = [
        (
            "succeeded",
            counters().map(|counters| counters.logins).sum(),
        ),
        (
            "failed",
            Fault::FAILED_LOGINS.iter().map(|label| faults[label]).sum(),
        ),
        ("throttled", faults["login_throttled"]),
        ("too_slow", faults["login_too_slow"]),
    ];
    let labelled = |label: &'static str| {
        move |(value, count): (&str, u64)| ([(label, value.to_owned())], count)
    };
    let help = "Connections ended because of what the peer did";
    out.counter(
        "faults",
        None,
        help,
        faults.into_iter().map(labelled("reason")),
    )?;
    let help = "Requests answered with NOT_AUTHORIZED";
    out.counter(
        "refusals",
        None,
        help,
        refusals.into_iter().map(labelled("reason")),
    )?;
    let help = "Finished logins by result";
    out.counter(
        "logins",
        None,
        help,
        logins.into_iter().map(labelled("result")),
    )?;
    let deferred: u64 = counters().map(|counters| counters.logins_deferred).sum();
    let help = "Logins that had to wait because other logins of their address had failed";
    out.counter("logins_deferred", None, help, [([], deferred)])
}

fn event_loops(out: &mut Encoder<'_>, reports: &Reports) -> fmt::Result {
    let wakes = of_each(reports, |shard| shard.counters.wakes);
    out.counter("wakes", None, "Wakes of the event loop", wakes)?;
    let batched = of_each(reports, |shard| shard.counters.batched_wakes);
    let help = "Wakes that waited for more pulses (server.minimum_wait)";
    out.counter("wakes_batched", None, help, batched)?;
    let forwarded = of_each(reports, |shard| shard.counters.forwarded_requests);
    out.counter(
        "forwarded_requests",
        None,
        "Requests forwarded to other shards",
        forwarded,
    )?;
    let waiting = of_each(reports, |shard| shard.mailbox_messages);
    let help = "Messages from other shards that the shard has not read";
    out.gauge("mailbox_messages", None, help, waiting)?;
    let doorbells = reports
        .iter()
        .map(|(shard, report)| (shard_label(*shard), report.doorbells));
    let help = "Wake-ups sent to other shards that slept";
    out.counter("doorbells", None, help, doorbells)
}
