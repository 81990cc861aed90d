//! The command line to `Settings`. All that a person may have got wrong is found here, before
//! anything is dialled.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs};
use std::path::Path;

use clap::{Parser, ValueEnum};
use storm_pacemaker::config::Cores;

use crate::expect::{self, Expectation};
use crate::machine;
use crate::payload;
use crate::plan::{Cluster, Pace};
use crate::settings::{Nimbus, Output, Settings, Target};
use crate::storm;
use crate::units::{parse_bytes, parse_time_us};

/// Plays a Storm cluster's heartbeats against a Pacemaker server and measures the answers.
///
/// Every worker has its own TCP connection and pulses on its own phase; Nimbus reads one key after
/// another beside them, and every byte that it reads is verified. Response times count from the
/// instant that the plan gives, so that a server that stalls cannot hide.
///
/// Exit codes: 0 all went well, 1 errors or a limit of --expect was missed, 2 wrong usage.
#[derive(Debug, Parser)]
#[command(name = "loadgen", version, about)]
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

    /// Time between two pulses of a worker
    #[arg(long, value_name = "TIME", default_value = "3s", value_parser = parse_time_us)]
    interval: u64,

    /// Bytes of a pulse's details
    #[arg(long, value_name = "SIZE", default_value = "4KiB", value_parser = parse_bytes)]
    payload: u64,

    /// Instead of the cluster: so many connections that each send the next pulse as soon as the last
    /// one is answered
    #[arg(long, value_name = "CONNECTIONS",
          conflicts_with_all = ["supervisors", "interval"],
          value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    saturate: Option<u32>,

    /// Nimbus's reader: all workers one after another every 10 s and a list of the topologies; all
    /// the time (continuous); or none [default: on, off with --saturate]
    #[arg(long, value_name = "HOW")]
    nimbus: Option<NimbusChoice>,

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

    /// Driving threads, each pinned to a core [default: the cores this process may use]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    threads: Option<u32>,

    /// Addresses to dial from, in turn: A-B, or A,B,C. One address reaches about 28 000 connections
    /// to one server [default: the kernel's choice; on loopback as many of 127.0.0.2 and on as it
    /// takes]
    #[arg(long, value_name = "ADDRESSES", value_parser = parse_addresses)]
    source_addresses: Option<Addresses>,

    /// A server process on this host whose CPU time and memory are measured
    #[arg(long, value_name = "PID")]
    server_pid: Option<u32>,

    /// Limits that must hold, such as 'errors=0,pulse.max<1s,get.p99<50ms'; without it any error is
    /// a failure
    #[arg(long, value_name = "LIMITS", value_parser = parse_expectations)]
    expect: Option<Expectations>,

    /// Print the report as one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum NimbusChoice {
    On,
    Off,
    Continuous,
}

// clap takes a `Vec` for an option that may be repeated.
#[derive(Clone, Debug)]
struct Addresses(Vec<IpAddr>);
#[derive(Clone, Debug)]
struct Expectations(Vec<Expectation>);

/// Why there are no settings.
#[derive(Debug)]
pub enum Exit {
    /// Only help or the version was wanted.
    Help,
    /// What is wrong, if it has not been said yet.
    WrongUsage(Option<String>),
}

/// The settings that the process's arguments ask for.
pub fn settings() -> Result<Settings, Exit> {
    let arguments = Arguments::try_parse().map_err(|answer| {
        // If nobody reads it, there is nobody to tell.
        let _ = answer.print();
        match answer.use_stderr() {
            true => Exit::WrongUsage(None),
            false => Exit::Help,
        }
    })?;
    settle(arguments, &Cores::of_this_process()).map_err(|why| Exit::WrongUsage(Some(why)))
}

fn settle(arguments: Arguments, cores: &Cores) -> Result<Settings, String> {
    let workers = match arguments.saturate {
        Some(connections) => connections,
        None => arguments.supervisors * arguments.workers_per_supervisor,
    };
    let targets: Vec<Target> = arguments
        .target
        .iter()
        .map(|name| resolve(name))
        .collect::<Result<_, _>>()?;
    let sources = match arguments.source_addresses {
        Some(Addresses(sources)) => sources,
        None => default_sources(workers, &targets)?,
    };
    check_sources(&sources, &targets)?;
    let payload_bytes = arguments.payload;
    // A key and the message around it take well under a KiB of a frame.
    let most = u64::from(storm::FRAME_BYTES) - 1024;
    if !(payload::MIN_BYTES..=most).contains(&payload_bytes) {
        return Err(format!(
            "--payload: {payload_bytes} bytes; allowed are {} (a pulse's stamp and some of its body) to {most}",
            payload::MIN_BYTES
        ));
    }
    if arguments.interval == 0 || arguments.duration == 0 {
        return Err("--interval and --duration must be longer than 0".to_owned());
    }
    let topologies = arguments.topologies.unwrap_or(workers.div_ceil(120));
    if topologies > workers {
        return Err(format!(
            "--topologies: {topologies} topologies for {workers} workers; each needs one at least"
        ));
    }
    if let Some(pid) = arguments.server_pid
        && !Path::new(&format!("/proc/{pid}")).exists()
    {
        return Err(format!(
            "--server-pid: there is no process {pid} on this host"
        ));
    }
    let threads = arguments.threads.map_or(cores.usable.get(), |n| n as usize);
    let nimbus = match (arguments.nimbus, arguments.saturate) {
        (Some(NimbusChoice::On), _) | (None, None) => Nimbus::EveryTenSeconds,
        (Some(NimbusChoice::Continuous), _) => Nimbus::Continuous,
        (Some(NimbusChoice::Off), _) | (None, Some(_)) => Nimbus::Off,
    };
    Ok(Settings {
        cluster: Cluster {
            workers,
            workers_per_supervisor: arguments.workers_per_supervisor,
            topologies,
            pace: match arguments.saturate {
                Some(_) => Pace::Saturate,
                None => Pace::Every {
                    interval_us: arguments.interval,
                },
            },
            ramp_us: arguments.ramp,
            targets: targets.len(),
        },
        seed: arguments.seed,
        payload_bytes: payload_bytes as usize,
        targets,
        sources,
        nimbus,
        warmup_us: arguments.warmup,
        duration_us: arguments.duration,
        cores: cores.ids.iter().copied().cycle().take(threads).collect(),
        server_pid: arguments.server_pid,
        expectations: arguments.expect.map_or(Vec::new(), |list| list.0),
        output: match arguments.json {
            true => Output::Json,
            false => Output::Text,
        },
    })
}

