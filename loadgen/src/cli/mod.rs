//! Turns the command line into `Settings`. Every mistake of the user is found here, before anything is
//! dialled.

mod login;
mod resolve;
mod scenario;
#[cfg(test)]
mod tests;
mod values;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use storm_pacemaker::auth::HAS_KERBEROS;
use storm_pacemaker::config::Cores;

use crate::login_cost::LoginCost;
use crate::settings::Settings;
use crate::units::parse_time_us;
use login::{Auth, LoginArguments};
use values::{Addresses, Executors, Expectations, Payload};

/// What `--version` prints after the name: builds differ in their login methods.
const LONG_VERSION: &str = if HAS_KERBEROS {
    concat!(
        env!("CARGO_PKG_VERSION"),
        "\nlogin methods: none, digest, kerberos"
    )
} else {
    concat!(env!("CARGO_PKG_VERSION"), "\nlogin methods: none, digest")
};

/// Simulates the heartbeats of a Storm cluster against a Pacemaker server and measures the answers.
///
/// Each worker has its own TCP connection and sends its pulses on its own schedule. Nimbus reads one key
/// after another, and every byte it reads is verified. Response times count from the planned instant, so
/// a server that stalls cannot hide it.
///
/// Exit codes: 0 success, 1 errors or a missed limit of --expect, 2 wrong usage.
#[derive(Debug, Parser)]
#[command(name = "loadgen", version, long_version = LONG_VERSION, about, args_override_self = true)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
struct CommandLine {
    #[command(flatten)]
    arguments: Arguments,

    #[command(subcommand)]
    command: Option<SubCommand>,
}

#[derive(Debug, Subcommand)]
enum SubCommand {
    /// Runs the same plan against two servers in turn, several times, and prints the ratios
    #[command(args_override_self = true)]
    Compare {
        /// The first server
        #[arg(value_name = "TARGET_A")]
        a: String,
        /// The second server; ratios are first to second
        #[arg(value_name = "TARGET_B")]
        b: String,
        /// Runs for each server
        #[arg(long, value_name = "N", default_value_t = 3,
              value_parser = clap::value_parser!(u32).range(1..=1000))]
        rounds: u32,
        /// Process of the second server on this host; --server-pid is that of the first
        #[arg(long, value_name = "PID")]
        server_pid_b: Option<u32>,
        #[command(flatten)]
        arguments: Box<Arguments>,
    },
    /// Logs in many times, each time on a new connection, and measures the time and the server's CPU. Run
    /// it with --auth none, too: the difference is the cost of the logins
    #[command(args_override_self = true)]
    Logins {
        /// The server
        #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:6699")]
        target: String,
        #[command(flatten)]
        login: LoginArguments,
        /// Number of connections
        #[arg(long, value_name = "N", default_value_t = 1000,
              value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
        count: u32,
        /// Process of the server on this host, to measure its CPU time
        #[arg(long, value_name = "PID")]
        server_pid: Option<u32>,
        /// Print the result as a JSON object
        #[arg(long)]
        json: bool,
    },
    /// Prints the plan, one worker per line: its key, the time of its first pulse in µs after the start,
    /// and the size of its pulses in bytes
    #[command(args_override_self = true)]
    Plan {
        #[command(flatten)]
        arguments: Box<Arguments>,
    },
}

#[derive(Debug, Args)]
struct Arguments {
    /// The server. Repeat the option to spread the workers over several servers
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:6699")]
    target: Vec<String>,

    /// Supervisors of the simulated cluster
    #[arg(long, value_name = "N", default_value_t = 100,
          value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    supervisors: u32,

