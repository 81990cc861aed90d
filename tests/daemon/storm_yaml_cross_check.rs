//! storm.yaml means the same to us and to SnakeYAML, Storm's reader: whatever file Storm reads, we read, and
//! our keys have the same values. The files are random; `STORM_YAML_SEED` repeats a run, and
//! `STORM_YAML_FILES` makes it longer.

use std::collections::BTreeMap;

use storm_pacemaker::config;
use support::storm_yaml::{OURS, any_file};
use support::{Random, java_reader};

/// Takes about as long as Java's start.
const FILES: usize = 5000;
const SEED: u64 = 20_261_128;

/// The top level's keys and their values, or why the file is refused.
type Answer = Result<BTreeMap<String, String>, String>;

#[test]
#[ignore = "needs a JDK: tools/setup test"]
fn storms_own_reader_agrees() {
    let seed = number("STORM_YAML_SEED").unwrap_or(SEED);
    let count = number("STORM_YAML_FILES").map_or(FILES, |files| files as usize);
    println!("STORM_YAML_SEED={seed} STORM_YAML_FILES={count}");
    let mut random = Random(seed);
    let files: Vec<Vec<u8>> = (0..count).map(|_| any_file(&mut random)).collect();
    let (mut taken, mut left_out) = (0, 0);
    for (file, theirs) in files.iter().zip(ask_storm(&files)) {
        match judge(file, &theirs) {
            Verdict::Refused => {}
            Verdict::Same => taken += 1,
            Verdict::SameButLeftOut => {
                taken += 1;
                left_out += 1;
            }
            Verdict::Differs(why) => {
                let (file, why) = shortest(file, why);
                panic!("seed {seed}: {why}\nin this file: {}", file.escape_ascii());
            }
        }
    }
    println!("Storm takes {taken} of {count} files; of {left_out} we leave out a part");
    assert!(taken > count / 3 && taken < count - count / 20, "{taken}");
    assert!(left_out < count / 50, "{left_out}");
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{variable} is a number")),
    )
}

enum Verdict {
    /// Storm refuses it, so it cannot be in use.
    Refused,
    Same,
    /// The same, but for keys of other daemons.
    SameButLeftOut,
    Differs(String),
}

fn judge(file: &[u8], theirs: &Answer) -> Verdict {
    let ours = config::describe_storm_yaml(file);
    let Ok(theirs) = theirs else {
        return Verdict::Refused;
    };
    let ours = match ours {
        Ok(ours) => ours,
        Err(error) => return Verdict::Differs(format!("we refuse it: {error}")),
    };
    let left_out = &ours.left_out;
    let ours: BTreeMap<String, String> = ours.entries.into_iter().collect();
    for name in OURS {
        let (ours, theirs) = (ours.get(name), theirs.get(name));
        if ours.map(|ours| known(ours)) != theirs.map(|theirs| known(theirs)) {
            return Verdict::Differs(format!("{name}: ours {ours:?}, theirs {theirs:?}"));
        }
    }
    for (name, value) in theirs {
        let (ours, value) = (ours.get(name), known(value));
        if ours.map(|ours| known(ours)) != Some(value) && left_out.is_empty() {
            return Verdict::Differs(format!("{name}: ours {ours:?}, theirs {value:?}"));
        }
    }
    if left_out.is_empty() {
        Verdict::Same
    } else {
        Verdict::SameButLeftOut
    }
}

/// A value, but for how many characters stand for what is not UTF-8: no setting takes those.
fn known(value: &str) -> &str {
    if value.contains(char::REPLACEMENT_CHARACTER) {
        "not UTF-8"
    } else {
        value
    }
}

/// The file without the lines that the difference does not need.
fn shortest(file: &[u8], why: String) -> (Vec<u8>, String) {
    let (mut file, mut why) = (file.to_vec(), why);
    loop {
        let lines: Vec<&[u8]> = file.split_inclusive(|byte| *byte == b'\n').collect();
        let without = |skipped: usize| {
            let lines = lines
                .iter()
                .enumerate()
                .filter(|(line, _)| *line != skipped);
            lines.flat_map(|(_, line)| line.to_vec()).collect()
        };
        let shorter: Vec<Vec<u8>> = (0..lines.len()).map(without).collect();
        let answers = ask_storm(&shorter);
        let found = shorter.into_iter().zip(answers).find_map(|(file, theirs)| {
            match judge(&file, &theirs) {
                Verdict::Differs(why) => Some((file, why)),
                _ => None,
            }
        });
        match found {
            Some((shorter, reason)) => (file, why) = (shorter, reason),
            None => return (file, why),
        }
    }
}

fn ask_storm(files: &[Vec<u8>]) -> Vec<Answer> {
    let options = ["-cp".to_owned(), support::storm::class_path("2.8.3")];
    let questions = files.iter().map(|file| [file]);
    let answers = java_reader::ask("yaml/ReadStormYaml.java", &options, questions);
    answers
        .into_iter()
        .map(|answer| Ok(entries(answer?)))
        .collect()
}

fn entries(words: Vec<Option<String>>) -> BTreeMap<String, String> {
    let mut words = words.into_iter().flatten();
    let mut entries = BTreeMap::new();
    while let (Some(name), Some(value)) = (words.next(), words.next()) {
        entries.insert(name, value);
    }
    entries
}
