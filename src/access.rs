//! Who may do what: (request, login, address, path) → allow or deny. One pure table without a `_` arm:
//! a new request or login status does not compile until it has its rule here.

#[cfg(test)]
mod tests;

use std::net::IpAddr;

use ipnet::IpNet;

/// The eight requests of the protocol.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum RequestKind {
    CreatePath,
    Exists,
    SendPulse,
    GetAllPulseForPath,
    GetAllNodesForPath,
    GetPulse,
    DeletePath,
    DeletePulseId,
}

impl RequestKind {
    pub(crate) const ALL: [RequestKind; 8] = [
        RequestKind::CreatePath,
        RequestKind::Exists,
        RequestKind::SendPulse,
        RequestKind::GetAllPulseForPath,
        RequestKind::GetAllNodesForPath,
        RequestKind::GetPulse,
        RequestKind::DeletePath,
        RequestKind::DeletePulseId,
    ];

    /// Its name in metrics and logs.
    pub(crate) fn label(self) -> &'static str {
        match self {
            RequestKind::CreatePath => "create_path",
            RequestKind::Exists => "exists",
            RequestKind::SendPulse => "send_pulse",
            RequestKind::GetAllPulseForPath => "get_all_pulse_for_path",
            RequestKind::GetAllNodesForPath => "get_all_nodes_for_path",
            RequestKind::GetPulse => "get_pulse",
            RequestKind::DeletePath => "delete_path",
            RequestKind::DeletePulseId => "delete_pulse_id",
        }
    }

    /// The right that the request needs.
    pub(crate) fn right(self) -> Right {
        match self {
            RequestKind::Exists
            | RequestKind::GetAllPulseForPath
            | RequestKind::GetAllNodesForPath
            | RequestKind::GetPulse => Right::Read,
            RequestKind::CreatePath | RequestKind::SendPulse => Right::Write,
            RequestKind::DeletePath | RequestKind::DeletePulseId => Right::Delete,
        }
    }

    /// Whether the request reads what is stored and changes nothing.
    pub(crate) fn is_read(self) -> bool {
        self.right() == Right::Read
    }
}

/// What a request does with what is stored. The operator sets a rule for each.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Right {
    Read,
    Write,
    Delete,
}

/// Whether a connection has logged in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LoginStatus {
    /// `pacemaker.auth.method` is NONE: there is no login.
    NotRequired,
    /// There is a login method, and the connection has not logged in or has forfeited its login.
    NotLoggedIn,
    /// The connection has logged in as a user who may read.
    LoggedIn,
}

/// Why a request is denied. The answer is NOT_AUTHORIZED; the connection stays open.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Denial {
    LoginNeeded(Right),
    /// `access.connect_from` does not list the peer's address. The connection is older than the rule.
    MayNotConnect,
    /// No network that has this right contains the peer's address.
    AddressNotListed(Right),
    /// The deletion is not confined to what is below [`Rules::deletes_below`].
    DeletesTooHigh,
}

/// The operator's rules, which can be stricter than Storm's.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rules {
    pub(crate) writes: Need,
    pub(crate) deletes: Need,
    /// The networks from which peers may connect.
    pub(crate) connect_from: Addresses,
    pub(crate) reads_from: Addresses,
    pub(crate) writes_from: Addresses,
    pub(crate) deletes_from: Addresses,
    /// Only what is below this directory may be deleted. With `/`, only the deletion of everything is
    /// denied. Empty: everything may be deleted, as in Storm's daemon.
    pub(crate) deletes_below: String,
}

/// What a peer needs in order to write or to delete.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Need {
    /// Nothing, as in Storm's daemon.
    Open,
    /// A login.
    Authenticated,
}

/// Who sees the admin endpoint's page, its data and `/status` (`admin.page`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PageRule {
    /// Every peer.
    On,
    /// Peers on this host.
    Local,
    /// Nobody. Peers on this host still see `/status`.
    Off,
}

/// Networks in CIDR notation. An empty list includes every address.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Addresses(pub(crate) Vec<IpNet>);

impl Default for Rules {
    /// Storm's rules, except that nobody may delete everything.
    fn default() -> Rules {
        Rules {
            writes: Need::Open,
            deletes: Need::Open,
            connect_from: Addresses::default(),
            reads_from: Addresses::default(),
            writes_from: Addresses::default(),
            deletes_from: Addresses::default(),
            deletes_below: "/".to_owned(),
        }
    }
}

