//! Values that stand for a rule, and values that must agree with each other.

use super::Cores;
use super::problem::{Place, Problem};
use super::settle::Settled;
use super::value::Value;
use crate::limits::LEAST_EXPIRE_AFTER;
use crate::units::{Size, Time};

/// Replaces values that stand for a rule, and checks values against each other.
pub(super) fn derive(settled: &mut Settled, cores: &Cores, problems: &mut Vec<Problem>) {
    if settled.auto_or_count("server.shards").is_none() {
        let (shards, rule) = automatic_shards(settled.count("server.max_threads"), cores);
        settled.compute("server.shards", Value::Count(shards), rule);
    }
    check_expiry(settled, problems);
    let (frame, output) = (
        settled.size("limits.frame_size"),
        settled.size("limits.output"),
    );
    if output < frame {
        let (place, spelled) = settled.origin_of("limits.output");
        if matches!(place, Place::Default { .. }) {
            // A storm.yaml that serves a cluster raises Storm's frame size alone, and must do here.
            let rule = format!(
                "as large as limits.frame_size; the default is {}",
                Size(output)
            );
            settled.compute("limits.output", Value::Size(frame), rule);
        } else {
            let (frame_place, frame_spelled) = settled.origin_of("limits.frame_size");
            let from = match frame_place {
                Place::Default { .. } => "the default".to_owned(),
                place => place.to_string(),
            };
            problems.push(Problem {
                place: place.clone(),
                key: Some(spelled.to_owned()),
                text: format!(
                    "{} is less than {frame_spelled}, {} ({from}): one answer of that size must fit",
                    Size(output),
                    Size(frame)
                ),
            });
        }
    }
}

/// Zero is for ever; a moment is a mistake.
fn check_expiry(settled: &Settled, problems: &mut Vec<Problem>) {
    let after = settled.time("expire.after");
    if !after.is_zero() && after < LEAST_EXPIRE_AFTER {
        let (place, spelled) = settled.origin_of("expire.after");
        problems.push(Problem {
            place: place.clone(),
            key: Some(spelled.to_owned()),
            text: format!(
                "{} is out of range (allowed: 1m to 24h, or 0ms for never): a worker that misses a few \
                 pulses is not dead",
                Time(after)
            ),
        });
    }
}

/// Storm's bound on threads, capped at the cores there are. 0 is no bound, as in Storm.
fn automatic_shards(max_threads: u64, cores: &Cores) -> (u64, String) {
    let most = *crate::limits::SHARDS.end();
    let bound = if max_threads == 0 {
        most
    } else {
        max_threads.min(most)
    };
    let shards = bound.min(u64::try_from(cores.usable.get()).unwrap_or(most));
    let rule = format!("min(max_threads {max_threads}, {})", cores_in_words(cores));
    (
        shards,
        if max_threads == 0 {
            cores_in_words(cores)
        } else {
            rule
        },
    )
}

pub(super) fn cores_in_words(cores: &Cores) -> String {
    let count = cores.usable.get();
    format!("{count} {}", if count == 1 { "core" } else { "cores" })
}
