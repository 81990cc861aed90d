//! The syntax that challenge, response and rspauth share: `name=value` and `name="value"`, separated
//! by commas (RFC 2831, 2.1 and 7). Like the JDK, it accepts white space in place of a comma, accepts
//! every value quoted or bare, and skips empty elements.

use std::borrow::Cow;

use crate::auth::LoginFailure;

/// The value of a directive, without quotes and escapes. Borrowed unless it has an escape.
pub(super) type DirectiveValue<'a> = Cow<'a, [u8]>;

/// A directive that is known, and where its value goes.
pub(super) struct Field<'s, 'a> {
    pub(super) name: &'static str,
    pub(super) value: &'s mut Option<DirectiveValue<'a>>,
    /// The failure if the directive comes twice.
    pub(super) twice: &'static str,
}

/// Puts the value of each directive into its field. Unknown directives are ignored, as the RFC demands
/// of `auth-param`.
///
/// # Errors
/// `Malformed`: bad syntax, or a known directive that comes twice.
pub(super) fn fill<'a>(token: &'a [u8], fields: &mut [Field<'_, 'a>]) -> Result<(), LoginFailure> {
    let mut scanner = Scanner { rest: token };
    while let Some((name, value)) = scanner.directive().map_err(LoginFailure::Malformed)? {
        let known = fields
            .iter_mut()
            .find(|field| name.eq_ignore_ascii_case(field.name.as_bytes()));
        if let Some(field) = known
            && field.value.replace(value).is_some()
        {
            return Err(LoginFailure::Malformed(field.twice));
        }
    }
    Ok(())
}

/// Appends `"value"`.
pub(super) fn write_quoted(out: &mut Vec<u8>, value: &[u8]) {
    out.push(b'"');
    for &byte in value {
        if matches!(byte, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(byte);
    }
    out.push(b'"');
}

struct Scanner<'a> {
    rest: &'a [u8],
}

impl<'a> Scanner<'a> {
    /// The next directive, or `None` at the end.
    fn directive(&mut self) -> Result<Option<(&'a [u8], DirectiveValue<'a>)>, &'static str> {
        self.take_while(|byte| byte == b',' || is_space(byte));
        if self.rest.is_empty() {
            return Ok(None);
        }
        let name = self.take_while(|byte| !matches!(byte, b'=' | b',') && !is_space(byte));
        self.take_while(is_space);
        if !self.take(b'=') {
            return Err("a directive must be name=value, but one has no \"=\"");
        }
        if name.is_empty() {
            return Err("a directive must be name=value, but one has no name");
        }
        self.take_while(is_space);
        let value = if self.take(b'"') {
            self.quoted()?
        } else {
            Cow::Borrowed(self.take_while(continues_value))
        };
        Ok(Some((name, value)))
    }

    /// The rest of a quoted value, after its opening quote.
    fn quoted(&mut self) -> Result<DirectiveValue<'a>, &'static str> {
        const UNCLOSED: &str = "a quoted value must end with a quote";
        let plain = self.take_while(|byte| !matches!(byte, b'"' | b'\\'));
        let mut value = Cow::Borrowed(plain);
        while !self.take(b'"') {
            if !self.take(b'\\') {
                return Err(UNCLOSED);
            }
            let (&escaped, rest) = self.rest.split_first().ok_or(UNCLOSED)?;
            self.rest = rest;
            let plain = self.take_while(|byte| !matches!(byte, b'"' | b'\\'));
            let unescaped = value.to_mut();
            unescaped.push(escaped);
            unescaped.extend_from_slice(plain);
        }
        match self.rest.first() {
            Some(&byte) if continues_value(byte) => Err("a comma must follow a quoted value"),
            _ => Ok(value),
        }
    }

    fn take(&mut self, byte: u8) -> bool {
        let rest = self.rest.strip_prefix(&[byte]);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn take_while(&mut self, continues: impl Fn(u8) -> bool) -> &'a [u8] {
        let end = self.rest.iter().position(|&byte| !continues(byte));
        let (taken, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        taken
    }
}

/// Whether the byte belongs to a bare value.
fn continues_value(byte: u8) -> bool {
    byte != b',' && !is_space(byte)
}

/// Linear white space (RFC 2616, 2.2).
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Directive<'a> = (&'a [u8], DirectiveValue<'a>);

    fn scan(token: &[u8]) -> Result<Vec<Directive<'_>>, &'static str> {
        let mut scanner = Scanner { rest: token };
        std::iter::from_fn(|| scanner.directive().transpose()).collect()
    }

    #[test]
    fn what_is_a_directive() {
        let cases: [(&str, &[(&str, &str)]); 9] = [
            ("", &[]),
            (" ,,\t\r\n, ", &[]),
            ("a=b,c=d", &[("a", "b"), ("c", "d")]),
            ("a=b c=\"d\"\te=f,", &[("a", "b"), ("c", "d"), ("e", "f")]),
            (",, a = b , , c =\"d\"", &[("a", "b"), ("c", "d")]),
            (r#"a="b, \"c\" \\ \d=""#, &[("a", r#"b, "c" \ d="#)]),
            (r#"a="",b=c"#, &[("a", ""), ("b", "c")]),
            (r#"a=b"c=d"#, &[("a", r#"b"c=d"#)]),
            ("a=,b=", &[("a", ""), ("b", "")]),
        ];
        for (token, directives) in cases {
            let scanned = scan(token.as_bytes()).expect(token);
            let expected: Vec<Directive> = directives
                .iter()
                .map(|(name, value)| (name.as_bytes(), Cow::Borrowed(value.as_bytes())))
                .collect();
            assert_eq!(scanned, expected, "{token:?}");
        }
    }

    #[test]
    fn what_is_not_a_directive() {
        for (token, why) in [
            ("a", "no \"=\""),
            ("a=b,c", "no \"=\""),
            ("a b=c", "no \"=\""),
            ("=b", "no name"),
            ("a=\"b", "end with a quote"),
            ("a=\"b\\", "end with a quote"),
            ("a=\"b\\\"", "end with a quote"),
            ("a=\"b\"c=d", "a comma"),
            ("a=\"b\"\"c\"", "a comma"),
        ] {
            let error = scan(token.as_bytes()).expect_err(token);
            assert!(error.contains(why), "{token:?}: {error}");
        }
    }

    #[test]
    fn only_an_escape_is_copied() {
        let value = |token| Scanner { rest: token }.directive().unwrap().unwrap().1;
        assert!(matches!(value(b"a=\"b c\""), Cow::Borrowed(b"b c")));
        assert!(matches!(value(b"a=\"b\\c\""), Cow::Owned(_)));
    }

    proptest! {
        #[test]
        fn any_value_survives_its_quotes(value: Vec<u8>) {
            let mut token = b"a=".to_vec();
            write_quoted(&mut token, &value);
            prop_assert_eq!(scan(&token), Ok(vec![(b"a".as_slice(), Cow::Owned(value))]));
        }
    }
}
