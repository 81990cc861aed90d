//! `storm-pacemaker check-config` as an operator runs it: what it prints, and its exit code.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

use super::says::{assert_lines_say, assert_says};

pub fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(super::daemon::binary());
    command
        .args(arguments)
        .env_remove("STORM_CONF_DIR")
        .env_remove("STORM_HOME")
        .env_remove("JAVA_OPTS");
    command
}

pub fn check(arguments: &[&str]) -> Run {
    Run::of(command(&[&["check-config"], arguments].concat()))
}

pub struct Run {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Run {
    pub fn of(mut command: Command) -> Run {
        let Output {
            status,
            stdout,
            stderr,
        } = command.output().expect("the binary runs");
        let text = |bytes| String::from_utf8(bytes).expect("the output is UTF-8");
        Run {
            code: status.code(),
            stdout: text(stdout),
            stderr: text(stderr),
        }
    }

    #[track_caller]
    pub fn succeeds(&self) {
        assert_eq!(
            (self.code, self.stderr.as_str()),
            (Some(0), ""),
            "{}",
            self.stdout
        );
    }

    #[track_caller]
    pub fn fails(&self) {
        assert_eq!(
            (self.code, self.stdout.as_str()),
            (Some(2), ""),
            "{}",
            self.stderr
        );
    }

    /// It fails with these errors and no others, each with its place and these facts.
    #[track_caller]
    pub fn fails_with(&self, errors: &[(&str, &[&str])]) {
        self.fails();
        let (heading, rest) = self.stderr.split_once('\n').expect("a heading");
        assert_says(heading, "storm-pacemaker", &["configuration"]);
        assert_lines_say(rest, errors);
    }

    /// Value and source of a key in the table.
    pub fn setting(&self, key: &str) -> (String, String) {
        let line = self
            .stdout
            .lines()
            .find(|line| line.split(' ').next() == Some(key))
            .unwrap_or_else(|| panic!("{key} is not in\n{}{}", self.stdout, self.stderr));
        let (value, source) = line[key.len()..].trim_start().split_once("  ").unwrap();
        (value.to_owned(), source.trim_start().to_owned())
    }
}

/// Files that live as long as one test.
pub struct Files(TempDir);

impl Default for Files {
    fn default() -> Files {
        Files::new()
    }
}

impl Files {
    pub fn new() -> Files {
        Files(tempfile::tempdir().expect("a temporary directory"))
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }
}

pub fn text(path: &Path) -> &str {
    path.to_str().expect("a temporary path is UTF-8")
}
