//! Lines of arguments, and what they come to.

use std::num::NonZeroUsize;

use clap::CommandFactory;
#[cfg(feature = "kerberos")]
use storm_pacemaker::client_login::ClientMethod;

use super::*;
use crate::plan::Pace;
use crate::settings::Nimbus;

fn resolved(line: &str) -> Result<Settings, String> {
    let words = ["loadgen"].into_iter().chain(line.split_whitespace());
    let line = CommandLine::try_parse_from(words).map_err(|error| error.to_string())?;
    let cores = Cores {
        usable: NonZeroUsize::new(2).unwrap(),
        ids: vec![4, 5],
        are_ours: false,
    };
    match resolve::job(line, &cores)? {
        Job::Run(settings) | Job::FindLimit(settings) => Ok(*settings),
        Job::PrintPlan(settings) => Ok(*settings),
        Job::Compare { servers, .. } => Ok(servers[1].clone()),
        Job::Logins(_) => Err("it has no settings".to_owned()),
    }
}

#[test]
fn the_definition_is_consistent() {
    CommandLine::command().debug_assert();
}

#[test]
fn supervisors_make_workers_and_topologies() {
    let settings = resolved("--supervisors 3000 --threads 3").unwrap();
    assert_eq!(settings.cluster.workers, 12_000);
    assert_eq!(settings.cluster.topologies, 100);
    assert_eq!(settings.nimbus, Nimbus::EveryTenSeconds);
    assert_eq!(settings.cores, [4, 5, 4]);
    assert_eq!(settings.sources.len(), 2);
    assert!(settings.open_files() > 4_000);
}

#[test]
fn saturating_has_no_reader_unless_asked_for() {
    let settings = resolved("--saturate 1000").unwrap();
    assert_eq!(settings.cluster.pace, Pace::Saturate);
    assert_eq!(settings.nimbus, Nimbus::Off);
    let settings = resolved("--saturate 500 --nimbus continuous").unwrap();
    assert_eq!(settings.nimbus, Nimbus::Continuous);
    assert!(resolved("--saturate 1000 --supervisors 3").is_err());
}

#[test]
fn many_connections_take_several_loopback_sources() {
    let settings = resolved("--supervisors 25000").unwrap();
    assert!(settings.sources.len() >= 2);
    assert_eq!(settings.sources[0].to_string(), "127.0.0.2");
    let error = resolved("--supervisors 25000 --target 192.0.2.1:6699").unwrap_err();
    assert!(error.contains("--source-addresses"), "{error}");
}

#[test]
fn another_number_of_supervisors_brings_what_belongs_to_it() {
    let settings = resolved("--supervisors 100 --find-limit").unwrap();
    let more = settings.with_supervisors(25_000).unwrap();
    assert_eq!(more.cluster.workers, 100_000);
    assert_eq!(more.cluster.topologies, 834);
    assert!(more.sources.len() >= 2);
}

#[cfg(feature = "kerberos")]
#[test]
fn logins_are_each_servers_own() {
    let line = "--target 127.0.0.1:1 --target 127.0.0.2:2 --auth kerberos";
    let service = |settings: &Settings, index: usize| match &settings.targets[index].logins.readers
    {
        Some(ClientMethod::Kerberos { service }) => service.clone(),
        other => panic!("{other:?}"),
    };
    let settings = resolved(line).unwrap();
    assert_eq!(service(&settings, 0), "pacemaker/127.0.0.1");
    assert_eq!(service(&settings, 1), "pacemaker/127.0.0.2");
    assert!(settings.targets[0].logins.workers.is_none());
    let settings = resolved(&format!(
        "{line} --service storm/a@B --worker-auth kerberos"
    ));
    let settings = settings.unwrap();
    assert_eq!(service(&settings, 1), "storm/a@B");
    assert_eq!(settings.targets[1].logins.of_workers(), "kerberos");
    let other = resolved("compare 127.0.0.1:1 127.0.0.2:2 --auth kerberos").unwrap();
    assert_eq!(service(&other, 0), "pacemaker/127.0.0.2");
}

#[test]
fn workers_that_log_in_have_the_addresses_of_their_supervisors() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, "PacemakerDigest { username=\"u\" password=\"p\"; };").unwrap();
    let login = format!("--supervisors 300 --login-config {}", file.path().display());
    let sources = |options: &str| {
        let settings = resolved(&format!("{login} {options}"));
        settings.unwrap().sources.len()
    };
    assert_eq!(sources("--worker-auth digest"), 300);
    assert_eq!(sources("--auth digest"), 0);
    assert_eq!(sources("--worker-auth digest --target 192.0.2.1:6699"), 0);
}

#[test]
fn comparing_takes_two_servers() {
    let second = resolved("compare 127.0.0.1:1 127.0.0.1:2 --supervisors 7").unwrap();
    assert_eq!(second.targets[0].address.port(), 2);
    assert_eq!(second.supervisors(), 7);
    for wrong in ["compare 127.0.0.1:1", "--supervisors 3 compare a b"] {
        assert!(resolved(wrong).is_err(), "{wrong}");
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
        "--auth password",
        "--auth digest",
        "--worker-auth digest",
        "--auth digest --login-config /nowhere",
        "--auth kerberos --service pacemaker",
        "logins --count 0",
    ] {
        assert!(resolved(line).is_err(), "{line}");
    }
}
