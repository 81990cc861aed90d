//! Reads JAAS files, which hold the daemon's credentials. The grammar is that of Java's
//! `sun.security.provider.ConfigFile`, quirk for quirk, so that a file means the same to Storm and to
//! this daemon. One addition: the form that Storm's manual prints for DIGEST, which Java refuses. Pure:
//! text and properties in, sections out.
//!
//! Any text in such a file may be a password, or a part of one that a misplaced quote has cut off. So no
//! message and no `Debug` shows text of the file, except names that are known beforehand.

mod expand;
mod lexer;
mod parser;
mod sections;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;

pub use parser::parse;
pub use sections::{ClientSection, ServerSection};
pub(crate) use sections::{SERVER_SECTION, client};
pub use sections::{digest, server};

use super::secret::Secret;

/// Java's system properties, which `${name}` in a value refers to.
pub type Properties = BTreeMap<String, String>;

/// A JAAS file, parsed.
pub struct JaasFile {
    /// The path as the operator wrote it, for messages.
    path: String,
    sections: Vec<Section>,
}

/// `name { modules };`
struct Section {
    name: Name,
    position: Position,
    modules: Vec<Module>,
}

/// The name of a section, and whether it was in quotes.
struct Name {
    text: String,
    quoted: bool,
}

/// The options of a login module, in their order. The daemon does not need its class and flag.
#[derive(Default)]
struct Module {
    options: Vec<(String, Secret)>,
}

/// A place in the file. Lines and columns count from 1, columns in characters.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Position {
    pub line: usize,
    pub column: usize,
}

/// What is wrong with a JAAS file, and where. The text shows nothing that may be secret.
#[derive(PartialEq, Eq, Debug)]
pub struct JaasError {
    pub file: String,
    /// `None`: the error is about the whole file.
    pub position: Option<Position>,
    pub text: String,
}

impl fmt::Display for JaasError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(Position { line, column }) = self.position {
            write!(f, ":{line}:{column}")?;
        }
        write!(f, ": {}", self.text)
    }
}

impl JaasFile {
    /// The value of an option, as Storm's `ClientAuthUtils.get` looks it up.
    pub fn value(&self, section: &str, option: &str) -> Option<&Secret> {
        self.section(section)?.option(option)
    }

    /// Like Java, treats a section without modules as missing.
    fn section(&self, name: &str) -> Option<&Section> {
        self.sections
            .iter()
            .find(|section| section.name.text == name && !section.modules.is_empty())
    }
}

impl Section {
    /// The value of an option. The first module that has the option wins, as in Storm's
    /// `ClientAuthUtils.get`; within a module the last value wins, as in Java.
    fn option(&self, key: &str) -> Option<&Secret> {
        self.modules.iter().find_map(|module| module.option(key))
    }
}

impl Module {
    fn option(&self, key: &str) -> Option<&Secret> {
        let mut found = self.options.iter().rev();
        found.find_map(|(name, value)| (name == key).then_some(value))
    }
}

impl fmt::Debug for JaasFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JaasFile({:?})", self.path)
    }
}
