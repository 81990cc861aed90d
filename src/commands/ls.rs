//! `ls`: the names below a path, as `storm heartbeats list` shows them, and on request their kinds and
//! everything below them.

use std::io::{self, BufWriter, Write};

use clap::Args;

use super::client::Client;
use super::error::CommandError;
use super::options::ServerOptions;
use super::text::shown;
use crate::config::Sources;
use crate::limits;

/// List the names below a path
#[derive(Args, Clone, Debug)]
#[command(after_help = HELP)]
pub(crate) struct Ls {
    /// Path to list
    #[arg(default_value = "/workerbeats")]
    path: String,

    /// Show for each name whether it is a key (and its size in bytes), a directory, or both
    #[arg(short, long)]
    long: bool,

    /// List everything below, as whole paths; a directory ends in /
    #[arg(short, long)]
    recursive: bool,

    #[command(flatten)]
    server: ServerOptions,
}

const HELP: &str = "\
-l receives everything that is stored below the path in order to measure it: the protocol has no request \
for sizes.

Exit codes: 0 done, even if nothing is there; 1 the server does not answer; 2 wrong usage or configuration.

Examples:
  storm-pacemaker ls                                   # topologies
  storm-pacemaker ls /workerbeats/wordcount-1-1764115200
  storm-pacemaker ls -r | grep -c -v '/$'              # workers of all topologies
  storm-pacemaker ls -lr --server pacemaker.example.com";

/// A name below a path, or the whole path of one.
struct Entry {
    path: String,
    name: String,
    /// `None` if there is no such key.
    bytes: Option<usize>,
    is_directory: bool,
}

impl Ls {
    pub(crate) fn run(self, sources: Sources) -> Result<(), CommandError> {
        let mut client = self.server.connect(sources)?;
        let mut out = BufWriter::new(io::stdout().lock());
        let top = self.path.trim_end_matches('/');
        let mut listing = vec![(self.entries(&mut client, top)?.into_iter(), 1)];
        // Entries are written as they become known, so that a long listing starts at once.
        while let Some((entries, depth)) = listing.last_mut() {
            let depth = *depth;
            let Some(entry) = entries.next() else {
                listing.pop();
                continue;
            };
            self.write(&mut out, &entry)?;
            if self.recursive && entry.is_directory && depth < limits::LISTED_DEPTH {
                let below = self.entries(&mut client, &entry.path)?;
                listing.push((below.into_iter(), depth + 1));
            }
        }
        Ok(out.flush()?)
    }

    fn entries(&self, client: &mut Client, path: &str) -> Result<Vec<Entry>, CommandError> {
        let mut names = client.names(path)?;
        // An empty name would lead back to this path.
        names.retain(|name| !name.is_empty());
        names.sort();
        let entry = |name: String| Entry {
            path: format!("{path}/{name}"),
            name,
            bytes: None,
            is_directory: false,
        };
        let mut entries: Vec<Entry> = names.into_iter().map(entry).collect();
        if !self.long && !self.recursive {
            return Ok(entries);
        }
        let paths: Vec<String> = entries.iter().map(|entry| entry.path.clone()).collect();
        let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
        client.names_of(&paths, &mut |index, names| {
            entries[index].is_directory = !names.is_empty();
        })?;
        if self.long {
            client.pulses(&paths, &mut |index, details| {
                entries[index].bytes = details.map(<[u8]>::len);
            })?;
        }
        Ok(entries)
    }

    fn write(&self, out: &mut impl Write, entry: &Entry) -> io::Result<()> {
        if self.long {
            let (kind, bytes) = match (entry.bytes, entry.is_directory) {
                (Some(bytes), false) => ("key", bytes.to_string()),
                (Some(bytes), true) => ("both", bytes.to_string()),
                (None, true) => ("dir", "-".to_owned()),
                // Deleted since it was listed.
                (None, false) => ("gone", "-".to_owned()),
            };
            write!(out, "{kind:<4} {bytes:>10}  ")?;
        }
        let name = if self.recursive {
            &entry.path
        } else {
            &entry.name
        };
        let end = if self.recursive && entry.is_directory {
            "/"
        } else {
            ""
        };
        writeln!(out, "{}{end}", shown(name))
    }
}
