//! What is counted, as metrics: OpenMetrics text for whoever asks for it, and Prometheus's older
//! format for all others. docs/METRICS.md says what each one means.

mod encode;

use std::fmt;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, prometheus_text, text};
use prometheus_client::registry::{Registry, Unit};

use super::Facts;
use super::board::{Board, Report};
use super::process::{self, Process};
use crate::access::RequestKind;
use crate::fault::{Fault, Refusal};
use crate::shard::Snapshot;
use encode::{Encoder, sum_by_label, sum_histograms};

/// A text format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    OpenMetrics,
    Prometheus,
}

impl Format {
    pub(super) const ALL: [Format; 2] = [Format::OpenMetrics, Format::Prometheus];

    /// By the request's Accept header. Who does not name OpenMetrics may not know it.
    pub(super) fn asked_for(accept: Option<&[u8]>) -> Format {
        const NAME: &[u8] = b"application/openmetrics-text";
        let named =
            accept.is_some_and(|accept| accept.windows(NAME.len()).any(|part| part == NAME));
        if named {
            Format::OpenMetrics
        } else {
            Format::Prometheus
        }
    }

    pub(super) fn content_type(self) -> &'static str {
        match self {
            Format::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Format::Prometheus => prometheus_text::CONTENT_TYPE,
        }
    }
}

#[derive(Debug)]
pub(super) struct Metrics {
    registry: Registry,
}

impl Metrics {
    pub(super) fn new(facts: Arc<Facts>, board: Arc<Board>) -> Metrics {
        let mut registry = Registry::default();
        let shards = Shards {
            facts: facts.clone(),
            board: board.clone(),
        };
        registry
            .sub_registry_with_prefix("pacemaker")
            .register_collector(Box::new(shards));
        registry
            .sub_registry_with_prefix("process")
            .register_collector(Box::new(OfProcess { facts, board }));
        Metrics { registry }
    }

    pub(super) fn text(&self, format: Format) -> String {
        let mut out = String::new();
        let encoded = match format {
            Format::OpenMetrics => text::encode(&mut out, &self.registry),
            Format::Prometheus => prometheus_text::encode(&mut out, &self.registry),
        };
        encoded.expect("a String takes all text");
        out
    }
}

/// All that shards count.
#[derive(Debug)]
struct Shards {
    facts: Arc<Facts>,
    board: Arc<Board>,
}

impl Collector for Shards {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let places = self.board.places();
        let reports: Vec<(usize, Report)> = places
            .iter()
            .enumerate()
            .filter_map(|(shard, place)| Some((shard, place.report()?)))
            .collect();
        let out = &mut Encoder(encoder);
        self.about_the_daemon(out)?;
        requests(out, &reports)?;
        connections(out, &reports)?;
        storage(out, &reports)?;
        faults(out, &reports)?;
        inner_works(out, &reports)?;
        self.limits(out)
    }
}

impl Shards {
    fn about_the_daemon(&self, out: &mut Encoder<'_>) -> fmt::Result {
        out.info(
            "build",
            "The version that runs, and how logins are made",
            &[
                ("version", env!("CARGO_PKG_VERSION").to_owned()),
                ("login_method", self.facts.login_method.to_owned()),
            ],
        )?;
        let places = self.board.places();
        out.gauge(
            "shards",
            None,
            "Shards, each one thread",
            [([], places.len() as u64)],
        )?;
        let now_ms = self.board.now_ms();
        let silences = places.iter().enumerate().filter_map(|(shard, place)| {
            Some((shard_label(shard), place.silence(now_ms)?.as_secs_f64()))
        });
        out.gauge(
            "shard_silence",
            Some(&Unit::Seconds),
            "Since the shard last said that it lives: 0.35 at most if all is well",
            silences,
        )?;
        let cpu = places.iter().enumerate().filter_map(|(shard, place)| {
            Some((
                shard_label(shard),
                process::thread_cpu_seconds(place.thread()?)?,
            ))
        });
        let help = "Time that the shard's thread has been on its core, in the kernel too";
        out.counter("shard_cpu", Some(&Unit::Seconds), help, cpu)
    }

    /// Those in force, to hold the other numbers against.
    fn limits(&self, out: &mut Encoder<'_>) -> fmt::Result {
        let limits = &self.facts.limits;
        let help =
            "Open connections that are allowed: limits.connections, or what open files allow";
        out.gauge("limit_connections", None, help, [([], limits.connections)])?;
        let help = "Keys that are allowed: limits.stored_keys";
        out.gauge("limit_keys", None, help, [([], limits.stored_keys)])?;
        let help = "Stored bytes that are allowed: limits.stored_bytes";
        let bytes = Some(&Unit::Bytes);
        out.gauge("limit_stored", bytes, help, [([], limits.stored_bytes)])?;
        let help = "Buffered bytes that are allowed: limits.buffered";
        out.gauge("limit_buffered", bytes, help, [([], limits.buffered_bytes)])
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
) -> impl Iterator<Item = (encode::Labels<1>, N)> {
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
    let help = "Requests received, carried out or refused";
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
        "From the wake that brought a request's bytes to its answer's handing over",
        1e-6,
        times,
    )?;
    let sizes = sum_histograms(reports.iter().map(|(_, report)| &report.shard.pulse_sizes));
    let help = "Pulses that were stored, by the size of their details";
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
    let help = "The largest pulse stored since the start, by its details";
    let bytes = Some(&Unit::Bytes);
    out.gauge(
        "largest_pulse",
        bytes,
        help,
        largest.max().map(|largest| ([], largest)),
    )?;
    let read = of_each(reports, |shard| shard.counters.read_pulse_bytes);
    let help = "Details of pulses that GET_PULSE was answered with";
    out.counter("read_pulse", bytes, help, read)?;
    let misses = of_each(reports, |shard| shard.counters.get_pulse_misses);
    out.counter(
        "get_pulse_misses",
        None,
        "GET_PULSE for keys that are not there",
        misses,
    )
}

