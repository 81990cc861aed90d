//! Limits that a run must meet: `errors=0,pulse.max<1s,get.p99<50ms`. Parses them and compares them with
//! measurements.

use crate::record::{ErrorKind, Record, Summary, Timed};
use crate::units::{parse_bytes, parse_time_us, show_bytes, show_time};

/// One limit.
#[derive(Clone, Debug, PartialEq)]
pub struct Expectation {
    /// As the user wrote it.
    pub text: String,
    metric: Metric,
    relation: Relation,
    limit: f64,
}

/// What limits are compared with.
#[derive(Clone, Copy, Debug)]
pub struct Measurements<'a> {
    pub record: &'a Record,
    /// Whether the numbers are the server's rather than the generator's own.
    pub valid: bool,
    pub pulses_per_second: f64,
    /// `None`: no server process was measured, or no pulse was acknowledged.
    pub server_cpu_us_per_pulse: Option<f64>,
    pub server_resident_bytes: Option<u64>,
}

/// Whether a limit was met.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Verdict {
    pub limit: String,
    /// `None`: it was not measured, so the limit is missed.
    pub actual: Option<f64>,
    pub met: bool,
    /// The measured value as text.
    #[serde(skip)]
    pub shown: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Metric {
    Valid,
    Errors(Option<ErrorKind>),
    Times(Timed, Statistic),
    PulsesPerSecond,
    ServerCpuPerPulse,
    ServerResident,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Statistic {
    P50,
    P90,
    P99,
    P999,
    Max,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Relation {
    Less,
    AtMost,
    Equal,
    AtLeast,
    More,
}

/// Longer signs first, because `<=` begins with `<`.
const RELATIONS: [(&str, Relation); 5] = [
    ("<=", Relation::AtMost),
    (">=", Relation::AtLeast),
    ("<", Relation::Less),
    (">", Relation::More),
    ("=", Relation::Equal),
];

const STATISTICS: [(&str, Statistic); 5] = [
    ("p50", Statistic::P50),
    ("p90", Statistic::P90),
    ("p99", Statistic::P99),
    ("p99.9", Statistic::P999),
    ("max", Statistic::Max),
];

/// Limits separated by commas.
pub fn parse(text: &str) -> Result<Vec<Expectation>, String> {
    text.split(',').map(|one| parse_one(one.trim())).collect()
}

fn parse_one(text: &str) -> Result<Expectation, String> {
    let metric = |name: &str| {
        parse_quantity(name)
            .ok_or_else(|| format!("\"{name}\" in \"{text}\" is not measured; {}", known()))
    };
    if text == "valid" {
        return Ok(Expectation {
            text: text.to_owned(),
            metric: Metric::Valid,
            relation: Relation::Equal,
            limit: 1.0,
        });
    }
    let Some(at) = text.find(['<', '>', '=']) else {
        return Err(format!(
            "\"{text}\" is not a limit; expected NAME<VALUE, with one of < <= = >= >"
        ));
    };
    let (name, rest) = text.split_at(at);
    let (sign, relation) = RELATIONS
        .iter()
        .find(|(sign, _)| rest.starts_with(sign))
        .expect("every sign begins with one of the three");
    let metric = metric(name.trim())?;
    let value = rest[sign.len()..].trim();
    let limit = metric
        .parse_limit(value)
        .map_err(|why| format!("in \"{text}\": {why}"))?;
    Ok(Expectation {
        text: text.to_owned(),
        metric,
        relation: *relation,
        limit,
    })
}

fn parse_quantity(name: &str) -> Option<Metric> {
    match name {
        "errors" => return Some(Metric::Errors(None)),
        "pulses.per_second" => return Some(Metric::PulsesPerSecond),
        "server.cpu_per_pulse" => return Some(Metric::ServerCpuPerPulse),
        "server.resident" => return Some(Metric::ServerResident),
        _ => {}
    }
    let (group, part) = name.split_once('.')?;
    if group == "errors" {
        let kind = ErrorKind::ALL
            .into_iter()
            .find(|kind| kind.label() == part)?;
        return Some(Metric::Errors(Some(kind)));
    }
    let timed = Timed::ALL
        .into_iter()
        .find(|timed| timed.label() == group)?;
    let (_, statistic) = STATISTICS.iter().find(|(name, _)| *name == part)?;
    Some(Metric::Times(timed, *statistic))
}

fn known() -> String {
    let kinds: Vec<&str> = ErrorKind::ALL.iter().map(|kind| kind.label()).collect();
    format!(
        "known are valid, errors, errors.KIND ({}), pulses.per_second, server.cpu_per_pulse, \
         server.resident, and p50 p90 p99 p99.9 max of {} (get.p99)",
        kinds.join(" "),
        Timed::ALL.map(Timed::label).join(", ")
    )
}

impl Metric {
    fn parse_limit(self, text: &str) -> Result<f64, String> {
        match self {
            Metric::Times(..) | Metric::ServerCpuPerPulse => {
                parse_time_us(text).map(|us| us as f64)
            }
            Metric::ServerResident => parse_bytes(text).map(|bytes| bytes as f64),
            Metric::Valid | Metric::Errors(_) | Metric::PulsesPerSecond => text
                .parse::<u64>()
                .map(|count| count as f64)
                .map_err(|_| format!("\"{text}\" is not a count")),
        }
    }

    fn actual(self, measured: &Measurements<'_>) -> Option<f64> {
        let errors = &measured.record.errors;
        match self {
            Metric::Valid => Some(f64::from(u8::from(measured.valid))),
            Metric::Errors(None) => Some(errors.total() as f64),
            Metric::Errors(Some(kind)) => Some(errors.count(kind) as f64),
            Metric::Times(timed, statistic) => {
                let summary = Summary::of(measured.record.times(timed))?;
                Some(statistic.of(&summary) as f64)
            }
            Metric::PulsesPerSecond => Some(measured.pulses_per_second),
            Metric::ServerCpuPerPulse => measured.server_cpu_us_per_pulse,
            Metric::ServerResident => measured.server_resident_bytes.map(|bytes| bytes as f64),
        }
    }

    fn show(self, value: f64) -> String {
        match self {
            Metric::Valid if value == 1.0 => "valid".to_owned(),
            Metric::Valid => "invalid".to_owned(),
            Metric::Times(..) | Metric::ServerCpuPerPulse => show_time(value),
            Metric::ServerResident => show_bytes(value),
            Metric::Errors(_) | Metric::PulsesPerSecond => format!("{value:.0}"),
        }
    }
}

impl Expectation {
    pub fn compare(&self, measured: &Measurements<'_>) -> Verdict {
        let actual = self.metric.actual(measured);
        Verdict {
            limit: self.text.clone(),
            actual,
            met: actual.is_some_and(|actual| self.relation.holds(actual, self.limit)),
            shown: actual.map_or("not measured".to_owned(), |actual| self.metric.show(actual)),
        }
    }
}

impl Statistic {
    fn of(self, summary: &Summary) -> u64 {
        match self {
            Statistic::P50 => summary.p50_us,
            Statistic::P90 => summary.p90_us,
            Statistic::P99 => summary.p99_us,
            Statistic::P999 => summary.p99_9_us,
            Statistic::Max => summary.max_us,
        }
    }
}

impl Relation {
    fn holds(self, actual: f64, limit: f64) -> bool {
        match self {
            Relation::Less => actual < limit,
            Relation::AtMost => actual <= limit,
            Relation::Equal => actual == limit,
            Relation::AtLeast => actual >= limit,
            Relation::More => actual > limit,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_limits() {
        let parsed = parse("errors=0, pulse.max<1s,get.p99.9<=50ms,errors.stale=0,valid").unwrap();
        let read: Vec<_> = parsed
            .iter()
            .map(|e| (e.metric, e.relation, e.limit))
            .collect();
        let expected = [
            (Metric::Errors(None), Relation::Equal, 0.0),
            (
                Metric::Times(Timed::Pulse, Statistic::Max),
                Relation::Less,
                1e6,
            ),
            (
                Metric::Times(Timed::Get, Statistic::P999),
                Relation::AtMost,
                50e3,
            ),
            (Metric::Errors(Some(ErrorKind::Stale)), Relation::Equal, 0.0),
            (Metric::Valid, Relation::Equal, 1.0),
        ];
        assert_eq!(read, expected);
        let parsed = parse("server.resident<100MiB,pulses.per_second>=3990").unwrap();
        assert_eq!((parsed[0].limit, parsed[1].limit), (104_857_600.0, 3990.0));
    }

    #[test]
    fn errors_say_what_is_wrong() {
        for (text, why) in [
            ("", "is not a limit"),
            ("errors", "is not a limit"),
            ("errors=0,", "is not a limit"),
            (
                "speed<1s",
                "\"speed\" in \"speed<1s\" is not measured; known are valid, errors",
            ),
            ("errors.typo=0", "is not measured"),
            ("pulse.p98<1s", "is not measured"),
            ("pulse.max<1", "\"1\" is not a duration"),
            ("pulse.max<", "\"\" is not a duration"),
            ("errors=0.5", "\"0.5\" is not a count"),
            ("errors==0", "\"=0\" is not a count"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
    }

    #[test]
    fn relations_compare_as_written() {
        let holding = |actual| RELATIONS.map(|(_, relation)| relation.holds(actual, 2.0));
        assert_eq!(holding(1.0), [true, false, true, false, false]);
        assert_eq!(holding(2.0), [true, true, false, false, true]);
        assert_eq!(holding(3.0), [false, true, false, true, false]);
    }
}
