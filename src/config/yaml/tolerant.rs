//! Reads around faults. storm.yaml serves every daemon of a cluster, so what is wrong with a key of another
//! daemon must not stop this one. A fault costs the key that it belongs to, and no other: the file is cut
//! into sections, one for each key of the top level, and those that cannot be read are left out.

use super::document::Document;
use super::text::{lines, without_comments};
use super::{Damage, YamlError};

/// Faults beyond which a file is refused as a whole.
const MOST_DAMAGES: usize = 100;
/// Sections that a value may extend over, if its lines look like keys.
const MOST_JOINED: usize = 20;

/// Parses what can be parsed. `first_error` is what is wrong with the whole text.
///
/// # Errors
/// `first_error`, if leaving out sections does not help, or if the text does not begin as a mapping: then it is
/// something else, such as TOML, and all that it says would be left out.
pub(super) fn parse(
    text: &str,
    first_error: YamlError,
) -> Result<(Document, Vec<Damage>), YamlError> {
    let lines = lines(text);
    let starts = sections(&lines);
    let mut kept = String::with_capacity(text.len());
    let mut damages = Vec::new();
    // What comes before the first key: comments and directives.
    let mut section = 0;
    let head = &lines[..starts.first().copied().unwrap_or(0)];
    push(&mut kept, head);
    // A directive may say what tags mean.
    let parse = |part: &[&str]| Document::parse(&[head, part].concat().concat());
    while section < starts.len() {
        if damages.len() == MOST_DAMAGES {
            return Err(first_error);
        }
        let end = |count: usize| starts.get(section + count).copied().unwrap_or(lines.len());
        let start = starts[section];
        let most = MOST_JOINED.min(starts.len() - section);
        let is_readable = |count: &usize| parse(&lines[start..end(*count)]).is_ok();
        if let Some(count) = (1..=most).find(is_readable) {
            push(&mut kept, &lines[start..end(count)]);
            section += count;
            continue;
        }
        if section == 0 && !looks_like_mapping(indented(lines[start]).1) {
            return Err(first_error);
        }
        let part = &lines[start..end(1)];
        let mut error = parse(part).err().unwrap_or_else(|| first_error.clone());
        error.line += start - head.len();
        damages.push(Damage {
            error,
            left_out: without_comments(part),
        });
        // Lines keep their numbers.
        kept.extend(part.iter().map(|_| '\n'));
        section += 1;
    }
    match Document::parse(&kept) {
        Ok(document) if !damages.is_empty() => Ok((document, damages)),
        _ => Err(first_error),
    }
}

fn push(text: &mut String, lines: &[&str]) {
    text.extend(lines.iter().copied());
}

/// Indexes of the lines on which a key of the top level starts.
fn sections(lines: &[&str]) -> Vec<usize> {
    let is_content = |line: &&str| {
        let (_, rest) = indented(line);
        !rest.is_empty() && !rest.starts_with(['#', '%']) && !rest.starts_with("---")
    };
    let Some(first) = lines.iter().position(is_content) else {
        return Vec::new();
    };
    let (root_indent, _) = indented(lines[first]);
    let starts_key = |index: &usize| {
        let (indent, rest) = indented(lines[*index]);
        *index == first || (indent == root_indent && looks_like_key(rest))
    };
    (first..lines.len()).filter(starts_key).collect()
}

/// A line's indentation and what follows it.
fn indented(line: &str) -> (usize, &str) {
    let line = line.trim_end();
    let rest = line.trim_start_matches(' ');
    (line.len() - rest.len(), rest)
}

/// Whether a text that begins with this line may be a mapping.
fn looks_like_mapping(line: &str) -> bool {
    line.starts_with('{') || looks_like_key(line)
}

/// Whether a line begins with a name and a colon, or with what may be one in another form.
fn looks_like_key(line: &str) -> bool {
    if line.starts_with(['?', '&', '*', '!']) || line.starts_with("<<") {
        return true;
    }
    let name = line.trim_start_matches(['"', '\'']);
    let end = name
        .find(|char: char| !(char.is_alphanumeric() || matches!(char, '.' | '_' | '-')))
        .unwrap_or(name.len());
    let after = name[end..].trim_start_matches(['"', '\'', ' ', '\t']);
    end > 0 && !name.starts_with('-') && after.starts_with(':')
}