    /// Workers per supervisor
    #[arg(long, value_name = "N", default_value_t = 4,
          value_parser = clap::value_parser!(u32).range(1..=100))]
    workers_per_supervisor: u32,

    /// Topologies of the cluster [default: one per 120 workers]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    topologies: Option<u32>,

    /// Executors per worker, or a range of them: with --payload simple or rich they determine the size of
    /// a pulse [default: 10]
    #[arg(long, value_name = "N|A-B", value_parser = values::executors)]
    executors: Option<Executors>,

    /// Size of a pulse's details: a number of bytes; `simple` or `rich`, computed from the executors as in
    /// topologies with few or many streams; or @FILE with one size per line, drawn for each worker
    /// [default: 4KiB; simple with --executors]
    #[arg(long, value_name = "SIZE|simple|rich|@FILE", value_parser = values::payload)]
    payload: Option<Payload>,

    /// Time between two pulses of a worker
    #[arg(long, value_name = "TIME", default_value = "3s", value_parser = parse_time_us)]
    interval: u64,

    /// Saturate the server instead of simulating a cluster: each of these connections sends its next
    /// pulse as soon as the last one is answered
    #[arg(long, value_name = "CONNECTIONS",
          conflicts_with_all = ["supervisors", "interval", "churn"],
          value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    saturate: Option<u32>,

    /// Nimbus's scheduler: every 10 s it lists the topologies and reads all workers one after another;
    /// `continuous` does so without a pause [default: on; off with --saturate]
    #[arg(long, value_name = "HOW")]
    nimbus: Option<NimbusChoice>,

    /// Readers of the Storm UI: each opens a page every 5 s, which reads all workers of one topology over
    /// Nimbus's connection
    #[arg(long, value_name = "N", default_value_t = 0,
          value_parser = clap::value_parser!(u32).range(0..=99))]
    ui_readers: u32,

    /// Events per minute: topologies are killed and replaced, topologies are rebalanced, supervisors are
    /// lost
    #[arg(long, value_name = "PER_MINUTE", default_value_t = 0,
          value_parser = clap::value_parser!(u32).range(0..=6000))]
    churn: u32,

    /// Time over which the connections are opened; 0s opens all at once
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = parse_time_us)]
    ramp: u64,

    /// Time before the measured window: errors count, response times do not
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = parse_time_us)]
    warmup: u64,

    /// The measured window
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = parse_time_us)]
    duration: u64,

    /// Seed of the plan: the same seed makes the same cluster
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,

    /// Driving threads, each pinned to a core [default: one per core this process may use; more if the
    /// open-file limit of a thread is too low for its connections]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    threads: Option<u32>,

    /// How the generator waits for and moves bytes. `auto` tries io_uring, and uses epoll where the kernel
    /// lacks or forbids it
    #[arg(long, value_name = "HOW", default_value = "auto")]
    io: DataPlaneChoice,

    /// Addresses to dial from, in turn: A-B, or A,B,C. One address allows about 28 000 connections to one
    /// server, and dials slowly past 14 000 [default: the kernel's choice; on loopback, as many addresses
    /// from 127.0.0.2 on as keep dials fast]
    #[arg(long, value_name = "ADDRESSES", value_parser = values::addresses)]
    source_addresses: Option<Addresses>,

    #[command(flatten)]
    login: LoginArguments,

    /// How workers log in before their first pulse, as clients of Storm 1.x do. Servers limit logins per
    /// address, so on loopback each supervisor dials from its own address unless --source-addresses is
    /// given
    #[arg(long, value_name = "HOW", default_value = "none")]
    worker_auth: Auth,

    /// Process of the server on this host, to measure its CPU time and memory
    #[arg(long, value_name = "PID")]
    server_pid: Option<u32>,

    /// Limits that must hold, such as 'errors=0,pulse.max<1s,get.p99<50ms'. Without limits, any error is a
    /// failure
    #[arg(long, value_name = "LIMITS", value_parser = values::expectations)]
    expect: Option<Expectations>,

    /// Keep the pulses on the server. By default the run deletes its topologies at the end
    #[arg(long)]
    keep: bool,

    /// The server drains during the run: a RST while no request is under way is counted as a move, and is no error
    #[arg(long)]
    drains: bool,

    /// A TOML file with settings; its keys are the names of these options
    #[arg(long, value_name = "FILE.toml")]
    scenario: Option<PathBuf>,

    /// Raise the number of supervisors from --supervisors until --expect fails, narrow the limit down to
    /// 10%, and report what gave out first
    #[arg(long, conflicts_with_all = ["saturate", "churn"])]
    find_limit: bool,

    /// Speed of the link to the server, such as 1Gbit, so that --find-limit can tell when it is full
    #[arg(long, value_name = "SPEED", value_parser = values::link_speed)]
    link_speed: Option<u64>,

    /// Print the report as a JSON object to standard output; everything else goes to standard error
    #[arg(long)]
    json: bool,

    /// Write the response times of each second to an HdrHistogram log (values in µs)
    #[arg(long, value_name = "FILE", conflicts_with = "find_limit")]
    hdr_log: Option<PathBuf>,

    /// Write the report as a self-contained page with plots
    #[arg(long, value_name = "FILE.html")]
    report: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum NimbusChoice {
    On,
    Off,
    Continuous,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum DataPlaneChoice {
    Auto,
    #[value(name = "io_uring")]
    IoUring,
    Epoll,
}

/// What the command line asks for.
#[derive(Debug)]
pub(crate) enum Job {
    Run(Box<Settings>),
    FindLimit(Box<Settings>),
    PrintPlan(Box<Settings>),
    Logins(Box<LoginCost>),
    Compare {
        servers: Box<[Settings; 2]>,
        rounds: u32,
    },
}

/// Why there is no job.
#[derive(Debug)]
pub(crate) enum Exit {
    /// It asked for the help or the version.
    Help,
    /// What is wrong, unless it has been printed already.
    WrongUsage(Option<String>),
}

/// Reads the process's arguments.
pub(crate) fn job() -> Result<Job, Exit> {
    let words = scenario::expand(std::env::args_os().collect())
        .map_err(|why| Exit::WrongUsage(Some(why)))?;
    let line = CommandLine::try_parse_from(words).map_err(|answer| {
        // A closed standard output is no error here.
        let _ = answer.print();
        if answer.use_stderr() {
            Exit::WrongUsage(None)
        } else {
            Exit::Help
        }
    })?;
    resolve::job(line, &Cores::of_this_process()).map_err(|why| Exit::WrongUsage(Some(why)))
}

/// The number of words before the options: the program and, if there is one, the subcommand.
fn words_before_options(words: &[OsString]) -> usize {
    let subcommand = words
        .get(1)
        .is_some_and(|word| word == "compare" || word == "plan");
    1 + usize::from(subcommand)
}
