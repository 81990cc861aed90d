//! Tokens to sections, as `ConfigFile.parseLoginEntry` does, with two differences: a section may have
//! options without a module, as in Storm's manual, and it must have a name, which Java forgets to check.

use super::expand::{ExpandError, expand};
use super::lexer::{Lexer, Token, TokenKind, Trap};
use super::{JaasError, JaasFile, Module, Name, Properties, Section, sections};
use crate::auth::secret::Secret;

/// Reads the text of a JAAS file. `path` is its path as the operator wrote it.
///
/// # Errors
/// The first place that breaks the grammar: file, line and column, what was expected and what was found.
pub fn parse(path: &str, text: &str, properties: &Properties) -> Result<JaasFile, JaasError> {
    let mut lexer = Lexer::new(text);
    let token = lexer.next();
    let mut parser = Parser {
        path,
        lexer,
        token,
        properties,
        section: "the section",
    };
    let mut sections: Vec<Section> = Vec::new();
    while parser.token.kind != TokenKind::End {
        let section = parser.section()?;
        let same = |other: &&Section| other.name.text == section.name.text;
        if let Some(first) = sections.iter().find(same) {
            return Err(JaasError {
                file: path.to_owned(),
                position: Some(section.position),
                text: format!(
                    "{} appears a second time; the first is in line {}",
                    parser.section, first.position.line
                ),
            });
        }
        sections.push(section);
    }
    Ok(JaasFile {
        path: path.to_owned(),
        sections,
    })
}

struct Parser<'a> {
    path: &'a str,
    lexer: Lexer<'a>,
    /// The current token.
    token: Token,
    properties: &'a Properties,
    /// What messages call the current section.
    section: &'static str,
}

