//! JAAS files mean the same to us and to Java: the table states what each of its files means, and Java's
//! own reader agrees, about these and about thousands of random ones.

use std::iter;

use storm_pacemaker::auth::jaas::{self, Properties};
use support::Random;
use support::jaas::{CASES, Meaning, PROPERTIES};
use support::java_reader::{self, Answer};

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

    /// As the Java program takes it.
    fn words(&self) -> impl Iterator<Item = &str> {
        let options = self.options.iter();
        let options = options.flat_map(|(section, option)| [section.as_str(), option]);
        iter::once(self.text.as_str()).chain(options)
    }

    /// The values that are asked for, or why we refuse the file.
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
    let property = |(name, value): &(&str, &str)| format!("-D{name}={value}");
    let options: Vec<_> = PROPERTIES.iter().map(property).collect();
    let questions = questions.iter().map(Question::words);
    java_reader::ask("jaas/ReadJaas.java", &options, questions)
}
