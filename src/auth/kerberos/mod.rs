//! Kerberos logins: SASL's GSSAPI mechanism (RFC 4752) on MIT's library. `server` and `client` are
//! the two sides of the exchange, `keytab` and `replay` are the checks at start, and `credential` is
//! the only file that calls C. This module says who a peer is; `authorization` decides whether that
//! peer may log in. Only a client that needs a ticket uses the network.

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
use server::KerberosExchange;

/// The daemon's own credential. Each shard has one, because threads that share one wait for each
/// other. It keeps no file open. Creating it makes the library load everything that it needs, so that
/// the first login is as fast as the others.
pub(super) struct Acceptor {
    credential: Cred,
    service: Arc<Service>,
}

/// The service whose tickets are accepted.
struct Service {
    /// The primary (first component) of the principal.
    name: String,
    realm: String,
}

impl Acceptor {
    /// # Errors
    /// The daemon could never accept a ticket of this principal: a sentence for the operator.
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
        // Without a host the library may use any key; `KerberosExchange` checks the ticket's service.
        let name = wanted.instance.is_some().then_some(key.principal.as_str());
        let credential = credential::acquire(keytab, name).map_err(|error| {
            let (keytab, why) = (keytab.display(), message(error));
            format!("the keytab {keytab} cannot be used for {principal:?}: {why}")
        })?;
        let service = Service {
            name: found.primary.to_owned(),
            realm: found.realm.unwrap_or_default().to_owned(),
        };
        Ok(Acceptor {
            credential,
            service: Arc::new(service),
        })
    }

    /// The daemon's own realm: that of its key in the keytab.
    pub(super) fn realm(&self) -> &str {
        &self.service.realm
    }

    pub(super) fn begin(&self) -> KerberosExchange {
        let context = ServerCtx::new(Some(self.credential.clone()));
        KerberosExchange::new(context, self.service.clone())
    }
}

impl Service {
    /// Whether a ticket with this target is for the service. If the configured principal names a host,
    /// the library has already checked that. Otherwise the library decrypts with any key of the keytab,
    /// even one of another service.
    fn is_target(&self, name: &str) -> bool {
        let target = Principal::parse(name);
        target.primary == self.name && target.realm == Some(&*self.realm)
    }
}

fn is_key_of(key: &Key, wanted: Principal<'_>) -> bool {
    let has = Principal::parse(&key.principal);
    let any_or = |wanted: Option<&str>, has| wanted.is_none() || wanted == has;
    has.primary == wanted.primary
        && any_or(wanted.instance, has.instance)
        && any_or(wanted.realm, has.realm)
}

fn no_key(keytab: &Path, principal: &str, keys: &[Key]) -> String {
    let keytab = keytab.display();
    let what = match Principal::parse(principal).instance {
        Some(_) => format!("no key for {principal:?}"),
        None => format!("no key for {principal:?} or for that service on any host"),
    };
    let held = keytab::list(keys);
    format!(
        "the keytab {keytab} has {what} (keyTab and principal in section PacemakerServer); it has \
         {held}"
    )
}

/// Sorts an error of the library about a token by who is at fault.
fn token_failure(error: libgssapi::error::Error) -> LoginFailure {
    // Codes of the operating system are far below those of the library, and mean that the replay cache
    // cannot be written. A missing keytab has the code of a key that is not in it, which may be the
    // peer's fault.
    match error.minor {
        1..4096 => LoginFailure::Internal(message(error)),
        _ => LoginFailure::BadTicket(message(error)),
    }
}

/// The library's message, in one line. It may quote names that a peer has sent.
fn message(error: libgssapi::error::Error) -> String {
    let text = error.to_string();
    // The library's words for "see the other message", wrapped around the other message.
    let text = text
        .strip_prefix("Unspecified GSS failure.  Minor code may provide more information (")
        .and_then(|text| text.strip_suffix(')'))
        .unwrap_or(&text);
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    text.chars().map(plain).collect()
}

/// A principal's name in the library's text form.
fn name_text(
    name: Result<libgssapi::name::Name, libgssapi::error::Error>,
) -> Result<String, String> {
    let name = name.and_then(|name| name.display_name()).map_err(message)?;
    match std::str::from_utf8(&name) {
        Ok(name) => Ok(name.to_owned()),
        Err(_) => Err(format!(
            "the principal is not UTF-8: {:?}",
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
