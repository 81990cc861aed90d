//! The configuration of a command that asks a server. It comes from the same files and flags as the
//! daemon's, but the credentials are a client's: a JAAS file without the daemon's own is no error.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use super::diagnostics::{ConfigErrors, Diagnostics};
use super::keys::{ADMIN_ADDRESS, BIND, FRAME_SIZE, KRB5_CONF, PORT};
use super::load::{Sources, resolve};
use super::logins;
use super::resolve::Resolved;
use crate::auth::DigestCredentials;
use crate::auth::jaas::ClientSection;
use crate::limits;

/// What a client needs to know.
#[derive(Clone, Debug)]
pub(crate) struct ClientConfig {
    /// Where a daemon with this configuration listens, as seen from its host.
    pub server: SocketAddr,
    /// Where else it listens then, if it listens everywhere.
    pub or_at: Option<IpAddr>,
    /// Bytes of the largest answer's body.
    pub frame_bytes: u32,
    pub login: ClientLogin,
    #[cfg_attr(
        not(feature = "kerberos"),
        expect(dead_code, reason = "only logins with Kerberos read it")
    )]
    pub krb5_conf: Option<PathBuf>,
}

impl ClientConfig {
    fn of(resolved: &Resolved, login: ClientLogin) -> ClientConfig {
        let (server, or_at) = local_addresses(resolved);
        ClientConfig {
            server,
            or_at,
            frame_bytes: resolved.get(&FRAME_SIZE),
            login,
            krb5_conf: resolved.get(&KRB5_CONF).map(PathBuf::from),
        }
    }
}

/// How to log in, by `auth.method`.
#[derive(Clone, Debug)]
pub enum ClientLogin {
    None,
    Digest(DigestCredentials),
    Kerberos(ClientSection),
}

/// Reads all layers, and the JAAS file if the login method needs it.
///
/// # Errors
/// As [`super::load`], except for the daemon's own credentials.
pub(crate) fn load_for_client(sources: &Sources) -> Result<ClientConfig, ConfigErrors> {
    let mut diagnostics = Diagnostics::default();
    let (resolved, properties) = resolve(sources, &mut diagnostics);
    let login = logins::of_client(&resolved, &properties, &mut diagnostics);
    diagnostics.into_notes()?;
    Ok(ClientConfig::of(&resolved, login))
}

/// Where a daemon with this configuration listens, as seen from its host, and the bytes of the largest answer's
/// body. Credentials are not looked at.
///
/// # Errors
/// As [`super::load`].
pub(crate) fn load_without_login(sources: &Sources) -> Result<ClientConfig, ConfigErrors> {
    let mut diagnostics = Diagnostics::default();
    let (resolved, _) = resolve(sources, &mut diagnostics);
    diagnostics.into_notes()?;
    Ok(ClientConfig::of(&resolved, ClientLogin::None))
}

/// Where a daemon with this configuration has its admin endpoint, as seen from its host. None: it has none, or the
/// configuration is wrong.
pub(crate) fn load_admin_address(sources: &Sources) -> Option<SocketAddr> {
    let mut diagnostics = Diagnostics::default();
    let (resolved, _) = resolve(sources, &mut diagnostics);
    diagnostics.into_notes().ok()?;
    let mut address = resolved.get(&ADMIN_ADDRESS)?;
    match address.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) | IpAddr::V6(Ipv6Addr::UNSPECIFIED) => {
            address.set_ip(Ipv4Addr::LOCALHOST.into());
        }
        _ => {}
    }
    Some(address)
}

/// Where the daemon listens, as seen from its host. A daemon on the wildcard address also listens on
/// loopback, of both families unless the host has one. Port 0 is not known beforehand; Storm's default
/// stands in for it.
fn local_addresses(resolved: &Resolved) -> (SocketAddr, Option<IpAddr>) {
    let (ip, or_at) = match resolved.get(&BIND) {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => (Ipv4Addr::LOCALHOST.into(), None),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => {
            (Ipv4Addr::LOCALHOST.into(), Some(Ipv6Addr::LOCALHOST.into()))
        }
        bound => (bound, None),
    };
    let port = match resolved.get(&PORT) {
        0 => limits::STORMS_PORT,
        port => port,
    };
    (SocketAddr::new(ip, port), or_at)
}
