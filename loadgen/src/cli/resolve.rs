//! Turns arguments into settings: what follows from several of them together, and from this host.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::path::Path;

use storm_pacemaker::config::Cores;
use storm_pacemaker::io::{DataPlane, try_io_uring};

use super::login::{Auth, Methods};
use super::values::{self, Addresses};
use super::{Arguments, CommandLine, DataPlaneChoice, Job, NimbusChoice, SubCommand};
use crate::login_cost::LoginCost;
use crate::machine;
use crate::plan::{Cluster, Pace};
use crate::settings::{
    Nimbus, Output, Settings, Target, default_sources, default_topologies, most_connections,
};

pub(super) fn job(line: CommandLine, cores: &Cores) -> Result<Job, String> {
    match line.command {
        None if line.arguments.find_limit => {
            let settings = settings(line.arguments, cores)?;
            Ok(Job::FindLimit(Box::new(settings)))
        }
        None => Ok(Job::Run(Box::new(settings(line.arguments, cores)?))),
        Some(SubCommand::Plan { arguments }) => {
            let settings = settings(*arguments, cores)?;
            Ok(Job::PrintPlan(Box::new(settings)))
        }
        Some(SubCommand::Logins {
            target,
            login,
            count,
            server_pid,
            json,
        }) => {
            check_process("--server-pid", server_pid)?;
            Ok(Job::Logins(Box::new(LoginCost {
                target: resolve(&target, &Methods::new(&login, Auth::None)?)?,
                count,
                server_pid,
                output: output(json),
            })))
        }
        Some(SubCommand::Compare {
            a,
            b,
            rounds,
            server_pid_b,
            arguments,
        }) => {
            let servers = both_servers(a, &b, server_pid_b, *arguments, cores)?;
            Ok(Job::Compare {
                servers: Box::new(servers),
                rounds,
            })
        }
    }
}

/// The settings of `compare`: those of the second server differ only in what names the server.
fn both_servers(
    a: String,
    b: &str,
    server_pid_b: Option<u32>,
    mut arguments: Arguments,
    cores: &Cores,
) -> Result<[Settings; 2], String> {
    if arguments.find_limit {
        return Err(
            "--find-limit cannot be used with compare; search for each server's limit separately"
                .to_owned(),
        );
    }
    if arguments.hdr_log.is_some() || arguments.report.is_some() {
        return Err(
            "--hdr-log and --report cannot be used with compare, which makes many runs".to_owned(),
        );
    }
    check_process("--server-pid-b", server_pid_b)?;
    arguments.target = vec![a];
    let methods = methods(&arguments)?;
    let first = settings(arguments, cores)?;
    let mut second = Settings {
        targets: vec![resolve(b, &methods)?],
        server_pid: server_pid_b,
        ..first.clone()
    };
    if !first.sources_given {
        second.sources = default_sources(&second.cluster, &second.targets)?;
    }
    check_sources(&second.sources, &second.targets)?;
    Ok([first, second])
}

