//! Checks what a message says, not how: where something is wrong, then the facts, such as names, values, ranges and
//! what to do.

/// Fails unless the message begins with this place, which may be empty, and then names all of these facts.
#[track_caller]
pub fn assert_says(message: &str, place: &str, facts: &[&str]) {
    let start = if place.is_empty() {
        String::new()
    } else {
        format!("{place}: ")
    };
    let rest = message.strip_prefix(&start);
    let rest = rest.unwrap_or_else(|| panic!("{message:?} is not about {place:?}"));
    for fact in facts {
        assert!(names(rest, fact), "{fact:?} is not in {rest:?}");
    }
}

/// The same for each line of a text: there are no other lines.
#[track_caller]
pub fn assert_lines_say(text: &str, expected: &[(&str, &[&str])]) {
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), expected.len(), "lines of {text}");
    for (line, (place, facts)) in lines.into_iter().zip(expected) {
        assert_says(line, place, facts);
    }
}

/// Fails unless one line of a text, such as a log, names all of these facts.
#[track_caller]
pub fn assert_a_line_says(text: &str, facts: &[&str]) {
    let is_one = |line: &str| facts.iter().all(|fact| names(line, fact));
    assert!(text.lines().any(is_one), "no line with {facts:?} in {text}");
}

/// Whether a text has this as whole words: 7 is not in 70, and `limits.output` is not in `limits.output_deadline`.
pub fn names(text: &str, fact: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    let goes_on = |inside: Option<char>, outside: Option<char>| {
        inside.is_some_and(is_part) && outside.is_some_and(is_part)
    };
    text.match_indices(fact).any(|(at, _)| {
        let (before, after) = (&text[..at], &text[at + fact.len()..]);
        !goes_on(fact.chars().next(), before.chars().next_back())
            && !goes_on(fact.chars().next_back(), after.chars().next())
    })
}
