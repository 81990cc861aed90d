//! JAAS files mean the same to us and to Java: the table states what each of its files means, and Java's
//! own reader agrees, about these and about thousands of random ones.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use storm_pacemaker::auth::jaas::{self, Properties};
use support::Random;
use support::jaas::{CASES, Meaning, PROPERTIES};

/// What a reader makes of a file: the values that are asked for, or why it refuses the file.
type Answer = Result<Vec<Option<String>>, String>;

/// A file and the options that are asked for, each with its section.
struct Question {
    text: String,
    options: Vec<(String, String)>,
}

impl Question {
    fn new(text: &str, options: &[(&str, &str)]) -> Question {
        let owned = |(section, option): &(&str, &str)| (section.to_string(), option.to_string());
        Question {
            text: text.to_owned(),
            options: options.iter().map(owned).collect(),
        }
    }

    fn ours(&self) -> Answer {
        let owned = |(name, value): &(&str, &str)| (name.to_string(), value.to_string());
        let properties: Properties = PROPERTIES.iter().map(owned).collect();
        let file = jaas::parse("jaas.conf", &self.text, &properties)
            .map_err(|problem| problem.to_string())?;
        let value = |(section, option): &(String, String)| {
            Some(file.value(section, option)?.reveal().to_owned())
        };
        Ok(self.options.iter().map(value).collect())
    }
}

fn table() -> Vec<Question> {
    let question = |meaning: &Meaning, text| match meaning {
        Meaning::Options(options) => {
            let asked: Vec<_> = options.iter().map(|(s, o, _)| (*s, *o)).collect();
            Question::new(text, &asked)
        }
        Meaning::OursAlone(option, _) => Question::new(text, &[("S", option)]),
        Meaning::Refused | Meaning::Nameless => Question::new(text, &[]),
    };
    CASES
        .iter()
        .map(|case| question(&case.meaning, case.text))
        .collect()
}

fn values(options: &[(&str, &str, Option<&str>)]) -> Vec<Option<String>> {
    let value = |(_, _, value): &(_, _, Option<&str>)| value.map(str::to_owned);
    options.iter().map(value).collect()
}

#[test]
fn files_mean_what_is_stated() {
    for (case, question) in CASES.iter().zip(table()) {
        let answer = question.ours();
        match &case.meaning {
            Meaning::Options(options) => assert_eq!(answer, Ok(values(options)), "{}", case.text),
            Meaning::OursAlone(_, value) => {
                assert_eq!(answer, Ok(vec![Some((*value).to_owned())]), "{}", case.text);
            }
            Meaning::Refused | Meaning::Nameless => {
                let problem = answer.expect_err(case.text);
                assert!(problem.starts_with("jaas.conf:"), "{problem}");
            }
        }
    }
}

// ── Java's ───────────────────────────────────────────────────────────────────────────────────────

#[test]
#[ignore = "needs a JDK: tools/setup test"]
fn javas_reader_agrees() {
    let stated = table();
    for (case, theirs) in CASES.iter().zip(ask_java(&stated)) {
        match &case.meaning {
            Meaning::Options(options) => assert_eq!(theirs, Ok(values(options)), "{}", case.text),
            Meaning::Refused => assert!(theirs.is_err(), "Java takes {:?}", case.text),
            Meaning::OursAlone(..) => {
                assert!(is_moduleless(&theirs), "{:?}: {theirs:?}", case.text)
            }
            Meaning::Nameless => assert!(theirs.is_ok(), "{:?}: {theirs:?}", case.text),
        }
    }

    let seed = seed();
    let mut random = Random(seed);
    let any: Vec<Question> = (0..RANDOM_FILES).map(|_| any_file(&mut random)).collect();
    let (mut taken, mut refused) = (0, 0);
    for (question, theirs) in any.iter().zip(ask_java(&any)) {
        let ours = question.ours();
        let same = match (&ours, &theirs) {
            (Ok(ours), Ok(theirs)) => ours == theirs,
            (Err(_), Err(_)) => true,
            (Ok(_), Err(_)) => is_moduleless(&theirs),
            (Err(problem), Ok(_)) => problem.contains("expected the name of a section"),
        };
        assert!(
            same,
            "seed {seed}: {:?}\n ours: {ours:?}\ntheirs: {theirs:?}",
            question.text
        );
        match theirs {
            Ok(_) => taken += 1,
            Err(_) => refused += 1,
        }
    }
    assert!(
        taken > RANDOM_FILES / 10 && refused > RANDOM_FILES / 10,
        "{taken} {refused}"
    );
}

