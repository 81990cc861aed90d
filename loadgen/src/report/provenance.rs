//! How a report was made: when, by which command and version, on which machine. Without this its numbers
//! can be neither repeated nor compared.

use std::fs;

use serde::Serialize;
use time::OffsetDateTime;
use time::macros::format_description;

#[derive(Clone, Debug, Serialize)]
pub struct Provenance {
    /// In UTC: `2026-01-31 13:05:09`.
    pub made_at: String,
    /// The words of the command line.
    pub command: Vec<String>,
    pub version: &'static str,
    /// The generator's machine.
    pub kernel: String,
    pub cpu: String,
    /// Cores of the machine. The process may be restricted to fewer.
    pub cores: usize,
}

impl Provenance {
    pub fn of_this_process() -> Provenance {
        let name = rustix::system::uname();
        let [system, release, machine] = [name.sysname(), name.release(), name.machine()]
            .map(|part| part.to_string_lossy().into_owned());
        let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let (model, cores) = read_cpus(&cpus);
        Provenance {
            made_at: now_utc(),
            command: std::env::args_os()
                .map(|word| word.to_string_lossy().into_owned())
                .collect(),
            version: env!("CARGO_PKG_VERSION"),
            kernel: format!("{system} {release}"),
            // On ARM the kernel gives part numbers only.
            cpu: model.unwrap_or(machine),
            cores,
        }
    }

    /// The command line, quoted for a shell.
    pub fn shell_command(&self) -> String {
        let words: Vec<String> = self.command.iter().map(|word| quote(word)).collect();
        words.join(" ")
    }
}

fn now_utc() -> String {
    let format = format_description!("[year]-[month]-[day] [hour]:[minute]:[second]");
    let now = OffsetDateTime::now_utc().format(format);
    now.expect("a date has all parts of the format")
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
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_for_a_shell() {
        let words = ["loadgen", "--expect", "errors=0,pulse.max<1s", "", "it's"];
        let provenance = Provenance {
            command: words.map(str::to_owned).to_vec(),
            ..Provenance::of_this_process()
        };
        let shown = r"loadgen --expect 'errors=0,pulse.max<1s' '' 'it'\''s'";
        assert_eq!(provenance.shell_command(), shown);
    }

    #[test]
    fn reads_the_processors() {
        let text = "processor\t: 0\nmodel name\t: Fast CPU: 3 GHz\n\nprocessor\t: 1\nmodel name\t: Fast CPU: 3 GHz\n";
        assert_eq!(read_cpus(text), (Some("Fast CPU: 3 GHz".to_owned()), 2));
        assert_eq!(read_cpus(""), (None, 0));
    }
}
