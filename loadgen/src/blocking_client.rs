//! One request at a time over the server's blocking client, with the patience of Storm's client: for
//! what is not part of the plan.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use storm_pacemaker::blocking_client::{BlockingClient, ClientError};
use storm_pacemaker::client_login::ClientMethod;
use storm_pacemaker::wire::message::encode_path;
use storm_pacemaker::wire::{MessageType, decode};

use crate::storm;

/// For a connection, a login or an answer: deleting a large directory takes a while.
const TIMEOUT: Duration = Duration::from_micros(storm::GIVE_UP_AFTER_US);

pub struct Connection {
    client: BlockingClient,
}

impl Connection {
    pub fn open(server: SocketAddr) -> Result<Connection, String> {
        let client = BlockingClient::connect(&[server], deadline(), storm::FRAME_BYTES);
        let client = client.map_err(|error| error.to_string())?;
        client.reset_on_drop().map_err(|error| error.to_string())?;
        Ok(Connection { client })
    }

    pub fn log_in(&mut self, method: &ClientMethod) -> Result<(), String> {
        let logged_in = self.client.log_in(method, deadline());
        logged_in.map_err(|error| match error {
            ClientError::Login(failure) => failure.to_string(),
            error => error.to_string(),
        })
    }

    /// Sends a request about a path and returns the type of its answer.
    pub fn ask(&mut self, kind: MessageType, path: &str, id: i32) -> Result<MessageType, String> {
        let mut request = Vec::new();
        encode_path(&mut request, kind, path, id);
        let deadline = deadline();
        let sent = self.client.send(&request, deadline);
        sent.map_err(|error| error.to_string())?;
        loop {
            let body = self.client.receive(deadline);
            let body = body.map_err(|error| error.to_string())?;
            let answer = decode(&body);
            let answer = answer.map_err(|error| format!("the answer is not a message: {error}"))?;
            // Storm's daemon says twice that a login is complete.
            if answer.kind != MessageType::ControlMessage {
                return Ok(answer.kind);
            }
        }
    }
}

fn deadline() -> Instant {
    Instant::now() + TIMEOUT
}
