//! One connection over a plain blocking socket: logs in, asks, takes the answer. For what is no part of
//! the plan.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use rustix::net::sockopt::set_socket_linger;
use storm_pacemaker::client_login::{ClientLogin, ClientMethod};
use storm_pacemaker::wire::message::encode_path;
use storm_pacemaker::wire::{FrameReader, MessageType, decode};

use crate::storm;

/// A deletion of a large directory takes a moment.
const PATIENCE: Duration = Duration::from_micros(storm::GIVE_UP_AFTER_US);

pub struct Connection {
    socket: TcpStream,
    frames: FrameReader,
}

impl Connection {
    pub fn open(server: SocketAddr) -> Result<Connection, String> {
        let socket = TcpStream::connect_timeout(&server, PATIENCE).map_err(told)?;
        socket.set_read_timeout(Some(PATIENCE)).map_err(told)?;
        socket.set_write_timeout(Some(PATIENCE)).map_err(told)?;
        socket.set_nodelay(true).map_err(told)?;
        // Closed by a RST, so that no port of ours stays in TIME_WAIT.
        set_socket_linger(&socket, Some(Duration::ZERO)).map_err(|error| told(error.into()))?;
        Ok(Connection {
            socket,
            frames: FrameReader::new(storm::FRAME_BYTES),
        })
    }

    pub fn log_in(&mut self, method: &ClientMethod) -> Result<(), String> {
        let begun = Instant::now();
        let mut out = Vec::new();
        let mut login = ClientLogin::begin(method, &mut out).map_err(|why| why.to_string())?;
        loop {
            self.socket.write_all(&out).map_err(told)?;
            out.clear();
            let body = self.frame()?;
            let complete = login.receive(&body, &mut out);
            if complete.map_err(|why| why.to_string())? {
                return Ok(());
            }
            if begun.elapsed() > PATIENCE {
                return Err("it took too long".to_owned());
            }
        }
    }

    /// Asks about a path, and returns what kind of answer comes.
    pub fn ask(&mut self, kind: MessageType, path: &str, id: i32) -> Result<MessageType, String> {
        let mut request = Vec::new();
        encode_path(&mut request, kind, path, id);
        self.socket.write_all(&request).map_err(told)?;
        loop {
            let body = self.frame()?;
            let answer = decode(&body).map_err(|_| "its answer is no message".to_owned())?;
            // Storm's daemon says twice that a login is complete.
            if answer.kind != MessageType::ControlMessage {
                return Ok(answer.kind);
            }
        }
    }

    /// The next frame, without its length.
    fn frame(&mut self) -> Result<Vec<u8>, String> {
        let mut bytes = [0; 4096];
        loop {
            if let Some(body) = self.frames.next() {
                let body = body.map_err(|_| "its answer is no message".to_owned())?;
                return Ok(body.to_vec());
            }
            let length = match self.socket.read(&mut bytes) {
                Ok(0) => return Err("it has closed the connection".to_owned()),
                Ok(length) => length,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(told(error)),
            };
            self.frames.push(&bytes[..length]);
        }
    }
}

fn told(error: io::Error) -> String {
    error.to_string()
}
