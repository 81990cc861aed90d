//! Kerberos logins: SASL's GSSAPI mechanism (RFC 4752) on MIT's library. `server` and `client` are
//! the two sides of the exchange, `keytab` and `replay` what is checked at start, and `credential`
//! the one file that calls C itself. Says who a peer is; whether that one may log in is
//! `principal`'s business. Nothing here reaches the network, but for a client that needs a ticket.

mod client;
mod credential;
mod keytab;
mod replay;
mod server;

use std::path::Path;
use std::sync::Arc;

use libgssapi::context::ServerCtx;
use libgssapi::credential::Cred;

use super::principal::Principal;
use super::{KerberosCredentials, LoginFailure};
use keytab::Key;

pub use client::{Client, ClientStep};
pub use credential::use_krb5_conf;
pub(super) use server::Server;

/// The daemon's own credential; one for each shard: threads that share one wait for each other. It
/// holds no file open. To make it loads all that the library loads, so the first login is no slower.
pub(super) struct Acceptor {
    credential: Cred,
    service: Arc<Service>,
}

/// Whose tickets are taken.
struct Service {
    /// First part of the principal.
    name: String,
    realm: String,
}

impl Acceptor {
    /// # Errors
    /// No ticket can ever be accepted, or none of the principal's: a sentence for the operator.
    pub(super) fn new(credentials: &KerberosCredentials) -> Result<Acceptor, String> {
        let KerberosCredentials {
            keytab, principal, ..
        } = credentials;
        let wanted = Principal::parse(principal);
        let keys = keytab::read(keytab)?;
        let Some(key) = keys.iter().find(|key| is_key_of(key, wanted)) else {
            return Err(no_key(keytab, principal, &keys));
        };
        replay::check()?;
        let found = Principal::parse(&key.principal);
        // Without a host any key serves, and it is the ticket's own name that `Server` checks.
        let name = wanted.rest.is_some().then_some(key.principal.as_str());
        let credential = credential::acquire(keytab, name).map_err(|error| {
            let (keytab, why) = (keytab.display(), said(error));
            format!("the keytab {keytab} cannot be used for {principal:?}: {why}")
        })?;
        let service = Service {
            name: found.first.to_owned(),
            realm: found.realm.unwrap_or_default().to_owned(),
        };
        Ok(Acceptor {
            credential,
            service: Arc::new(service),
        })
    }

    /// The daemon's own realm: the principal's, or else that of its key in the keytab.
    pub(super) fn realm(&self) -> &str {
        &self.service.realm
    }

    pub(super) fn begin(&self) -> Server {
        let context = ServerCtx::new(Some(self.credential.clone()));
        Server::new(context, self.service.clone())
    }
}

impl Service {
    /// Whether a ticket is for it. With a principal that names a host the library has already seen to
    /// that; without one it decrypts with any key of the keytab, another service's too.
    fn is_target(&self, name: &str) -> bool {
        let target = Principal::parse(name);
        target.first == self.name && target.realm == Some(&*self.realm)
    }
}

fn is_key_of(key: &Key, wanted: Principal<'_>) -> bool {
    let has = Principal::parse(&key.principal);
    let any_or = |wanted: Option<&str>, has| wanted.is_none() || wanted == has;
    has.first == wanted.first && any_or(wanted.rest, has.rest) && any_or(wanted.realm, has.realm)
}

fn no_key(keytab: &Path, principal: &str, keys: &[Key]) -> String {
    let keytab = keytab.display();
    let what = match Principal::parse(principal).rest {
        Some(_) => format!("no key of {principal:?}"),
        None => format!("no key of {principal:?} or of that service on any host"),
    };
    let held = keytab::list(keys);
    format!(
        "the keytab {keytab} holds {what} (keyTab and principal of section PacemakerServer); it \
             holds {held}"
    )
}

/// Whose fault it is that the library refuses a token.
fn refusal(error: libgssapi::error::Error) -> LoginFailure {
    // The system's codes are far below those of protocols: the replay cache cannot be written. A
    // keytab that is gone has the code of a key that is not in it, which may be the peer's fault.
    match error.minor {
        1..4096 => LoginFailure::Ours(said(error)),
        _ => LoginFailure::BadTicket(said(error)),
    }
}

/// What the library says, in one line. It may quote names that a peer has sent.
fn said(error: libgssapi::error::Error) -> String {
    let text = error.to_string();
    // Its words for "see the other message", around the other message.
    let text = text
        .strip_prefix("Unspecified GSS failure.  Minor code may provide more information (")
        .and_then(|text| text.strip_suffix(')'))
        .unwrap_or(&text);
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    text.chars().map(plain).collect()
}

/// A name as the library writes it.
fn text(name: Result<libgssapi::name::Name, libgssapi::error::Error>) -> Result<String, String> {
    let name = name.and_then(|name| name.display_name()).map_err(said)?;
    match std::str::from_utf8(&name) {
        Ok(name) => Ok(name.to_owned()),
        Err(_) => Err(format!(
            "a name that is not UTF-8: {:?}",
            String::from_utf8_lossy(&name)
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(principal: &str) -> Key {
        Key {
            principal: principal.to_owned(),
            version: 1,
        }
    }

    #[test]
    fn which_keys_serve_a_principal() {
        let serves = |wanted, has| is_key_of(&key(has), Principal::parse(wanted));
        let full = "pacemaker/a.b@R";
        for wanted in [
            "pacemaker/a.b@R",
            "pacemaker/a.b",
            "pacemaker@R",
            "pacemaker",
        ] {
            assert!(serves(wanted, full), "{wanted}");
        }
        for wanted in [
            "pacemaker/a@R",
            "pacemaker/a.b@r",
            "pacemaker@S",
            "pace",
            "Pacemaker",
            "",
        ] {
            assert!(!serves(wanted, full), "{wanted}");
        }
        assert!(serves("pacemaker@R", "pacemaker@R"));
        assert!(!serves("pacemaker/a@R", "pacemaker@R"));
    }

    #[test]
    fn which_tickets_are_for_a_service() {
        let service = Service {
            name: "pacemaker".to_owned(),
            realm: "R".to_owned(),
        };
        for name in ["pacemaker/a@R", "pacemaker@R", "pacemaker/a/b@R"] {
            assert!(service.is_target(name), "{name}");
        }
        for name in [
            "HTTP/a@R",
            "pacemaker/a@S",
            "pacemaker/a",
            r"pacemaker\/a@R",
            "x/pacemaker@R",
        ] {
            assert!(!service.is_target(name), "{name}");
        }
    }
}
