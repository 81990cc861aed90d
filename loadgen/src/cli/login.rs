//! How connections log in: the options, and the methods they select for a server.

use std::fs;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use storm_pacemaker::auth::{DigestCredentials, HAS_KERBEROS, NO_KERBEROS, jaas};
use storm_pacemaker::client_login::ClientMethod;

use crate::settings::LoginMethods;

#[derive(Debug, Args)]
pub(super) struct LoginArguments {
    /// How Nimbus's connections log in. Kerberos takes its tickets from the default credential cache
    /// (KRB5CCNAME)
    #[arg(long, value_name = "HOW", default_value = "none")]
    auth: Auth,

    /// JAAS file with the user and password for digest, in its section PacemakerDigest
    #[arg(long, value_name = "FILE")]
    login_config: Option<PathBuf>,

    /// Principal of the server for kerberos [default: pacemaker/HOST, with the HOST of --target]
    #[arg(long, value_name = "SERVICE/HOST[@REALM]", value_parser = service)]
    service: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Auth {
    None,
    Digest,
    Kerberos,
}

/// The login methods of all servers.
pub(super) struct Methods {
    readers: Auth,
    workers: Auth,
    /// Set if one of the two is `Digest`.
    digest: Option<DigestCredentials>,
    service: Option<String>,
}

impl Methods {
    pub(super) fn new(arguments: &LoginArguments, workers: Auth) -> Result<Methods, String> {
        let readers = arguments.auth;
        if !HAS_KERBEROS && [readers, workers].contains(&Auth::Kerberos) {
            return Err(format!("a login with kerberos: {NO_KERBEROS}"));
        }
        let digest = if [readers, workers].contains(&Auth::Digest) {
            Some(credentials(arguments.login_config.as_deref())?)
        } else {
            None
        };
        Ok(Methods {
            readers,
            workers,
            digest,
            service: arguments.service.clone(),
        })
    }

    /// The methods for one server, `HOST:PORT`.
    pub(super) fn at(&self, server: &str) -> LoginMethods {
        LoginMethods {
            readers: self.method(self.readers, server),
            workers: self.method(self.workers, server),
        }
    }

    fn method(&self, auth: Auth, server: &str) -> Option<ClientMethod> {
        match auth {
            Auth::None => None,
            Auth::Digest => self.digest.clone().map(ClientMethod::Digest),
            Auth::Kerberos => {
                let usual = || format!("pacemaker/{}", host(server));
                let service = self.service.clone().unwrap_or_else(usual);
                Some(ClientMethod::Kerberos { service })
            }
        }
    }
}

fn credentials(login_config: Option<&Path>) -> Result<DigestCredentials, String> {
    let path = login_config.ok_or_else(|| {
        "digest needs --login-config: a JAAS file with a section PacemakerDigest".to_owned()
    })?;
    let name = path.display().to_string();
    let text = fs::read_to_string(path)
        .map_err(|error| format!("--login-config: cannot read {name}: {error}"))?;
    jaas::parse(&name, &text, &jaas::Properties::new())
        .and_then(|file| jaas::digest(&file))
        .map_err(|problem| format!("--login-config: {problem}"))
}

fn service(text: &str) -> Result<String, String> {
    let (service, rest) = text.split_once('/').unwrap_or((text, ""));
    let host = rest.split('@').next().unwrap_or_default();
    if service.is_empty() || host.is_empty() {
        Err("expected SERVICE/HOST, such as pacemaker/pacemaker.example.com".to_owned())
    } else {
        Ok(text.to_owned())
    }
}

/// The host of HOST:PORT, without the brackets of an IPv6 address.
fn host(server: &str) -> &str {
    let host = server.rsplit_once(':').map_or(server, |(host, _)| host);
    let inner = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    inner.unwrap_or(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_at_the_host_of_the_target() {
        assert_eq!(host("pm.example.com:6699"), "pm.example.com");
        assert_eq!(host("[::1]:6699"), "::1");
        for wrong in ["pacemaker", "pacemaker/", "/host", "pacemaker/@REALM"] {
            assert!(service(wrong).is_err(), "{wrong}");
        }
        assert!(service("pacemaker/host@REALM").is_ok());
    }

    #[test]
    fn digest_reads_the_file_of_the_daemon() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut arguments = LoginArguments {
            auth: Auth::Digest,
            login_config: Some(file.path().to_owned()),
            service: None,
        };
        fs::write(&file, "PacemakerDigest { username=\"u\" password=\"p\"; };").unwrap();
        let methods = Methods::new(&arguments, Auth::None).unwrap();
        let logins = methods.at("127.0.0.1:6699");
        assert_eq!(
            (logins.of_readers(), logins.of_workers()),
            ("digest", "none")
        );
        fs::write(&file, "PacemakerServer { };").unwrap();
        let error = Methods::new(&arguments, Auth::None).err().unwrap();
        assert!(error.contains("PacemakerDigest"), "{error}");
        // Without digest, the file is not read.
        arguments.auth = Auth::None;
        assert!(Methods::new(&arguments, Auth::None).is_ok());
        let error = Methods::new(&arguments, Auth::Digest).err().unwrap();
        assert!(error.contains("--login-config"), "{error}");
    }

    #[test]
    fn kerberos_needs_a_build_that_has_it() {
        let arguments = LoginArguments {
            auth: Auth::None,
            login_config: None,
            service: None,
        };
        let methods = Methods::new(&arguments, Auth::Kerberos);
        let method = methods.map(|methods| methods.at("127.0.0.1:6699").of_workers());
        if cfg!(feature = "kerberos") {
            assert_eq!(method, Ok("kerberos"));
        } else {
            let error = method.unwrap_err();
            assert!(error.contains("--features kerberos"), "{error}");
        }
    }
}
