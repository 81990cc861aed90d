//! What peers do wrong, as log lines at a bounded rate: one a peer and reason and minute, and so
//! many a second in all. Everything is counted elsewhere; a line left out is told of later.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

use tracing::{info, warn};

use crate::shard::{Incident, Incidents};

/// Between two lines about one peer and reason.
const REPEAT_AFTER_US: u64 = 60_000_000;

/// Lines a second, whoever they are about.
const LINES_A_SECOND: u32 = 10;

/// Peers and reasons remembered. Past it the memory is cleared: the rate still holds.
const REMEMBERED: usize = 4096;

#[derive(Debug, Default)]
pub(super) struct IncidentLog {
    now_us: u64,
    second: u64,
    lines: u32,
    /// Lines left out since the last line.
    left_out: u64,
    last: HashMap<(IpAddr, &'static str), u64>,
}

impl IncidentLog {
    pub(super) fn set_time(&mut self, now_us: u64) {
        self.now_us = now_us;
    }

    fn may_log(&mut self, peer: IpAddr, label: &'static str) -> bool {
        if self.last.len() >= REMEMBERED {
            self.last.clear();
        }
        let last = self.last.get(&(peer, label));
        if last.is_some_and(|last| self.now_us - last < REPEAT_AFTER_US) {
            return false;
        }
        let second = self.now_us / 1_000_000;
        if second != self.second {
            self.second = second;
            self.lines = 0;
        }
        if self.lines == LINES_A_SECOND {
            return false;
        }
        self.lines += 1;
        self.last.insert((peer, label), self.now_us);
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
        if !self.may_log(peer.ip(), label) {
            self.left_out += 1;
            return;
        }
        let left_out = std::mem::take(&mut self.left_out);
        match incident {
            Incident::Fault(fault) => {
                warn!(%peer, reason = label, left_out, "closed a connection: {fault}");
            }
            Incident::Refusal(refusal) => {
                warn!(%peer, reason = label, left_out, "refused a request: {refusal}");
            }
            Incident::LoggedIn(who) => info!(%peer, left_out, "logged in: {who:?}"),
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
    fn once_a_peer_and_reason_and_minute() {
        let mut log = IncidentLog::default();
        assert!(log.may_log(peer(1), "bad_frame"));
        assert!(!log.may_log(peer(1), "bad_frame"));
        assert!(log.may_log(peer(1), "bad_message"));
        assert!(log.may_log(peer(2), "bad_frame"));
        log.set_time(REPEAT_AFTER_US);
        assert!(log.may_log(peer(1), "bad_frame"));
    }

    #[test]
    fn so_many_a_second_in_all() {
        let mut log = IncidentLog::default();
        let logged = (0..100).filter(|last| log.may_log(peer(*last), "bad_frame"));
        assert_eq!(logged.count(), LINES_A_SECOND as usize);
        log.set_time(1_000_000);
        assert!(log.may_log(peer(200), "bad_frame"));
    }
}
