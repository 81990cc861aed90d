//! The command line to `Settings`. All that a person may have got wrong is found here, before
//! anything is dialled.

mod login;
mod resolve;
mod scenario;
#[cfg(test)]
mod tests;
mod values;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use storm_pacemaker::config::Cores;

use crate::login_cost::LoginCost;
use crate::settings::Settings;
use crate::units::parse_time_us;
use login::{Auth, LoginArguments};
use values::{Addresses, Executors, Expectations, Payload};

/// Plays a Storm cluster's heartbeats against a Pacemaker server and measures the answers.
///
/// Every worker has its own TCP connection and pulses on its own phase; Nimbus reads one key after
/// another beside them, and every byte that it reads is verified. Response times count from the
/// instant that the plan gives, so that a server that stalls cannot hide.
///
/// Exit codes: 0 all went well, 1 errors or a limit of --expect was missed, 2 wrong usage.
#[derive(Debug, Parser)]
#[command(name = "loadgen", version, about, args_override_self = true)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
struct CommandLine {
    #[command(flatten)]
    arguments: Arguments,

    #[command(subcommand)]
    command: Option<SubCommand>,
}

#[derive(Debug, Subcommand)]
enum SubCommand {
    /// Plays the same plan against two servers in turn, several times, and prints their ratios
    #[command(args_override_self = true)]
    Compare {
        /// The first server
        #[arg(value_name = "TARGET_A")]
        a: String,
        /// The second one; ratios are those of the first to this one
        #[arg(value_name = "TARGET_B")]
        b: String,
        /// How often each is measured
        #[arg(long, value_name = "N", default_value_t = 3,
              value_parser = clap::value_parser!(u32).range(1..=1000))]
        rounds: u32,
        /// The process of the second server on this host; --server-pid is the first one's
        #[arg(long, value_name = "PID")]
        server_pid_b: Option<u32>,
        #[command(flatten)]
        arguments: Box<Arguments>,
    },
    /// Logs in again and again, each time on a new connection, and tells what that takes. With --auth none
    /// it connects and asks all the same: the difference is what the logins cost
    #[command(args_override_self = true)]
    Logins {
        /// The server
        #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:6699")]
        target: String,
        #[command(flatten)]
        login: LoginArguments,
        /// How many
        #[arg(long, value_name = "N", default_value_t = 1000,
              value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
        count: u32,
        /// A server process on this host whose CPU time is measured
        #[arg(long, value_name = "PID")]
        server_pid: Option<u32>,
        /// Print the result as one JSON object to standard output
        #[arg(long)]
        json: bool,
    },
    /// Prints the plan, a worker a line: its key, when its first pulse is due (in µs after the start),
    /// and the bytes of its pulses
    #[command(args_override_self = true)]
    Plan {
        #[command(flatten)]
        arguments: Box<Arguments>,
    },
}

#[derive(Debug, Args)]
struct Arguments {
    /// The server to load; may be repeated, workers are then spread over the servers
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:6699")]
    target: Vec<String>,

    /// Supervisors of the simulated cluster
    #[arg(long, value_name = "N", default_value_t = 100,
          value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    supervisors: u32,

