//! The command line. Reads arguments and a few environment variables, and leaves values to `config`.
//!
//! Exit codes: 0 done; 1 the daemon could not start or failed while it ran, or a command failed; 2 the
//! command line or the configuration is wrong.

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory, Parser, Subcommand};

use crate::auth::{Authenticator, HAS_KERBEROS};
use crate::commands;
use crate::config::{self, ConfigErrors, Cores, Loaded, MemoryLimit, Note, Setting, Sources, keys};
use crate::server;

const FAILED: u8 = 1;
const WRONG_USAGE: u8 = 2;

/// What `--version` prints after the name: builds differ in their login methods.
const LONG_VERSION: &str = if HAS_KERBEROS {
    concat!(
        env!("CARGO_PKG_VERSION"),
        "\nlogin methods: NONE, DIGEST, KERBEROS"
    )
} else {
    concat!(env!("CARGO_PKG_VERSION"), "\nlogin methods: NONE, DIGEST")
};

/// The heartbeat daemon for Apache Storm clusters: a drop-in replacement for Storm's Pacemaker.
#[derive(Debug, Parser)]
#[command(name = "storm-pacemaker", version, long_version = LONG_VERSION, about)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    options: Options,
}

#[derive(Clone, Debug, Default, Subcommand)]
enum Command {
    /// Run the daemon in the foreground (the default)
    #[default]
    #[command(visible_alias = "pacemaker")]
    Serve,
    /// Print the effective configuration and the source of each value; exit 2 if it is wrong or its
    /// credentials cannot be used here
    CheckConfig,
    #[command(flatten)]
    AtATerminal(commands::Command),
}

#[derive(Args, Debug)]
#[command(next_help_heading = "Configuration")]
struct Options {
    /// IP address to listen on, IPv4 or IPv6 [default: ::, all addresses of both families]
    #[arg(long, value_name = "ADDR", global = true)]
    bind: Option<String>,

    /// TCP port; 0 takes a free port and prints it [default: 6699]
    #[arg(long, value_name = "N", global = true, allow_hyphen_values = true)]
    port: Option<String>,

    /// Number of shards, one thread each: 1 to 256, or auto [default: auto, one per usable core]
    #[arg(long, value_name = "N", global = true, allow_hyphen_values = true)]
    shards: Option<String>,

    /// Address of the metrics, health and status page; "" turns it off [default: 127.0.0.1:6698]
    #[arg(long, value_name = "ADDR:PORT", global = true)]
    admin: Option<String>,

    /// TOML file that overrides the built-in defaults; or, if its name ends with .yaml, a storm.yaml, as
    /// `storm --config` takes it
    #[arg(long, value_name = "FILE", global = true)]
    config: Vec<PathBuf>,

    /// storm.yaml, which overrides the TOML file [default: $STORM_CONF_DIR/storm.yaml, else $STORM_HOME/conf/storm.yaml]
    #[arg(long, value_name = "FILE", global = true)]
    storm_conf: Option<PathBuf>,

    /// JAAS file with the DIGEST and KERBEROS credentials of the daemon or of a command
    #[arg(long, value_name = "FILE", global = true)]
    login_config: Option<String>,

    /// One setting, by its TOML or Storm name, that overrides the files; repeatable, the last wins
    #[arg(short = 'c', value_name = "KEY=VALUE", global = true)]
    overrides: Vec<String>,

    /// A Java system property: java.security.auth.login.config, java.security.krb5.conf,
    /// storm.conf.file, storm.options, or any ${NAME} in the JAAS file
    #[arg(short = 'D', value_name = "NAME=VALUE", global = true)]
    definitions: Vec<String>,
}

/// Runs the command that the process's arguments ask for.
pub fn run() -> ExitCode {
    let cli = match Cli::try_parse_from(command_first(std::env::args_os().collect())) {
        Ok(cli) => cli,
        Err(answer) => {
            // Also --help and --version. If it cannot be printed, neither can an error.
            let _ = answer.print();
            return ExitCode::from(if answer.use_stderr() { WRONG_USAGE } else { 0 });
        }
    };
    let sources = cli.options.sources();
    match cli.command.unwrap_or_default() {
        Command::Serve => serve(&sources),
        Command::CheckConfig => match load(&sources) {
            Ok(loaded) => check_config(loaded),
            Err(code) => code,
        },
        Command::AtATerminal(command) => commands::run(command, sources, Cli::command),
    }
}

/// Moves the options that stand before the command behind it. Both places are allowed, but clap ignores an
/// option before the command if the same option stands behind it, and every `-c` and `-D` must count.
fn command_first(mut arguments: Vec<OsString>) -> Vec<OsString> {
    let mut index = 1;
    while let Some(argument) = arguments.get(index) {
        let text = argument.as_encoded_bytes();
        index += match text {
            b"--" => return arguments,
            // A value stands in the same word, or there is none.
            b"--help" | b"--version" | b"-h" | b"-V" => 1,
            _ if text.starts_with(b"--") => 1 + usize::from(!text.contains(&b'=')),
            b"-c" | b"-D" | b"-s" => 2,
            _ if text.starts_with(b"-") && text.len() > 1 => 1,
            _ => {
                arguments[1..=index].rotate_right(1);
                return arguments;
            }
        };
    }
    arguments
}

