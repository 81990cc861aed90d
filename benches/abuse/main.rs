//! What `tools/abuse` runs beside an honest cluster: an attacker of one kind, or a probe of /healthz. Each prints one
//! JSON object at its end. It sends to this machine only.
//!
//! Not a measurement in itself. `cargo bench --bench abuse -- attack --kind list-flood` attacks a daemon on
//! 127.0.0.1:6699.

mod probe;

use std::net::{IpAddr, SocketAddr};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::{Parser, Subcommand};
use support::attack::{Attack, Kind};

/// Attacks a server on this machine, or watches one.
#[derive(Parser)]
struct CommandLine {
    #[command(subcommand)]
    command: What,
}

#[derive(Subcommand)]
enum What {
    /// Attacks
    Attack {
        /// One of those that `kinds` prints
        #[arg(long, value_parser = kind)]
        kind: Kind,
        #[arg(long, default_value = "127.0.0.1:6699", value_parser = loopback)]
        target: SocketAddr,
        /// The admin endpoint, which some kinds attack
        #[arg(long, value_parser = loopback)]
        admin: Option<SocketAddr>,
        /// Where Nimbus connects from, for wrong passwords
        #[arg(long, default_value = "127.0.0.2")]
        nimbus: IpAddr,
        /// Addresses to attack from
        #[arg(long, default_value_t = 4)]
        addresses: u8,
        #[arg(long, default_value_t = 20.0)]
        seconds: f64,
        /// The server asks for logins: readers use the password of the tests
        #[arg(long)]
        login: bool,
    },
    /// Asks for /healthz ten times a second
    Probe {
        #[arg(long, value_parser = loopback)]
        admin: SocketAddr,
        #[arg(long, default_value_t = 20.0)]
        seconds: f64,
    },
    /// Prints the kinds of attackers
    Kinds,
}

fn main() -> ExitCode {
    // `cargo bench` and `cargo test` run it too: then there is nobody to attack.
    if std::env::args()
        .skip(1)
        .all(|word| word == "--bench" || word == "--test")
    {
        println!("usage: abuse attack|probe|kinds");
        return ExitCode::SUCCESS;
    }
    let words = std::env::args().filter(|word| word != "--bench");
    match CommandLine::parse_from(words).command {
        What::Attack {
            kind,
            target,
            admin,
            nimbus,
            addresses,
            seconds,
            login,
        } => {
            let attack = Attack {
                kind,
                target,
                admin,
                nimbus,
                addresses,
                has_logins: login,
                until: after(seconds),
                divisor: 1,
            };
            println!("{}", attack.run().json());
        }
        What::Probe { admin, seconds } => println!("{}", probe::run(admin, after(seconds))),
        What::Kinds => Kind::ALL
            .iter()
            .for_each(|kind| println!("{}", kind.name())),
    }
    ExitCode::SUCCESS
}

fn after(seconds: f64) -> Instant {
    Instant::now() + Duration::from_secs_f64(seconds)
}

fn kind(name: &str) -> Result<Kind, String> {
    Kind::named(name).ok_or_else(|| "no such kind; `abuse kinds` prints them".to_owned())
}

/// An attacker that could be pointed elsewhere would be a weapon.
fn loopback(text: &str) -> Result<SocketAddr, String> {
    let address: SocketAddr = text
        .parse()
        .map_err(|_| "expected ADDRESS:PORT".to_owned())?;
    if address.ip().is_loopback() {
        Ok(address)
    } else {
        Err("only this machine may be attacked: expected an address of 127.0.0.0/8".to_owned())
    }
}
