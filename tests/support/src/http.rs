//! HTTP as a test speaks it: one request a connection, over a plain socket.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::client::assert_good_client_is_served;
use super::{Daemon, PATIENCE};

#[derive(Debug)]
pub struct Response {
    pub status: u16,
    /// Lines, as they came.
    pub head: String,
    pub body: String,
}

impl Response {
    pub fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        let mut named = lines.filter(|(key, _)| key.eq_ignore_ascii_case(name));
        named.next().map(|(_, value)| value)
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("JSON")
    }
}

pub fn get(address: SocketAddr, path: &str) -> Response {
    request(
        address,
        &format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    )
}

/// Asks with an Accept header.
pub fn get_as(address: SocketAddr, path: &str, accept: &str) -> Response {
    request(
        address,
        &format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept: {accept}\r\n\r\n"),
    )
}

/// Sends these bytes, and reads what comes until the end.
pub fn request(address: SocketAddr, bytes: &str) -> Response {
    let mut stream = connect(address);
    stream.write_all(bytes.as_bytes()).expect("it can be sent");
    read(&mut stream).expect("an answer")
}

pub fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect_timeout(&address, PATIENCE).expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("an option");
    stream
}

/// An answer, if the connection brings one before it ends.
pub fn read(stream: &mut TcpStream) -> Option<Response> {
    let mut text = Vec::new();
    // The end may be a RST: what came before it counts.
    let _ = stream.read_to_end(&mut text);
    let text = String::from_utf8(text).expect("UTF-8");
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().expect("a status");
    Some(Response {
        status,
        head: head.to_owned(),
        body: body.to_owned(),
    })
}

/// Whatever goes on, the admin endpoint answers soon, and the shards at once. Its thread gets what others leave of the
/// machine: a tenth of a core, when clusters of tests run beside it.
pub fn assert_all_is_served(daemon: &Daemon, admin: SocketAddr) {
    let start = Instant::now();
    assert_eq!(get(admin, "/healthz").status, 200);
    let took = start.elapsed();
    assert!(took < Duration::from_secs(5), "{took:?}");
    assert_good_client_is_served(daemon.address());
}
