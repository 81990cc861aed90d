//! The deadlines of logins under way. Storm's client waits for a usable connection as long as for an answer.

use std::collections::VecDeque;

use storm_pacemaker::connection::ConnectionId;

use crate::storm;

/// All have the same time, so a queue is enough. Finished logins stay in it until their deadline.
#[derive(Debug, Default)]
pub struct LoginDeadlines {
    queue: VecDeque<PendingLogin>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PendingLogin {
    until_us: u64,
    pub id: ConnectionId,
    /// The owner when the login began. The slot may have another owner now.
    pub owner: u32,
}

impl LoginDeadlines {
    pub fn add(&mut self, now_us: u64, id: ConnectionId, owner: u32) {
        self.queue.push_back(PendingLogin {
            until_us: now_us + storm::GIVE_UP_AFTER_US,
            id,
            owner,
        });
    }

    /// A login whose deadline has passed; it may have ended before.
    pub fn take(&mut self, now_us: u64) -> Option<PendingLogin> {
        self.queue.pop_front_if(|login| login.until_us <= now_us)
    }

    pub fn next_us(&self) -> Option<u64> {
        self.queue.front().map(|login| login.until_us)
    }
}
