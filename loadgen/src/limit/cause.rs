//! What gave out first, according to the failed run. A cause that explains others is checked before them: a
//! full link makes answers late, and so does a full core.

use serde::Serialize;

use crate::machine;
use crate::record::ErrorKind;
use crate::report::Report;

/// A link or a core counts as full at this share: some of its load cannot be seen from here.
const FULL: f64 = 0.9;

/// Ethernet, IP and TCP add 66 bytes to a full segment of 1448 bytes.
const WIRE_OVERHEAD: f64 = 1.0 + 66.0 / 1448.0;

/// About the size of a pulse's key and of the message around it.
const MESSAGE_BYTES: u64 = 150;

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Cause {
    pub what: What,
    /// The reason as text.
    pub because: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// Every size held.
    Nothing,
    /// This host could not simulate a larger cluster; the server's limit is higher.
    Generator,
    Network,
    ServerMemory,
    ServerCpu,
    Connections,
    /// Nimbus, which reads one key after another, took too long for a pass.
    NimbusPass,
    /// Answers took over a second although nothing was full.
    LateAnswers,
    /// Another limit was missed.
    Other,
}

impl Cause {
    pub fn nothing() -> Cause {
        cause(What::Nothing, "every size held".to_owned())
    }

    pub fn of_this_host(why: String) -> Cause {
        cause(What::Generator, why)
    }

    pub fn of(report: &Report, link_bits_per_second: Option<u64>) -> Cause {
        network(report, link_bits_per_second)
            .or_else(|| generator(report))
            .or_else(|| memory(report))
            .or_else(|| cpu(report))
            .or_else(|| connections(report))
            .or_else(|| pass(report))
            .or_else(|| late(report))
            .unwrap_or_else(|| cause(What::Other, missed(report)))
    }
}

fn cause(what: What, because: String) -> Cause {
    Cause { what, because }
}

fn generator(report: &Report) -> Option<Cause> {
    (!report.valid).then(|| cause(What::Generator, report.invalid_because.join("; ")))
}

/// Counts what the plan sends, not the requests repeated because answers were late: they would blame the
/// link for whatever made the answers late.
fn network(report: &Report, link_bits_per_second: Option<u64>) -> Option<Cause> {
    let link = link_bits_per_second? as f64;
    let run = &report.run;
    let pulses_per_second = report.pulses.planned as f64 / (run.window_us as f64 / 1e6);
    let to_server = pulses_per_second * (run.payload_bytes + MESSAGE_BYTES) as f64;
    let from_server = report.bytes.received_per_second;
    let bits = to_server.max(from_server) * WIRE_OVERHEAD * 8.0;
    (bits >= FULL * link).then(|| {
        let direction = if to_server >= from_server {
            "to"
        } else {
            "from"
        };
        let share = bits / link * 100.0;
        cause(
            What::Network,
            format!("the plan needs {share:.0}% of the link {direction} the server"),
        )
    })
}

fn memory(report: &Report) -> Option<Cause> {
    let refused = report.errors.count(ErrorKind::Refused);
    if refused > 0 {
        let because = format!(
            "the server refused {refused} requests: its store is full or it reached another limit"
        );
        return Some(cause(What::ServerMemory, because));
    }
    let resident = report.server.as_ref()?.resident_bytes as f64;
    let share = resident / machine::memory_bytes()? as f64;
    (share >= FULL).then(|| {
        let because = format!(
            "the server holds {:.0}% of this host's memory",
            share * 100.0
        );
        cause(What::ServerMemory, because)
    })
}

/// Counts the CPU time used, not the waiting: threads that share a core also wait for each other.
fn cpu(report: &Report) -> Option<Cause> {
    let server = report.server.as_ref()?;
    (server.busy >= FULL * f64::from(server.cores)).then(|| {
        let plural = if server.cores == 1 { "" } else { "s" };
        let because = format!(
            "the server used {:.2} of its {} core{plural}",
            server.busy, server.cores
        );
        cause(What::ServerCpu, because)
    })
}

fn connections(report: &Report) -> Option<Cause> {
    let [failed, lost, logins] = [
        ErrorKind::ConnectFailed,
        ErrorKind::ConnectionLost,
        ErrorKind::LoginFailed,
    ]
    .map(|kind| report.errors.count(kind));
    (failed + lost + logins > 0).then(|| {
        let reasons: Vec<&str> = report.errors.reasons.keys().map(String::as_str).collect();
        let logins = match logins {
            0 => String::new(),
            logins => format!(", {logins} logins failed"),
        };
        let because = format!(
            "{failed} dials failed and {lost} connections were lost{logins} ({})",
            reasons.join(", ")
        );
        cause(What::Connections, because)
    })
}

fn pass(report: &Report) -> Option<Cause> {
    let mut missed = report.limits.iter().filter(|limit| !limit.met);
    let pass = missed.find(|limit| limit.limit.starts_with("pass."))?;
    let gets = report.times.get.map_or(0, |get| get.p50_us);
    let because = format!(
        "{} ({}): each of its reads, one after another, took {gets} µs",
        pass.limit, pass.shown
    );
    Some(cause(What::NimbusPass, because))
}

fn late(report: &Report) -> Option<Cause> {
    let late = report.errors.count(ErrorKind::OverOneSecond);
    let unanswered = report.errors.count(ErrorKind::Unanswered);
    (late + unanswered > 0).then(|| {
        let because = format!("{late} answers took over 1 s, {unanswered} requests got no answer");
        cause(What::LateAnswers, because)
    })
}

fn missed(report: &Report) -> String {
    let missed = report.limits.iter().filter(|limit| !limit.met);
    let missed: Vec<String> = missed
        .map(|limit| format!("{} ({})", limit.limit, limit.shown))
        .collect();
    missed.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    const GIGABIT: u64 = 1_000_000_000;

    fn failed() -> Report {
        let mut report = sample::short().report;
        report
            .errors
            .kinds
            .values_mut()
            .for_each(|count| *count = 0);
        report.errors.kinds.insert("over_1s", 12);
        report
    }

    #[test]
    fn causes_that_explain_others_come_first() {
        let mut report = failed();
        assert_eq!(Cause::of(&report, Some(GIGABIT)).what, What::LateAnswers);
        report.errors.kinds.insert("connection_lost", 3);
        assert_eq!(Cause::of(&report, None).what, What::Connections);
        report.server.as_mut().unwrap().busy = 1.9;
        assert_eq!(Cause::of(&report, None).what, What::ServerCpu);
        report.errors.kinds.insert("refused", 1);
        assert_eq!(Cause::of(&report, None).what, What::ServerMemory);
        // Repeated, but not planned.
        report.bytes.sent_per_second = 200e6;
        assert_eq!(Cause::of(&report, Some(GIGABIT)).what, What::ServerMemory);
        report.pulses.planned *= 7;
        assert_eq!(Cause::of(&report, Some(GIGABIT)).what, What::Network);
        assert_eq!(Cause::of(&report, None).what, What::ServerMemory);
        // A full link also makes the generator late.
        report.valid = false;
        assert_eq!(Cause::of(&report, Some(GIGABIT)).what, What::Network);
        assert_eq!(Cause::of(&report, None).what, What::Generator);
    }

    #[test]
    fn a_long_pass_names_nimbus() {
        let mut report = failed();
        report.limits[0].limit = "pass.max<10s".to_owned();
        report.limits[0].met = false;
        assert_eq!(Cause::of(&report, None).what, What::NimbusPass);
    }
}
