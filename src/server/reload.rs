//! SIGHUP: reads the configuration again and applies its credentials, access rules and log level. It
//! touches no connection. It has a thread of its own, so a file that is slow to read delays neither shards
//! nor other signals. A configuration that cannot be used changes nothing and is logged.

use std::io;
use std::sync::Arc;
use std::thread;

use crossbeam_channel::{Receiver, Sender, bounded};
use tracing::{error, info, warn};

use super::logging::Log;
use super::policy_mailbox::PolicyMailbox;
use super::{log_notes, systemd};
use crate::auth::Authenticator;
use crate::config::{self, Config, EffectiveSetting, Sources};
use crate::shard::Policy;

/// A policy for each shard: a credential belongs to one thread.
///
/// # Errors
/// Why the credentials cannot be used.
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

/// The thread that reloads on request.
#[derive(Debug)]
pub(super) struct Reloader {
    requests: Sender<()>,
}

impl Reloader {
    pub(super) fn start(
        sources: &Sources,
        running: Config,
        mailbox: Arc<PolicyMailbox>,
        log: Log,
        ready: String,
    ) -> io::Result<Reloader> {
        // One request may wait while a reload runs; a second one would read the same files as the first.
        let (requests, received) = bounded(1);
        let job = Job {
            sources: sources.clone(),
            running,
            mailbox,
            log,
            ready,
        };
        // It can hang with a file system, so nothing waits for its end.
        thread::Builder::new()
            .name("reload".to_owned())
            .spawn(move || job.work(&received))?;
        Ok(Reloader { requests })
    }

    pub(super) fn request(&self) {
        let _ = self.requests.try_send(());
    }
}

struct Job {
    sources: Sources,
    /// The configuration in force.
    running: Config,
    mailbox: Arc<PolicyMailbox>,
    log: Log,
    /// The status for the service manager after a reload.
    ready: String,
}

impl Job {
    fn work(mut self, received: &Receiver<()>) {
        while received.recv().is_ok() {
            systemd::notify_reloading();
            self.reload();
            systemd::notify_ready(&self.ready);
        }
    }

    fn reload(&mut self) {
        let (config, policies) = match self.read() {
            Ok(read) => read,
            Err(why) => {
                error!("reload failed; the old logins and access rules stay in force: {why}");
                return;
            }
        };
        let others = changed(&self.running, &config, |setting| !setting.is_reloadable);
        if !others.is_empty() {
            warn!("reload: restart to apply the changes of {others}");
        }
        let changes = changed(&self.running, &config, |setting| setting.is_reloadable);
        let changes = match changes.as_str() {
            "" => "none (the JAAS file was read again)",
            keys => keys,
        };
        // The reload itself is logged at the more verbose of both levels.
        self.log
            .set_level(self.running.log.level.max(config.log.level));
        self.mailbox.publish(policies);
        self.take_over(config);
        match self.mailbox.wait_until_taken() {
            Ok(()) => info!(
                "reloaded the logins, access rules and log level; changed settings: {changes}"
            ),
            Err(why) => error!("reload: {why}; they keep the old logins and access rules"),
        }
        self.mailbox.drop_old();
        self.log.set_level(self.running.log.level);
    }

    /// A configuration that a reload can apply.
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
        let settings = running.effective_settings.iter_mut();
        for (running, new) in settings.zip(new.effective_settings) {
            debug_assert_eq!(running.key, new.key, "both are in the order of the table");
            if running.is_reloadable {
                *running = new;
            }
        }
    }
}

/// The keys whose values differ, among the settings that the filter lets through.
fn changed(old: &Config, new: &Config, filter: impl Fn(&EffectiveSetting) -> bool) -> String {
    let pairs = old.effective_settings.iter().zip(&new.effective_settings);
    let changed = pairs.filter(|(old, new)| old.value != new.value && filter(old));
    let keys: Vec<&str> = changed.map(|(old, _)| old.key).collect();
    keys.join(", ")
}
