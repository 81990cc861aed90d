//! `rm`: deletes a key, or everything at and below a path. Asks first.

use std::io::{self, BufRead, IsTerminal, Write};

use clap::Args;

use super::client::Client;
use super::error::CommandError;
use super::options::ServerOptions;
use super::text::shown;
use crate::config::Sources;
use crate::limits;

/// Delete a key, or with -r everything at and below a path
#[derive(Args, Clone, Debug)]
#[command(after_help = HELP)]
pub(crate) struct Rm {
    /// Key, such as /workerbeats/TOPOLOGY/WORKER, or with -r a path
    path: String,

    /// Delete everything at and below the path
    #[arg(short, long)]
    recursive: bool,

    /// Do not ask
    #[arg(short, long)]
    yes: bool,

    #[command(flatten)]
    server: ServerOptions,
}

const HELP: &str = "\
Says how many keys it would delete, and asks. Without a terminal there is nobody to ask: --yes is needed.

A worker that runs stores its heartbeat again within seconds, so this harms no running topology. It is for \
what nobody writes any more, and for heartbeats of another Storm: one of 2.x ends a Nimbus of 3.x, and the \
other way round.

It needs the right to read and to delete: a login if the server wants one, access.reads_from, \
access.deletes_from and access.deletes_below.

Exit codes: 0 deleted; 1 nothing is stored there, the answer was no, or the server does not answer or \
refuses; 2 wrong usage or configuration.

Examples:
  storm-pacemaker rm /workerbeats/wordcount-1-1764115200/4c1b0a6e-6700
  storm-pacemaker rm -r /workerbeats/wordcount-1-1764115200
  storm-pacemaker rm -r --yes /workerbeats             # all heartbeats";

impl Rm {
    pub(crate) fn run(self, sources: Sources) -> Result<(), CommandError> {
        let has_terminal = io::stdin().is_terminal() && io::stderr().is_terminal();
        if !self.yes && !has_terminal {
            return Err(CommandError::Usage(
                "rm asks before it deletes, and there is no terminal to ask at: --yes deletes without asking"
                    .to_owned(),
            ));
        }
        let mut client = self.server.connect(sources)?;
        if self.recursive {
            self.remove_below(&mut client)
        } else {
            self.remove_key(&mut client)
        }
    }

    fn remove_key(&self, client: &mut Client) -> Result<(), CommandError> {
        let key = shown(&self.path);
        if client.existing(&[&self.path])? == 0 {
            let has_below = !client.names(&self.path)?.is_empty();
            let hint = if has_below {
                "but something below it: -r deletes that"
            } else {
                "`storm-pacemaker ls` lists what it has"
            };
            return Err(self.nothing_there(client, hint));
        }
        self.confirm(&format!("the key {key}"), client)?;
        client.delete_key(&self.path)?;
        Ok(writeln!(io::stdout(), "deleted the key {key}")?)
    }

    fn remove_below(&self, client: &mut Client) -> Result<(), CommandError> {
        let top = self.path.trim_end_matches('/');
        let keys = keys_at_and_below(client, top)?;
        let path = if top.is_empty() { "/" } else { top };
        let what = match keys {
            0 => return Err(self.nothing_there(client, "at it or below")),
            1 => format!("1 key at and below {}", shown(path)),
            _ => format!("{keys} keys at and below {}", shown(path)),
        };
        self.confirm(&what, client)?;
        client.delete_path(path)?;
        Ok(writeln!(io::stdout(), "deleted {what}")?)
    }

    fn nothing_there(&self, client: &Client, hint: &str) -> CommandError {
        let (server, path) = (client.server(), shown(&self.path));
        CommandError::No(format!("{server} has nothing stored under {path}, {hint}"))
    }

    /// Succeeds if a person agrees, or has said so before.
    fn confirm(&self, what: &str, client: &Client) -> Result<(), CommandError> {
        if self.yes {
            return Ok(());
        }
        let mut prompt = io::stderr();
        write!(prompt, "Delete {what} on {}? [y/N] ", client.server())?;
        prompt.flush()?;
        let mut answer = String::new();
        io::stdin().lock().read_line(&mut answer)?;
        match answer.trim().to_ascii_lowercase().as_str() {
            "y" | "yes" => Ok(()),
            _ => Err(CommandError::No("nothing was deleted".to_owned())),
        }
    }
}

/// How many keys there are at a path and below.
fn keys_at_and_below(client: &mut Client, top: &str) -> Result<usize, CommandError> {
    let mut keys = 0;
    let mut level = vec![top.to_owned()];
    for _ in 0..=limits::LISTED_DEPTH {
        let paths: Vec<&str> = level.iter().map(String::as_str).collect();
        keys += client.existing(&paths)?;
        let mut below = Vec::new();
        client.names_of(&paths, &mut |index, names| {
            // An empty name would lead back to this path.
            let names = names.iter().filter(|name| !name.is_empty());
            below.extend(names.map(|name| format!("{}/{name}", paths[index])));
        })?;
        if below.is_empty() {
            break;
        }
        level = below;
    }
    Ok(keys)
}
