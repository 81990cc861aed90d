//! Shows a heartbeat: to people as a few lines and a table, to scripts as JSON with everything in it.

use std::io::{self, Write};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Number};

use super::super::text::shown;
use super::{FieldName, ThriftValue};
use crate::units::{show_seconds, show_utc};

/// The window of statistics that covers everything since the worker started.
const ALL_TIME: &str = ":all-time";

// ── For people ───────────────────────────────────────────────────────────────────────────────────

/// Topology, times, and a line for each executor with its sums over all streams since it started.
pub fn write_text(out: &mut impl Write, heartbeat: &ThriftValue<'_>) -> io::Result<()> {
    let storm_id = heartbeat.text("storm_id").unwrap_or_default();
    writeln!(out, "storm_id        {}", shown(storm_id))?;
    if let Some(time) = heartbeat.integer("time_secs") {
        writeln!(
            out,
            "time_secs       {time} ({}, {})",
            show_utc(time).unwrap_or_else(|| "not a date".to_owned()),
            since(time)
        )?;
    }
    if let Some(uptime) = heartbeat.integer("uptime_secs") {
        let span = u64::try_from(uptime).map_or_else(|_| "negative".to_owned(), show_seconds);
        writeln!(out, "uptime_secs     {uptime} ({span})")?;
    }
    let executors = heartbeat.entries("executor_stats");
    writeln!(out, "executor_stats  {} executors", executors.len())?;
    if !executors.is_empty() {
        write_table(out, executors)?;
    }
    write_unknown(out, heartbeat)
}

fn write_table(
    out: &mut impl Write,
    executors: &[(ThriftValue<'_>, ThriftValue<'_>)],
) -> io::Result<()> {
    writeln!(
        out,
        "\n{:>11}  {:5} {:>12} {:>12} {:>12} {:>12} {:>9} {:>10}",
        "TASKS", "KIND", "EMITTED", "TRANSFERRED", "EXECUTED", "ACKED", "FAILED", "SLOWEST"
    )?;
    let mut rows: Vec<ExecutorRow> = executors.iter().map(ExecutorRow::of).collect();
    rows.sort_by_key(|row| row.first_task);
    for row in rows {
        let [emitted, transferred, executed, acked, failed] = row.sums.map(count);
        let slowest = row
            .slowest_ms
            .map_or("-".to_owned(), |ms| format!("{ms:.3} ms"));
        writeln!(
            out,
            "{:>11}  {:5} {emitted:>12} {transferred:>12} {executed:>12} {acked:>12} {failed:>9} \
             {slowest:>10}",
            row.tasks, row.kind
        )?;
    }
    Ok(())
}

/// One executor.
struct ExecutorRow {
    first_task: i64,
    tasks: String,
    kind: &'static str,
    /// Emitted, transferred, executed, acked, failed; `None` where its kind has no such count.
    sums: [Option<i64>; 5],
    /// The highest average time of a stream: to complete (spout), or to process (bolt).
    slowest_ms: Option<f64>,
}

impl ExecutorRow {
    fn of((tasks, stats): &(ThriftValue<'_>, ThriftValue<'_>)) -> ExecutorRow {
        let task = |name| tasks.integer(name).unwrap_or(-1);
        let (first, last) = (task("task_start"), task("task_end"));
        let specific = stats.field("specific");
        let kinds = ["bolt", "spout"].into_iter();
        let mut kinds = kinds.filter_map(|kind| Some((kind, specific?.field(kind)?)));
        let (kind, specific) = match kinds.next() {
            Some((kind, specific)) => (kind, Some(specific)),
            None => ("-", None),
        };
        let of_kind = |name| sum(specific?, name);
        ExecutorRow {
            first_task: first,
            // Every worker has one executor of Storm's own, with task -1.
            tasks: match first {
                ..0 => "system".to_owned(),
                _ => format!("{first}-{last}"),
            },
            kind,
            sums: [
                sum(stats, "emitted"),
                sum(stats, "transferred"),
                of_kind("executed"),
                of_kind("acked"),
                of_kind("failed"),
            ],
            slowest_ms: ["complete_ms_avg", "process_ms_avg"]
                .into_iter()
                .find_map(|name| slowest(specific?, name)),
        }
    }
}

