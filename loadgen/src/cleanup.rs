//! Takes away what a run has left on the servers: the directories of its own topologies, and nothing
//! else. Plain blocking sockets: nobody measures this.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use storm_pacemaker::wire::message::encode_path;
use storm_pacemaker::wire::{Flow, FrameReader, MessageType, decode};

use crate::plan::Plan;
use crate::settings::Settings;
use crate::storm;

/// A deletion of a large directory takes a moment.
const PATIENCE: Duration = Duration::from_secs(11);

/// Says on standard error where it could not.
pub fn clean_up(settings: &Settings, plan: &Plan) {
    for target in &settings.targets {
        if let Err(why) = delete_all(target.address, plan) {
            eprintln!("loadgen: pulses of this run stay on {}: {why}", target.name);
        }
    }
}

fn delete_all(server: SocketAddr, plan: &Plan) -> Result<(), String> {
    let told = |error: io::Error| error.to_string();
    let mut socket = TcpStream::connect_timeout(&server, PATIENCE).map_err(told)?;
    socket.set_read_timeout(Some(PATIENCE)).map_err(told)?;
    socket.set_write_timeout(Some(PATIENCE)).map_err(told)?;
    socket.set_nodelay(true).map_err(told)?;
    let mut frames = FrameReader::new(storm::FRAME_BYTES);
    for (id, topology) in (0..).zip(&plan.topologies) {
        let mut request = Vec::new();
        let path = format!("{}/{}", storm::WORKER_BEATS, topology.id);
        encode_path(&mut request, MessageType::DeletePath, &path, id);
        socket.write_all(&request).map_err(told)?;
        match answer_to(&mut socket, &mut frames)? {
            MessageType::DeletePathResponse => {}
            MessageType::NotAuthorized => return Err("deleting them is not allowed".to_owned()),
            other => return Err(format!("it answers a deletion with {other:?}")),
        }
    }
    Ok(())
}

fn answer_to(socket: &mut TcpStream, frames: &mut FrameReader) -> Result<MessageType, String> {
    let mut bytes = [0; 4096];
    loop {
        let length = match socket.read(&mut bytes) {
            Ok(0) => return Err("it has closed the connection".to_owned()),
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error.to_string()),
        };
        let mut kind = None;
        let fed = frames.feed(&bytes[..length], &mut |body| {
            kind = Some(decode(body).map(|answer| answer.kind));
            Flow::Continue
        });
        match (fed, kind) {
            (Ok(_), Some(Ok(kind))) => return Ok(kind),
            (Ok(_), None) => {}
            _ => return Err("its answer is no message".to_owned()),
        }
    }
}
