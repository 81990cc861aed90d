//! Kerberos principals as text, and which of them may log in. Pure.

use super::{Identity, LoginFailure, Realms};

/// The components of `primary/instance@REALM`, in the terms of MIT's documentation. A backslash escapes
/// the next character, as in the Kerberos library's own text form.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Principal<'a> {
    /// The name of the service or of the user.
    pub primary: &'a str,
    /// What follows the first `/`: the host of a service.
    pub instance: Option<&'a str>,
    pub realm: Option<&'a str>,
}

impl<'a> Principal<'a> {
    pub fn parse(text: &'a str) -> Principal<'a> {
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

/// Decides whether the owner of a ticket may log in. It must log in as itself, be one of the users, and
/// come from a trusted realm. Storm's daemon checks the first two (`KerberosSaslServerHandler`).
///
/// # Errors
/// `OtherIdentity`, `NotAUser` or `ForeignRealm`.
pub fn authorize(
    ticket: &str,
    wanted: &str,
    users: &[String],
    own_realm: &str,
    realms: &Realms,
) -> Result<Identity, LoginFailure> {
    if ticket != wanted {
        return Err(LoginFailure::OtherIdentity {
            ticket: ticket.to_owned(),
            wanted: wanted.to_owned(),
        });
    }
    let principal = Principal::parse(ticket);
    if !users.iter().any(|user| user == principal.primary) {
        return Err(LoginFailure::NotAUser(ticket.to_owned()));
    }
    let realm = principal.realm.unwrap_or_default();
    let trusted = match realms {
        Realms::Any => true,
        Realms::OwnAnd(others) => realm == own_realm || others.iter().any(|other| other == realm),
    };
    if !trusted {
        return Err(LoginFailure::ForeignRealm(ticket.to_owned()));
    }
    Ok(ticket.into())
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

    #[test]
    fn who_may_log_in() {
        let users = ["nimbus".to_owned(), "ops".to_owned()];
        let own = Realms::OwnAnd(vec![]);
        let wider = Realms::OwnAnd(vec!["B.COM".to_owned()]);
        let ask = |ticket: &str, asked: &str, realms: &Realms| {
            authorize(ticket, asked, &users, "A.COM", realms).map_err(|failure| failure.label())
        };
        let same = |name: &str, realms: &Realms| ask(name, name, realms);
        for name in ["nimbus@A.COM", "nimbus/host@A.COM", "ops@A.COM"] {
            assert_eq!(same(name, &own).as_deref(), Ok(name));
        }
        for name in [
            "mallory@A.COM",
            "nimbus2@A.COM",
            "x/nimbus@A.COM",
            "Nimbus@A.COM",
            "",
        ] {
            assert_eq!(same(name, &Realms::Any), Err("login_not_a_user"), "{name}");
        }
        for name in ["nimbus@B.COM", "nimbus@a.com", "nimbus"] {
            assert_eq!(same(name, &own), Err("login_foreign_realm"), "{name}");
            assert!(same(name, &Realms::Any).is_ok());
        }
        assert!(same("nimbus@B.COM", &wider).is_ok());
        assert!(same("nimbus@A.COM", &wider).is_ok());
        let other = ask("nimbus@A.COM", "ops@A.COM", &Realms::Any);
        assert_eq!(other, Err("login_other_identity"));
        assert_eq!(
            ask("nimbus@A.COM", "nimbus", &Realms::Any),
            Err("login_other_identity")
        );
    }
}
