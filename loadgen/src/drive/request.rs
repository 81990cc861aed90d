//! A request as `PacemakerClient.send` makes it: written, repeated every second without an answer, given up
//! after eleven tries. All tries go to the connection of the first one, even if that is gone and there is a
//! new one.

use std::collections::VecDeque;

use storm_pacemaker::connection::ConnectionId;

use crate::storm;

/// One request under way.
#[derive(Clone, Debug)]
pub struct Request<W> {
    pub id: i32,
    pub what: W,
    /// Its response time counts from here.
    pub planned_us: u64,
    tries: u32,
    /// The connection of the first try, once written.
    on: Option<ConnectionId>,
    /// That connection is gone.
    lost: bool,
}

/// What to do for a try.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Try {
    First,
    Again,
    /// Nothing: there is no connection to write to, or it was written already.
    Nowhere,
}

impl<W> Request<W> {
    pub fn new(id: i32, what: W, planned_us: u64) -> Request<W> {
        Request {
            id,
            what,
            planned_us,
            tries: 1,
            on: None,
            lost: false,
        }
    }

    /// Decides whether to write it now, given the current connection.
    pub fn attempt(&mut self, up: Option<ConnectionId>) -> Try {
        match (self.on, up) {
            (None, Some(_)) => {
                self.on = up;
                Try::First
            }
            (Some(on), Some(up)) if on == up && self.tries > 1 => Try::Again,
            _ => Try::Nowhere,
        }
    }

    /// A second has passed without an answer. False after the last try.
    pub fn try_again(&mut self) -> bool {
        self.tries += 1;
        self.tries <= storm::TRIES
    }

    pub fn was_written(&self) -> bool {
        self.on.is_some()
    }

    /// A connection is gone. True the first time, if the request was written to it.
    pub fn lose(&mut self, connection: ConnectionId) -> bool {
        let lost_now = self.on == Some(connection) && !self.lost;
        self.lost |= lost_now;
        lost_now
    }

    pub fn is_lost(&self) -> bool {
        self.lost
    }
}

/// When requests are due for their next try. All wait the same time, so a queue is enough.
#[derive(Debug, Default)]
pub struct Retries {
    queue: VecDeque<Retry>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Retry {
    at_us: u64,
    pub owner: u32,
    /// Of the request, which may have been answered meanwhile.
    pub id: i32,
}

impl Retries {
    pub fn add(&mut self, now_us: u64, owner: u32, id: i32) {
        self.queue.push_back(Retry {
            at_us: now_us + storm::RESEND_AFTER_US,
            owner,
            id,
        });
    }

    pub fn take(&mut self, now_us: u64) -> Option<Retry> {
        self.queue.pop_front_if(|retry| retry.at_us <= now_us)
    }

    pub fn next_us(&self) -> Option<u64> {
        self.queue.front().map(|retry| retry.at_us)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: ConnectionId = ConnectionId {
        slot: 1,
        generation: 0,
    };
    const OTHER: ConnectionId = ConnectionId {
        slot: 1,
        generation: 1,
    };

    #[test]
    fn a_request_is_written_eleven_times_to_one_connection() {
        let mut request = Request::new(1, (), 0);
        assert_eq!(request.attempt(None), Try::Nowhere);
        assert_eq!(request.attempt(Some(ONE)), Try::First);
        assert_eq!(request.attempt(Some(ONE)), Try::Nowhere); // its second is not over
        let mut written = 1;
        while request.try_again() {
            assert_eq!(request.attempt(Some(ONE)), Try::Again);
            written += 1;
        }
        assert_eq!(written, 11);
    }

    #[test]
    fn a_new_connection_does_not_save_a_request() {
        let mut request = Request::new(1, (), 0);
        request.attempt(Some(ONE));
        assert!(!request.lose(OTHER));
        assert!(request.lose(ONE));
        assert!(!request.lose(ONE));
        assert!(request.try_again());
        assert_eq!(request.attempt(Some(OTHER)), Try::Nowhere);
    }

    #[test]
    fn tries_are_a_second_apart() {
        let mut retries = Retries::default();
        retries.add(500, 7, 1);
        assert_eq!(retries.next_us(), Some(1_000_500));
        assert_eq!(retries.take(1_000_499), None);
        assert_eq!(retries.take(1_000_500).map(|retry| retry.owner), Some(7));
        assert_eq!(retries.take(u64::MAX), None);
    }
}
