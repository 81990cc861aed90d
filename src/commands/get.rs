//! `get`: what is stored under one key, as it lies or as the heartbeat that it is.

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::PathBuf;

use clap::Args;

use super::heartbeat::{self, Unpacked, Unreadable, Value};
use super::options::ServerOptions;
use super::text::{self, shown};
use super::trouble::Failure;
use crate::config::Sources;

/// Write what is stored under a key to standard output, as it lies or decoded
#[derive(Args, Clone, Debug)]
#[command(after_help = HELP)]
pub struct Get {
    /// Key, such as /workerbeats/TOPOLOGY/WORKER
    path: String,

    /// Unpack it (gzip or zstd) and show the worker's heartbeat: topology, times, executors
    #[arg(short, long)]
    decode: bool,

    /// Decode it into JSON: the whole heartbeat
    #[arg(long)]
    json: bool,

    /// Write to this file instead
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Write bytes that are no text to a terminal, too
    #[arg(long)]
    force: bool,

    #[command(flatten)]
    server: ServerOptions,
}

const HELP: &str = "\
SLOWEST is the stream that took longest on the average: to complete for a spout, to process for a bolt. \
Counts are sums over all streams since the executor began; --json has each stream and window.

Exit codes: 0 done; 1 nothing is stored there, or it is no heartbeat, or the server cannot be asked; 2 \
wrong usage.

Examples:
  storm-pacemaker get --decode /workerbeats/wordcount-1-1764115200/4c1b0a6e-6700
  storm-pacemaker get --json /workerbeats/wordcount-1-1764115200/4c1b0a6e-6700 | jq .heartbeat.uptime_secs
  storm-pacemaker get -o beat.gz /workerbeats/wordcount-1-1764115200/4c1b0a6e-6700";

impl Get {
    pub fn run(self, sources: Sources) -> Result<(), Failure> {
        let mut client = self.server.connect(sources)?;
        let Some(details) = client.pulse(&self.path)? else {
            return Err(Failure::No(format!(
                "{} has nothing stored under {}: `storm-pacemaker ls` shows what there is",
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
                may_be_shown(&out)?;
            }
        }
        self.write(&out)
    }

    fn decode(&self, details: &[u8], out: &mut Vec<u8>) -> Result<(), Failure> {
        let no_heartbeat = |why: Unreadable| {
            let (path, bytes) = (shown(&self.path), details.len());
            Failure::No(format!(
                "what is stored under {path}, {bytes} bytes, is no heartbeat of Storm's: {why}"
            ))
        };
        let unpacked = heartbeat::unpack(details).map_err(no_heartbeat)?;
        let beat = heartbeat::decode(&unpacked.bytes).map_err(no_heartbeat)?;
        match self.json {
            true => self.write_json(details.len(), &unpacked, &beat, out)?,
            false => {
                let (bytes, packing) = (details.len(), unpacked.packing);
                writeln!(out, "key             {}", shown(&self.path))?;
                let unpacked = unpacked.bytes.len();
                writeln!(
                    out,
                    "details         {bytes} bytes, {packing}, {unpacked} unpacked"
                )?;
                heartbeat::write_text(out, &beat)?;
            }
        }
        Ok(())
    }

    fn write_json(
        &self,
        bytes: usize,
        unpacked: &Unpacked<'_>,
        beat: &Value<'_>,
        out: &mut Vec<u8>,
    ) -> io::Result<()> {
        let whole = serde_json::json!({
            "path": self.path,
            "bytes": bytes,
            "packing": unpacked.packing.to_string(),
            "unpacked_bytes": unpacked.bytes.len(),
            "heartbeat": heartbeat::json(beat),
        });
        // A worker has chosen the names in it.
        let json = text::visible_json(&serde_json::to_string_pretty(&whole)?);
        out.extend_from_slice(json.as_bytes());
        out.push(b'\n');
        Ok(())
    }

    fn write(&self, bytes: &[u8]) -> Result<(), Failure> {
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
            .map_err(|error| Failure::No(format!("{} cannot be written: {error}", path.display())))
    }
}

/// Bytes would leave a terminal in disorder.
fn may_be_shown(bytes: &[u8]) -> Result<(), Failure> {
    let is_plain = |c: char| text::is_visible(c) || matches!(c, '\n' | '\t');
    match std::str::from_utf8(bytes) {
        Ok(text) if text.chars().all(is_plain) => Ok(()),
        _ => Err(Failure::No(format!(
            "not written to a terminal: {} bytes that are no text; --decode shows them, -o FILE keeps \
             them, --force writes them all the same",
            bytes.len()
        ))),
    }
}
