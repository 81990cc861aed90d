//! A scenario file: options of the command line as TOML, so that a cluster can be stored and shared. Each
//! key is the long name of an option (`ui-readers = 2`). The command line overrides the file.

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use clap::{ArgAction, ArgMatches, Command, CommandFactory, parser::ValueSource};
use toml::de::{DeTable, DeValue};

use super::{CommandLine, words_before_options};

/// The one key that is not an option: a text about the scenario.
const DESCRIPTION: &str = "description";

/// Options that a file cannot have.
const NOT_IN_A_FILE: [&str; 3] = ["scenario", "help", "version"];

/// Inserts the options of the scenario file, if the command line names one.
pub fn expand(words: Vec<OsString>) -> Result<Vec<OsString>, String> {
    // If the line is wrong, the parser reports it later.
    let Ok(matches) = CommandLine::command().try_get_matches_from(&words) else {
        return Ok(words);
    };
    let mine = innermost(&matches);
    // Some subcommands do not have the option.
    let Ok(Some(file)) = mine.try_get_one::<std::path::PathBuf>("scenario") else {
        return Ok(words);
    };
    let text = fs::read_to_string(file)
        .map_err(|error| format!("--scenario: cannot read {}: {error}", file.display()))?;
    let is_given = |name: &str| {
        let id = name.replace('-', "_");
        mine.try_contains_id(&id).is_ok()
            && mine.value_source(&id) == Some(ValueSource::CommandLine)
    };
    let options = read(file, &text, &is_given)?;
    let at = words_before_options(&words);
    let mut all = words;
    all.splice(at..at, options);
    Ok(all)
}

/// The matches of the subcommand, if there is one.
fn innermost(matches: &ArgMatches) -> &ArgMatches {
    matches.subcommand().map_or(matches, |(_, inner)| inner)
}

/// The options of a file, without those that `is_given` on the command line.
fn read(file: &Path, text: &str, is_given: &dyn Fn(&str) -> bool) -> Result<Vec<OsString>, String> {
    let place = |offset: usize| {
        let before = &text[..offset.min(text.len())];
        let line = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
        format!("{}:{line}:{column}", file.display())
    };
    let table = DeTable::parse(text).map_err(|error| {
        let offset = error.span().map_or(0, |span| span.start);
        format!("{}: {}", place(offset), error.message().replace('\n', ", "))
    })?;
    let command = CommandLine::command();
    let mut words = Vec::new();
    for (key, value) in table.get_ref() {
        let name = key.get_ref().as_ref();
        let here = place(key.span().start);
        if name == DESCRIPTION {
            continue;
        }
        let takes_value = takes_value(&command, name)
            .ok_or_else(|| format!("{here}: unknown setting \"{name}\"; {}", known(&command)))?;
        let values = values(value.get_ref())
            .ok_or_else(|| format!("{here}: {name}: expected a string, a number, true or false"))?;
        let mut options = Vec::new();
        for value in values {
            match (takes_value, value.as_str()) {
                (true, value) => options.push(format!("--{name}={value}")),
                (false, "true") => options.push(format!("--{name}")),
                (false, "false") => {}
                (false, other) => {
                    return Err(format!(
                        "{here}: {name}: \"{other}\" is neither true nor false"
                    ));
                }
            }
        }
        // One by one, so that an error names its line.
        for option in &options {
            let alone = ["loadgen", option.as_str()];
            if let Err(error) = CommandLine::command().try_get_matches_from(alone) {
                return Err(format!("{here}: {}", first_line(&error.to_string())));
            }
        }
        if !is_given(name) {
            words.extend(options.into_iter().map(OsString::from));
        }
    }
    Ok(words)
}

/// Whether an option takes a value; `None` if there is no such option.
fn takes_value(command: &Command, name: &str) -> Option<bool> {
    let mut options = command.get_arguments();
    let option = options.find(|option| option.get_long() == Some(name))?;
    (!NOT_IN_A_FILE.contains(&name))
        .then(|| matches!(option.get_action(), ArgAction::Set | ArgAction::Append))
}

fn known(command: &Command) -> String {
    let names: Vec<&str> = command
        .get_arguments()
        .filter_map(|option| option.get_long())
        .filter(|name| !NOT_IN_A_FILE.contains(name))
        .collect();
    format!("known settings: {DESCRIPTION}, {}", names.join(", "))
}

/// A value, or the values of a list, as words. `None`: no option takes such a value.
fn values(value: &DeValue<'_>) -> Option<Vec<String>> {
    let one = match value {
        DeValue::String(text) => text.to_string(),
        DeValue::Integer(number) => number.to_string(),
        DeValue::Float(number) => number.to_string(),
        DeValue::Boolean(boolean) => boolean.to_string(),
        DeValue::Array(list) => {
            let lists = list.iter().map(|item| values(item.get_ref()));
            return lists
                .collect::<Option<Vec<_>>>()
                .map(|lists| lists.concat());
        }
        DeValue::Datetime(_) | DeValue::Table(_) => return None,
    };
    Some(vec![one])
}

fn first_line(error: &str) -> &str {
    let line = error.lines().next().unwrap_or_default();
    line.strip_prefix("error: ").unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(text: &str) -> Result<Vec<String>, String> {
        let words = read(Path::new("a.toml"), text, &|name| name == "seed")?;
        Ok(words
            .into_iter()
            .map(|word| word.into_string().unwrap())
            .collect())
    }

    #[test]
    fn keys_are_options() {
        let read = options(
            "description = 'ours'\nsupervisors = 300\ninterval = '1s'\njson = true\nkeep = false\n\
             target = ['127.0.0.1:1', '127.0.0.1:2']\n",
        )
        .unwrap();
        let mut expected = vec![
            "--supervisors=300",
            "--interval=1s",
            "--json",
            "--target=127.0.0.1:1",
            "--target=127.0.0.1:2",
        ];
        expected.sort_unstable();
        let mut sorted = read.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, expected);
    }

    #[test]
    fn the_command_line_overrides_the_file() {
        assert!(options("seed = 3").unwrap().is_empty());
    }

    #[test]
    fn errors_name_file_line_and_what_is_expected() {
        for (text, what) in [
            (
                "\nsuperwisors = 3",
                "a.toml:2:1: unknown setting \"superwisors\"",
            ),
            (
                "scenario = 'b.toml'",
                "a.toml:1:1: unknown setting \"scenario\"",
            ),
            (
                "supervisors = 'many'",
                "a.toml:1:1: invalid value 'many' for '--supervisors",
            ),
            (
                "interval = 3",
                "a.toml:1:1: invalid value '3' for '--interval",
            ),
            (
                "json = 'loud'",
                "a.toml:1:1: json: \"loud\" is neither true nor false",
            ),
            ("supervisors = ", "a.toml:1:15: "),
            (
                "[supervisors]\na = 1",
                "a.toml:1:2: supervisors: expected a string",
            ),
        ] {
            let error = options(text).unwrap_err();
            assert!(error.starts_with(what), "{text}: {error}");
        }
    }
}
