//! Asks for /healthz as an orchestrator's probe does: a new connection each time, and an answer within a second.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

const EVERY: Duration = Duration::from_millis(100);

/// The `timeoutSeconds` of a Kubernetes probe.
const TIMEOUT: Duration = Duration::from_secs(1);

pub(crate) fn run(admin: SocketAddr, until: Instant) -> Value {
    let (mut asked, mut not_ok, mut unanswered) = (0_u64, 0_u64, 0_u64);
    let mut worst = Duration::ZERO;
    while Instant::now() < until {
        let begun = Instant::now();
        asked += 1;
        match status(admin) {
            Some(200) => {}
            Some(_) => not_ok += 1,
            None => unanswered += 1,
        }
        let took = begun.elapsed();
        worst = worst.max(took);
        thread::sleep(EVERY.saturating_sub(took));
    }
    json!({
        "asked": asked,
        "other_status": not_ok,
        "unanswered": unanswered,
        "worst_us": worst.as_micros() as u64,
    })
}

/// The status, if an answer comes in time.
fn status(admin: SocketAddr) -> Option<u16> {
    let mut stream = TcpStream::connect_timeout(&admin, TIMEOUT).ok()?;
    stream.set_read_timeout(Some(TIMEOUT)).ok()?;
    stream
        .write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .ok()?;
    let mut text = Vec::new();
    let _ = stream.read_to_end(&mut text);
    let text = String::from_utf8_lossy(&text);
    text.split(' ').nth(1)?.parse().ok()
}
