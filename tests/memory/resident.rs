//! Resident memory of the daemon as it is built for use, with its own allocator.

use support::Daemon;
use support::metrics::Scrape;

use super::attack::{self, Bounds, Server};

pub fn stays_below_the_stated_figure(shards: u64, with_login: bool) {
    let bounds = Bounds::small(shards, with_login);
    let arguments = bounds.arguments(&[]);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let daemon = Daemon::start(&arguments);
    let server = Server {
        address: daemon.address(),
        admin: daemon.admin(),
        with_login,
    };
    let idle = daemon.peak_bytes();
    attack::run(&server, &mut || {});
    let limit = Scrape::of(server.admin).sum("pacemaker_limit_memory_bytes", &[]) as u64;
    let peak = daemon.peak_bytes();
    println!("{shards} shards: {idle} bytes at rest, {peak} at most, of {limit}");
    assert!(peak <= limit, "{peak} bytes, but a limit of {limit}");
    daemon.stop();
}
