//! Logins: what a peer must prove, and who it then is. `digest_md5` and `kerberos` are the two
//! mechanisms, which rsasl runs; `jaas` reads the file with the daemon's own credentials. It knows no
//! connection and no message: the session passes tokens in and out.

#[cfg(feature = "kerberos")]
mod authorization;
pub mod digest_md5;
mod failure;
pub mod jaas;
#[cfg(feature = "kerberos")]
pub mod kerberos;
mod mechanism;
pub(crate) mod principal;
pub mod secret;

pub use failure::LoginFailure;
pub(crate) use failure::clip_for_log;
pub use mechanism::{Authenticator, Handshake, Progress};

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use secret::Secret;

/// Whether this build has Kerberos: the cargo feature `kerberos`.
pub const HAS_KERBEROS: bool = cfg!(feature = "kerberos");

/// What a build without Kerberos answers to settings and options that ask for it.
pub const NO_KERBEROS: &str = "this build has no Kerberos; use a package or the image, or build with \
                               `cargo build --release --features kerberos`";

/// Who has logged in: a Kerberos principal, or the name that a DIGEST client gave itself.
pub(crate) type Identity = Arc<str>;

/// What logins are checked against. All shards have the same, until a reload replaces it.
#[derive(Clone, Debug, Default)]
pub enum Credentials {
    /// `pacemaker.auth.method: NONE`: there are no logins.
    #[default]
    None,
    Digest(DigestCredentials),
    Kerberos(KerberosCredentials),
}

/// Section `PacemakerDigest` of the JAAS file: the SASL password that Storm derives from the user and
/// the password. The password itself is not kept.
#[derive(Clone)]
pub struct DigestCredentials {
    sasl_password: Secret,
}

impl DigestCredentials {
    pub fn of(username: &str, password: &Secret) -> DigestCredentials {
        DigestCredentials {
            sasl_password: digest_md5::sasl_password(username, password),
        }
    }

    #[cfg(test)]
    fn are_of(&self, username: &str, password: &str) -> bool {
        let expected = DigestCredentials::of(username, &Secret::new(password.to_owned()));
        self.sasl_password.reveal() == expected.sasl_password.reveal()
    }
}

impl fmt::Debug for DigestCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DigestCredentials")
    }
}

/// Section `PacemakerServer` of the JAAS file, and who may log in.
#[derive(Clone, Debug)]
pub struct KerberosCredentials {
    pub keytab: PathBuf,
    /// `service/host@REALM`. Without a host, every key of that service in the keytab is used.
    pub principal: String,
    /// Primaries (first components) of the principals that may log in; never empty.
    pub users: Vec<String>,
    pub realms: Realms,
}

/// The realms whose users may log in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Realms {
    /// The daemon's own realm and these.
    OwnAnd(Vec<String>),
    /// Every realm that the KDC trusts, as in Storm's daemon.
    Any,
}

/// Where a Kerberos client takes its tickets from, when not from the default credential cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TicketSource {
    /// A credential cache, by its name in the Kerberos library's syntax. A plain path names a file.
    Cache(PathBuf),
    /// The KDC, with the key of `principal` from this keytab, or with the first key if there is no
    /// principal. The tickets stay in memory.
    Keytab {
        path: PathBuf,
        principal: Option<String>,
    },
}