fn connections(out: &mut Encoder<'_>, reports: &Reports) -> fmt::Result {
    let open = of_each(reports, |shard| {
        shard.counters.connections_opened - shard.counters.connections_closed
    });
    out.gauge("connections", None, "Open connections", open)?;
    let opened = of_each(reports, |shard| shard.counters.connections_opened);
    out.counter("connections_opened", None, "Connections accepted", opened)?;
    let closed = of_each(reports, |shard| shard.counters.connections_closed);
    let help = "Connections that are gone, whoever ended them";
    out.counter("connections_closed", None, help, closed)?;
    let failures = reports
        .iter()
        .map(|(shard, report)| (shard_label(*shard), report.accept_failures));
    let help = "Times at which no connection could be accepted, mostly for lack of open files";
    out.counter("accept_failures", None, help, failures)?;
    let bytes = Some(&Unit::Bytes);
    let received = of_each(reports, |shard| shard.counters.received_bytes);
    out.counter("received", bytes, "Bytes that came from peers", received)?;
    let sent = of_each(reports, |shard| shard.counters.sent_bytes);
    out.counter("sent", bytes, "Bytes that went to peers", sent)?;
    let buffered = of_each(reports, |shard| shard.buffered_bytes);
    out.gauge(
        "buffered",
        bytes,
        "Half-received requests and unread answers",
        buffered,
    )
}

fn storage(out: &mut Encoder<'_>, reports: &Reports) -> fmt::Result {
    let keys = of_each(reports, |shard| shard.usage.keys);
    out.gauge("keys", None, "Keys that have a pulse", keys)?;
    let stale = of_each(reports, |shard| shard.counters.stale_keys);
    let help = "Keys that nobody has refreshed for expire.stale_after";
    out.gauge("keys_stale", None, help, stale)?;
    let expired = of_each(reports, |shard| shard.counters.expired_keys);
    let help = "Keys that went because nobody had refreshed them for expire.after";
    out.counter("keys_expired", None, help, expired)?;
    let bytes = Some(&Unit::Bytes);
    let stored = of_each(reports, |shard| shard.usage.bytes());
    out.gauge("stored", bytes, "Keys' text and pulses' details", stored)?;
    let index = of_each(reports, |shard| shard.index_bytes);
    out.gauge(
        "index",
        bytes,
        "Memory of the index, beside what is stored",
        index,
    )
}

/// Not by shard: which one a peer reaches is the kernel's choice, and says nothing.
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
    let help = "Connections that were ended for what their peer did";
    out.counter(
        "faults",
        None,
        help,
        faults.into_iter().map(labelled("reason")),
    )?;
    let help = "Requests that were answered with NOT_AUTHORIZED";
    out.counter(
        "refusals",
        None,
        help,
        refusals.into_iter().map(labelled("reason")),
    )?;
    let help = "Logins that have ended";
    out.counter(
        "logins",
        None,
        help,
        logins.into_iter().map(labelled("result")),
    )?;
    let held_back: u64 = counters().map(|counters| counters.logins_deferred).sum();
    let help = "Logins that had to wait, because others of their address had failed";
    out.counter("logins_held_back", None, help, [([], held_back)])
}

fn inner_works(out: &mut Encoder<'_>, reports: &Reports) -> fmt::Result {
    let wakes = of_each(reports, |shard| shard.counters.wakes);
    out.counter("wakes", None, "Wakes of the event loop", wakes)?;
    let gathered = of_each(reports, |shard| shard.counters.batched_wakes);
    let help = "Wakes that had let pulses gather (server.minimum_wait)";
    out.counter("wakes_gathered", None, help, gathered)?;
    let letters = of_each(reports, |shard| shard.counters.forwarded_requests);
    out.counter("letters", None, "Requests handed to other shards", letters)?;
    let waiting = of_each(reports, |shard| shard.mailbox_messages);
    let help = "Letters of other shards that the shard has not read";
    out.gauge("mailbox_letters", None, help, waiting)?;
    let doorbells = reports
        .iter()
        .map(|(shard, report)| (shard_label(*shard), report.doorbells));
    let help = "Doorbells rung at other shards, that slept";
    out.counter("doorbells", None, help, doorbells)
}

/// What every Prometheus client library tells of its process, under the usual names.
#[derive(Debug)]
struct OfProcess {
    facts: Arc<Facts>,
    board: Arc<Board>,
}

impl Collector for OfProcess {
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
            "When it began to serve, since 1970",
            started,
        )?;
        let mut tables = vec![process::open_files(None)];
        let shards = self.board.places().iter();
        tables.extend(shards.map(|place| process::open_files(Some(place.thread()?))));
        let open = tables.iter().copied().sum::<Option<u64>>();
        let help = "Open files of all tables: of each shard, and of all other threads";
        out.gauge("open_fds", None, help, open.map(|open| ([], open)))?;
        let fullest = tables.into_iter().flatten().max();
        let help = "Open files of the fullest table: the limit is one on each";
        out.gauge(
            "open_fds_fullest_table",
            None,
            help,
            fullest.map(|open| ([], open)),
        )?;
        let most = process::most_open_files();
        let help = "Open files that each table may have";
        out.gauge("max_fds", None, help, most.map(|most| ([], most)))
    }
}
