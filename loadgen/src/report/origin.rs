//! Where a report comes from: when, by which command and version, on what machine. Without it a
//! number can be neither repeated nor compared.

use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;

use crate::units::show_utc;

#[derive(Clone, Debug, Serialize)]
pub struct Origin {
    /// When the report was made, in UTC: `2026-01-31 13:05:09`.
    pub made_at: String,
    /// The command line, word by word.
    pub command: Vec<String>,
    pub version: &'static str,
    /// The generator's own machine.
    pub kernel: String,
    pub cpu: String,
    /// Of the machine; the process may use fewer.
    pub cores: usize,
}

impl Origin {
    pub fn of_this_process() -> Origin {
        let name = rustix::system::uname();
        let [system, release, machine] = [name.sysname(), name.release(), name.machine()]
            .map(|part| part.to_string_lossy().into_owned());
        let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let (model, cores) = read_cpus(&cpus);
        Origin {
            made_at: show_instant(SystemTime::now()),
            command: std::env::args_os()
                .map(|word| word.to_string_lossy().into_owned())
                .collect(),
            version: env!("CARGO_PKG_VERSION"),
            kernel: format!("{system} {release}"),
            // ARM's kernel tells part numbers only.
            cpu: model.unwrap_or(machine),
            cores,
        }
    }

    /// The command line as a shell takes it.
    pub fn shell_command(&self) -> String {
        let words: Vec<String> = self.command.iter().map(|word| quote(word)).collect();
        words.join(" ")
    }
}

fn read_cpus(text: &str) -> (Option<String>, usize) {
    let values = |key| {
        let lines = text.lines().filter_map(|line| line.split_once(':'));
        lines.filter(move |(name, _)| name.trim() == key)
    };
    let model = values("model name").next();
    let model = model.map(|(_, model)| model.trim().to_owned());
    (model, values("processor").count())
}

fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@%+".contains(c);
    match !word.is_empty() && word.chars().all(plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

fn show_instant(instant: SystemTime) -> String {
    // A clock before 1970 is a wrong clock.
    let since = instant.duration_since(UNIX_EPOCH).unwrap_or_default();
    let date = show_utc(since.as_secs().cast_signed()).unwrap_or_default();
    date.trim_end_matches('Z').replace('T', " ")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn dates_have_no_letters() {
        let instant = UNIX_EPOCH + Duration::from_secs(1_767_225_599);
        assert_eq!(show_instant(instant), "2025-12-31 23:59:59");
    }

    #[test]
    fn words_are_quoted_as_a_shell_needs_it() {
        let words = ["loadgen", "--expect", "errors=0,pulse.max<1s", "", "it's"];
        let origin = Origin {
            command: words.map(str::to_owned).to_vec(),
            ..Origin::of_this_process()
        };
        let shown = r"loadgen --expect 'errors=0,pulse.max<1s' '' 'it'\''s'";
        assert_eq!(origin.shell_command(), shown);
    }

    #[test]
    fn reads_the_processors() {
        let text = "processor\t: 0\nmodel name\t: Fast CPU: 3 GHz\n\nprocessor\t: 1\nmodel name\t: Fast CPU: 3 GHz\n";
        assert_eq!(read_cpus(text), (Some("Fast CPU: 3 GHz".to_owned()), 2));
        assert_eq!(read_cpus(""), (None, 0));
    }
}
