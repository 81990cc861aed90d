//! Defaults that follow the memory of the process, so that a daemon in a small container refuses what
//! does not fit and is not killed. Configured limits stay as they are, but get a warning.

use super::MemoryLimit;
use super::diagnostics::{Diagnostics, Location};
use super::keys::{
    ADMIN_ADDRESS, ADMIN_PAGE, BUFFERED, CONNECTIONS, FRAME_SIZE, SHARDS, STORED_BYTES,
};
use super::resolve::Resolved;
use super::setting::{FromValue, Key};
use super::value::SettingValue;
use crate::access::PageRule;
use crate::footprint::{CONNECTION_MEMORY_BYTES, Footprint};
use crate::limits::{self, Limits, MIB};
use crate::units::{Size, show_bytes};

/// Parts of the memory that defaults may give to connections and to buffers. The rest is for what is
/// stored.
const CONNECTIONS_PART: u64 = 8;
const BUFFERED_PART: u64 = 16;

/// The fewest connections that a default allows.
const LEAST_CONNECTIONS: u64 = 64;

/// Lowers defaults until the daemon fits into its memory, whatever peers do. Warns if it does not.
pub(super) fn fit(resolved: &mut Resolved, memory: &MemoryLimit, diagnostics: &mut Diagnostics) {
    let needed = |resolved: &Resolved| needed_bytes(resolved, &super::limits(resolved));
    if needed(resolved) <= memory.bytes {
        return;
    }
    let connections = memory.bytes / CONNECTIONS_PART / CONNECTION_MEMORY_BYTES;
    let connections = SettingValue::Count(connections.max(LEAST_CONNECTIONS));
    lower(resolved, &CONNECTIONS, connections, memory);
    let buffered = memory.bytes / BUFFERED_PART / MIB * MIB;
    let buffered = buffered.max(resolved.get(&FRAME_SIZE).into());
    lower(resolved, &BUFFERED, SettingValue::Size(buffered), memory);
    let limits_now = super::limits(resolved);
    let fits = |stored_bytes: u64| {
        let limits = Limits {
            stored_bytes,
            ..limits_now.clone()
        };
        needed_bytes(resolved, &limits) <= memory.bytes
    };
    let stored = SettingValue::Size(most_that_fits(limits_now.stored_bytes, fits));
    lower(resolved, &STORED_BYTES, stored, memory);
    let needed = needed(resolved);
    if needed > memory.bytes {
        diagnostics.warn(too_little(resolved, needed, memory));
    }
}

/// The most memory that the limits allow: the daemon's own, and what the kernel holds for its
/// connections, which a cgroup counts as well.
fn needed_bytes(resolved: &Resolved, limits: &Limits) -> u64 {
    let shards = resolved.get(&SHARDS).unwrap_or(1) as usize;
    let page = resolved.get(&ADMIN_ADDRESS).is_some() && resolved.get(&ADMIN_PAGE) != PageRule::Off;
    let kernel = limits.connections * limits::KERNEL_CONNECTION_BYTES;
    let own = Footprint::of(limits, shards, page).total();
    own.saturating_add(kernel)
}

/// The largest number of MiB, at least one, up to `most` bytes.
fn most_that_fits(most: u64, fits: impl Fn(u64) -> bool) -> u64 {
    let (mut fitting, mut too_many) = (1, most / MIB + 1);
    while too_many - fitting > 1 {
        let middle = fitting + (too_many - fitting) / 2;
        if fits(middle * MIB) {
            fitting = middle;
        } else {
            too_many = middle;
        }
    }
    fitting * MIB
}

/// Replaces a default by a value that is lower. A configured value stays.
fn lower(resolved: &mut Resolved, key: &Key<u64>, value: SettingValue, memory: &MemoryLimit) {
    let is_default = matches!(resolved.source_of(key), (Location::Default { .. }, _));
    let is_lower = u64::from_value(&value).is_some_and(|value| value < resolved.get(key));
    if is_default && is_lower {
        let rule = format!(
            "lowered to fit into {} ({memory}); the default is {}",
            show_bytes(memory.bytes as f64),
            resolved.shown(key)
        );
        resolved.compute(key, value, rule);
    }
}

fn too_little(resolved: &Resolved, needed: u64, memory: &MemoryLimit) -> String {
    format!(
        "with these limits the daemon may take {} of memory, but it has {} ({memory}): it may be killed when \
         peers use what they are allowed to. Lower limits.stored_bytes ({}), limits.buffered ({}), \
         limits.connections ({}) or server.shards ({}), or give it more memory",
        show_bytes(needed as f64),
        show_bytes(memory.bytes as f64),
        Size(resolved.get(&STORED_BYTES)),
        Size(resolved.get(&BUFFERED)),
        resolved.get(&CONNECTIONS),
        resolved.get(&SHARDS).unwrap_or(1),
    )
}
