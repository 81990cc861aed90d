//! Reads JAAS files: the text that names the daemon's credentials. The grammar is that of Java's
//! `sun.security.provider.ConfigFile`, quirk for quirk, so that one file means the same to Storm and to
//! us; what the manual prints for DIGEST and Java refuses is understood besides. Pure: text and
//! properties in, sections out.
//!
//! Anything in such a file may be a password, or a part of one that a misplaced quote has cut off. So
//! no message and no `Debug` shows its text, but for names that are known beforehand.

mod expand;
mod lexer;
mod parser;
mod sections;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;

pub use parser::parse;
pub use sections::{
    CLIENT_SECTION, ClientSection, DIGEST_SECTION, SERVER_SECTION, ServerSection, client, digest,
    server,
};

use super::secret::Secret;

/// Java's system properties: what `${name}` stands for in a value.
pub type Properties = BTreeMap<String, String>;

/// What a JAAS file says.
pub struct File {
    /// Its path as the operator wrote it, for messages.
    path: String,
    sections: Vec<Section>,
}

/// `name { modules };`
struct Section {
    name: Name,
    position: Position,
    modules: Vec<Module>,
}

/// The name of a section, and whether it stood in quotes.
struct Name {
    text: String,
    quoted: bool,
}

/// The options of a login module, in their order. Its class and its flag mean nothing here.
#[derive(Default)]
struct Module {
    options: Vec<(String, Secret)>,
}

/// Counted from 1; columns count characters.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Position {
    pub line: usize,
    pub column: usize,
}

/// Why a JAAS file does not serve. Its text shows nothing that may be secret.
#[derive(PartialEq, Eq, Debug)]
pub struct Problem {
    pub file: String,
    /// `None`: it is about the whole file.
    pub position: Option<Position>,
    pub text: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(Position { line, column }) = self.position {
            write!(f, ":{line}:{column}")?;
        }
        write!(f, ": {}", self.text)
    }
}

impl File {
    /// The value of an option, as Storm's `ClientAuthUtils.get` finds it.
    pub fn value(&self, section: &str, option: &str) -> Option<&Secret> {
        self.section(section)?.option(option)
    }

    /// Java takes a section without modules for one that is not there.
    fn section(&self, name: &str) -> Option<&Section> {
        self.sections
            .iter()
            .find(|section| section.name.text == name && !section.modules.is_empty())
    }
}

impl Section {
    /// The value of an option: the first module that has it gives it, as in Storm's
    /// `ClientAuthUtils.get`; within a module the last of several wins, as in Java.
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

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "File({:?})", self.path)
    }
}
