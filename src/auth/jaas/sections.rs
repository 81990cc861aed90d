//! The sections that the daemon and its commands read, and the names that messages may show.

use std::path::PathBuf;

use super::{File, Problem, Section};
use crate::auth::DigestCredentials;
use crate::auth::secret::Secret;

/// Of DIGEST: the user and the password that clients must have, too.
pub const DIGEST_SECTION: &str = "PacemakerDigest";
/// Of KERBEROS: the daemon's own key.
pub const SERVER_SECTION: &str = "PacemakerServer";
/// Of KERBEROS: whom Nimbus, or whoever runs a command, goes by.
pub const CLIENT_SECTION: &str = "PacemakerClient";

const USERNAME: &str = "username";
pub(super) const PASSWORD: &str = "password";
const KEYTAB: &str = "keyTab";
const PRINCIPAL: &str = "principal";

/// Section `PacemakerServer`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerSection {
    pub keytab: PathBuf,
    pub principal: String,
    /// Options that are there and mean nothing to this daemon, of those that Java knows.
    pub ignored: Vec<&'static str>,
}

/// Section `PacemakerClient`. What is not set is left to the Kerberos library.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientSection {
    pub keytab: Option<PathBuf>,
    pub principal: Option<String>,
    pub ticket_cache: Option<PathBuf>,
    /// First part of the server's principal.
    pub service_name: Option<String>,
}

/// Section `PacemakerDigest`.
///
/// # Errors
/// The section is not there, or an option is missing or empty.
pub fn digest(file: &File) -> Result<DigestCredentials, Problem> {
    let section = find(file, DIGEST_SECTION)?;
    let username = required(file, section, USERNAME, "")?;
    let password = required(file, section, PASSWORD, "")?;
    Ok(DigestCredentials::of(username.reveal(), password))
}

/// Section `PacemakerServer`.
///
/// # Errors
/// The section is not there, or an option is missing or empty.
pub fn server(file: &File) -> Result<ServerSection, Problem> {
    let section = find(file, SERVER_SECTION)?;
    let keytab = required(
        file,
        section,
        KEYTAB,
        ": this daemon takes its key from a keytab only, not from a ticket cache or a password",
    )?;
    let principal = required(file, section, PRINCIPAL, "")?;
    let ignored = KRB5_OPTIONS
        .iter()
        .filter(|option| section.option(option).is_some())
        .copied()
        .collect();
    Ok(ServerSection {
        keytab: PathBuf::from(without_type(keytab.reveal())),
        principal: principal.reveal().to_owned(),
        ignored,
    })
}

/// Section `PacemakerClient`, which may be missing. A keytab counts with `useKeyTab=true`, a ticket
/// cache with `useTicketCache=true`, as in Java.
pub fn client(file: &File) -> ClientSection {
    let Some(section) = file.section(CLIENT_SECTION) else {
        return ClientSection::default();
    };
    let text = |option| {
        let value = section.option(option)?.reveal();
        (!value.is_empty()).then_some(value)
    };
    let is_on = |option| text(option).is_some_and(|value| value.eq_ignore_ascii_case("true"));
    let file_if = |is_on: bool, option| {
        let name = is_on.then(|| text(option)).flatten()?;
        Some(PathBuf::from(without_type(name)))
    };
    ClientSection {
        keytab: file_if(is_on("useKeyTab"), KEYTAB),
        principal: text(PRINCIPAL).map(str::to_owned),
        ticket_cache: file_if(is_on("useTicketCache"), "ticketCache"),
        service_name: text("serviceName").map(str::to_owned),
    }
}

/// Java's name of a keytab may begin with its type.
fn without_type(keytab: &str) -> &str {
    match keytab.split_at_checked(5) {
        Some((kind, path)) if kind.eq_ignore_ascii_case("FILE:") => path,
        _ => keytab,
    }
}

fn find<'file>(file: &'file File, name: &str) -> Result<&'file Section, Problem> {
    file.section(name).ok_or_else(|| {
        let found: Vec<String> = file.sections.iter().map(shown).collect();
        let found = if found.is_empty() {
            "there is none at all".to_owned()
        } else {
            format!("there is only {}", found.join(", "))
        };
        Problem {
            file: file.path.clone(),
            position: None,
            text: format!("section {name} is missing; {found}"),
        }
    })
}

/// A section in a list of all.
fn shown(section: &Section) -> String {
    let name = &section.name;
    let empty = if section.modules.is_empty() {
        " (empty)"
    } else {
        ""
    };
    match known(&name.text) {
        Some(known) => format!("{known}{empty}"),
        None if name.quoted => "one with a name in quotes".to_owned(),
        None => format!("{:?}{empty}", name.text),
    }
}

fn required<'file>(
    file: &File,
    section: &'file Section,
    option: &str,
    reason: &str,
) -> Result<&'file Secret, Problem> {
    let problem = |what: &str| Problem {
        file: file.path.clone(),
        position: Some(section.position),
        text: format!("section {} {what} {option}{reason}", section.name.text),
    };
    let value = section.option(option).ok_or_else(|| problem("has no"))?;
    if value.reveal().is_empty() {
        return Err(problem("has an empty"));
    }
    Ok(value)
}

/// What Java's `Krb5LoginModule` reads besides keytab and principal.
const KRB5_OPTIONS: [&str; 14] = [
    "useKeyTab",
    "storeKey",
    "useTicketCache",
    "ticketCache",
    "renewTGT",
    "doNotPrompt",
    "isInitiator",
    "refreshKrb5Config",
    "debug",
    "useFirstPass",
    "tryFirstPass",
    "storePass",
    "clearPass",
    "serviceName",
];

/// The name itself if it is one of Storm's or of Java's, and so no secret.
pub(super) fn known(name: &str) -> Option<&'static str> {
    const NAMES: [&str; 10] = [
        DIGEST_SECTION,
        SERVER_SECTION,
        CLIENT_SECTION,
        "Server",
        "Client",
        "StormServer",
        "StormClient",
        USERNAME,
        PASSWORD,
        KEYTAB,
    ];
    let names = NAMES.iter().chain(&KRB5_OPTIONS).chain(&[PRINCIPAL]);
    names.copied().find(|known| *known == name)
}
