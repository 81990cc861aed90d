//! The sections that the daemon and the commands read, and the names that messages may show.

use std::path::PathBuf;

use super::{JaasError, JaasFile, Section};
use crate::auth::DigestCredentials;
use crate::auth::secret::Secret;

/// For DIGEST: the user and the password, which clients must have too.
const DIGEST_SECTION: &str = "PacemakerDigest";
/// For KERBEROS: the daemon's own key.
pub(crate) const SERVER_SECTION: &str = "PacemakerServer";
/// For KERBEROS: the principal of Nimbus, and of the commands.
const CLIENT_SECTION: &str = "PacemakerClient";

const USERNAME: &str = "username";
pub(super) const PASSWORD: &str = "password";
const KEYTAB: &str = "keyTab";
const PRINCIPAL: &str = "principal";

/// Section `PacemakerServer`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerSection {
    pub keytab: PathBuf,
    pub principal: String,
    /// Options of Java's login module that are set and that this daemon ignores.
    pub ignored: Vec<&'static str>,
}

/// Section `PacemakerClient`. The Kerberos library decides what is not set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientSection {
    pub keytab: Option<PathBuf>,
    pub principal: Option<String>,
    pub(crate) ticket_cache: Option<PathBuf>,
    /// Primary (first component) of the server's principal.
    pub(crate) service_name: Option<String>,
}

/// Reads section `PacemakerDigest`.
///
/// # Errors
/// The section is missing, or an option is missing or empty.
pub fn digest(file: &JaasFile) -> Result<DigestCredentials, JaasError> {
    let section = find(file, DIGEST_SECTION)?;
    let username = required(file, section, USERNAME, "")?;
    let password = required(file, section, PASSWORD, "")?;
    Ok(DigestCredentials::of(username.reveal(), password))
}

/// Reads section `PacemakerServer`.
///
/// # Errors
/// The section is missing, or an option is missing or empty.
pub fn server(file: &JaasFile) -> Result<ServerSection, JaasError> {
    let section = find(file, SERVER_SECTION)?;
    let keytab = required(
        file,
        section,
        KEYTAB,
        ": this daemon takes its key only from a keytab, not from a ticket cache or a password",
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

/// Reads section `PacemakerClient`, which may be missing. As in Java, a keytab counts only with
/// `useKeyTab=true`, and a ticket cache only with `useTicketCache=true`.
pub(crate) fn client(file: &JaasFile) -> ClientSection {
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

/// Removes the type that Java allows before the path of a keytab or a ticket cache.
fn without_type(keytab: &str) -> &str {
    match keytab.split_at_checked(5) {
        Some((kind, path)) if kind.eq_ignore_ascii_case("FILE:") => path,
        _ => keytab,
    }
}

fn find<'file>(file: &'file JaasFile, name: &str) -> Result<&'file Section, JaasError> {
    file.section(name).ok_or_else(|| {
        let found: Vec<String> = file.sections.iter().map(display_name).collect();
        let found = if found.is_empty() {
            "the file has no sections".to_owned()
        } else {
            format!("the file has only {}", found.join(", "))
        };
        JaasError {
            file: file.path.clone(),
            position: None,
            text: format!("section {name} is missing; {found}"),
        }
    })
}

/// How a message names a section.
fn display_name(section: &Section) -> String {
    let name = &section.name;
    let empty = if section.modules.is_empty() {
        " (empty)"
    } else {
        ""
    };
    match known(&name.text) {
        Some(known) => format!("{known}{empty}"),
        None if name.quoted => "one whose name is in quotes".to_owned(),
        None => format!("{:?}{empty}", name.text),
    }
}

fn required<'file>(
    file: &JaasFile,
    section: &'file Section,
    option: &str,
    reason: &str,
) -> Result<&'file Secret, JaasError> {
    let problem = |what: &str| JaasError {
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

/// Options of Java's `Krb5LoginModule` besides `keyTab` and `principal`.
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

/// The name itself if Storm or Java define it, so that it cannot be a secret.
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
