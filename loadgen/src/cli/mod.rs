//! The command line to `Settings`. All that a person may have got wrong is found here, before
//! anything is dialled.

mod scenario;
mod settle;
mod values;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use storm_pacemaker::config::Cores;

use crate::chart::Look;
use crate::report::plot::Quantity;
use crate::settings::Settings;
use crate::units::parse_time_us;
pub use settle::{connections, default_sources, usual_topologies};
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
    /// Draws a table of numbers as a plot in the looks of the reports, and prints the SVG
    Chart {
        /// Tab-separated: names in the first line, x in the first column, a series in each other one
        #[arg(value_name = "FILE.tsv")]
        file: PathBuf,
        #[arg(long, value_name = "TEXT")]
        title: String,
        /// What x is
        #[arg(long, value_name = "QUANTITY", default_value = "count")]
        x: Quantity,
        /// What y is
        #[arg(long, value_name = "QUANTITY", default_value = "count")]
        y: Quantity,
        /// x in decades
        #[arg(long)]
        log_x: bool,
        /// y in decades
        #[arg(long)]
        log_y: bool,
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
    Chart {
        file: PathBuf,
        look: Look,
    },
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
        match answer.use_stderr() {
            true => Exit::WrongUsage(None),
            false => Exit::Help,
        }
    })?;
    settle::job(line, &Cores::of_this_process()).map_err(|why| Exit::WrongUsage(Some(why)))
}

/// How many words of a command line come before its options: the program, and a subcommand.
fn words_before_options(words: &[OsString]) -> usize {
    let subcommand = words
        .get(1)
        .is_some_and(|word| word == "compare" || word == "plan");
    1 + usize::from(subcommand)
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use clap::CommandFactory;

    use super::*;
    use crate::plan::Pace;
    use crate::settings::Nimbus;

    fn settled(line: &str) -> Result<Settings, String> {
        let words = ["loadgen"].into_iter().chain(line.split_whitespace());
        let line = CommandLine::try_parse_from(words).map_err(|error| error.to_string())?;
        let cores = Cores {
            usable: NonZeroUsize::new(2).unwrap(),
            ids: vec![4, 5],
        };
        match settle::job(line, &cores)? {
            Job::Run(settings) | Job::FindLimit(settings) => Ok(*settings),
            Job::PrintPlan(settings) => Ok(*settings),
            Job::Compare { servers, .. } => Ok(servers[1].clone()),
            Job::Chart { .. } => Err("a chart has no settings".to_owned()),
        }
    }

    #[test]
    fn the_definition_is_consistent() {
        CommandLine::command().debug_assert();
    }

    #[test]
    fn supervisors_make_workers_and_topologies() {
        let settings = settled("--supervisors 3000 --threads 3").unwrap();
        assert_eq!(settings.cluster.workers, 12_000);
        assert_eq!(settings.cluster.topologies, 100);
        assert_eq!(settings.nimbus, Nimbus::EveryTenSeconds);
        assert_eq!(settings.cores, [4, 5, 4]);
        assert_eq!(settings.sources.len(), 2);
        assert!(settings.open_files() > 4_000);
    }

    #[test]
    fn saturating_has_no_reader_unless_asked_for() {
        let settings = settled("--saturate 1000").unwrap();
        assert_eq!(settings.cluster.pace, Pace::Saturate);
        assert_eq!(settings.nimbus, Nimbus::Off);
        let settings = settled("--saturate 500 --nimbus continuous").unwrap();
        assert_eq!(settings.nimbus, Nimbus::Continuous);
        assert!(settled("--saturate 1000 --supervisors 3").is_err());
    }

    #[test]
    fn many_connections_take_several_loopback_sources() {
        let settings = settled("--supervisors 25000").unwrap();
        assert!(settings.sources.len() >= 2);
        assert_eq!(settings.sources[0].to_string(), "127.0.0.2");
        let error = settled("--supervisors 25000 --target 192.0.2.1:6699").unwrap_err();
        assert!(error.contains("--source-addresses"), "{error}");
    }

    #[test]
    fn another_number_of_supervisors_brings_what_belongs_to_it() {
        let settings = settled("--supervisors 100 --find-limit").unwrap();
        let more = settings.with_supervisors(25_000).unwrap();
        assert_eq!(more.cluster.workers, 100_000);
        assert_eq!(more.cluster.topologies, 834);
        assert!(more.sources.len() >= 2);
    }

    #[test]
    fn comparing_takes_two_servers() {
        let second = settled("compare 127.0.0.1:1 127.0.0.1:2 --supervisors 7").unwrap();
        assert_eq!(second.targets[0].address.port(), 2);
        assert_eq!(second.supervisors(), 7);
        for wrong in ["compare 127.0.0.1:1", "--supervisors 3 compare a b"] {
            assert!(settled(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for line in [
            "--supervisors 0",
            "--payload 8",
            "--payload 11MiB",
            "--interval 0s",
            "--duration 60",
            "--topologies 0",
            "--supervisors 1 --topologies 5",
            "--target nowhere",
            "--server-pid 4294967295",
            "--expect errors",
            "--payload 600 --executors 3",
            "--find-limit --saturate 3",
            "compare 127.0.0.1:1 127.0.0.1:2 --find-limit",
            "compare 127.0.0.1:1 127.0.0.1:2 --hdr-log a.log",
            "--find-limit --hdr-log a.log",
            "--source-addresses ::1",
            "--link-speed 1",
        ] {
            assert!(settled(line).is_err(), "{line}");
        }
    }
}