/// The numbers of all streams since the beginning.
fn all_time<'v, 'a>(
    stats: &'v ThriftValue<'a>,
    name: &str,
) -> Option<&'v [(ThriftValue<'a>, ThriftValue<'a>)]> {
    stats.field(name)?;
    let windows = stats.entries(name).iter();
    let mut windows = windows.filter(|(window, _)| *window == ThriftValue::Text(ALL_TIME));
    match windows.next() {
        Some((_, ThriftValue::Map(streams))) => Some(streams),
        // Nothing counted yet.
        _ => Some(&[]),
    }
}

fn sum(stats: &ThriftValue<'_>, name: &str) -> Option<i64> {
    let counts = all_time(stats, name)?.iter().map(|(_, count)| match count {
        ThriftValue::Integer(count) => *count,
        _ => 0,
    });
    Some(counts.fold(0, i64::saturating_add))
}

fn slowest(stats: &ThriftValue<'_>, name: &str) -> Option<f64> {
    let times = all_time(stats, name)?
        .iter()
        .filter_map(|(_, time)| match time {
            ThriftValue::Double(time) => Some(*time),
            _ => None,
        });
    times.reduce(f64::max)
}

fn count(count: Option<i64>) -> String {
    count.map_or("-".to_owned(), |count| count.to_string())
}

/// The fields that a newer Storm has added.
fn write_unknown(out: &mut impl Write, heartbeat: &ThriftValue<'_>) -> io::Result<()> {
    let ThriftValue::Struct(fields) = heartbeat else {
        return Ok(());
    };
    for (name, value) in fields {
        if let FieldName::Field(id) = name {
            let value = json(value).to_string();
            writeln!(out, "field {id}: {}", shown(&value))?;
        }
    }
    Ok(())
}

/// How long ago, by our clock.
fn since(time: i64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.map_or(0, |now| i64::try_from(now.as_secs()).unwrap_or(i64::MAX));
    let ago = now.saturating_sub(time);
    match ago {
        0.. => format!("{} ago", show_seconds(ago.unsigned_abs())),
        _ => format!(
            "{} ahead of this machine's clock",
            show_seconds(ago.unsigned_abs())
        ),
    }
}

// ── For scripts ──────────────────────────────────────────────────────────────────────────────────

/// The whole value. A map is an object if its keys are plain, else a list of objects with `key` and
/// `value`; an unknown field is called `field_ID`; bytes that are not text are `{"base64": "..."}`.
pub fn json(value: &ThriftValue<'_>) -> serde_json::Value {
    match value {
        ThriftValue::Bool(value) => (*value).into(),
        ThriftValue::Integer(value) => (*value).into(),
        ThriftValue::Double(value) => match Number::from_f64(*value) {
            Some(number) => number.into(),
            // JSON has no infinity.
            None => value.to_string().into(),
        },
        ThriftValue::Text(text) => (*text).into(),
        ThriftValue::Bytes(bytes) => one("base64", STANDARD.encode(bytes).into()).into(),
        ThriftValue::Struct(fields) => {
            let field = |(name, value): &(FieldName, ThriftValue<'_>)| (key_of(*name), json(value));
            fields.iter().map(field).collect::<Map<_, _>>().into()
        }
        ThriftValue::List(elements) => elements.iter().map(json).collect(),
        ThriftValue::Map(entries) => {
            let plain = entries
                .iter()
                .map(|(key, value)| Some((plain_key(key)?, json(value))));
            match plain.collect::<Option<Map<_, _>>>() {
                Some(object) => object.into(),
                None => entries.iter().map(entry).collect(),
            }
        }
    }
}

fn key_of(name: FieldName) -> String {
    match name {
        FieldName::Known(name) => name.to_owned(),
        FieldName::Field(id) => format!("field_{id}"),
    }
}

fn plain_key(key: &ThriftValue<'_>) -> Option<String> {
    match key {
        ThriftValue::Bool(key) => Some(key.to_string()),
        ThriftValue::Integer(key) => Some(key.to_string()),
        ThriftValue::Double(key) => Some(key.to_string()),
        ThriftValue::Text(key) => Some((*key).to_owned()),
        ThriftValue::Bytes(_)
        | ThriftValue::Struct(_)
        | ThriftValue::List(_)
        | ThriftValue::Map(_) => None,
    }
}

fn entry((key, value): &(ThriftValue<'_>, ThriftValue<'_>)) -> serde_json::Value {
    let mut object = one("key", json(key));
    object.insert("value".to_owned(), json(value));
    object.into()
}

fn one(name: &str, value: serde_json::Value) -> Map<String, serde_json::Value> {
    Map::from_iter([(name.to_owned(), value)])
}
