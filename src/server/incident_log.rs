//! What peers do wrong, as log lines at a bounded rate: one for each address, reason and minute, and so
//! many a second for each reason, so that none hides another. Everything is counted elsewhere; lines
//! that were left out are told of later.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};

use tracing::{info, warn};

use crate::access::account_of;
use crate::auth::clip_for_log;
use crate::shard::{Incident, Incidents};

/// Between two lines about one peer and reason.
const REPEAT_AFTER_US: u64 = 60_000_000;

/// Lines a second for each reason, whoever they are about.
const LINES_A_SECOND: u32 = 5;

/// Peers and reasons remembered. Past it the memory is cleared: the rate still holds.
const REMEMBERED: usize = 4096;

/// One shard's way into the log that all shards share.
#[derive(Debug, Clone, Default)]
pub(super) struct IncidentLog {
    now_us: u64,
    /// Lines that another shard was in the way of.
    left_out: u64,
    shared: Arc<Mutex<Rate>>,
}

/// What has been logged of late. All shards have one clock.
#[derive(Debug, Default)]
struct Rate {
    second: u64,
    /// In that second.
    lines: HashMap<&'static str, u32>,
    /// Lines left out since the last line.
    left_out: u64,
    last: HashMap<(IpAddr, &'static str), u64>,
}

impl IncidentLog {
    pub(super) fn set_time(&mut self, now_us: u64) {
        self.now_us = now_us;
    }

    /// Whether to write a line, and how many were left out before it. Never waits: a shard that finds
    /// another one here leaves its line out.
    fn admit(&mut self, peer: IpAddr, label: &'static str) -> Option<u64> {
        let Ok(mut rate) = self.shared.try_lock() else {
            self.left_out += 1;
            return None;
        };
        rate.left_out += std::mem::take(&mut self.left_out);
        if rate.may_log(peer, label, self.now_us) {
            Some(std::mem::take(&mut rate.left_out))
        } else {
            rate.left_out += 1;
            None
        }
    }
}

impl Rate {
    fn may_log(&mut self, peer: IpAddr, label: &'static str, now_us: u64) -> bool {
        if self.last.len() >= REMEMBERED {
            self.last.clear();
        }
        let last = self.last.get(&(peer, label));
        if last.is_some_and(|last| now_us.saturating_sub(*last) < REPEAT_AFTER_US) {
            return false;
        }
        let second = now_us / 1_000_000;
        if second != self.second {
            self.second = second;
            self.lines.clear();
        }
        let lines = self.lines.entry(label).or_default();
        if *lines == LINES_A_SECOND {
            return false;
        }
        *lines += 1;
        self.last.insert((peer, label), now_us);
        true
    }
}

impl Incidents for IncidentLog {
    fn report(&mut self, peer: SocketAddr, incident: Incident) {
        let label = match &incident {
            Incident::Fault(fault) => fault.label(),
            Incident::Refusal(refusal) => refusal.label(),
            Incident::LoggedIn(_) => "logged_in",
        };
        let Some(left_out) = self.admit(account_of(peer.ip()), label) else {
            return;
        };
        match incident {
            Incident::Fault(fault) => {
                warn!(%peer, reason = label, left_out, "closed a connection: {fault}");
            }
            Incident::Refusal(refusal) => {
                warn!(%peer, reason = label, left_out, "refused a request: {refusal}");
            }
            Incident::LoggedIn(who) => {
                info!(%peer, left_out, "logged in: {:?}", clip_for_log(&who))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(last: u8) -> IpAddr {
        IpAddr::from([127, 0, 0, last])
    }

    #[test]
    fn once_a_peer_and_reason_and_minute_whichever_the_shard() {
        let mut log = IncidentLog::default();
        let mut of_another_shard = log.clone();
        assert_eq!(log.admit(peer(1), "bad_frame"), Some(0));
        assert_eq!(log.admit(peer(1), "bad_frame"), None);
        assert_eq!(of_another_shard.admit(peer(1), "bad_frame"), None);
        assert_eq!(of_another_shard.admit(peer(1), "bad_message"), Some(2));
        assert_eq!(log.admit(peer(2), "bad_frame"), Some(0));
        log.set_time(REPEAT_AFTER_US);
        assert_eq!(log.admit(peer(1), "bad_frame"), Some(0));
    }

    #[test]
    fn so_many_a_second_in_all() {
        let mut log = IncidentLog::default();
        let logged = (0..100).filter(|last| log.admit(peer(*last), "bad_frame").is_some());
        assert_eq!(logged.count(), LINES_A_SECOND as usize);
        assert!(log.clone().admit(peer(1), "login_wrong_password").is_some());
        log.set_time(1_000_000);
        assert_eq!(log.admit(peer(200), "bad_frame"), Some(0));
    }

    #[test]
    fn a_shard_never_waits_for_another() {
        let mut log = IncidentLog::default();
        let shared = log.shared.clone();
        let busy = shared.lock().unwrap();
        assert_eq!(log.admit(peer(1), "bad_frame"), None);
        drop(busy);
        assert_eq!(log.admit(peer(1), "bad_frame"), Some(1));
    }
}
