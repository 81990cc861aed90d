//! Who may do what: (request, login, address, path) → allow or deny. One pure table without a `_` arm:
//! a new request or login status does not compile until it has its rule here.

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

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 1, 2, 3));
    const PATH: &str = "/workerbeats/t/w";
    const LOGINS: [LoginStatus; 3] = [
        LoginStatus::NotRequired,
        LoginStatus::NotLoggedIn,
        LoginStatus::LoggedIn,
    ];

    /// Every request against every login, with these rules: those that are refused, and why.
    fn refused(rules: &Rules) -> Vec<(RequestKind, LoginStatus, Denial)> {
        let mut refused = Vec::new();
        for kind in RequestKind::ALL {
            for login in LOGINS {
                if let Err(denial) = decide(rules, kind, login, HERE, PATH) {
                    refused.push((kind, login, denial));
                }
            }
        }
        refused
    }

    /// Every request of these rights without a login. With no login method, reads need none.
    fn without_login(rights: &[Right]) -> Vec<(RequestKind, LoginStatus, Denial)> {
        let logins = |right| match right {
            Right::Read => &[LoginStatus::NotLoggedIn][..],
            Right::Write | Right::Delete => &[LoginStatus::NotRequired, LoginStatus::NotLoggedIn],
        };
        let kinds = RequestKind::ALL.into_iter();
        let kinds = kinds.filter(|kind| rights.contains(&kind.right()));
        kinds
            .flat_map(|kind| {
                let denial = Denial::LoginNeeded(kind.right());
                logins(kind.right())
                    .iter()
                    .map(move |login| (kind, *login, denial))
            })
            .collect()
    }

    #[test]
    fn every_request_has_one_right() {
        use RequestKind::*;
        let with = |right| {
            let kinds = RequestKind::ALL.into_iter();
            kinds
                .filter(|kind| kind.right() == right)
                .collect::<Vec<_>>()
        };
        assert_eq!(
            with(Right::Read),
            [Exists, GetAllPulseForPath, GetAllNodesForPath, GetPulse]
        );
        assert_eq!(with(Right::Write), [CreatePath, SendPulse]);
        assert_eq!(with(Right::Delete), [DeletePath, DeletePulseId]);
    }

    #[test]
    fn by_default_reads_need_a_login_and_writes_do_not() {
        assert_eq!(refused(&Rules::default()), without_login(&[Right::Read]));
    }

    #[test]
    fn writes_and_deletions_can_each_need_a_login() {
        let writes = Rules {
            writes: Need::Authenticated,
            ..Rules::default()
        };
        assert_eq!(
            refused(&writes),
            without_login(&[Right::Read, Right::Write])
        );
        let deletes = Rules {
            deletes: Need::Authenticated,
            ..Rules::default()
        };
        assert_eq!(
            refused(&deletes),
            without_login(&[Right::Read, Right::Delete])
        );
    }

    #[test]
    fn each_list_of_addresses_guards_its_own_right() {
        let elsewhere = || Addresses(vec!["192.0.2.0/24".parse().unwrap()]);
        let cases = [
            (
                Right::Read,
                Rules {
                    reads_from: elsewhere(),
                    ..Rules::default()
                },
            ),
            (
                Right::Write,
                Rules {
                    writes_from: elsewhere(),
                    ..Rules::default()
                },
            ),
            (
                Right::Delete,
                Rules {
                    deletes_from: elsewhere(),
                    ..Rules::default()
                },
            ),
        ];
        for (right, rules) in cases {
            for kind in RequestKind::ALL {
                let expected = if kind.right() == right {
                    Err(Denial::AddressNotListed(right))
                } else {
                    Ok(())
                };
                assert_eq!(
                    decide(&rules, kind, LoginStatus::LoggedIn, HERE, PATH),
                    expected
                );
                let there = "192.0.2.200".parse().unwrap();
                assert_eq!(
                    decide(&rules, kind, LoginStatus::LoggedIn, there, PATH),
                    Ok(())
                );
            }
        }
    }

    #[test]
    fn an_address_that_may_not_connect_may_do_nothing() {
        let rules = Rules {
            connect_from: Addresses(vec!["192.0.2.0/24".parse().unwrap()]),
            ..Rules::default()
        };
        for kind in RequestKind::ALL {
            let from = |address| decide(&rules, kind, LoginStatus::LoggedIn, address, PATH);
            assert_eq!(from(HERE), Err(Denial::MayNotConnect));
            assert_eq!(from("192.0.2.1".parse().unwrap()), Ok(()));
        }
    }

    #[test]
    fn an_ipv6_host_cannot_choose_its_account() {
        let account = |text: &str| account_of(text.parse().unwrap(), 64);
        assert_eq!(account("2001:db8::1"), account("2001:db8::ffff:2"));
        assert_ne!(account("2001:db8::1"), account("2001:db8:0:1::1"));
        assert_ne!(account("192.0.2.1"), account("192.0.2.2"));
    }

    #[test]
    fn addresses_are_networks_of_either_family() {
        let list =
            |texts: &[&str]| Addresses(texts.iter().map(|text| text.parse().unwrap()).collect());
        let address = |text: &str| text.parse().unwrap();
        let both = list(&["10.0.0.0/8", "2001:db8::/32", "192.0.2.7/32"]);
        for inside in ["10.255.0.1", "2001:db8:ffff::1", "192.0.2.7"] {
            assert!(both.include(address(inside)), "{inside}");
        }
        for outside in ["11.0.0.1", "2001:db9::1", "192.0.2.8", "::ffff:10.0.0.1"] {
            assert!(!both.include(address(outside)), "{outside}");
        }
        assert!(list(&[]).include(address("203.0.113.1")));
        assert!(list(&["0.0.0.0/0"]).include(address("203.0.113.1")));
        assert!(!list(&["0.0.0.0/0"]).include(address("::1")));
    }

    #[test]
    fn deletions_stay_below_their_directory() {
        let may = |below: &str, kind, path: &str| {
            let rules = Rules {
                deletes_below: below.to_owned(),
                ..Rules::default()
            };
            match decide(&rules, kind, LoginStatus::LoggedIn, HERE, path) {
                Ok(()) => true,
                Err(Denial::DeletesTooHigh) => false,
                Err(other) => panic!("{other:?}"),
            }
        };
        let (path, key) = (RequestKind::DeletePath, RequestKind::DeletePulseId);
        for everything in ["", "/"] {
            assert!(!may("/", path, everything));
            assert!(!may("/workerbeats", path, everything));
            assert!(may("", path, everything));
            assert!(may("/", key, everything), "one odd key is not the root");
        }
        for below in ["/workerbeats", "/workerbeats/"] {
            for kind in [path, key] {
                for too_high in [
                    "/workerbeats",
                    "/workerbeats/",
                    "/worker",
                    "/workerbeats2/t",
                    "t",
                ] {
                    assert!(!may(below, kind, too_high), "{too_high}");
                }
                assert!(may(below, kind, "/workerbeats/t"));
                assert!(may("/", kind, "/workerbeats"));
                assert!(may("/", kind, "no-slash"));
            }
        }
    }
}
