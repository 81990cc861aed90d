//! What can be said of the command line from its definition alone: completions for shells, and manual
//! pages.

use std::io::{self, Write};

use clap::Args;
use clap_complete::{Shell, generate};
use clap_mangen::Man as Page;

use super::trouble::Failure;

/// Print what makes a shell complete our commands and options
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  storm-pacemaker completions bash > /usr/share/bash-completion/completions/storm-pacemaker
  storm-pacemaker completions zsh > /usr/local/share/zsh/site-functions/_storm-pacemaker
  storm-pacemaker completions fish > ~/.config/fish/completions/storm-pacemaker.fish")]
pub struct Completions {
    shell: Shell,
}

/// Print the manual page, of a command if one is named
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  storm-pacemaker man | man -l -
  storm-pacemaker man top > /usr/local/share/man/man1/storm-pacemaker-top.1")]
pub struct Man {
    command: Option<String>,
}

impl Completions {
    pub fn run(self, mut definition: clap::Command) -> Result<(), Failure> {
        let mut text = Vec::new();
        let name = definition.get_name().to_owned();
        generate(self.shell, &mut definition, name, &mut text);
        Ok(io::stdout().write_all(&text)?)
    }
}

impl Man {
    pub fn run(self, mut definition: clap::Command) -> Result<(), Failure> {
        // Gives the commands the options that are everyone's.
        definition.build();
        let page = match &self.command {
            None => Page::new(definition),
            Some(name) => match definition.find_subcommand(name) {
                Some(command) => {
                    Page::new(command.clone()).title(format!("{}-{name}", definition.get_name()))
                }
                None => {
                    return Err(Failure::Usage(format!(
                        "{name:?} is none of the commands; `storm-pacemaker help` lists them"
                    )));
                }
            },
        };
        let mut text = Vec::new();
        page.render(&mut text)?;
        Ok(io::stdout().write_all(&text)?)
    }
}
