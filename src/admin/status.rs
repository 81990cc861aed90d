//! The text of /status: the daemon's state as one JSON document. It contains no secret: settings come
//! from a list of those that everyone may see.

use std::time::SystemTime;

use serde_json::{Map, Value, json};

use super::Facts;
use super::board::{Board, ShardEntry};
use super::process::Process;
use crate::shard::{Snapshot, WarmUpProgress};

pub(super) fn json(facts: &Facts, board: &Board) -> String {
    format!("{:#}\n", document(facts, board))
}

pub(super) fn document(facts: &Facts, board: &Board) -> Value {
    let now_ms = board.now_ms();
    let reports: Vec<_> = board.entries().iter().map(ShardEntry::report).collect();
    let sum = |number: fn(&Snapshot) -> u64| -> u64 {
        let shards = reports.iter().flatten();
        shards.map(|report| number(&report.shard)).sum()
    };
    let warm_up = reports.iter().flatten().map(|report| report.shard.warm_up);
    let warm_up: WarmUpProgress = warm_up.sum();
    let shards = board.entries().iter().zip(&reports).enumerate();
    let shards: Vec<Value> = shards
        .map(|(index, (entry, report))| {
            let core = facts.cores.get(index % facts.cores.len().max(1));
            let report = report.as_ref();
            json!({
                "shard": index,
                "core": core,
                // The thread id, as top -H and perf show it.
                "thread": entry.thread(),
                "silent_ms": entry.silence(now_ms).map(|silence| silence.as_millis() as u64),
                "state": report.map(|report| shard_state(&report.shard)),
                "doorbells": report.map(|report| report.doorbells),
                "accept_failures": report.map(|report| report.accept_failures),
            })
        })
        .collect();
    let settings: Map<String, Value> = facts
        .settings
        .iter()
        .map(|(key, value)| ((*key).to_owned(), value.clone().into()))
        .collect();
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "kernel": facts.kernel,
        "io": facts.io,
        "address": facts.address.to_string(),
        "uptime_seconds": SystemTime::now()
            .duration_since(facts.started)
            .unwrap_or_default()
            .as_secs(),
        "process": std::process::id(),
        "draining": board.is_draining(),
        "clients_left": board.clients_left().map(|left| json!({
            "writers": left.writers,
            "readers": left.readers,
        })),
        "stopping": board.is_stopping(),
        "login_method": facts.login_method,
        "warm_up": {
            "stage": warm_up.stage.name(),
            "waiting_reads": sum(|shard| shard.kept_reads),
            "asked_keys": warm_up.asked_keys,
            "found_keys": warm_up.found_keys,
        },
        "connections": sum(open_connections),
        "connections_allowed": facts.limits.connections,
        "keys": sum(|shard| shard.usage.keys),
        "stale_keys": sum(|shard| shard.counters.stale_keys),
        "expired_keys": sum(|shard| shard.counters.expired_keys),
        "stored_bytes": sum(|shard| shard.usage.bytes()),
        "index_bytes": sum(|shard| shard.accounts.index),
        "buffered_bytes": sum(|shard| shard.accounts.buffered),
        "parts_bytes": sum(|shard| shard.accounts.parts),
        "memory_allowed_bytes": facts.footprint_bytes,
        "resident_bytes": Process::read().map(|process| process.resident_bytes),
        "shards": shards,
        "settings": settings,
    })
}

fn open_connections(shard: &Snapshot) -> u64 {
    shard.counters.connections_opened - shard.counters.connections_closed
}

fn shard_state(shard: &Snapshot) -> Value {
    let counters = &shard.counters;
    json!({
        "connections": open_connections(shard),
        "connections_opened": counters.connections_opened,
        "connections_closed": counters.connections_closed,
        "keys": shard.usage.keys,
        "stale_keys": counters.stale_keys,
        "expired_keys": counters.expired_keys,
        "stored_bytes": shard.usage.bytes(),
        "index_bytes": shard.accounts.index,
        "buffered_bytes": shard.accounts.buffered,
        "received_bytes": counters.received_bytes,
        "sent_bytes": counters.sent_bytes,
        "requests": counters.requests,
        "get_pulse_misses": counters.get_pulse_misses,
        "kept_reads": counters.kept_reads,
        "kept_reads_found": counters.kept_reads_found,
        "kept_reads_missing": counters.kept_reads_missing,
        "kept_reads_given_up": counters.kept_reads_given_up,
        "largest_pulse_bytes": counters.largest_pulse_bytes,
        "refusals": counters.refusals,
        "faults": counters.faults,
        "logins": counters.logins,
        "logins_deferred": counters.logins_deferred,
        "forwarded_requests": counters.forwarded_requests,
        "mailbox_messages": shard.mailbox_messages,
        "wakes": counters.wakes,
        "batched_wakes": counters.batched_wakes,
    })
}
