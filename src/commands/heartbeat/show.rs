//! A heartbeat for people, as a few lines and a table, and for scripts, whole, as JSON.

use std::io::{self, Write};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Number};

use super::super::text::{shown, span, utc};
use super::{Name, Value};

/// The window of statistics that has all since the worker began.
const ALL_TIME: &str = ":all-time";

// ── For people ───────────────────────────────────────────────────────────────────────────────────

/// Topology, times, and a line for each executor with its sums over all streams since it began.
pub fn write_text(out: &mut impl Write, heartbeat: &Value<'_>) -> io::Result<()> {
    let storm_id = heartbeat.text("storm_id").unwrap_or_default();
    writeln!(out, "storm_id        {}", shown(storm_id))?;
    if let Some(time) = heartbeat.integer("time_secs") {
        writeln!(
            out,
            "time_secs       {time} ({}, {})",
            utc(time),
            since(time)
        )?;
    }
    if let Some(uptime) = heartbeat.integer("uptime_secs") {
        let span = u64::try_from(uptime).map_or_else(|_| "negative".to_owned(), span);
        writeln!(out, "uptime_secs     {uptime} ({span})")?;
    }
    let executors = heartbeat.entries("executor_stats");
    writeln!(out, "executor_stats  {} executors", executors.len())?;
    if !executors.is_empty() {
        write_table(out, executors)?;
    }
    write_unknown(out, heartbeat)
}

fn write_table(out: &mut impl Write, executors: &[(Value<'_>, Value<'_>)]) -> io::Result<()> {
    writeln!(
        out,
        "\n{:>11}  {:5} {:>12} {:>12} {:>12} {:>12} {:>9} {:>10}",
        "TASKS", "KIND", "EMITTED", "TRANSFERRED", "EXECUTED", "ACKED", "FAILED", "SLOWEST"
    )?;
    let mut rows: Vec<Row> = executors.iter().map(Row::of).collect();
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
struct Row {
    first_task: i64,
    tasks: String,
    kind: &'static str,
    /// Emitted, transferred, executed, acked, failed; None where its kind does not count it.
    sums: [Option<i64>; 5],
    /// The stream that took longest on the average: to complete (spout), or to process (bolt).
    slowest_ms: Option<f64>,
}

impl Row {
    fn of((tasks, stats): &(Value<'_>, Value<'_>)) -> Row {
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
        Row {
            first_task: first,
            // Storm's own executor, which every worker has, has the task -1.
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
fn all_time<'v, 'a>(stats: &'v Value<'a>, name: &str) -> Option<&'v [(Value<'a>, Value<'a>)]> {
    stats.field(name)?;
    let windows = stats.entries(name).iter();
    let mut windows = windows.filter(|(window, _)| *window == Value::Text(ALL_TIME));
    match windows.next() {
        Some((_, Value::Map(streams))) => Some(streams),
        // It has counted nothing yet.
        _ => Some(&[]),
    }
}

fn sum(stats: &Value<'_>, name: &str) -> Option<i64> {
    let counts = all_time(stats, name)?.iter().map(|(_, count)| match count {
        Value::Integer(count) => *count,
        _ => 0,
    });
    Some(counts.fold(0, i64::saturating_add))
}

fn slowest(stats: &Value<'_>, name: &str) -> Option<f64> {
    let times = all_time(stats, name)?
        .iter()
        .filter_map(|(_, time)| match time {
            Value::Double(time) => Some(*time),
            _ => None,
        });
    times.reduce(f64::max)
}

fn count(count: Option<i64>) -> String {
    count.map_or("-".to_owned(), |count| count.to_string())
}

/// What a newer Storm has put into the heartbeat.
fn write_unknown(out: &mut impl Write, heartbeat: &Value<'_>) -> io::Result<()> {
    let Value::Struct(fields) = heartbeat else {
        return Ok(());
    };
    for (name, value) in fields {
        if let Name::Field(id) = name {
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
        0.. => format!("{} ago", span(ago.unsigned_abs())),
        _ => format!("{} ahead of the clock here", span(ago.unsigned_abs())),
    }
}

// ── For scripts ──────────────────────────────────────────────────────────────────────────────────

/// The whole value. A map is an object if its keys are plain, else a list of objects with `key` and
/// `value`; an unknown field is called `field_ID`; bytes that are no text are `{"base64": "..."}`.
pub fn json(value: &Value<'_>) -> serde_json::Value {
    match value {
        Value::Bool(value) => (*value).into(),
        Value::Integer(value) => (*value).into(),
        Value::Double(value) => match Number::from_f64(*value) {
            Some(number) => number.into(),
            // JSON has no infinity.
            None => value.to_string().into(),
        },
        Value::Text(text) => (*text).into(),
        Value::Bytes(bytes) => one("base64", STANDARD.encode(bytes).into()).into(),
        Value::Struct(fields) => {
            let field = |(name, value): &(Name, Value<'_>)| (key_of(*name), json(value));
            fields.iter().map(field).collect::<Map<_, _>>().into()
        }
        Value::List(elements) => elements.iter().map(json).collect(),
        Value::Map(entries) => {
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

fn key_of(name: Name) -> String {
    match name {
        Name::Known(name) => name.to_owned(),
        Name::Field(id) => format!("field_{id}"),
    }
}

fn plain_key(key: &Value<'_>) -> Option<String> {
    match key {
        Value::Bool(key) => Some(key.to_string()),
        Value::Integer(key) => Some(key.to_string()),
        Value::Double(key) => Some(key.to_string()),
        Value::Text(key) => Some((*key).to_owned()),
        Value::Bytes(_) | Value::Struct(_) | Value::List(_) | Value::Map(_) => None,
    }
}

fn entry((key, value): &(Value<'_>, Value<'_>)) -> serde_json::Value {
    let mut object = one("key", json(key));
    object.insert("value".to_owned(), json(value));
    object.into()
}

fn one(name: &str, value: serde_json::Value) -> Map<String, serde_json::Value> {
    Map::from_iter([(name.to_owned(), value)])
}
