//! Scans what stands before nodes and documents: anchors, aliases, tags, directives.

use super::YamlError;
use super::chars::{is_blank_or_end, is_break_or_end, is_space_or_end};
use super::scanner::{Kind, Scanner};

type Result<T> = std::result::Result<T, YamlError>;

impl Scanner {
    /// The name of an anchor or an alias.
    pub(super) fn scan_anchor(&mut self) -> Result<String> {
        self.chars.forward(1);
        let is_in_name = |char| !is_blank_or_end(char) && !":,[]{}/.*&".contains(char);
        let name = self.chars.take_while(is_in_name);
        let next = self.chars.peek();
        if name.is_empty() || !(is_blank_or_end(next) || "?:,]}%@`".contains(next)) {
            return Err(self.error("expected the name of an anchor"));
        }
        Ok(name)
    }

    pub(super) fn scan_tag(&mut self) -> Result<Kind> {
        let (handle, suffix) = match self.chars.peek_at(1) {
            '<' => {
                self.chars.forward(2);
                let suffix = self.tag_uri()?;
                if self.chars.peek() != '>' {
                    return Err(self.error("expected > at the end of this tag"));
                }
                self.chars.forward(1);
                (None, suffix)
            }
            char if is_blank_or_end(char) => {
                self.chars.forward(1);
                (None, "!".to_owned())
            }
            _ => {
                let mut offset = 1;
                while !is_space_or_end(self.chars.peek_at(offset))
                    && self.chars.peek_at(offset) != '!'
                {
                    offset += 1;
                }
                let handle = if self.chars.peek_at(offset) == '!' {
                    self.tag_handle()?
                } else {
                    self.chars.forward(1);
                    "!".to_owned()
                };
                (Some(handle), self.tag_uri()?)
            }
        };
        if !is_space_or_end(self.chars.peek()) {
            return Err(self.error("expected a space behind this tag"));
        }
        Ok(Kind::Tag(handle, suffix))
    }

    /// `!`, `!!` or `!name!`.
    fn tag_handle(&mut self) -> Result<String> {
        if self.chars.peek() != '!' {
            return Err(self.error("expected !"));
        }
        self.chars.forward(1);
        let mut handle = "!".to_owned();
        if self.chars.peek() != ' ' {
            handle.push_str(&self.chars.take_while(is_word));
            if self.chars.peek() != '!' {
                return Err(self.error("expected !"));
            }
            self.chars.forward(1);
            handle.push('!');
        }
        Ok(handle)
    }

    fn tag_uri(&mut self) -> Result<String> {
        let mut bytes = Vec::new();
        loop {
            let char = self.chars.peek();
            if char == '%' {
                let digits: String = (1..3).map(|offset| self.chars.peek_at(offset)).collect();
                let Ok(byte) = u8::from_str_radix(&digits, 16) else {
                    return Err(self.error("expected two hexadecimal digits behind %"));
                };
                bytes.push(byte);
                self.chars.forward(3);
            } else if is_word(char) || "-;/?:@&=+$,_.!~*'()[]".contains(char) {
                bytes.push(char as u8);
                self.chars.forward(1);
            } else {
                break;
            }
        }
        match String::from_utf8(bytes) {
            Ok(uri) if !uri.is_empty() => Ok(uri),
            _ => Err(self.error("expected a tag")),
        }
    }

    /// The handle and prefix of a `%TAG`; `None` for other directives.
    pub(super) fn scan_directive(&mut self) -> Result<Option<(String, String)>> {
        self.chars.forward(1);
        let name = self.chars.take_while(is_word);
        if name.is_empty() || !is_space_or_end(self.chars.peek()) {
            return Err(self.error("expected the name of a directive"));
        }
        let tag = match name.as_str() {
            "YAML" => {
                self.version()?;
                None
            }
            "TAG" => {
                self.chars.skip_spaces();
                let handle = self.tag_handle()?;
                if self.chars.peek() != ' ' {
                    return Err(self.error("expected a space"));
                }
                self.chars.skip_spaces();
                Some((handle, self.tag_uri()?))
            }
            _ => {
                self.chars.take_while(|char| !is_break_or_end(char));
                None
            }
        };
        if !is_space_or_end(self.chars.peek()) {
            return Err(self.error("expected a space or a line break"));
        }
        self.skip_rest_of_line()?;
        Ok(tag)
    }

    fn version(&mut self) -> Result<()> {
        self.chars.skip_spaces();
        let major = self.chars.take_while(|char| char.is_ascii_digit());
        let is_dot = self.chars.peek() == '.';
        self.chars.forward(1);
        let minor = self.chars.take_while(|char| char.is_ascii_digit());
        let is_version = major.parse() == Ok(1) && is_dot && (1..=3).contains(&minor.len());
        if is_version && major.len() <= 3 {
            Ok(())
        } else {
            Err(self.error("expected a version of YAML such as 1.1"))
        }
    }
}

fn is_word(char: char) -> bool {
    char.is_ascii_alphanumeric() || matches!(char, '-' | '_')
}
