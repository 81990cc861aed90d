//! JAAS files: what Storm's daemons and clients know their own passwords and keys by.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::kdc::{REALM, SERVICE};

/// Section `PacemakerDigest` as Java reads it.
pub fn digest(user: &str, password: &str) -> String {
    let module = "org.apache.zookeeper.server.auth.DigestLoginModule required";
    format!(
        "PacemakerDigest {{\n  {module}\n  username=\"{user}\"\n  password=\"{password}\";\n}};\n"
    )
}

/// The same as Storm's manual has it, without a module, which Java takes for a syntax error.
pub fn digest_of_the_manual(user: &str, password: &str) -> String {
    format!("PacemakerDigest {{\n  username=\"{user}\"\n  password=\"{password}\";\n}};\n")
}

/// Section `PacemakerServer` for the service that clients of `localhost` ask for.
pub fn server(keytab: &Path) -> String {
    server_of(keytab, &format!("{SERVICE}@{REALM}"))
}

pub fn server_of(keytab: &Path, principal: &str) -> String {
    kerberos("PacemakerServer", keytab, principal)
}

/// Section `PacemakerClient`: Nimbus's own.
pub fn client(keytab: &Path, principal: &str) -> String {
    kerberos("PacemakerClient", keytab, principal)
}

fn kerberos(section: &str, keytab: &Path, principal: &str) -> String {
    let keytab = keytab.display();
    format!(
        "{section} {{\n  com.sun.security.auth.module.Krb5LoginModule required\n  useKeyTab=true\n  \
         keyTab=\"{keytab}\"\n  storeKey=true\n  useTicketCache=false\n  \
         serviceName=\"pacemaker\"\n  principal=\"{principal}\";\n}};\n"
    )
}

/// Writes sections into a file that its owner alone can read.
pub fn write(file: PathBuf, sections: &[String]) -> PathBuf {
    fs::write(&file, sections.concat()).expect("a JAAS file");
    fs::set_permissions(&file, Permissions::from_mode(0o600)).expect("its mode");
    file
}
