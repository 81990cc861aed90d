//! Which Kerberos principals may log in. Pure.

use super::principal::Principal;
use super::{Identity, LoginFailure, Realms};

/// Decides whether the owner of a ticket may log in. It must log in as itself, be one of the users, and
/// come from a trusted realm. Storm's daemon checks the first two (`KerberosSaslServerHandler`).
///
/// # Errors
/// `OtherIdentity`, `NotAUser` or `ForeignRealm`.
pub(super) fn authorize(
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
