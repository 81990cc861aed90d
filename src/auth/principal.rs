//! Kerberos principals as text. Pure.

/// The components of `primary/instance@REALM`, in the terms of MIT's documentation. A backslash escapes
/// the next character, as in the Kerberos library's own text form.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Principal<'a> {
    /// The name of the service or of the user.
    pub(crate) primary: &'a str,
    /// What follows the first `/`: the host of a service.
    pub(crate) instance: Option<&'a str>,
    pub(crate) realm: Option<&'a str>,
}

impl<'a> Principal<'a> {
    pub(crate) fn parse(text: &'a str) -> Principal<'a> {
        let (name, realm) = split(text, b'@');
        let (primary, instance) = split(name, b'/');
        Principal {
            primary,
            instance,
            realm,
        }
    }
}

fn split(text: &str, at: u8) -> (&str, Option<&str>) {
    let bytes = text.as_bytes();
    let mut index = 0;
    while index < bytes.len() {
        match bytes[index] {
            b'\\' => index += 2,
            byte if byte == at => return (&text[..index], Some(&text[index + 1..])),
            _ => index += 1,
        }
    }
    (text, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn principals_have_three_parts() {
        let parse = |text| {
            let Principal {
                primary,
                instance,
                realm,
            } = Principal::parse(text);
            (primary, instance, realm)
        };
        assert_eq!(parse("nimbus@R"), ("nimbus", None, Some("R")));
        assert_eq!(parse("a/b/c@R"), ("a", Some("b/c"), Some("R")));
        assert_eq!(parse("pacemaker"), ("pacemaker", None, None));
        assert_eq!(parse(r"a\/b\@c@R"), (r"a\/b\@c", None, Some("R")));
        assert_eq!(parse("\\"), ("\\", None, None));
        assert_eq!(parse("ö/ß@Ü"), ("ö", Some("ß"), Some("Ü")));
    }
}
