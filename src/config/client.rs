//! What a command that asks a server goes by: the same files and flags as the daemon's, of which it
//! needs a few. Credentials are a client's, so a file that has none of the daemon's own is no error.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use super::load::{Sources, Told, settle};
use super::logins;
use super::problem::ConfigErrors;
use super::settle::Settled;
use crate::auth::DigestCredentials;
use crate::auth::jaas::ClientSection;
use crate::limits;

/// Settings of a client.
#[derive(Clone, Debug)]
pub struct ForClient {
    /// Where a daemon with this configuration listens, as seen from its own host.
    pub server: SocketAddr,
    /// Bytes of the largest answer's body.
    pub frame_bytes: u32,
    pub login: Login,
    pub krb5_conf: Option<PathBuf>,
}

/// How to log in, by `auth.method`.
#[derive(Clone, Debug)]
pub enum Login {
    None,
    Digest(DigestCredentials),
    Kerberos(ClientSection),
}

/// Reads all layers, and the JAAS file if the method needs it.
///
/// # Errors
/// As [`super::load`], but for what concerns the daemon's own credentials.
pub fn load_for_client(sources: &Sources) -> Result<ForClient, ConfigErrors> {
    let mut told = Told::default();
    let (settled, properties) = settle(sources, &mut told);
    let login = logins::of_client(&settled, &properties, &mut told);
    if !told.problems.is_empty() {
        return Err(ConfigErrors(told.problems));
    }
    Ok(ForClient {
        server: nearest(&settled),
        frame_bytes: u32::try_from(settled.size("limits.frame_size")).expect("a frame's range"),
        login,
        krb5_conf: settled.text("kerberos.krb5_conf").map(PathBuf::from),
    })
}

/// A daemon that listens on all addresses also does on loopback. Port 0 is not known beforehand: then
/// it is Storm's default.
fn nearest(settled: &Settled) -> SocketAddr {
    let ip = match settled.address("server.bind") {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        bound => bound,
    };
    let port = u16::try_from(settled.count("server.port")).expect("a port's range");
    SocketAddr::new(ip, if port == 0 { limits::STORMS_PORT } else { port })
}
