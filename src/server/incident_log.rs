//! Logs what peers do wrong, at a bounded rate: one line a minute for each address and reason, and five
//! lines a second for each reason, so that one reason cannot hide another. The metrics count every
//! incident; a line says how many were left out before it.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};

use tracing::{info, warn};

use crate::access::account_of;
use crate::auth::clip_for_log;
use crate::shard::{Incident, Incidents};

/// The shortest time between two lines about the same address and reason.
const REPEAT_AFTER_US: u64 = 60_000_000;

/// Lines a second for each reason, from all addresses together.
const LINES_A_SECOND: u32 = 5;

/// Pairs of address and reason that are remembered. When they are as many, all are forgotten; the limit for
/// each reason still holds.
const MAX_REMEMBERED: usize = 4096;

/// One shard's handle of the log. All shards share its rate.
#[derive(Debug, Clone, Default)]
pub(super) struct IncidentLog {
    now_us: u64,
    /// Lines left out because another shard held the lock.
    left_out: u64,
    /// Bits of an IPv6 address that count as one.
    ipv6_prefix: u8,
    shared: Arc<Mutex<LineRate>>,
}

/// The lines logged recently. All shards use one clock.
#[derive(Debug, Default)]
struct LineRate {
    second: u64,
    /// Lines in that second, by reason.
    lines: HashMap<&'static str, u32>,
    /// Lines left out since the last line.
    left_out: u64,
    /// When the last line about an address and reason was logged.
    last_us: HashMap<(IpAddr, &'static str), u64>,
}

impl IncidentLog {
    pub(super) fn new(ipv6_prefix: u8) -> IncidentLog {
        IncidentLog {
            ipv6_prefix,
            ..IncidentLog::default()
        }
    }

    pub(super) fn set_time(&mut self, now_us: u64) {
        self.now_us = now_us;
    }

    /// Counts a line. If it is to be written, returns how many lines were left out before it. Never
    /// waits: if another shard holds the lock, the line is left out.
    fn try_line(&mut self, peer: IpAddr, label: &'static str) -> Option<u64> {
        let Ok(mut rate) = self.shared.try_lock() else {
            self.left_out += 1;
            return None;
        };
        rate.left_out += std::mem::take(&mut self.left_out);
        if rate.try_line(peer, label, self.now_us) {
            Some(std::mem::take(&mut rate.left_out))
        } else {
            rate.left_out += 1;
            None
        }
    }
}

impl LineRate {
    /// Counts a line, unless the rate is reached. Returns whether to write it.
    fn try_line(&mut self, peer: IpAddr, label: &'static str, now_us: u64) -> bool {
        if self.last_us.len() >= MAX_REMEMBERED {
            self.last_us.clear();
        }
        let last_us = self.last_us.get(&(peer, label));
        if last_us.is_some_and(|last_us| now_us.saturating_sub(*last_us) < REPEAT_AFTER_US) {
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
        self.last_us.insert((peer, label), now_us);
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
        let Some(left_out) = self.try_line(account_of(peer.ip(), self.ipv6_prefix), label) else {
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
    fn one_line_a_minute_for_an_address_and_reason_on_all_shards() {
        let mut log = IncidentLog::default();
        let mut of_another_shard = log.clone();
        assert_eq!(log.try_line(peer(1), "bad_frame"), Some(0));
        assert_eq!(log.try_line(peer(1), "bad_frame"), None);
        assert_eq!(of_another_shard.try_line(peer(1), "bad_frame"), None);
        assert_eq!(of_another_shard.try_line(peer(1), "bad_message"), Some(2));
        assert_eq!(log.try_line(peer(2), "bad_frame"), Some(0));
        log.set_time(REPEAT_AFTER_US);
        assert_eq!(log.try_line(peer(1), "bad_frame"), Some(0));
    }

    #[test]
    fn five_lines_a_second_for_a_reason() {
        let mut log = IncidentLog::default();
        let logged = (0..100).filter(|last| log.try_line(peer(*last), "bad_frame").is_some());
        assert_eq!(logged.count(), LINES_A_SECOND as usize);
        assert!(
            log.clone()
                .try_line(peer(1), "login_wrong_password")
                .is_some()
        );
        log.set_time(1_000_000);
        assert_eq!(log.try_line(peer(200), "bad_frame"), Some(0));
    }

    #[test]
    fn a_shard_never_waits_for_another() {
        let mut log = IncidentLog::default();
        let shared = log.shared.clone();
        let busy = shared.lock().unwrap();
        assert_eq!(log.try_line(peer(1), "bad_frame"), None);
        drop(busy);
        assert_eq!(log.try_line(peer(1), "bad_frame"), Some(1));
    }
}
