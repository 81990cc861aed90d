//! A daemon that asks for logins: ours, or Storm's own to see that a test of logins tells the truth.

use std::env;
use std::fs;
use std::net::SocketAddr;

use tempfile::TempDir;

use super::java_daemon::JavaDaemon;
use super::kdc::Kdc;
use super::{Daemon, wait_until};

pub enum LoginServer {
    Ours { daemon: Daemon, _settings: TempDir },
    Storms(JavaDaemon),
}

/// Settings of storm.yaml.
pub type Settings<'a> = &'a [(&'a str, &'a str)];

impl LoginServer {
    /// Ours; with LOGINS_AGAINST=storm in the environment, Storm's.
    pub fn start(settings: Settings<'_>, kdc: Option<&Kdc>) -> LoginServer {
        Self::start_with(settings, kdc, &[])
    }

    /// With options that Storm's has not got.
    pub fn start_with(settings: Settings<'_>, kdc: Option<&Kdc>, ours: &[&str]) -> LoginServer {
        if Self::is_storms() {
            let jvm_options = kdc.map(|kdc| {
                let file = kdc.settings();
                format!("-Djava.security.krb5.conf={}", file.display())
            });
            let jvm_options = jvm_options.unwrap_or_default();
            return LoginServer::Storms(JavaDaemon::start_with(settings, &jvm_options));
        }
        let home = TempDir::new().expect("a directory for storm.yaml");
        let file = home.path().join("storm.yaml");
        let lines = settings
            .iter()
            .map(|(key, value)| format!("{key}: \"{value}\"\n"));
        fs::write(&file, lines.collect::<String>()).expect("storm.yaml");
        let fixed = ["--storm-conf", file.to_str().expect("UTF-8")];
        let environment = kdc.map(Kdc::env);
        let environment = environment.as_ref().map_or(&[][..], |env| &env[..]);
        LoginServer::Ours {
            daemon: Daemon::start_in(environment, &[&fixed, ours].concat()),
            _settings: home,
        }
    }

    pub fn is_storms() -> bool {
        env::var_os("LOGINS_AGAINST").is_some_and(|whose| whose == "storm")
    }

    pub fn address(&self) -> SocketAddr {
        match self {
            LoginServer::Ours { daemon, .. } => daemon.address(),
            LoginServer::Storms(daemon) => daemon.address(),
        }
    }

    /// Under the name that the service's principal has.
    pub fn by_name(&self) -> String {
        format!("localhost:{}", self.address().port())
    }

    /// A login by hand was refused: ours resets the connection, Storm's closes it.
    pub fn assert_refused(outcome: &str) {
        let expected = ["CLOSED RST", "CLOSED FIN"][usize::from(Self::is_storms())];
        assert_eq!(outcome, expected);
    }

    /// Waits until it has logged a failed login with one of these reasons. Storm's says nothing.
    pub fn logs_failure(&self, reasons: &[&str]) {
        let LoginServer::Ours { daemon, .. } = self else {
            return;
        };
        wait_until(&format!("a log line with one of {reasons:?}"), || {
            let log = daemon.log();
            let failures = log.lines().filter(|line| line.contains("its login failed"));
            failures.into_iter().any(|line| {
                let has = |reason: &&str| line.contains(&format!("reason=\"{reason}\""));
                reasons.iter().any(has)
            })
        });
    }

    /// It still runs; ours also ends as it should. Returns the log of ours.
    pub fn stop(self) -> String {
        match self {
            LoginServer::Ours { daemon, .. } => daemon.stop(),
            LoginServer::Storms(mut daemon) => {
                assert!(daemon.is_running(), "Storm's daemon has ended");
                String::new()
            }
        }
    }
}