fn load(sources: &Sources) -> Result<Loaded, ExitCode> {
    let loaded = config::load(sources).map_err(|errors| wrong_configuration(&errors))?;
    #[cfg(feature = "kerberos")]
    if let Some(path) = &loaded.config.kerberos.krb5_conf {
        crate::auth::kerberos::use_krb5_conf(path);
    }
    Ok(loaded)
}

fn serve(sources: &Sources) -> ExitCode {
    // First, so that a signal during the start is not lost.
    let outcome = server::signals().map(|signals| {
        let loaded = load(sources)?;
        server::serve(loaded, sources, signals).map_err(|error| {
            eprintln!("storm-pacemaker: {error}");
            ExitCode::from(FAILED)
        })
    });
    match outcome {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(code)) => code,
        Err(error) => {
            eprintln!("storm-pacemaker: waiting for signals: {error}");
            ExitCode::from(FAILED)
        }
    }
}

fn check_config(mut loaded: Loaded) -> ExitCode {
    let plane = match server::data_plane(&loaded.config) {
        Ok(notes) => notes,
        Err(error) => vec![Note::warning(format!(
            "the daemon would not start here: {error}"
        ))],
    };
    loaded.notes.extend(plane);
    let mut output = io::BufWriter::new(io::stdout().lock());
    let written = config::write_report(&loaded, &mut output).and_then(|()| output.flush());
    match written {
        // A reader such as `head` has seen enough: not a failure.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            eprintln!("storm-pacemaker: cannot write to standard output: {error}");
            ExitCode::from(FAILED)
        }
        _ => match Authenticator::new(&loaded.config.auth.credentials) {
            Ok(_) => ExitCode::SUCCESS,
            Err(why) => {
                eprintln!("storm-pacemaker: logins cannot work: {why}");
                ExitCode::from(WRONG_USAGE)
            }
        },
    }
}

fn wrong_configuration(errors: &ConfigErrors) -> ExitCode {
    eprintln!("storm-pacemaker: the configuration is wrong:");
    eprintln!("{errors}");
    ExitCode::from(WRONG_USAGE)
}

impl Options {
    /// Values stay text, so that `config` reports all errors at once and in the same words.
    fn sources(self) -> Sources {
        let flags: [(_, &Setting, _); 5] = [
            ("--bind", &keys::BIND, self.bind),
            ("--port", &keys::PORT, self.port),
            ("--shards", &keys::SHARDS, self.shards),
            ("--admin", &keys::ADMIN_ADDRESS, self.admin),
            ("--login-config", &keys::LOGIN_CONFIG, self.login_config),
        ];
        Sources {
            config: self.config,
            storm_conf: self.storm_conf,
            storm_conf_dir: std::env::var_os("STORM_CONF_DIR").map(PathBuf::from),
            storm_home: std::env::var_os("STORM_HOME").map(PathBuf::from),
            java_opts: variable("JAVA_OPTS"),
            overrides: self.overrides,
            definitions: self.definitions,
            flags: flags
                .into_iter()
                .filter_map(|(flag, key, value)| Some((flag, key, value?)))
                .collect(),
            user_home: variable("HOME"),
            user_name: variable("USER"),
            cores: Cores::of_this_process(),
            memory: MemoryLimit::of_this_process(),
        }
    }
}

fn variable(name: &str) -> Option<String> {
    let value = std::env::var_os(name)?;
    Some(value.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Cli {
        let arguments = line.split(' ').map(OsString::from).collect();
        Cli::try_parse_from(command_first(arguments)).unwrap()
    }

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn options_stand_before_or_after_the_command() {
        for line in [
            "storm-pacemaker --port 1 -c a=1 -c b=2 check-config",
            "storm-pacemaker check-config --port 1 -c a=1 -c b=2",
        ] {
            let cli = parse(line);
            assert!(matches!(cli.command, Some(Command::CheckConfig)));
            assert_eq!(cli.options.port.as_deref(), Some("1"));
            assert_eq!(cli.options.overrides, ["a=1", "b=2"]);
        }
        let cli = parse("storm-pacemaker -ca=1 --config=x.toml serve -c b=2 --config y.yaml -Dc=3");
        assert_eq!(cli.options.overrides, ["a=1", "b=2"]);
        assert_eq!(cli.options.config.len(), 2);
        let cli = parse("storm-pacemaker --config y.yaml -c a=1 pacemaker");
        assert!(matches!(cli.command, Some(Command::Serve)));
        assert_eq!(cli.options.overrides, ["a=1"]);
        assert!(
            Cli::try_parse_from(["storm-pacemaker"])
                .unwrap()
                .command
                .is_none()
        );
    }
}
