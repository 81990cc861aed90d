//! `get`: what is stored under one key, unchanged or decoded as a heartbeat.

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::PathBuf;

use clap::Args;

use super::error::CommandError;
use super::heartbeat::{self, HeartbeatError, ThriftValue, Unpacked};
use super::options::ServerOptions;
use super::text::{self, shown};
use crate::config::Sources;

/// Write what is stored under a key to standard output, unchanged or decoded
#[derive(Args, Clone, Debug)]
#[command(after_help = HELP)]
pub(crate) struct Get {
    /// Key, such as /workerbeats/TOPOLOGY/WORKER
    path: String,

    /// Unpack it (gzip or zstd) and show the heartbeat: topology, times, executors
    #[arg(short, long)]
    decode: bool,

    /// Decode it into JSON: the whole heartbeat
    #[arg(long)]
    json: bool,

    /// Write to this file instead
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Write to a terminal even if the bytes are not text
    #[arg(long)]
    force: bool,

    #[command(flatten)]
    server: ServerOptions,
}

const HELP: &str = "\
SLOWEST is the highest average time of a stream: to complete for a spout, to process for a bolt. Counts \
are sums over all streams since the executor started; --json shows each stream and window.

Exit codes: 0 done; 1 nothing is stored there, it is not a heartbeat, or the server does not answer; 2 \
wrong usage or configuration.

Examples:
  storm-pacemaker get --decode /workerbeats/wordcount-1-1764115200/4c1b0a6e-6700
  storm-pacemaker get --json /workerbeats/wordcount-1-1764115200/4c1b0a6e-6700 | jq .heartbeat.uptime_secs
  storm-pacemaker get -o beat.gz /workerbeats/wordcount-1-1764115200/4c1b0a6e-6700";

impl Get {
    pub(crate) fn run(self, sources: Sources) -> Result<(), CommandError> {
        let mut client = self.server.connect(sources)?;
        // In its warm-up the server would wait with its answer for a pulse to come.
        let details = if client.exists(&self.path)? {
            client.pulse(&self.path)?
        } else {
            None
        };
        let Some(details) = details else {
            return Err(CommandError::No(format!(
                "{} has nothing stored under {}: `storm-pacemaker ls` lists what it has",
                client.server(),
                shown(&self.path)
            )));
        };
        let mut out = Vec::new();
        if self.json || self.decode {
            self.decode(&details, &mut out)?;
        } else {
            out = details;
            if self.output.is_none() && !self.force && io::stdout().is_terminal() {
                check_is_text(&out)?;
            }
        }
        self.write(&out)
    }

    fn decode(&self, details: &[u8], out: &mut Vec<u8>) -> Result<(), CommandError> {
        let not_a_heartbeat = |why: HeartbeatError| {
            let (path, bytes) = (shown(&self.path), details.len());
            CommandError::No(format!(
                "the {bytes} bytes stored under {path} are not a heartbeat: {why}"
            ))
        };
        let unpacked = heartbeat::unpack(details).map_err(not_a_heartbeat)?;
        let beat = heartbeat::decode(&unpacked.bytes).map_err(not_a_heartbeat)?;
        if self.json {
            self.write_json(details.len(), &unpacked, &beat, out)?;
        } else {
            let (bytes, packing) = (details.len(), unpacked.packing);
            writeln!(out, "key             {}", shown(&self.path))?;
            let unpacked = unpacked.bytes.len();
            writeln!(
                out,
                "details         {bytes} bytes, {packing}, {unpacked} unpacked"
            )?;
            heartbeat::write_text(out, &beat)?;
        }
        Ok(())
    }

    fn write_json(
        &self,
        bytes: usize,
        unpacked: &Unpacked<'_>,
        beat: &ThriftValue<'_>,
        out: &mut Vec<u8>,
    ) -> io::Result<()> {
        let whole = serde_json::json!({
            "path": self.path,
            "bytes": bytes,
            "packing": unpacked.packing.to_string(),
            "unpacked_bytes": unpacked.bytes.len(),
            "heartbeat": heartbeat::json(beat),
        });
        // Workers choose the names in it, so they may hold anything.
        let json = text::visible_json(&serde_json::to_string_pretty(&whole)?);
        out.extend_from_slice(json.as_bytes());
        out.push(b'\n');
        Ok(())
    }

    fn write(&self, bytes: &[u8]) -> Result<(), CommandError> {
        let Some(path) = &self.output else {
            let mut out = io::stdout().lock();
            out.write_all(bytes)?;
            return Ok(out.flush()?);
        };
        let written = File::create(path).and_then(|file| {
            let mut file = BufWriter::new(file);
            file.write_all(bytes)?;
            file.flush()
        });
        written
            .map_err(|error| CommandError::No(format!("cannot write {}: {error}", path.display())))
    }
}

/// Fails unless the bytes are text: others could leave a terminal unusable.
fn check_is_text(bytes: &[u8]) -> Result<(), CommandError> {
    let is_plain = |c: char| text::is_visible(c) || matches!(c, '\n' | '\t');
    match std::str::from_utf8(bytes) {
        Ok(text) if text.chars().all(is_plain) => Ok(()),
        _ => Err(CommandError::No(format!(
            "{} bytes that are not text were not written to the terminal; use --decode to show them, \
             -o FILE to keep them, or --force to write them anyway",
            bytes.len()
        ))),
    }
}
