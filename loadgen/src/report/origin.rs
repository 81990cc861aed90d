//! Where a report comes from: when, by which command and version, on what machine. Without it a
//! number can be neither repeated nor compared.

use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;

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
    let (days, second) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
    let (year, month, day) = date(days);
    format!(
        "{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02}",
        second / 3600,
        second / 60 % 60,
        second % 60
    )
}

/// The Gregorian date so many days after 1970-01-01. Years begin in March here, so that the leap day
/// is their last (Hinnant, "chrono-compatible low-level date algorithms", `civil_from_days`).
fn date(days: u64) -> (u64, u64, u64) {
    const DAYS_OF_400_YEARS: u64 = 146_097;
    const FROM_MARCH_OF_YEAR_0: u64 = 719_468;
    let days = days + FROM_MARCH_OF_YEAR_0;
    let (era, day) = (days / DAYS_OF_400_YEARS, days % DAYS_OF_400_YEARS);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day_of_month = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + era * 400 + u64::from(month <= 2);
    (year, month, day_of_month)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        // As `date -u -d @SECONDS` gives them.
        for (seconds, shown) in [
            (0, "1970-01-01 00:00:00"),
            (951_782_400, "2000-02-29 00:00:00"),
            (1_767_225_599, "2025-12-31 23:59:59"),
            (4_107_542_400, "2100-03-01 00:00:00"),
        ] {
            let instant = UNIX_EPOCH + Duration::from_secs(seconds);
            assert_eq!(show_instant(instant), shown);
        }
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