impl Parser<'_> {
    /// `section := name '{' module* '}' ';'`
    fn section(&mut self) -> Result<Section, JaasError> {
        self.lexer.trap = None;
        let position = self.lexer.position(self.token.offset);
        let quoted = match self.token.kind {
            TokenKind::Word => false,
            TokenKind::String | TokenKind::SingleQuoted => true,
            _ => return Err(self.expected("the name of a section")),
        };
        let name = Name {
            text: self.advance().reveal().to_owned(),
            quoted,
        };
        self.section = sections::known(&name.text).unwrap_or("the section");
        self.symbol('{', "'{' after the name of the section")?;
        let mut modules = Vec::new();
        while self.token.kind != TokenKind::Symbol('}') {
            modules.push(self.module()?);
        }
        self.advance();
        self.symbol(';', &format!("';' after the '}}' of {}", self.section))?;
        Ok(Section {
            name,
            position,
            modules,
        })
    }

    /// `module := class flag option* ';'`, or `option+ ';'` as in Storm's manual
    fn module(&mut self) -> Result<Module, JaasError> {
        let mut module = Module::default();
        if !self.is_text() {
            return Err(self.expected("the class of a login module, an option or '}'"));
        }
        let class_offset = self.token.offset;
        let first = self.advance();
        if self.token.kind == TokenKind::Symbol('=') {
            let value = self.value(&first)?;
            module.options.push((first.reveal().to_owned(), value));
        } else {
            if first.reveal().is_empty() {
                return Err(self.at(class_offset, "the class of a login module is empty".into()));
            }
            self.flag()?;
        }
        while self.token.kind != TokenKind::Symbol(';') {
            if !self.is_text() {
                return Err(self.expected(&match self.token.kind {
                    TokenKind::Symbol('}') | TokenKind::End => {
                        format!("';' after the last option of {}", self.section)
                    }
                    _ => format!(
                        "another option, or ';' after the last option of {}",
                        self.section
                    ),
                }));
            }
            let key = self.advance();
            let value = self.value(&key)?;
            module.options.push((key.reveal().to_owned(), value));
        }
        self.advance();
        Ok(module)
    }

    fn flag(&mut self) -> Result<(), JaasError> {
        const FLAGS: [&str; 4] = ["REQUIRED", "REQUISITE", "SUFFICIENT", "OPTIONAL"];
        let flag = self.token.text.reveal().to_uppercase();
        if !self.is_text() || !FLAGS.contains(&&*flag) {
            return Err(self.expected(
                "required, requisite, sufficient or optional after the class of the login module",
            ));
        }
        self.advance();
        Ok(())
    }

    /// `'=' value`, for the option with this name
    fn value(&mut self, key: &Secret) -> Result<Secret, JaasError> {
        self.symbol('=', "'=' after the name of an option")?;
        if !self.is_text() {
            return Err(self.expected(match self.token.kind {
                TokenKind::Number | TokenKind::Symbol('-') => {
                    "the value of the option, in double quotes if it starts with a digit, '.' or '-'"
                }
                TokenKind::SingleQuoted => "the value of the option in double quotes",
                _ => "the value of the option",
            }));
        }
        let offset = self.token.offset;
        let value = self.advance();
        expand(value, self.properties).map_err(|why| {
            let of = sections::known(key.reveal()).unwrap_or("an option");
            let text = match why {
                // A password may contain what looks like a property, and a misplaced quote may have put a
                // password between the braces.
                ExpandError::Unknown(name)
                    if of != sections::PASSWORD && of != "an option" && is_property(&name) =>
                {
                    format!(
                        "the value of {of} refers to {name:?}, which is not a known Java property"
                    )
                }
                ExpandError::Unknown(_) => {
                    format!("the value of {of} has a ${{…}} that is not a known Java property")
                }
                ExpandError::Empty => format!("the value of {of} expands to nothing"),
            };
            self.at(offset, text)
        })
    }

    fn symbol(&mut self, symbol: char, expected: &str) -> Result<(), JaasError> {
        if self.token.kind != TokenKind::Symbol(symbol) {
            return Err(self.expected(expected));
        }
        self.advance();
        Ok(())
    }

    fn is_text(&self) -> bool {
        matches!(self.token.kind, TokenKind::Word | TokenKind::String)
    }

    /// Moves on to the next token and returns the text of the current one.
    fn advance(&mut self) -> Secret {
        let next = self.lexer.next();
        std::mem::replace(&mut self.token, next).text
    }

    fn expected(&self, expected: &str) -> JaasError {
        let found = match self.token.kind {
            TokenKind::Word => "a word",
            TokenKind::String => "a string in double quotes",
            TokenKind::SingleQuoted => "a string in single quotes",
            TokenKind::Number => "a number",
            TokenKind::Symbol('{') => "'{'",
            TokenKind::Symbol('}') => "'}'",
            TokenKind::Symbol('=') => "'='",
            TokenKind::Symbol(';') => "';'",
            TokenKind::Symbol(',') => "','",
            TokenKind::Symbol('-') => "'-'",
            TokenKind::Symbol('#') => "'#' (comments begin with //)",
            TokenKind::Symbol(_) => "a character that has no meaning here",
            TokenKind::End => "the end of the file",
        };
        let mut text = format!("expected {expected}, found {found}");
        if let Some((trap, offset)) = self.lexer.trap {
            let line = self.lexer.position(offset).line;
            text += &match trap {
                Trap::LoneSlash => {
                    format!(
                        "; the unquoted '/' in line {line} begins a comment: put paths in double quotes"
                    )
                }
                Trap::Unclosed => {
                    format!("; the quote that opens in line {line} is not closed on that line")
                }
            };
        }
        self.at(self.token.offset, text)
    }

    fn at(&self, offset: usize, text: String) -> JaasError {
        JaasError {
            file: self.path.to_owned(),
            position: Some(self.lexer.position(offset)),
            text,
        }
    }
}

/// Whether a Java property may have this name: words and dots.
fn is_property(name: &str) -> bool {
    name.bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b'/'))
}
