//! SIGHUP: reads the configuration again and puts its credentials, access rules and log level in force,
//! without touching a connection. On a thread of its own, so that a file that is slow to read holds up
//! nobody, and no other signal. What cannot be used changes nothing, and is told in the log.

use std::fmt::Write;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};
use tracing::{error, info, warn};

use super::logging::Log;
use super::{log_notes, systemd};
use crate::auth::Authenticator;
use crate::config::{self, Config, Sources};
use crate::shard::Policy;

/// Shards look for a new policy four times a second; so long they are waited for, and so often asked.
const PATIENCE: Duration = Duration::from_secs(10);
const ASK_EVERY: Duration = Duration::from_millis(10);

/// Keys whose new values a reload puts in force, besides `access.*`; others need a restart.
const RELOADED: [&str; 5] = [
    "auth.login_config",
    "auth.nimbus_user",
    "kerberos.users",
    "kerberos.realms",
    "log.level",
];

/// A place for each shard, where a new policy waits for it.
#[derive(Debug)]
pub(super) struct Publication {
    places: Vec<Place>,
}

#[derive(Debug, Default)]
struct Place {
    /// Spares the shard the lock.
    is_new: AtomicBool,
    policy: Mutex<Option<Policy>>,
    /// What it was before, for the thread that reloads to drop: a credential's end is work of its library.
    old: Mutex<Option<Policy>>,
}

impl Publication {
    pub(super) fn new(shards: usize) -> Publication {
        Publication {
            places: (0..shards).map(|_| Place::default()).collect(),
        }
    }

    /// What the shard is to put in force, if that is new. Never waits: it is there at the next look.
    pub(super) fn take(&self, shard: usize) -> Option<Policy> {
        let place = &self.places[shard];
        if !place.is_new.load(Ordering::Acquire) {
            return None;
        }
        let mut waiting = place.policy.try_lock().ok()?;
        let policy = waiting.take()?;
        // Still locked, or a newer one that came in between would be taken for this one.
        place.is_new.store(false, Ordering::Release);
        Some(policy)
    }

    /// Gives what was in force away.
    pub(super) fn give_back(&self, shard: usize, policy: Policy) {
        if let Ok(mut old) = self.places[shard].old.try_lock() {
            *old = Some(policy);
        }
    }

    fn publish(&self, policies: Vec<Policy>) {
        for (place, policy) in self.places.iter().zip(policies) {
            let mut waiting = place.policy.lock().unwrap_or_else(PoisonError::into_inner);
            *waiting = Some(policy);
            place.is_new.store(true, Ordering::Release);
            drop(waiting);
        }
    }

    /// Shards that have not taken theirs.
    fn waiting(&self) -> usize {
        let is_new = |place: &&Place| place.is_new.load(Ordering::Acquire);
        self.places.iter().filter(is_new).count()
    }

    fn wait_until_taken(&self) -> Result<(), String> {
        let deadline = Instant::now() + PATIENCE;
        while self.waiting() > 0 {
            if Instant::now() >= deadline {
                let (late, all) = (self.waiting(), self.places.len());
                return Err(format!("{late} of {all} shards do not answer"));
            }
            thread::sleep(ASK_EVERY);
        }
        Ok(())
    }

    fn drop_old(&self) {
        for place in &self.places {
            drop(
                place
                    .old
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .take(),
            );
        }
    }
}

/// A policy for each shard; a credential is one thread's. All of them can be used, or none is made.
///
/// # Errors
/// The credentials cannot be used: why.
pub(super) fn policies(config: &Config) -> Result<Vec<Policy>, String> {
    let rules = Arc::new(config.access.clone());
    (0..config.server.shards.get())
        .map(|_| {
            Ok(Policy {
                rules: rules.clone(),
                authenticator: Authenticator::new(&config.auth.credentials)?,
            })
        })
        .collect()
}

/// The thread that reloads when it is asked to.
#[derive(Debug)]
pub(super) struct Reloader {
    requests: Sender<()>,
}