const RANDOM_FILES: usize = 20_000;

/// `JAAS_SEED` repeats a run.
fn seed() -> u64 {
    let given = std::env::var("JAAS_SEED").ok();
    given.map_or(20_261_125, |text| {
        text.parse().expect("JAAS_SEED is a number")
    })
}

/// A good file into which a few pieces are put, or from which a few characters are taken.
fn any_file(random: &mut Random) -> Question {
    const GOOD: [&str; 6] = [
        "S { m required v=a w=\"b c\"; };\n",
        "S { m required v=\"a\\\"b\" /* x */ w=b; n optional v=c; }; T { };",
        "\"S\" {\n  m.n required // x\n  v=\"${cluster}\"\n  w=\"/etc/x\";\n};\n",
        "S {\r\n  m required\r\n  v=\"\\101\\n\"\r\n  w=b-1;\r\n};\r\n",
        "S { }; T { m sufficient v=a; };",
        "T { m required v=\"${{a}}\" v=b; };",
    ];
    const PIECES: [&str; 34] = [
        "\"",
        "'",
        "/",
        "//",
        "/*",
        "*/",
        "*",
        "\n",
        "\r",
        "\r\n",
        " ",
        ";",
        "{",
        "}",
        "=",
        ",",
        "#",
        "\\",
        "\\1",
        "\\7",
        "$",
        "${",
        "${cluster}",
        "-",
        ".",
        "0",
        "8",
        "a",
        "v=a",
        "\u{e4}",
        "\u{85}",
        "m required",
        "};",
        "S {",
    ];
    let mut text: Vec<char> = GOOD[random.below(GOOD.len())].chars().collect();
    for _ in 0..random.below(4) {
        let at = random.below(text.len() + 1);
        let taken = random.below(3).min(text.len() - at);
        let piece = PIECES[random.below(PIECES.len())];
        text.splice(at..at + taken, piece.chars());
    }
    let text: String = text.into_iter().collect();
    let options = [("S", "v"), ("S", "w"), ("T", "v"), ("S", "a")];
    Question::new(&text, &options)
}

/// Java gives no more of it away than this: where a flag must be, there is a symbol, and of all symbols
/// we take the equals sign alone.
fn is_moduleless(theirs: &Answer) -> bool {
    matches!(theirs, Err(reason) if reason.ends_with("expected [controlFlag]"))
}

fn ask_java(questions: &[Question]) -> Vec<Answer> {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/storm/jaas/ReadJaas.java");
    let mut child = Command::new("java")
        .args(
            PROPERTIES
                .iter()
                .map(|(name, value)| format!("-D{name}={value}")),
        )
        .arg(program)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("java starts: `tools/setup test` installs a JDK");
    let mut asked = String::new();
    for question in questions {
        asked += &encoded(&question.text);
        for (section, option) in &question.options {
            asked += &format!(" {} {}", encoded(section), encoded(option));
        }
        asked += "\n";
    }
    let mut input = child.stdin.take().expect("piped");
    let writer = thread::spawn(move || input.write_all(asked.as_bytes()));
    let output = child.wait_with_output().expect("its answers");
    writer.join().expect("no panic").expect("it reads");
    assert!(output.status.success(), "{}", output.status);
    let answers = String::from_utf8(output.stdout).expect("base64");
    let answers: Vec<Answer> = answers.lines().map(answer).collect();
    assert_eq!(answers.len(), questions.len());
    answers
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

fn encoded(text: &str) -> String {
    format!("={}", STANDARD.encode(text))
}

fn decoded(word: &str) -> String {
    let bytes = STANDARD.decode(&word[1..]).expect("base64");
    String::from_utf8(bytes).expect("UTF-8")
}
