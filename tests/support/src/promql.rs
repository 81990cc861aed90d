//! What a query of Prometheus is about: the metrics in it, and the labels by which it chooses and
//! groups. No more of the language than our own queries use; what it does not know fails the test.

use std::collections::BTreeSet;

#[derive(Debug, Default, PartialEq, Eq)]
pub struct Query {
    pub selectors: Vec<Selector>,
    /// Labels in by(...) and on(...).
    pub grouping: BTreeSet<String>,
}

#[derive(Debug, Default, PartialEq, Eq)]
pub struct Selector {
    pub metric: String,
    /// Label, operator, value.
    pub matchers: Vec<(String, String, String)>,
}

impl Query {
    pub fn parse(text: &str) -> Query {
        let tokens = tokens(text);
        let mut query = Query::default();
        let mut at = 0;
        while at < tokens.len() {
            let token = tokens[at].as_str();
            let next = tokens.get(at + 1).map(String::as_str);
            at += 1;
            match (token, next) {
                ("by" | "on", Some("(")) => {
                    while tokens[at] != ")" {
                        if is_name(&tokens[at]) {
                            query.grouping.insert(tokens[at].clone());
                        }
                        at += 1;
                    }
                }
                ("and" | "or" | "unless" | "bool", _) => {}
                (name, Some("(" | "by")) if is_name(name) => {}
                (name, _) if is_name(name) => {
                    let mut selector = Selector {
                        metric: name.to_owned(),
                        ..Selector::default()
                    };
                    if next == Some("{") {
                        while tokens[at] != "}" {
                            at += 1; // past '{' or ','
                            let [label, operator, value] = &tokens[at..at + 3] else {
                                panic!("half a matcher in {text}")
                            };
                            let value = value.trim_matches('"').to_owned();
                            selector
                                .matchers
                                .push((label.clone(), operator.clone(), value));
                            at += 3;
                        }
                    }
                    query.selectors.push(selector);
                }
                _ => {}
            }
        }
        query
    }
}

fn is_name(token: &str) -> bool {
    token.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
}

fn tokens(text: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '"' => 2 + rest[1..].find('"').expect("a string ends"),
            '[' => 1 + rest.find(']').expect("a range ends"),
            '=' | '!' | '<' | '>' => {
                let two = rest[1..].starts_with(['=', '~']);
                if two { 2 } else { 1 }
            }
            _ => {
                let part = |letter: char| letter.is_ascii_alphanumeric() || "_:.".contains(letter);
                rest.find(|letter| !part(letter))
                    .unwrap_or(rest.len())
                    .max(first.len_utf8())
            }
        };
        // A range holds no name.
        if first != '[' {
            tokens.push(rest[..length].to_owned());
        }
        rest = rest[length..].trim_start();
    }
    tokens
}
