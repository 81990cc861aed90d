//! What logins need besides the settings: the credentials in the JAAS file. Reads that file, and looks
//! at who else may read it and the keytab.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use zeroize::Zeroizing;

use crate::auth::jaas::{self, Properties};
use crate::auth::principal::Principal;
use crate::auth::{Credentials, DigestCredentials, KerberosCredentials, Realms};

use super::AuthMethod;
use super::client::Login;
use super::files;
use super::load::{Told, unreadable};
use super::problem::{Note, Problem};
use super::settle::Settled;

/// The settings that are looked at here.
const KEYS: [&str; 7] = [
    "auth.method",
    "auth.login_config",
    "auth.nimbus_user",
    "kerberos.users",
    "kerberos.realms",
    "access.writes",
    "access.deletes",
];

/// The credentials that the method asks for. Under NONE the JAAS file is not read.
pub(super) fn credentials(
    settled: &Settled,
    properties: &Properties,
    told: &mut Told,
) -> Credentials {
    // No error that follows from another.
    if !settled.are_sound(&KEYS) {
        return Credentials::None;
    }
    let found = match AuthMethod::of(settled.choice("auth.method")) {
        AuthMethod::None => {
            rules_that_need_a_login(settled, told);
            return Credentials::None;
        }
        AuthMethod::Digest => digest(settled, properties, told).map(Credentials::Digest),
        AuthMethod::Kerberos => kerberos(settled, properties, told).map(Credentials::Kerberos),
    };
    if settled.choice("access.writes") == "authenticated" {
        told.notes.push(Note::warning(
            "access.writes is authenticated: workers of Storm 2.3 and later cannot log in, and so \
             cannot report that they live",
        ));
    }
    // Without credentials there is a problem, and so no configuration.
    found.unwrap_or_default()
}

fn rules_that_need_a_login(settled: &Settled, told: &mut Told) {
    for (key, deed) in [("access.writes", "write"), ("access.deletes", "delete")] {
        if settled.choice(key) == "authenticated" {
            let text = format!(
                "\"authenticated\" needs a login, and auth.method (pacemaker.auth.method) is NONE: \
                 nobody could {deed}"
            );
            told.problems.push(problem(settled, key, text));
        }
    }
}

/// How a command logs in: the client's side of the same settings. A JAAS file may have no section for
/// clients: then their tickets are those of whoever runs the command.
pub(super) fn of_client(settled: &Settled, properties: &Properties, told: &mut Told) -> Login {
    if !settled.are_sound(&["auth.method", "auth.login_config"]) {
        return Login::None;
    }
    match AuthMethod::of(settled.choice("auth.method")) {
        AuthMethod::None => Login::None,
        AuthMethod::Digest => digest(settled, properties, told).map_or(Login::None, Login::Digest),
        AuthMethod::Kerberos => {
            let path = settled.text("auth.login_config").map(Path::new);
            let file = path.and_then(|path| read_jaas(path, settled, properties, told));
            Login::Kerberos(file.map(|file| jaas::client(&file)).unwrap_or_default())
        }
    }
}

fn digest(
    settled: &Settled,
    properties: &Properties,
    told: &mut Told,
) -> Option<DigestCredentials> {
    told.notes.push(Note::warning(
        "auth.method is DIGEST: clients of Storm 2.x cannot log in with it (their own bug: they close \
         the connection after a login that went well); 1.x clients can",
    ));
    let path = login_config(settled, told)?;
    let file = read_jaas(path, settled, properties, told)?;
    if everyone_may_read(path) {
        told.notes.push(Note::warning(format!(
            "{}, which holds a password, can be read by everyone: take that right away (chmod o-r)",
            path.display()
        )));
    }
    accepted(jaas::digest(&file), told)
}

