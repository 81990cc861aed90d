//! What is wrong with a configuration, and what is worth knowing about it: places, problems, notes.
//! The sentences that operators read are built from these; nothing here decides what is allowed.

use std::fmt;

use crate::auth::jaas;

/// Everything that is wrong with one configuration, in the order of its layers. Displays as one
/// line for each problem.
#[derive(Debug)]
pub struct ConfigErrors(pub Vec<Problem>);

impl fmt::Display for ConfigErrors {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                writeln!(formatter)?;
            }
            write!(formatter, "{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

/// One thing that is wrong: where, which key as it is spelled there, and why.
#[derive(Debug)]
pub struct Problem {
    pub place: Place,
    pub key: Option<String>,
    pub text: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: ", self.place)?;
        if let Some(key) = &self.key {
            write!(formatter, "{key}: ")?;
        }
        formatter.write_str(&self.text)
    }
}

/// Where a value was written. Lines and columns count from 1; columns count characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
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
    /// `-Dstorm.options=KEY=VALUE,…`, wherever it stands.
    StormOptions,
    /// A variable of the environment.
    Environment(&'static str),
    /// A flag of its own, such as `--port`.
    Flag(&'static str),
    /// Not written anywhere: derived, by this rule.
    Computed(String),
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Default { line } => write!(formatter, "built-in pacemaker.toml:{line}"),
            Place::File(file) => formatter.write_str(file),
            Place::Line { file, line } => write!(formatter, "{file}:{line}"),
            Place::Column { file, line, column } => write!(formatter, "{file}:{line}:{column}"),
            Place::Override => formatter.write_str("-c"),
            Place::Definition => formatter.write_str("-D"),
            Place::StormOptions => formatter.write_str("-Dstorm.options"),
            Place::Environment(variable) => write!(formatter, "${variable}"),
            Place::Flag(flag) => formatter.write_str(flag),
            Place::Computed(rule) => write!(formatter, "computed: {rule}"),
        }
    }
}

impl From<jaas::JaasError> for Problem {
    fn from(problem: jaas::JaasError) -> Self {
        let file = problem.file;
        Problem {
            place: match problem.position {
                None => Place::File(file),
                Some(jaas::Position { line, column }) => Place::Column { file, line, column },
            },
            key: None,
            text: problem.text,
        }
    }
}

/// A sentence for the operator that stops nothing. The caller logs each once at start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    pub severity: Severity,
    pub text: String,
}

/// How a note is logged: `Warning` wants something done.
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
