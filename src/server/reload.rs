//! SIGHUP: reads the configuration again and puts its credentials and access rules in force in every
//! shard, without touching a connection. What cannot be used changes nothing, and is told in the log.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tracing::{error, info, warn};

use super::log_notes;
use super::logging::Log;
use crate::access::Rules;
use crate::auth::{Authenticator, Credentials};
use crate::config::{self, Config, Sources};
use crate::shard::Policy;

/// How long all shards may take to adopt what is published. They look four times a second.
const PATIENCE: Duration = Duration::from_secs(10);

/// Keys whose new values a reload puts in force; others need a restart.
const RELOADED: [&str; 5] = [
    "auth.login_config",
    "auth.nimbus_user",
    "kerberos.users",
    "kerberos.realms",
    "log.level",
];

/// The credentials and rules in force, for every shard to make its own of.
#[derive(Debug)]
pub(super) struct Publication {
    /// Counts publications, so that a shard need not lock to see that there is nothing new.
    number: AtomicU64,
    board: Mutex<Board>,
    adopted: Condvar,
}

#[derive(Debug)]
struct Board {
    rules: Arc<Rules>,
    credentials: Credentials,
    /// Shards that have adopted the latest publication, or have failed to.
    answers: usize,
    failures: Vec<String>,
}

impl Publication {
    pub(super) fn new(config: &Config) -> Publication {
        Publication {
            number: AtomicU64::new(0),
            board: Mutex::new(Board {
                rules: Arc::new(config.access.clone()),
                credentials: config.auth.credentials.clone(),
                answers: 0,
                failures: Vec::new(),
            }),
            adopted: Condvar::new(),
        }
    }

    /// The number of the latest publication.
    pub(super) fn number(&self) -> u64 {
        self.number.load(Ordering::Acquire)
    }

    /// What is in force, for the thread that calls: a credential is one thread's.
    ///
    /// # Errors
    /// The credentials cannot be used: why.
    pub(super) fn policy(&self) -> Result<Policy, String> {
        let (rules, credentials) = {
            let board = self.lock();
            (board.rules.clone(), board.credentials.clone())
        };
        let authenticator = Authenticator::new(&credentials)?;
        Ok(Policy {
            rules,
            authenticator,
        })
    }

    /// A shard says whether it has adopted the latest publication.
    pub(super) fn answer(&self, outcome: Result<(), String>) {
        let mut board = self.lock();
        board.answers += 1;
        if let Err(failure) = outcome {
            board.failures.push(failure);
        }
        self.adopted.notify_all();
    }

    /// Publishes, and waits until all shards have adopted it.
    fn publish(&self, config: &Config, shards: usize) -> Result<(), String> {
        let mut board = self.lock();
        *board = Board {
            rules: Arc::new(config.access.clone()),
            credentials: config.auth.credentials.clone(),
            answers: 0,
            failures: Vec::new(),
        };
        self.number.fetch_add(1, Ordering::Release);
        let (board, timeout) = self
            .adopted
            .wait_timeout_while(board, PATIENCE, |board| board.answers < shards)
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(failure) = board.failures.first() {
            return Err(failure.clone());
        }
        if timeout.timed_out() {
            let late = shards - board.answers;
            return Err(format!("{late} of {shards} shards have not answered"));
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads the configuration's layers again and puts in force what may change while it runs. `running`
/// becomes what is in force.
pub(super) fn reload(
    sources: &Sources,
    running: &mut Config,
    publication: &Publication,
    log: &Log,
) {
    match read(sources, running) {
        Err(why) => error!("reload: the logins and access rules stay as they were: {why}"),
        Ok(config) => {
            let others = changed(running, &config, |key| !is_reloaded(key));
            if !others.is_empty() {
                warn!("reload: a restart is needed for what has changed of {others}");
            }
            let mut changes = changed(running, &config, is_reloaded);
            if changes.is_empty() {
                changes.push_str("no key");
            }
            running.access = config.access;
            running.auth = config.auth;
            // What there is to tell is told at the more talkative of both levels.
            let told_at = running.log.level.max(config.log.level);
            running.log.level = config.log.level;
            log.set_level(told_at);
            for origin in &mut running.origins {
                if is_reloaded(origin.key) {
                    let new = config.origins.iter().find(|new| new.key == origin.key);
                    *origin = new.expect("every key has an origin").clone();
                }
            }
            match publication.publish(running, running.server.shards.get()) {
                Ok(()) => {
                    info!(
                        "reloaded the logins, access rules and log level; changed settings: {changes}"
                    )
                }
                // Judged good a moment ago: a file that changes while it is read, or no memory.
                Err(why) => error!("reload: not every shard has the new logins: {why}"),
            }
            log.set_level(running.log.level);
        }
    }
}

/// A configuration that can replace the running one, as far as a reload may.
fn read(sources: &Sources, running: &Config) -> Result<Config, String> {
    let loaded = config::load(sources).map_err(|errors| errors.to_string().replace('\n', "; "))?;
    log_notes(&loaded.notes);
    let config = loaded.config;
    if config.auth.method != running.auth.method {
        return Err("auth.method cannot change without a restart".to_owned());
    }
    Authenticator::new(&config.auth.credentials)?;
    Ok(config)
}

/// The keys, of those that the filter lets through, whose values differ.
fn changed(old: &Config, new: &Config, filter: impl Fn(&str) -> bool) -> String {
    let mut keys = String::new();
    for (old, new) in old.origins.iter().zip(&new.origins) {
        debug_assert_eq!(old.key, new.key, "both are in the order of the table");
        if old.value != new.value && filter(old.key) {
            let comma = if keys.is_empty() { "" } else { ", " };
            let _ = write!(keys, "{comma}{}", old.key);
        }
    }
    keys
}

fn is_reloaded(key: &str) -> bool {
    key.starts_with("access.") || RELOADED.contains(&key)
}