impl Reloader {
    pub(super) fn start(
        sources: &Sources,
        running: Config,
        publication: Arc<Publication>,
        log: Log,
        ready: String,
    ) -> io::Result<Reloader> {
        // One reload may wait for the one under way; a third would read the same files as the second.
        let (requests, orders) = bounded(1);
        let job = Job {
            sources: sources.clone(),
            running,
            publication,
            log,
            ready,
        };
        // It may hang with a file system, so nobody waits for its end.
        thread::Builder::new()
            .name("reload".to_owned())
            .spawn(move || job.work(&orders))?;
        Ok(Reloader { requests })
    }

    pub(super) fn request(&self) {
        let _ = self.requests.try_send(());
    }
}

struct Job {
    sources: Sources,
    /// What is in force.
    running: Config,
    publication: Arc<Publication>,
    log: Log,
    /// What the service manager is told when it is done.
    ready: String,
}

impl Job {
    fn work(mut self, orders: &Receiver<()>) {
        while orders.recv().is_ok() {
            systemd::notify_reloading();
            self.reload();
            systemd::notify_ready(&self.ready);
        }
    }

    fn reload(&mut self) {
        let (config, policies) = match self.read() {
            Ok(read) => read,
            Err(why) => {
                error!("reload: the logins and access rules stay as they were: {why}");
                return;
            }
        };
        let others = changed(&self.running, &config, |key| !is_reloaded(key));
        if !others.is_empty() {
            warn!("reload: a restart is needed for what has changed of {others}");
        }
        let changes = changed(&self.running, &config, is_reloaded);
        let changes = match changes.as_str() {
            "" => "none (the JAAS file has been read again)",
            keys => keys,
        };
        // What there is to tell is told at the more talkative of both levels.
        self.log
            .set_level(self.running.log.level.max(config.log.level));
        self.publication.publish(policies);
        self.take_over(config);
        match self.publication.wait_until_taken() {
            Ok(()) => info!(
                "reloaded the logins, access rules and log level; changed settings: {changes}"
            ),
            Err(why) => error!("reload: {why}; they go by the old logins and access rules"),
        }
        self.publication.drop_old();
        self.log.set_level(self.running.log.level);
    }

    /// A configuration that can replace the running one, as far as a reload may.
    fn read(&self) -> Result<(Config, Vec<Policy>), String> {
        let loaded =
            config::load(&self.sources).map_err(|errors| errors.to_string().replace('\n', "; "))?;
        log_notes(&loaded.notes);
        let config = loaded.config;
        if config.auth.method != self.running.auth.method {
            return Err("auth.method cannot change without a restart".to_owned());
        }
        if config.server.shards != self.running.server.shards {
            return Err("server.shards cannot change without a restart".to_owned());
        }
        let policies = policies(&config)?;
        Ok((config, policies))
    }

    fn take_over(&mut self, new: Config) {
        let running = &mut self.running;
        running.access = new.access;
        running.auth = new.auth;
        running.log.level = new.log.level;
        for (running, new) in running.origins.iter_mut().zip(new.origins) {
            debug_assert_eq!(running.key, new.key, "both are in the order of the table");
            if is_reloaded(running.key) {
                *running = new;
            }
        }
    }
}

/// The keys, of those that the filter lets through, whose values differ.
fn changed(old: &Config, new: &Config, filter: impl Fn(&str) -> bool) -> String {
    let mut keys = String::new();
    for (old, new) in old.origins.iter().zip(&new.origins) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_shard_gets_its_policy_once_and_the_newest() {
        let publication = Publication::new(2);
        assert!(publication.take(0).is_none());
        let policies = || vec![Policy::default(), Policy::default()];
        publication.publish(policies());
        assert_eq!(publication.waiting(), 2);
        assert!(publication.take(0).is_some() && publication.take(0).is_none());
        assert_eq!(publication.waiting(), 1);
        // The other shard was late; it takes the second one only.
        publication.publish(policies());
        assert_eq!(publication.waiting(), 2);
        assert!(publication.take(1).is_some() && publication.take(1).is_none());
        assert!(publication.take(0).is_some());
        assert_eq!(publication.wait_until_taken(), Ok(()));
    }
}