    /// Workers of each supervisor
    #[arg(long, value_name = "N", default_value_t = 4,
          value_parser = clap::value_parser!(u32).range(1..=100))]
    workers_per_supervisor: u32,

    /// Topologies that the workers belong to [default: one for every 120 workers]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    topologies: Option<u32>,

    /// Executors of each worker, or a range of them: with --payload simple or rich they make the size
    /// of its pulses [default: 10]
    #[arg(long, value_name = "N|A-B", value_parser = values::executors)]
    executors: Option<Executors>,

    /// Bytes of a pulse's details: a size; `simple` or `rich`, from the executors as in real
    /// topologies of few or of many streams; or @FILE, one size a line, drawn for each worker
    /// [default: 4KiB; simple with --executors]
    #[arg(long, value_name = "SIZE|simple|rich|@FILE", value_parser = values::payload)]
    payload: Option<Payload>,

    /// Time between two pulses of a worker
    #[arg(long, value_name = "TIME", default_value = "3s", value_parser = parse_time_us)]
    interval: u64,

    /// Instead of the cluster: so many connections that each send the next pulse as soon as the last
    /// one is answered
    #[arg(long, value_name = "CONNECTIONS",
          conflicts_with_all = ["supervisors", "interval", "churn"],
          value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    saturate: Option<u32>,

    /// Nimbus's scheduler: all workers one after another every 10 s and a list of the topologies; all
    /// the time (continuous); or none [default: on, off with --saturate]
    #[arg(long, value_name = "HOW")]
    nimbus: Option<NimbusChoice>,

    /// People who look at the UI: a page every 5 s each, which reads all workers of one topology over
    /// Nimbus's connection
    #[arg(long, value_name = "N", default_value_t = 0,
          value_parser = clap::value_parser!(u32).range(0..=99))]
    ui_readers: u32,

    /// Events a minute: topologies that are killed and followed by others, rebalances, supervisors that
    /// are lost
    #[arg(long, value_name = "PER_MINUTE", default_value_t = 0,
          value_parser = clap::value_parser!(u32).range(0..=6000))]
    churn: u32,

    /// Time over which the connections are opened; 0s is all at once
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = parse_time_us)]
    ramp: u64,

    /// Time before the measured window: errors count in it, response times do not
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = parse_time_us)]
    warmup: u64,

    /// The measured window
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = parse_time_us)]
    duration: u64,

    /// Seed of the plan: the same one makes the same cluster
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,

    /// Driving threads, each pinned to a core [default: the cores this process may use, more if the
    /// open-file limit of one does not hold its connections]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    threads: Option<u32>,

    /// Addresses to dial from, in turn: A-B, or A,B,C. One address reaches about 28 000 connections
    /// to one server, and dials slowly past 14 000 [default: the kernel's choice; on loopback as many
    /// of 127.0.0.2 and on as make dials cheap]
    #[arg(long, value_name = "ADDRESSES", value_parser = values::addresses)]
    source_addresses: Option<Addresses>,

    #[command(flatten)]
    login: LoginArguments,

    /// How the workers' connections log in, each before its first pulse; clients of Storm 1.x do that.
    /// Servers bound logins by address: on loopback each supervisor then dials from an address of its
    /// own, as in a cluster, unless --source-addresses says otherwise
    #[arg(long, value_name = "HOW", default_value = "none")]
    worker_auth: Auth,

    /// A server process on this host whose CPU time and memory are measured
    #[arg(long, value_name = "PID")]
    server_pid: Option<u32>,

    /// Limits that must hold, such as 'errors=0,pulse.max<1s,get.p99<50ms'; without it any error is
    /// a failure
    #[arg(long, value_name = "LIMITS", value_parser = values::expectations)]
    expect: Option<Expectations>,

    /// Leave the pulses on the server. Otherwise the topologies of the run are deleted at its end
    #[arg(long)]
    keep: bool,

    /// A TOML file with settings: its keys are the names of these options
    #[arg(long, value_name = "FILE.toml")]
    scenario: Option<PathBuf>,

    /// From --supervisors on, raise their number step by step until --expect fails; then narrow the
    /// limit down to a tenth, and say what gave out first
    #[arg(long, conflicts_with_all = ["saturate", "churn"])]
    find_limit: bool,

    /// The speed of the link to the server, such as 1Gbit: lets --find-limit tell when that is full
    #[arg(long, value_name = "SPEED", value_parser = values::link_speed)]
    link_speed: Option<u64>,

    /// Print the report as one JSON object to standard output, and everything else to standard error
    #[arg(long)]
    json: bool,

    /// Write the response times of each second as an HdrHistogram log (values in µs)
    #[arg(long, value_name = "FILE", conflicts_with = "find_limit")]
    hdr_log: Option<PathBuf>,

    /// Write the report as one self-contained page with plots
    #[arg(long, value_name = "FILE.html")]
    report: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum NimbusChoice {
    On,
    Off,
    Continuous,
}

/// What is to be done.
#[derive(Debug)]
pub enum Job {
    Run(Box<Settings>),
    FindLimit(Box<Settings>),
    PrintPlan(Box<Settings>),
    Logins(Box<LoginCost>),
    Compare {
        servers: Box<[Settings; 2]>,
        rounds: u32,
    },
}

/// Why there is nothing to do.
#[derive(Debug)]
pub enum Exit {
    /// Only help or the version was wanted.
    Help,
    /// What is wrong, if it has not been said yet.
    WrongUsage(Option<String>),
}

/// What the process's arguments ask for.
pub fn job() -> Result<Job, Exit> {
    let words = scenario::expand(std::env::args_os().collect())
        .map_err(|why| Exit::WrongUsage(Some(why)))?;
    let line = CommandLine::try_parse_from(words).map_err(|answer| {
        // If nobody reads it, there is nobody to tell.
        let _ = answer.print();
        if answer.use_stderr() {
            Exit::WrongUsage(None)
        } else {
            Exit::Help
        }
    })?;
    resolve::job(line, &Cores::of_this_process()).map_err(|why| Exit::WrongUsage(Some(why)))
}

/// How many words of a command line come before its options: the program, and a subcommand.
fn words_before_options(words: &[OsString]) -> usize {
    let subcommand = words
        .get(1)
        .is_some_and(|word| word == "compare" || word == "plan");
    1 + usize::from(subcommand)
}
