//! Credentials for logins, from the JAAS file. Reads that file, and checks who else can read it and the
//! keytab.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::access::Need;
use crate::auth::jaas::{self, Properties};
use crate::auth::principal::Principal;
use crate::auth::{
    Credentials, DigestCredentials, HAS_KERBEROS, KerberosCredentials, NO_KERBEROS, Realms,
};

use super::AuthMethod;
use super::client::ClientLogin;
use super::diagnostics::Diagnostics;
use super::files;
use super::keys::{
    AUTH_METHOD, DELETES, KERBEROS_REALMS, KERBEROS_USERS, LOGIN_CONFIG, NIMBUS_USER, WRITES,
};
use super::layers::unreadable;
use super::resolve::Resolved;
use super::setting::Setting;

/// The credentials that the method needs. Under NONE the JAAS file is not read.
pub(super) fn credentials(
    resolved: &Resolved,
    properties: &Properties,
    diagnostics: &mut Diagnostics,
) -> Credentials {
    let needed: [&Setting; 7] = [
        &AUTH_METHOD,
        &LOGIN_CONFIG,
        &NIMBUS_USER,
        &KERBEROS_USERS,
        &KERBEROS_REALMS,
        &WRITES,
        &DELETES,
    ];
    // No error that follows from another.
    if !resolved.are_valid(&needed) {
        return Credentials::None;
    }
    let method = resolved.get(&AUTH_METHOD);
    if !is_available(method, resolved, diagnostics) {
        return Credentials::None;
    }
    let found = match method {
        AuthMethod::None => {
            refuse_rules_that_need_a_login(resolved, diagnostics);
            return Credentials::None;
        }
        AuthMethod::Digest => digest(resolved, properties, diagnostics).map(Credentials::Digest),
        AuthMethod::Kerberos => {
            kerberos(resolved, properties, diagnostics).map(Credentials::Kerberos)
        }
    };
    if resolved.get(&WRITES) == Need::Authenticated {
        diagnostics.warn(
            "access.writes is \"authenticated\": workers of Storm 2.3 and later cannot log in, so the \
             server refuses their heartbeats",
        );
    }
    // Missing credentials are an error, and then there is no configuration.
    found.unwrap_or_default()
}

/// How a command logs in: the client's side of the same settings. Without a section for clients in the
/// JAAS file, the command uses the tickets of the user who runs it.
pub(super) fn of_client(
    resolved: &Resolved,
    properties: &Properties,
    diagnostics: &mut Diagnostics,
) -> ClientLogin {
    if !resolved.are_valid(&[&AUTH_METHOD, &LOGIN_CONFIG]) {
        return ClientLogin::None;
    }
    let method = resolved.get(&AUTH_METHOD);
    if !is_available(method, resolved, diagnostics) {
        return ClientLogin::None;
    }
    match method {
        AuthMethod::None => ClientLogin::None,
        AuthMethod::Digest => {
            digest(resolved, properties, diagnostics).map_or(ClientLogin::None, ClientLogin::Digest)
        }
        AuthMethod::Kerberos => {
            let path = resolved.get(&LOGIN_CONFIG).map(PathBuf::from);
            let file = path.and_then(|path| read_jaas(&path, resolved, properties, diagnostics));
            ClientLogin::Kerberos(file.map(|file| jaas::client(&file)).unwrap_or_default())
        }
    }
}

/// Whether this build has the method. Without it there is an error, and so no configuration.
fn is_available(method: AuthMethod, resolved: &Resolved, diagnostics: &mut Diagnostics) -> bool {
    let is_available = method != AuthMethod::Kerberos || HAS_KERBEROS;
    if !is_available {
        let error = resolved.error(&AUTH_METHOD, NO_KERBEROS);
        diagnostics.errors.push(error);
    }
    is_available
}

fn refuse_rules_that_need_a_login(resolved: &Resolved, diagnostics: &mut Diagnostics) {
    for (key, action) in [(&WRITES, "write"), (&DELETES, "delete")] {
        if resolved.get(key) == Need::Authenticated {
            let text = format!(
                "\"authenticated\" needs a login method, but auth.method (pacemaker.auth.method) is \
                 NONE, so nobody could {action}; set auth.method, or \"open\" here"
            );
            diagnostics.errors.push(resolved.error(key, text));
        }
    }
}

fn digest(
    resolved: &Resolved,
    properties: &Properties,
    diagnostics: &mut Diagnostics,
) -> Option<DigestCredentials> {
    diagnostics.warn(
        "auth.method is DIGEST: clients of Storm 2.x cannot log in with it (a bug in Storm: they close \
         the connection after a successful login); clients of Storm 1.x can",
    );
    let path = login_config(resolved, diagnostics)?;
    let file = read_jaas(&path, resolved, properties, diagnostics)?;
    warn_if_readable_by_everyone(&path, "a password", diagnostics);
    accepted(jaas::digest(&file), diagnostics)
}

