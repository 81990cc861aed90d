//! Values that stand for a rule, such as "auto", and values that must agree with each other.

use super::diagnostics::{ConfigError, Diagnostics, Location};
use super::keys::{BUFFERED, EXPIRE_AFTER, FRAME_SIZE, MAX_THREADS, OUTPUT, SHARDS};
use super::resolve::Resolved;
use super::setting::Setting;
use super::value::SettingValue;
use super::{Cores, MemoryLimit, memory_defaults};
use crate::limits;
use crate::units::{Size, Time};

/// Replaces values that stand for a rule, and checks values against each other.
pub(super) fn derive(
    resolved: &mut Resolved,
    cores: &Cores,
    memory: Option<&MemoryLimit>,
    diagnostics: &mut Diagnostics,
) {
    if resolved.get(&SHARDS).is_none() {
        let (shards, rule) = automatic_shards(resolved.get(&MAX_THREADS), cores);
        resolved.compute(&SHARDS, SettingValue::Count(shards), rule);
    }
    if let Some(memory) = memory {
        memory_defaults::fit(resolved, memory, diagnostics);
    }
    let (output, buffered) = (resolved.get(&OUTPUT) as u64, resolved.get(&BUFFERED));
    let errors = [
        check_expiry(resolved),
        fit_frame(resolved, &OUTPUT, output),
        fit_frame(resolved, &BUFFERED, buffered),
    ];
    diagnostics.errors.extend(errors.into_iter().flatten());
}

/// Zero means never; a few seconds are a mistake.
fn check_expiry(resolved: &Resolved) -> Option<ConfigError> {
    let after = resolved.get(&EXPIRE_AFTER);
    if after.is_zero() || after >= limits::LEAST_EXPIRE_AFTER {
        return None;
    }
    let text = format!(
        "{} is out of range (allowed: {} to {}, or 0ms for never): a worker that misses a few pulses \
         is not dead",
        Time(after),
        Time(limits::LEAST_EXPIRE_AFTER),
        Time(*limits::EXPIRE_AFTER.end())
    );
    Some(resolved.error(&EXPIRE_AFTER, text))
}

/// A limit that must hold one frame. Operators raise Storm's frame size alone, so the default rises with it;
/// a configured limit must be large enough.
fn fit_frame(resolved: &mut Resolved, setting: &Setting, bytes: u64) -> Option<ConfigError> {
    let frame = u64::from(resolved.get(&FRAME_SIZE));
    if bytes >= frame {
        return None;
    }
    if let (Location::Default { .. }, _) = resolved.source_of(setting) {
        let rule = format!(
            "raised to limits.frame_size; the default is {}",
            Size(bytes)
        );
        resolved.compute(setting, SettingValue::Size(frame), rule);
        return None;
    }
    let (location, spelled) = resolved.source_of(&FRAME_SIZE);
    let source = match location {
        Location::Default { .. } => "the default".to_owned(),
        location => format!("from {location}"),
    };
    let text = format!(
        "{} is less than {spelled} ({}, {source}); it must hold one request or answer of that size",
        Size(bytes),
        Size(frame)
    );
    Some(resolved.error(setting, text))
}

/// Storm's limit on threads, and at most one shard per core. 0 is no limit, as in Storm.
fn automatic_shards(max_threads: u64, cores: &Cores) -> (u64, String) {
    let most = *limits::SHARDS.end();
    let usable = u64::try_from(cores.usable.get()).unwrap_or(most).min(most);
    let cores = cores_in_words(cores);
    if max_threads == 0 {
        (usable, cores)
    } else {
        let rule = format!("min(max_threads {max_threads}, {cores})");
        (usable.min(max_threads), rule)
    }
}

pub(super) fn cores_in_words(cores: &Cores) -> String {
    let count = cores.usable.get();
    format!("{count} {}", if count == 1 { "core" } else { "cores" })
}