impl PageRule {
    pub(crate) fn shows_page_to(self, peer: IpAddr) -> bool {
        match self {
            PageRule::On => true,
            PageRule::Local => is_on_this_host(peer),
            PageRule::Off => false,
        }
    }

    pub(crate) fn shows_status_to(self, peer: IpAddr) -> bool {
        match self {
            PageRule::On => true,
            PageRule::Local | PageRule::Off => is_on_this_host(peer),
        }
    }
}

/// Whether the peer came over loopback. An IPv6 socket shows IPv4 peers as mapped addresses.
fn is_on_this_host(peer: IpAddr) -> bool {
    peer.to_canonical().is_loopback()
}

impl Addresses {
    /// An IPv4 peer of an IPv6 socket must be given by its IPv4 address.
    pub(crate) fn include(&self, address: IpAddr) -> bool {
        self.0.is_empty() || self.0.iter().any(|network| network.contains(&address))
    }
}

/// The address under which limits and log lines count a peer: its own address for IPv4, and its network for
/// IPv6, with a prefix of that many bits, because one host can use every address of a /64.
pub(crate) fn account_of(address: IpAddr, ipv6_prefix: u8) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => {
            let host_bits = 128 - u32::from(ipv6_prefix.min(128));
            let network = u128::MAX.checked_shl(host_bits).unwrap_or(0);
            IpAddr::V6((u128::from(address) & network).into())
        }
    }
}

/// The table: whether a peer with this login status and address may make this request.
///
/// # Errors
/// The first rule that denies it.
pub(crate) fn decide(
    rules: &Rules,
    kind: RequestKind,
    login: LoginStatus,
    from: IpAddr,
    path: &str,
) -> Result<(), Denial> {
    let right = kind.right();
    let needs_login = match (right, login) {
        (Right::Read | Right::Write | Right::Delete, LoginStatus::LoggedIn) => false,
        (Right::Read, LoginStatus::NotRequired) => false,
        (Right::Read, LoginStatus::NotLoggedIn) => true,
        // `config` rejects `Authenticated` without a login method. This table does not rely on it.
        (Right::Write, LoginStatus::NotRequired | LoginStatus::NotLoggedIn) => {
            rules.writes == Need::Authenticated
        }
        (Right::Delete, LoginStatus::NotRequired | LoginStatus::NotLoggedIn) => {
            rules.deletes == Need::Authenticated
        }
    };
    if needs_login {
        return Err(Denial::LoginNeeded(right));
    }
    if !rules.connect_from.include(from) {
        return Err(Denial::MayNotConnect);
    }
    let networks = match right {
        Right::Read => &rules.reads_from,
        Right::Write => &rules.writes_from,
        Right::Delete => &rules.deletes_from,
    };
    if !networks.include(from) {
        return Err(Denial::AddressNotListed(right));
    }
    let confined = match kind {
        RequestKind::DeletePath => deletes_path_below(path, &rules.deletes_below),
        RequestKind::DeletePulseId => deletes_key_below(path, &rules.deletes_below),
        RequestKind::CreatePath
        | RequestKind::Exists
        | RequestKind::SendPulse
        | RequestKind::GetAllPulseForPath
        | RequestKind::GetAllNodesForPath
        | RequestKind::GetPulse => true,
    };
    if !confined {
        return Err(Denial::DeletesTooHigh);
    }
    Ok(())
}

/// Whether DELETE_PATH stays below a directory. The request deletes all keys that begin with its path
/// and a `/` (see `store`), so "" and "/" delete everything.
fn deletes_path_below(path: &str, directory: &str) -> bool {
    match directory.trim_end_matches('/') {
        "" if directory.is_empty() => true,
        "" => !matches!(path, "" | "/"),
        directory => is_below(path, directory),
    }
}

/// Whether DELETE_PULSE_ID stays below a directory. The request deletes exactly one key, even for "/".
fn deletes_key_below(key: &str, directory: &str) -> bool {
    match directory.trim_end_matches('/') {
        "" => true,
        directory => is_below(key, directory),
    }
}

/// Whether the path is the directory, a `/` and something more.
fn is_below(path: &str, directory: &str) -> bool {
    path.strip_prefix(directory)
        .and_then(|rest| rest.strip_prefix('/'))
        .is_some_and(|rest| !rest.is_empty())
}