fn kerberos(
    resolved: &Resolved,
    properties: &Properties,
    diagnostics: &mut Diagnostics,
) -> Option<KerberosCredentials> {
    let users = users(resolved, diagnostics);
    let realms = realms(resolved, diagnostics);
    let path = login_config(resolved, diagnostics)?;
    let file = read_jaas(&path, resolved, properties, diagnostics)?;
    let section = accepted(jaas::server(&file), diagnostics)?;
    if !section.ignored.is_empty() {
        diagnostics.note(format!(
            "{}: section {}: only keyTab and principal are used; ignored: {}",
            path.display(),
            jaas::SERVER_SECTION,
            section.ignored.join(", ")
        ));
    }
    warn_if_readable_by_everyone(&section.keytab, "the daemon's key", diagnostics);
    Some(KerberosCredentials {
        keytab: section.keytab,
        principal: section.principal,
        users: users?,
        realms,
    })
}

/// Nimbus's user and the other ones.
fn users(resolved: &Resolved, diagnostics: &mut Diagnostics) -> Option<Vec<String>> {
    let nimbus = resolved.get(&NIMBUS_USER);
    let others = resolved.get(&KERBEROS_USERS);
    if nimbus.is_none() && others.is_empty() {
        let text = "KERBEROS needs the names of users who may log in; set auth.nimbus_user \
                    (nimbus.daemon.user) or kerberos.users";
        diagnostics.errors.push(resolved.error(&AUTH_METHOD, text));
        return None;
    }
    let mut users = Vec::new();
    let nimbus = nimbus.into_iter().map(|user| (&*NIMBUS_USER, user));
    let others = others.into_iter().map(|user| (&*KERBEROS_USERS, user));
    for (setting, user) in nimbus.chain(others) {
        let Principal {
            instance, realm, ..
        } = Principal::parse(&user);
        if instance.is_some() || realm.is_some() {
            let text = format!(
                "{user:?} matches nobody; write only the first part of the principal, before any / or @"
            );
            diagnostics.errors.push(resolved.error(setting, text));
        }
        if !users.contains(&user) {
            users.push(user);
        }
    }
    Some(users)
}

fn realms(resolved: &Resolved, diagnostics: &mut Diagnostics) -> Realms {
    let realms = resolved.get(&KERBEROS_REALMS);
    if realms.iter().any(|realm| realm == "*") {
        diagnostics.warn(
            "kerberos.realms contains \"*\": anyone with an allowed user name in any realm that the \
             KDC trusts may log in",
        );
        return Realms::Any;
    }
    Realms::OwnAnd(realms)
}

fn login_config(resolved: &Resolved, diagnostics: &mut Diagnostics) -> Option<PathBuf> {
    let path = resolved.get(&LOGIN_CONFIG).map(PathBuf::from);
    if path.is_none() {
        let method = resolved.get(&AUTH_METHOD).name();
        let text = format!(
            "{method} needs a JAAS file with the daemon's credentials; set auth.login_config \
             (java.security.auth.login.config)"
        );
        diagnostics.errors.push(resolved.error(&AUTH_METHOD, text));
    }
    path
}

fn read_jaas(
    path: &Path,
    resolved: &Resolved,
    properties: &Properties,
    diagnostics: &mut Diagnostics,
) -> Option<jaas::JaasFile> {
    let bytes = match files::read(path) {
        Ok(bytes) => bytes,
        Err(text) => {
            let (location, spelled) = resolved.source_of(&LOGIN_CONFIG);
            let named_by = format!("{location}, {spelled}");
            diagnostics.errors.push(unreadable(&named_by, path, &text));
            return None;
        }
    };
    // Java's reader, too, replaces what is not UTF-8 by U+FFFD, and clients use the same file.
    let text = Zeroizing::new(String::from_utf8_lossy(&bytes).into_owned());
    let name = path.display().to_string();
    accepted(jaas::parse(&name, &text, properties), diagnostics)
}

fn accepted<T>(result: Result<T, jaas::JaasError>, diagnostics: &mut Diagnostics) -> Option<T> {
    result
        .map_err(|error| diagnostics.errors.push(error.into()))
        .ok()
}

/// A file whose mode cannot be read has other errors, which are reported elsewhere.
fn warn_if_readable_by_everyone(path: &Path, secret: &str, diagnostics: &mut Diagnostics) {
    const OTHERS_READ: u32 = 0o004;
    if std::fs::metadata(path).is_ok_and(|file| file.permissions().mode() & OTHERS_READ != 0) {
        let path = path.display();
        diagnostics.warn(format!(
            "{path} holds {secret} and everyone can read it; run chmod o-r on it"
        ));
    }
}
