//! Measures what logins cost: connections one after another, each of which logs in and sends one request.
//! Without a login method it does the same without the login, as a baseline.

use std::fmt::Write;
use std::time::Instant;

use serde::Serialize;
use storm_pacemaker::wire::MessageType;

use crate::blocking_client::Connection;
use crate::record::{Summary, Times};
use crate::report;
use crate::server_process::{CpuTime, ProcessSample};
use crate::settings::{Output, Target, method_name};
use crate::units::show_time;

/// The first connections are not counted, because caches are cold on both sides.
const WARMUP: u32 = 100;

/// The key of no worker.
const PATH: &str = "/workerbeats/nobody/nowhere";

#[derive(Debug)]
pub struct LoginCost {
    pub target: Target,
    pub count: u32,
    pub server_pid: Option<u32>,
    pub output: Output,
}

#[derive(Debug, Serialize)]
struct Outcome {
    auth: &'static str,
    connections: u32,
    /// From the connection to the end of its login, and to the answer to its request.
    login: Option<Summary>,
    answer: Option<Summary>,
    /// An answer was NOT_AUTHORIZED.
    refused: bool,
    server: Option<ServerCost>,
}

/// All CPU time of the server meanwhile.
#[derive(Debug, Serialize)]
struct ServerCost {
    cpu_us_per_connection: f64,
    /// Ready to run while something else had the core.
    waiting_us_per_connection: f64,
}

impl LoginCost {
    /// Measures and prints. Returns whether no request was refused.
    pub fn run(&self) -> Result<bool, String> {
        let (mut login, mut answer) = (Times::default(), Times::default());
        let mut refused = false;
        for _ in 0..WARMUP.min(self.count) {
            self.connect_and_request()?;
        }
        let before = self.sample()?;
        for number in 1..=self.count {
            let once = self.connect_and_request();
            let once = once.map_err(|why| format!("connection {number}: {why}"))?;
            if let Some(us) = once.login_us {
                login.record(us);
            }
            answer.record(once.answer_us);
            refused |= once.refused;
        }
        let server = match (before, self.sample()?) {
            (Some(before), Some(after)) => Some(self.server(after.since(&before))),
            _ => None,
        };
        let outcome = Outcome {
            auth: method_name(self.target.logins.readers.as_ref()),
            connections: self.count,
            login: Summary::of(&login),
            answer: Summary::of(&answer),
            refused,
            server,
        };
        report::print(self.output, &outcome, render);
        Ok(!refused)
    }

    fn connect_and_request(&self) -> Result<Once, String> {
        let mut connection = Connection::open(self.target.address)?;
        let begun = Instant::now();
        let mut login_us = None;
        if let Some(method) = &self.target.logins.readers {
            let logged_in = connection.log_in(method);
            logged_in.map_err(|why| format!("the login failed: {why}"))?;
            login_us = Some(begun.elapsed().as_micros() as u64);
        }
        let kind = connection.ask(MessageType::GetPulse, PATH, 0)?;
        Ok(Once {
            login_us,
            answer_us: begun.elapsed().as_micros() as u64,
            refused: kind == MessageType::NotAuthorized,
        })
    }

    fn sample(&self) -> Result<Option<ProcessSample>, String> {
        match self.server_pid {
            None => Ok(None),
            Some(pid) => match ProcessSample::of(pid) {
                Some(sample) => Ok(Some(sample)),
                None => Err(format!("--server-pid: process {pid} has ended")),
            },
        }
    }

    fn server(&self, time: CpuTime) -> ServerCost {
        let each = |ns: u64| ns as f64 / 1e3 / f64::from(self.count);
        ServerCost {
            cpu_us_per_connection: each(time.on_cpu_ns),
            waiting_us_per_connection: each(time.waiting_ns),
        }
    }
}

/// One connection.
struct Once {
    login_us: Option<u64>,
    answer_us: u64,
    refused: bool,
}

fn render(outcome: &Outcome) -> String {
    let mut out = format!(
        "{} connections one after another, auth {}\n",
        outcome.connections, outcome.auth
    );
    let mut line = |name: &str, summary: &Option<Summary>| {
        if let Some(summary) = summary {
            let [p50, p90, p99, _, max] = summary.columns().map(|us| show_time(us as f64));
            // Writing to a string cannot fail.
            let _ = writeln!(out, "{name:<10} p50 {p50}, p90 {p90}, p99 {p99}, max {max}");
        }
    };
    line("login", &outcome.login);
    line("answer", &outcome.answer);
    if outcome.refused {
        out += "refused    a request was answered with NOT_AUTHORIZED\n";
    }
    if let Some(server) = &outcome.server {
        let _ = writeln!(
            out,
            "server     {:.1} µs CPU per connection",
            server.cpu_us_per_connection
        );
    }
    out
}