fn kerberos(
    settled: &Settled,
    properties: &Properties,
    told: &mut Told,
) -> Option<KerberosCredentials> {
    if !cfg!(feature = "kerberos") {
        let text = "this build of storm-pacemaker has no Kerberos: take one that was built with its \
                    cargo feature \"kerberos\", or another method";
        told.problems
            .push(problem(settled, "auth.method", text.to_owned()));
        return None;
    }
    let users = users(settled, told);
    let realms = realms(settled, told);
    let path = login_config(settled, told)?;
    let file = read_jaas(path, settled, properties, told)?;
    let section = accepted(jaas::server(&file), told)?;
    if !section.ignored.is_empty() {
        told.notes.push(Note::info(format!(
            "{}: of section {} only keyTab and principal are used, not {}",
            path.display(),
            jaas::SERVER_SECTION,
            section.ignored.join(", ")
        )));
    }
    if everyone_may_read(&section.keytab) {
        told.notes.push(Note::warning(format!(
            "{}, the keytab, can be read by everyone: take that right away (chmod o-r)",
            section.keytab.display()
        )));
    }
    Some(KerberosCredentials {
        keytab: section.keytab,
        principal: section.principal,
        users: users?,
        realms,
    })
}

/// Nimbus' user and the further ones.
fn users(settled: &Settled, told: &mut Told) -> Option<Vec<String>> {
    let nimbus = settled.text("auth.nimbus_user").map(str::to_owned);
    let further = settled.texts("kerberos.users");
    if nimbus.is_none() && further.is_empty() {
        let text = "KERBEROS needs to know who may log in: set auth.nimbus_user (nimbus.daemon.user) \
                    or kerberos.users";
        told.problems
            .push(problem(settled, "auth.method", text.to_owned()));
        return None;
    }
    let named = nimbus
        .iter()
        .map(|user| ("auth.nimbus_user", user))
        .chain(further.iter().map(|user| ("kerberos.users", user)));
    for (key, user) in named {
        let Principal {
            instance, realm, ..
        } = Principal::parse(user);
        if instance.is_some() || realm.is_some() {
            let text = format!(
                "{user:?} can match nobody: a user is the first part of a principal, what stands \
                 before / and @"
            );
            told.problems.push(problem(settled, key, text));
        }
    }
    let mut users: Vec<String> = nimbus.into_iter().collect();
    for user in further {
        if !users.contains(user) {
            users.push(user.clone());
        }
    }
    Some(users)
}

fn realms(settled: &Settled, told: &mut Told) -> Realms {
    let realms = settled.texts("kerberos.realms");
    if realms.iter().any(|realm| realm == "*") {
        told.notes.push(Note::warning(
            "kerberos.realms has \"*\": whoever has the name of a user in any realm that the KDC \
             trusts may log in",
        ));
        return Realms::Any;
    }
    Realms::OwnAnd(realms.to_vec())
}

fn login_config<'settled>(settled: &'settled Settled, told: &mut Told) -> Option<&'settled Path> {
    let path = settled.text("auth.login_config").map(Path::new);
    if path.is_none() {
        let text = format!(
            "{} needs a JAAS file with the daemon's credentials: set auth.login_config \
             (java.security.auth.login.config)",
            settled.choice("auth.method")
        );
        told.problems.push(problem(settled, "auth.method", text));
    }
    path
}

fn read_jaas(
    path: &Path,
    settled: &Settled,
    properties: &Properties,
    told: &mut Told,
) -> Option<jaas::JaasFile> {
    let bytes = match files::read(path) {
        Ok(bytes) => bytes,
        Err(error) => {
            let (place, spelled) = settled.origin_of("auth.login_config");
            let from = format!("{place}, {spelled}");
            told.problems.push(unreadable(&from, path, &error));
            return None;
        }
    };
    // Java's reader, too, puts U+FFFD for what is not UTF-8, and clients use the same file.
    let text = Zeroizing::new(String::from_utf8_lossy(&bytes).into_owned());
    let name = path.display().to_string();
    accepted(jaas::parse(&name, &text, properties), told)
}

fn accepted<T>(result: Result<T, jaas::JaasError>, told: &mut Told) -> Option<T> {
    result
        .map_err(|problem| told.problems.push(problem.into()))
        .ok()
}

/// A file that cannot be looked at has other problems, and others tell them.
fn everyone_may_read(path: &Path) -> bool {
    const OTHERS_READ: u32 = 0o004;
    std::fs::metadata(path).is_ok_and(|file| file.permissions().mode() & OTHERS_READ != 0)
}

fn problem(settled: &Settled, key: &str, text: String) -> Problem {
    let (place, spelled) = settled.origin_of(key);
    Problem {
        place: place.clone(),
        key: Some(spelled.to_owned()),
        text,
    }
}
