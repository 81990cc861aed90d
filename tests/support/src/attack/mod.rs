//! Attackers of one kind each, for `make abuse` and for the tests. They do what anybody can do who reaches the
//! port, as fast as one thread can, and count what they got done. They speak over plain sockets and never wait
//! for a server that gives no answer.
//!
//! To add one: a variant of [`Kind`] with its name, and an arm in [`Attack::run`].

mod admin;
mod connections;
mod crowd;
mod frames;
mod keys;
mod lists;
mod readers;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// What an attacker does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    TrickledFrames,
    ListFlood,
    ListFloodReconnecting,
    Deletions,
    ConnectionFlood,
    HalfLogins,
    WrongPasswords,
    UnreadAnswers,
    ByteASecond,
    HugeFrames,
    MetricsFlood,
    TableFlood,
    KeyFlood,
    ByteFlood,
    NestedEmpties,
    CarriedRecords,
    ForeignPaths,
    PulseFlood,
}

impl Kind {
    pub const ALL: [Kind; 18] = [
        Kind::TrickledFrames,
        Kind::ListFlood,
        Kind::ListFloodReconnecting,
        Kind::Deletions,
        Kind::ConnectionFlood,
        Kind::HalfLogins,
        Kind::WrongPasswords,
        Kind::UnreadAnswers,
        Kind::ByteASecond,
        Kind::HugeFrames,
        Kind::MetricsFlood,
        Kind::TableFlood,
        Kind::KeyFlood,
        Kind::ByteFlood,
        Kind::NestedEmpties,
        Kind::CarriedRecords,
        Kind::ForeignPaths,
        Kind::PulseFlood,
    ];

    /// The name on the command line and in results.
    pub fn name(self) -> &'static str {
        match self {
            Kind::TrickledFrames => "trickled-frames",
            Kind::ListFlood => "list-flood",
            Kind::ListFloodReconnecting => "list-flood-reconnecting",
            Kind::Deletions => "deletions",
            Kind::ConnectionFlood => "connection-flood",
            Kind::HalfLogins => "half-logins",
            Kind::WrongPasswords => "wrong-passwords",
            Kind::UnreadAnswers => "unread-answers",
            Kind::ByteASecond => "byte-a-second",
            Kind::HugeFrames => "huge-frames",
            Kind::MetricsFlood => "metrics-flood",
            Kind::TableFlood => "table-flood",
            Kind::KeyFlood => "key-flood",
            Kind::ByteFlood => "byte-flood",
            Kind::NestedEmpties => "nested-empties",
            Kind::CarriedRecords => "carried-records",
            Kind::ForeignPaths => "foreign-paths",
            Kind::PulseFlood => "pulse-flood",
        }
    }

    pub fn named(name: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// One attack.
#[derive(Clone, Debug)]
pub struct Attack {
    pub kind: Kind,
    pub target: SocketAddr,
    /// The admin endpoint, for the floods that go there.
    pub admin: Option<SocketAddr>,
    /// Nimbus's own address, for the attack that comes from there.
    pub nimbus: IpAddr,
    /// Addresses that the attacker has, one after another from [`ATTACKER`] on.
    pub addresses: u8,
    /// The server asks for logins. An attacker that reads knows the password; one that does not need it does
    /// without, and keeps its frames below what a peer without a login may send.
    pub has_logins: bool,
    pub until: Instant,
    /// Connections and keys are divided by this: for tests, which have less time.
    pub divisor: usize,
}

/// The first address that attacks come from. Honest peers of the load generator have others.
pub const ATTACKER: Ipv4Addr = Ipv4Addr::new(127, 66, 0, 1);

/// What an attacker got done.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    pub dialled: u64,
    /// Connections that were not made, or were ended by the server.
    pub ended: u64,
    pub requests: u64,
    pub bytes_sent: u64,
    pub bytes_received: u64,
}

impl Tally {
    pub fn json(&self) -> Value {
        json!({
            "dialled": self.dialled,
            "ended": self.ended,
            "requests": self.requests,
            "bytes_sent": self.bytes_sent,
            "bytes_received": self.bytes_received,
        })
    }
}

impl Attack {
    /// Attacks until its time is over. Every connection is then reset.
    pub fn run(&self) -> Tally {
        let mut tally = Tally::default();
        match self.kind {
            Kind::TrickledFrames => frames::trickle(self, &mut tally),
            Kind::ListFlood => lists::flood(self, &mut tally),
            Kind::ListFloodReconnecting => lists::flood_reconnecting(self, &mut tally),
            Kind::Deletions => keys::write_and_delete(self, &mut tally),
            Kind::ConnectionFlood => connections::flood(self, &mut tally),
            Kind::HalfLogins => connections::half_logins(self, &mut tally),
            Kind::WrongPasswords => connections::wrong_passwords(self, &mut tally),
            Kind::UnreadAnswers => readers::read_nothing(self, &mut tally),
            Kind::ByteASecond => readers::read_a_byte_a_second(self, &mut tally),
            Kind::HugeFrames => frames::huge(self, &mut tally),
            Kind::MetricsFlood => admin::metrics(self, &mut tally),
            Kind::TableFlood => admin::table(self, &mut tally),
            Kind::KeyFlood => keys::flood(self, &mut tally),
            Kind::ByteFlood => keys::flood_bytes(self, &mut tally),
            Kind::NestedEmpties => frames::nested_empties(self, &mut tally),
            Kind::CarriedRecords => frames::carried_records(self, &mut tally),
            Kind::ForeignPaths => frames::foreign_paths(self, &mut tally),
            Kind::PulseFlood => frames::pulses(self, &mut tally),
        }
        tally
    }

    fn is_over(&self) -> bool {
        Instant::now() >= self.until
    }

    /// The addresses that connections come from, in turn.
    fn address(&self, turn: usize) -> IpAddr {
        let [a, b, c, d] = ATTACKER.octets();
        let addresses = usize::from(self.addresses.max(1));
        IpAddr::from([a, b, c, d + (turn % addresses) as u8])
    }

    fn scaled(&self, count: usize) -> usize {
        (count / self.divisor.max(1)).max(1)
    }

    /// Bytes of the details in the largest frame that this peer may send.
    fn largest_details(&self) -> usize {
        let frame = 10 << 20;
        let frame = if self.has_logins { frame / 4 } else { frame };
        frame - 4096
    }
}

/// How long an attacker waits when the server takes nothing and gives nothing.
const PAUSE: Duration = Duration::from_millis(1);
