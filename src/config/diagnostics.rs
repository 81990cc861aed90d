//! What is wrong with a configuration, and what is worth knowing about it. The messages that operators
//! read are built from these types; nothing here decides what is allowed.

use std::fmt;

use crate::auth::jaas;

/// Errors and notes, in the order in which loading finds them.
#[derive(Debug, Default)]
pub(super) struct Diagnostics {
    pub(super) notes: Vec<Note>,
    pub(super) errors: Vec<ConfigError>,
}

impl Diagnostics {
    pub(super) fn note(&mut self, text: impl Into<String>) {
        self.notes.push(Note::info(text));
    }

    pub(super) fn warn(&mut self, text: impl Into<String>) {
        self.notes.push(Note::warning(text));
    }

    pub(super) fn has_errors(&self) -> bool {
        !self.errors.is_empty()
    }

    /// What is left when there is no error.
    pub(super) fn into_notes(self) -> Result<Vec<Note>, ConfigErrors> {
        if self.has_errors() {
            Err(ConfigErrors(self.errors))
        } else {
            Ok(self.notes)
        }
    }
}

/// Everything that is wrong with a configuration, in the order of its layers. Displays as one line for
/// each error.
#[derive(Debug)]
pub struct ConfigErrors(pub(super) Vec<ConfigError>);

impl fmt::Display for ConfigErrors {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            if index > 0 {
                writeln!(formatter)?;
            }
            write!(formatter, "{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

/// One error: where it is, which key as it is spelled there, and what is wrong.
#[derive(Debug)]
pub(super) struct ConfigError {
    pub(super) location: Location,
    pub(super) key: Option<String>,
    pub(super) text: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: ", self.location)?;
        if let Some(key) = &self.key {
            write!(formatter, "{key}: ")?;
        }
        formatter.write_str(&self.text)
    }
}

/// Where a value was written. Lines and columns count from 1; columns count characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Location {
    /// The compiled-in `config/pacemaker.toml`.
    Default {
        line: usize,
    },
    /// A whole file, for example one that cannot be read. The path is as the operator wrote it.
    File(String),
    Line {
        file: String,
        line: usize,
    },
    Column {
        file: String,
        line: usize,
        column: usize,
    },
    /// `-c KEY=VALUE`.
    Override,
    /// `-DNAME=VALUE`.
    Definition,
    /// `-Dstorm.options=KEY=VALUE,…`, in any of Java's options.
    StormOptions,
    /// An environment variable.
    Environment(&'static str),
    /// A flag for one setting, such as `--port`.
    Flag(&'static str),
    /// Derived by this rule, and written nowhere.
    Computed(String),
}

impl fmt::Display for Location {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Location::Default { line } => write!(formatter, "built-in pacemaker.toml:{line}"),
            Location::File(file) => formatter.write_str(file),
            Location::Line { file, line } => write!(formatter, "{file}:{line}"),
            Location::Column { file, line, column } => write!(formatter, "{file}:{line}:{column}"),
            Location::Override => formatter.write_str("-c"),
            Location::Definition => formatter.write_str("-D"),
            Location::StormOptions => formatter.write_str("-Dstorm.options"),
            Location::Environment(variable) => write!(formatter, "${variable}"),
            Location::Flag(flag) => formatter.write_str(flag),
            Location::Computed(rule) => write!(formatter, "computed: {rule}"),
        }
    }
}

impl From<jaas::JaasError> for ConfigError {
    fn from(problem: jaas::JaasError) -> Self {
        let file = problem.file;
        ConfigError {
            location: match problem.position {
                None => Location::File(file),
                Some(jaas::Position { line, column }) => Location::Column { file, line, column },
            },
            key: None,
            text: problem.text,
        }
    }
}

/// A sentence for the operator that does not stop the start. The caller logs each once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    pub severity: Severity,
    pub text: String,
}

/// How a note is logged. A warning asks the operator to change something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    Info,
    Warning,
}

impl Note {
    pub fn info(text: impl Into<String>) -> Self {
        Note {
            severity: Severity::Info,
            text: text.into(),
        }
    }

    pub fn warning(text: impl Into<String>) -> Self {
        Note {
            severity: Severity::Warning,
            text: text.into(),
        }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self.severity {
            Severity::Info => "note",
            Severity::Warning => "warning",
        };
        write!(formatter, "{word}: {}", self.text)
    }
}
