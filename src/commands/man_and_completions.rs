//! `completions` and `man`: both are made from the definition of the command line.

use std::io::{self, Write};

use clap::Args;
use clap_complete::{Shell, generate};
use clap_mangen::Man as Page;

use super::error::CommandError;

/// Print the completions for a shell
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  storm-pacemaker completions bash > /usr/share/bash-completion/completions/storm-pacemaker
  storm-pacemaker completions zsh > /usr/local/share/zsh/site-functions/_storm-pacemaker
  storm-pacemaker completions fish > ~/.config/fish/completions/storm-pacemaker.fish")]
pub struct Completions {
    shell: Shell,
}

/// Print the manual page of the program or of one command
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  storm-pacemaker man | man -l -
  storm-pacemaker man top > /usr/local/share/man/man1/storm-pacemaker-top.1")]
pub struct Man {
    command: Option<String>,
}

impl Completions {
    pub fn run(self, mut definition: clap::Command) -> Result<(), CommandError> {
        let mut text = Vec::new();
        let name = definition.get_name().to_owned();
        generate(self.shell, &mut definition, name, &mut text);
        Ok(io::stdout().write_all(&text)?)
    }
}

impl Man {
    pub fn run(self, mut definition: clap::Command) -> Result<(), CommandError> {
        // Adds the global options to each command.
        definition.build();
        let page = match &self.command {
            None => Page::new(definition),
            Some(name) => match definition.find_subcommand(name) {
                Some(command) => {
                    Page::new(command.clone()).title(format!("{}-{name}", definition.get_name()))
                }
                None => {
                    return Err(CommandError::Usage(format!(
                        "{name:?} is not a command; `storm-pacemaker help` lists them"
                    )));
                }
            },
        };
        let mut text = Vec::new();
        page.render(&mut text)?;
        Ok(io::stdout().write_all(&text)?)
    }
}
