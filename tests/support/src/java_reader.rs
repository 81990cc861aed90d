//! Java's readers of files, to hold ours against: programs of one source file in `tests/storm` that say what
//! they make of one file after another.

use std::io::Write;
use std::process::{Command, Stdio};
use std::thread;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// What a reader says of a file: some words, of which a missing one is `-`, or why it refuses the file.
pub type Answer = Result<Vec<Option<String>>, String>;

/// Runs a program as it stands, with these options of `java`, and asks it one question a line.
///
/// The words of a question and of an answer are in base64 with `=` before it, and spaces between them. An
/// answer begins with `accept` or `reject`. What is not UTF-8 in it is U+FFFD here.
pub fn ask(
    program: &str,
    options: &[String],
    questions: impl IntoIterator<Item = impl IntoIterator<Item = impl AsRef<[u8]>>>,
) -> Vec<Answer> {
    let asked: Vec<String> = questions.into_iter().map(line).collect();
    let mut child = Command::new("java")
        .args(options)
        .arg(super::repository().join("tests/storm").join(program))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("java starts: `tools/setup test` installs a JDK");
    let mut input = child.stdin.take().expect("piped");
    let count = asked.len();
    let writer = thread::spawn(move || input.write_all(asked.concat().as_bytes()));
    let output = child.wait_with_output().expect("its answers");
    writer.join().expect("no panic").expect("it reads");
    assert!(output.status.success(), "{}", output.status);
    let answers = String::from_utf8(output.stdout).expect("base64");
    let answers: Vec<Answer> = answers.lines().map(answer).collect();
    assert_eq!(answers.len(), count);
    answers
}

fn line(words: impl IntoIterator<Item = impl AsRef<[u8]>>) -> String {
    let words = words.into_iter();
    let encoded: Vec<_> = words
        .map(|word| format!("={}", STANDARD.encode(word)))
        .collect();
    encoded.join(" ") + "\n"
}

fn answer(line: &str) -> Answer {
    let mut words = line.split(' ');
    match words.next() {
        Some("accept") => Ok(words
            .map(|word| (word != "-").then(|| decoded(word)))
            .collect()),
        Some("reject") => Err(decoded(words.next().expect("a reason"))),
        _ => panic!("{line}"),
    }
}

fn decoded(word: &str) -> String {
    let bytes = STANDARD.decode(&word[1..]).expect("base64");
    String::from_utf8_lossy(&bytes).into_owned()
}
