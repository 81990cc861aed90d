//! Values that stand for a rule, such as "auto", and values that must agree with each other.

use super::Cores;
use super::diagnostics::{ConfigError, Diagnostics, Location};
use super::keys::{EXPIRE_AFTER, FRAME_SIZE, MAX_THREADS, OUTPUT, SHARDS};
use super::resolve::Resolved;
use super::value::SettingValue;
use crate::limits;
use crate::units::{Size, Time};

/// Replaces values that stand for a rule, and checks values against each other.
pub(super) fn derive(resolved: &mut Resolved, cores: &Cores, diagnostics: &mut Diagnostics) {
    if resolved.get(&SHARDS).is_none() {
        let (shards, rule) = automatic_shards(resolved.get(&MAX_THREADS), cores);
        resolved.compute(&SHARDS, SettingValue::Count(shards), rule);
    }
    let errors = [check_expiry(resolved), fit_output(resolved)];
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

/// A queue of answers must hold the largest one. Operators raise Storm's frame size alone, so the default
/// output limit rises with it; a configured one must be large enough.
fn fit_output(resolved: &mut Resolved) -> Option<ConfigError> {
    let (frame, output) = (resolved.get(&FRAME_SIZE), resolved.get(&OUTPUT));
    if output >= frame as usize {
        return None;
    }
    let (frame, output) = (u64::from(frame), Size(output as u64));
    if let (Location::Default { .. }, _) = resolved.source_of(&OUTPUT) {
        let rule = format!("raised to limits.frame_size; the default is {output}");
        resolved.compute(&OUTPUT, SettingValue::Size(frame), rule);
        return None;
    }
    let (location, spelled) = resolved.source_of(&FRAME_SIZE);
    let source = match location {
        Location::Default { .. } => "the default".to_owned(),
        location => format!("from {location}"),
    };
    let text = format!(
        "{output} is less than {spelled} ({}, {source}); it must hold one answer of that size",
        Size(frame)
    );
    Some(resolved.error(&OUTPUT, text))
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