fn resolve(name: &str) -> Result<Target, String> {
    let mut addresses = name.to_socket_addrs().map_err(|error| {
        format!("--target: \"{name}\" is not HOST:PORT of a known host: {error}")
    })?;
    let address = addresses
        .next()
        .ok_or_else(|| format!("--target: \"{name}\" has no address"))?;
    Ok(Target {
        name: name.to_owned(),
        address,
    })
}

/// Connections that one source address gets to one target: all local ports but some, which others
/// on this host may be using.
fn connections_a_source() -> u32 {
    let ports = machine::local_ports();
    ports - ports / 8
}

fn default_sources(workers: u32, targets: &[Target]) -> Result<Vec<IpAddr>, String> {
    let to_one_target = workers.div_ceil(targets.len() as u32);
    let needed = to_one_target.div_ceil(connections_a_source());
    if needed <= 1 {
        return Ok(Vec::new());
    }
    let on_loopback =
        |target: &Target| matches!(target.address.ip(), IpAddr::V4(ip) if ip.is_loopback());
    if !targets.iter().all(on_loopback) {
        return Err(format!(
            "{to_one_target} connections to one server need {needed} source addresses, because this \
             host has {} local ports: name some with --source-addresses",
            machine::local_ports()
        ));
    }
    let first = u32::from(Ipv4Addr::new(127, 0, 0, 2));
    Ok((first..first + needed)
        .map(|address| Ipv4Addr::from(address).into())
        .collect())
}

fn check_sources(sources: &[IpAddr], targets: &[Target]) -> Result<(), String> {
    let same_family = |source: &IpAddr, target: &SocketAddr| source.is_ipv4() == target.is_ipv4();
    for source in sources {
        if let Some(target) = targets.iter().find(|t| !same_family(source, &t.address)) {
            return Err(format!(
                "--source-addresses: {source} cannot dial {}, which is of the other IP version",
                target.address
            ));
        }
    }
    Ok(())
}

fn parse_addresses(text: &str) -> Result<Addresses, String> {
    let mut addresses = Vec::new();
    for part in text.split(',') {
        let wrong = || format!("\"{part}\" is not an IP address or a range of them, A-B");
        match part.split_once('-') {
            None => addresses.push(part.parse().map_err(|_| wrong())?),
            Some((first, last)) => {
                let [first, last] = [first, last].map(|end| end.parse::<Ipv4Addr>().map(u32::from));
                let (first, last) = (first.map_err(|_| wrong())?, last.map_err(|_| wrong())?);
                if first > last || last - first >= 4096 {
                    return Err(format!("\"{part}\" is not a range of 1 to 4096 addresses"));
                }
                addresses.extend((first..=last).map(|ip| IpAddr::from(Ipv4Addr::from(ip))));
            }
        }
    }
    Ok(Addresses(addresses))
}

fn parse_expectations(text: &str) -> Result<Expectations, String> {
    expect::parse(text).map(Expectations)
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use clap::CommandFactory;

    use super::*;

    fn settled(line: &str) -> Result<Settings, String> {
        let words = ["loadgen"].into_iter().chain(line.split_whitespace());
        let arguments = Arguments::try_parse_from(words).map_err(|error| error.to_string())?;
        let cores = Cores {
            usable: NonZeroUsize::new(2).unwrap(),
            ids: vec![4, 5],
        };
        settle(arguments, &cores)
    }

    #[test]
    fn the_definition_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn supervisors_make_workers_and_topologies() {
        let settings = settled("--supervisors 3000 --threads 3").unwrap();
        assert_eq!(settings.cluster.workers, 12_000);
        assert_eq!(settings.cluster.topologies, 100);
        assert_eq!(settings.nimbus, Nimbus::EveryTenSeconds);
        assert_eq!(settings.cores, [4, 5, 4]);
        assert!(settings.sources.is_empty());
        assert!(settings.open_files() > 12_000);
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
    fn source_addresses_are_ranges_and_lists() {
        let line = "--source-addresses 127.0.0.2-127.0.0.4,127.1.0.1";
        let sources = settled(line).unwrap().sources;
        assert_eq!(sources.len(), 4);
        assert_eq!(sources[3].to_string(), "127.1.0.1");
        for wrong in ["127.0.0.9-127.0.0.2", "here", "127.0.0.1-", "::1"] {
            assert!(settled(&format!("--source-addresses {wrong}")).is_err());
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
        ] {
            assert!(settled(line).is_err(), "{line}");
        }
    }
}
