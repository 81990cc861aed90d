//! Hands each shard its new policy. A shard looks for it at its ticks and never waits.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::shard::Policy;

/// How long to wait until all shards have taken their policy, and how often to check. Shards look four
/// times a second.
const PATIENCE: Duration = Duration::from_secs(10);
const CHECK_EVERY: Duration = Duration::from_millis(10);

/// An inbox for each shard, where a new policy waits for it.
#[derive(Debug)]
pub(super) struct PolicyMailbox {
    inboxes: Vec<Inbox>,
}

#[derive(Debug, Default)]
struct Inbox {
    /// Saves the shard from taking the lock.
    is_new: AtomicBool,
    policy: Mutex<Option<Policy>>,
    /// The policy before. The reloading thread drops it: the library that owns a credential takes time to
    /// release it.
    old: Mutex<Option<Policy>>,
}

impl PolicyMailbox {
    pub(super) fn new(shards: usize) -> PolicyMailbox {
        PolicyMailbox {
            inboxes: (0..shards).map(|_| Inbox::default()).collect(),
        }
    }

    /// The policy to put in force, if there is a new one. Never waits: if the inbox is locked, the shard
    /// finds the policy the next time it looks.
    pub(super) fn take(&self, shard: usize) -> Option<Policy> {
        let inbox = &self.inboxes[shard];
        if !inbox.is_new.load(Ordering::Acquire) {
            return None;
        }
        let mut waiting = inbox.policy.try_lock().ok()?;
        let policy = waiting.take()?;
        // While still locked: otherwise a newer policy that arrives in between would count as taken.
        inbox.is_new.store(false, Ordering::Release);
        Some(policy)
    }

    /// Returns the policy that was in force.
    pub(super) fn give_back(&self, shard: usize, policy: Policy) {
        if let Ok(mut old) = self.inboxes[shard].old.try_lock() {
            *old = Some(policy);
        }
    }

    pub(super) fn publish(&self, policies: Vec<Policy>) {
        for (inbox, policy) in self.inboxes.iter().zip(policies) {
            let mut waiting = inbox.policy.lock().unwrap_or_else(PoisonError::into_inner);
            *waiting = Some(policy);
            inbox.is_new.store(true, Ordering::Release);
            drop(waiting);
        }
    }

    /// # Errors
    /// Some shards have not taken their policy in time: how many.
    pub(super) fn wait_until_taken(&self) -> Result<(), String> {
        let deadline = Instant::now() + PATIENCE;
        while self.waiting() > 0 {
            if Instant::now() >= deadline {
                let (late, all) = (self.waiting(), self.inboxes.len());
                return Err(format!("{late} of {all} shards do not respond"));
            }
            thread::sleep(CHECK_EVERY);
        }
        Ok(())
    }

    pub(super) fn drop_old(&self) {
        for inbox in &self.inboxes {
            let mut old = inbox.old.lock().unwrap_or_else(PoisonError::into_inner);
            drop(old.take());
        }
    }

    /// Shards that have not taken their policy.
    fn waiting(&self) -> usize {
        let is_new = |inbox: &&Inbox| inbox.is_new.load(Ordering::Acquire);
        self.inboxes.iter().filter(is_new).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_shard_gets_its_policy_once_and_the_newest() {
        let mailbox = PolicyMailbox::new(2);
        assert!(mailbox.take(0).is_none());
        let policies = || vec![Policy::default(), Policy::default()];
        mailbox.publish(policies());
        assert_eq!(mailbox.waiting(), 2);
        assert!(mailbox.take(0).is_some() && mailbox.take(0).is_none());
        assert_eq!(mailbox.waiting(), 1);
        // The other shard was late; it takes the second policy only.
        mailbox.publish(policies());
        assert_eq!(mailbox.waiting(), 2);
        assert!(mailbox.take(1).is_some() && mailbox.take(1).is_none());
        assert!(mailbox.take(0).is_some());
        assert_eq!(mailbox.wait_until_taken(), Ok(()));
    }
}
