//! What a cluster with Kerberos has at the least: a realm, the key of the daemon's service, and users
//! with a JAAS file each.

use std::fs;
use std::path::PathBuf;

use super::jaas_files;
use super::kdc::{Kdc, REALM, SERVICE};
use super::login_server::LoginServer;

pub struct KerberosSite {
    pub kdc: Kdc,
    /// The daemon's.
    pub keytab: PathBuf,
}

impl KerberosSite {
    pub fn start() -> KerberosSite {
        Self::of(Kdc::start())
    }

    pub fn of(kdc: Kdc) -> KerberosSite {
        let keytab = kdc.add_with_keytab(SERVICE, "server.keytab");
        KerberosSite { kdc, keytab }
    }

    /// A daemon that `nimbus` may log in to.
    pub fn server(&self) -> LoginServer {
        self.server_of(&format!("{SERVICE}@{REALM}"), &[])
    }

    /// With a principal as the JAAS file names it, and options that Storm's daemon has not got.
    pub fn server_of(&self, principal: &str, ours: &[&str]) -> LoginServer {
        let section = jaas_files::server_of(&self.keytab, principal);
        let file = jaas_files::write(self.kdc.path("server.jaas"), &[section]);
        let settings = [
            ("pacemaker.auth.method", "KERBEROS"),
            (
                "java.security.auth.login.config",
                file.to_str().expect("UTF-8"),
            ),
            ("nimbus.daemon.user", "nimbus"),
        ];
        LoginServer::start_with(&settings, Some(&self.kdc), ours)
    }

    /// Adds a user and returns its JAAS file.
    pub fn add_user(&self, principal: &str) -> String {
        let full = if principal.contains('@') {
            principal.to_owned()
        } else {
            format!("{principal}@{REALM}")
        };
        let file = full.replace('/', "-");
        let keytab = self.kdc.add_with_keytab(&full, &format!("{file}.keytab"));
        let section = jaas_files::client(&keytab, &full);
        let path = jaas_files::write(self.kdc.path(&format!("{file}.jaas")), &[section]);
        path.into_os_string().into_string().expect("UTF-8")
    }

    /// The daemon's key is replaced in the realm, as an administrator does it now and then.
    pub fn change_key(&self) {
        self.kdc.change_key(SERVICE);
    }

    /// And now in the daemon's keytab: the new key alone is there.
    pub fn replace_keytab(&self) {
        let new = self.kdc.write_keytab("server.keytab.new", &[SERVICE]);
        fs::rename(new, &self.keytab).expect("the keytab");
    }
}
