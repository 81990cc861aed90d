//! Logins under way, and by when each has to be through: Storm's client waits for a connection that it
//! can write to as long as it waits for an answer.

use std::collections::VecDeque;

use storm_pacemaker::connection::ConnectionId;

use crate::storm;

/// All may take equally long, so a queue will do. Those that are over stay until their time has come.
#[derive(Debug, Default)]
pub struct LoginDeadlines {
    queue: VecDeque<PendingLogin>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PendingLogin {
    until_us: u64,
    pub id: ConnectionId,
    /// Whose connection it is, or was: the ring may have given its slot to another.
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

    /// One whose time is up, if it has not come to an end before.
    pub fn take(&mut self, now_us: u64) -> Option<PendingLogin> {
        self.queue.pop_front_if(|login| login.until_us <= now_us)
    }

    pub fn next_us(&self) -> Option<u64> {
        self.queue.front().map(|login| login.until_us)
    }
}
