//! Merges the seconds of a long run until they are few enough to draw. Of the merged seconds the worst times
//! stay; rates become means.

use crate::record::Summary;
use crate::record::{Second, ServerSecond};

/// The most points that a plot has pixels for.
const MAX_POINTS: usize = 600;

/// The number of seconds that each point of `thin` stands for.
pub fn stretch(seconds: &[Second]) -> usize {
    seconds.len().div_ceil(MAX_POINTS).max(1)
}

pub fn thin(seconds: &[Second]) -> Vec<Second> {
    seconds.chunks(stretch(seconds)).map(merge).collect()
}

fn merge(seconds: &[Second]) -> Second {
    let [first, rest @ ..] = seconds else {
        unreachable!("chunks are never empty")
    };
    if rest.is_empty() {
        return first.clone();
    }
    let mean = |field: fn(&Second) -> u64| {
        let sum: u64 = seconds.iter().map(field).sum();
        (sum as f64 / seconds.len() as f64).round() as u64
    };
    Second {
        second: first.second,
        pulse: merge_times(seconds.iter().filter_map(|second| second.pulse)),
        get: merge_times(seconds.iter().filter_map(|second| second.get)),
        acknowledged: mean(|second| second.acknowledged),
        reads: mean(|second| second.reads),
        bytes_sent: mean(|second| second.bytes_sent),
        bytes_received: mean(|second| second.bytes_received),
        // The mean of one error in a minute would be 0.
        errors: seconds
            .iter()
            .map(|second| second.errors)
            .max()
            .unwrap_or(0),
        server: merge_server(seconds.iter().filter_map(|second| second.server)),
    }
}

/// p50 and p90 become means, weighted by the number of answers. The others become the worst.
fn merge_times(times: impl Iterator<Item = Summary>) -> Option<Summary> {
    let times: Vec<Summary> = times.collect();
    let count: u64 = times.iter().map(|summary| summary.count).sum();
    if times.is_empty() {
        return None;
    }
    let mean = |field: fn(&Summary) -> u64| {
        let weigh = |summary: &Summary| field(summary) as f64 * summary.count as f64;
        let sum: f64 = times.iter().map(weigh).sum();
        (sum / count.max(1) as f64).round() as u64
    };
    let worst = |field: fn(&Summary) -> u64| times.iter().map(field).max().unwrap_or(0);
    Some(Summary {
        count,
        p50_us: mean(|summary| summary.p50_us),
        p90_us: mean(|summary| summary.p90_us),
        p99_us: worst(|summary| summary.p99_us),
        p99_9_us: worst(|summary| summary.p99_9_us),
        max_us: worst(|summary| summary.max_us),
    })
}

fn merge_server(server: impl Iterator<Item = ServerSecond>) -> Option<ServerSecond> {
    let (mut count, mut busy, mut resident_bytes) = (0u32, 0.0, 0);
    for second in server {
        count += 1;
        busy += second.busy;
        resident_bytes = resident_bytes.max(second.resident_bytes);
    }
    (count > 0).then(|| ServerSecond {
        busy: busy / f64::from(count),
        resident_bytes,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(number: u32, us: u64) -> Second {
        Second {
            second: number,
            pulse: Some(Summary {
                count: 100,
                p50_us: us,
                p90_us: us,
                p99_us: us,
                p99_9_us: us,
                max_us: us,
            }),
            acknowledged: 100,
            ..Second::default()
        }
    }

    #[test]
    fn short_runs_stay_as_they_are() {
        let seconds: Vec<Second> = (0..600).map(|n| second(n, 10)).collect();
        let thinned = thin(&seconds);
        assert_eq!(thinned.len(), 600);
        assert_eq!(stretch(&seconds), 1);
        assert!(thin(&[]).is_empty());
    }

    #[test]
    fn the_worst_second_of_a_day_stays() {
        let mut seconds: Vec<Second> = (0..86_400).map(|n| second(n, 100)).collect();
        seconds[50_001] = second(50_001, 900_000);
        seconds[70_000].errors = 1;
        seconds[70_001].pulse = None;
        let thinned = thin(&seconds);
        assert!(thinned.len() <= MAX_POINTS);
        assert_eq!(stretch(&seconds), 144);
        let worst = thinned
            .iter()
            .max_by_key(|s| s.pulse.unwrap().max_us)
            .unwrap();
        let pulse = worst.pulse.unwrap();
        assert_eq!(worst.second, 50_001 / 144 * 144);
        assert_eq!((pulse.p99_us, pulse.max_us), (900_000, 900_000));
        assert_eq!(pulse.count, 14_400);
        assert!(pulse.p50_us < 10_000, "p50 is a mean");
        assert_eq!(thinned.iter().map(|s| s.errors).sum::<u64>(), 1);
        assert!(thinned.iter().all(|s| s.acknowledged == 100));
    }

    #[test]
    fn a_stretch_without_answers_is_a_gap() {
        let seconds: Vec<Second> = (0..1200)
            .map(|n| Second {
                second: n,
                ..Second::default()
            })
            .collect();
        assert!(
            thin(&seconds)
                .iter()
                .all(|s| s.pulse.is_none() && s.server.is_none())
        );
    }
}