fn settings(arguments: Arguments, cores: &Cores) -> Result<Settings, String> {
    let workers = match arguments.saturate {
        Some(connections) => connections,
        None => arguments.supervisors * arguments.workers_per_supervisor,
    };
    let methods = methods(&arguments)?;
    let targets: Vec<Target> = arguments
        .target
        .iter()
        .map(|name| resolve(name, &methods))
        .collect::<Result<_, _>>()?;
    if arguments.interval == 0 || arguments.duration == 0 {
        return Err("--interval and --duration must be longer than 0".to_owned());
    }
    let topologies_given = arguments.topologies;
    let topologies = topologies_given.unwrap_or_else(|| default_topologies(workers));
    if topologies > workers {
        return Err(format!(
            "--topologies: {topologies} topologies for {workers} workers; each topology needs at least one"
        ));
    }
    check_process("--server-pid", arguments.server_pid)?;
    let threads = match arguments.threads {
        Some(threads) => threads as usize,
        None => machine::threads_for(
            most_connections(workers, arguments.churn),
            cores.usable.get(),
        ),
    };
    let nimbus = match (arguments.nimbus, arguments.saturate) {
        (Some(NimbusChoice::On), _) | (None, None) => Nimbus::EveryTenSeconds,
        (Some(NimbusChoice::Continuous), _) => Nimbus::Continuous,
        (Some(NimbusChoice::Off), _) | (None, Some(_)) => Nimbus::Off,
    };
    let cluster = Cluster {
        workers,
        workers_per_supervisor: arguments.workers_per_supervisor,
        topologies,
        pace: match arguments.saturate {
            Some(_) => Pace::Saturate,
            None => Pace::Every {
                interval_us: arguments.interval,
            },
        },
        sizes: values::sizes(arguments.payload, arguments.executors)?,
        ramp_us: arguments.ramp,
        targets: targets.len(),
        churn_per_minute: arguments.churn,
        end_us: arguments.warmup + arguments.duration,
    };
    let given_sources = arguments.source_addresses.map(|Addresses(sources)| sources);
    let sources_given = given_sources.is_some();
    let sources = match given_sources {
        Some(sources) => sources,
        None => default_sources(&cluster, &targets)?,
    };
    check_sources(&sources, &targets)?;
    Ok(Settings {
        cluster,
        topologies_given,
        seed: arguments.seed,
        targets,
        sources,
        sources_given,
        nimbus,
        ui_readers: arguments.ui_readers,
        warmup_us: arguments.warmup,
        duration_us: arguments.duration,
        plane: plane(arguments.io),
        cores: cores.ids.iter().copied().cycle().take(threads).collect(),
        server_pid: arguments.server_pid,
        expectations: arguments.expect.map_or(Vec::new(), |list| list.0),
        keep: arguments.keep,
        drains: arguments.drains,
        link_bits_per_second: arguments.link_speed,
        output: output(arguments.json),
        hdr_log: arguments.hdr_log,
        page: arguments.report,
    })
}

fn plane(chosen: DataPlaneChoice) -> DataPlane {
    match chosen {
        DataPlaneChoice::IoUring => DataPlane::IoUring,
        DataPlaneChoice::Epoll => DataPlane::Epoll,
        DataPlaneChoice::Auto => match try_io_uring() {
            Ok(()) => DataPlane::IoUring,
            Err(error) => {
                eprintln!("loadgen: uses epoll, because io_uring does not work here: {error}");
                DataPlane::Epoll
            }
        },
    }
}

fn methods(arguments: &Arguments) -> Result<Methods, String> {
    Methods::new(&arguments.login, arguments.worker_auth)
}

fn output(json: bool) -> Output {
    if json { Output::Json } else { Output::Text }
}

fn check_process(option: &str, pid: Option<u32>) -> Result<(), String> {
    match pid {
        Some(pid) if !Path::new(&format!("/proc/{pid}")).exists() => {
            Err(format!("{option}: no process {pid} on this host"))
        }
        _ => Ok(()),
    }
}

fn resolve(name: &str, methods: &Methods) -> Result<Target, String> {
    let mut addresses = name.to_socket_addrs().map_err(|error| {
        format!("--target: cannot resolve \"{name}\", expected HOST:PORT: {error}")
    })?;
    let address = addresses
        .next()
        .ok_or_else(|| format!("--target: \"{name}\" resolves to no address"))?;
    Ok(Target {
        name: name.to_owned(),
        address,
        logins: methods.at(name),
    })
}

fn check_sources(sources: &[IpAddr], targets: &[Target]) -> Result<(), String> {
    let same_family = |source: &IpAddr, target: &SocketAddr| source.is_ipv4() == target.is_ipv4();
    for source in sources {
        if let Some(target) = targets.iter().find(|t| !same_family(source, &t.address)) {
            return Err(format!(
                "--source-addresses: {source} cannot dial {}: one is IPv4, the other IPv6",
                target.address
            ));
        }
    }
    Ok(())
}
