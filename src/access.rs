//! Who may do what: (kind of request, login) → allow or refuse. Pure, one table, and no `_` arm:
//! whoever adds a request or a login state must decide here.

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
    pub const ALL: [RequestKind; 8] = [
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
    pub fn label(self) -> &'static str {
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

    /// What it does to what is stored.
    pub fn right(self) -> Right {
        match self {
            RequestKind::Exists
            | RequestKind::GetAllPulseForPath
            | RequestKind::GetAllNodesForPath
            | RequestKind::GetPulse => Right::Read,
            RequestKind::CreatePath | RequestKind::SendPulse => Right::Write,
            RequestKind::DeletePath | RequestKind::DeletePulseId => Right::Delete,
        }
    }

    /// Whether it asks for something stored, rather than changing it.
    pub fn is_read(self) -> bool {
        self.right() == Right::Read
    }
}

/// What there is a rule for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Right {
    Read,
    Write,
    Delete,
}

/// What a connection has shown of who it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Login {
    /// `pacemaker.auth.method: NONE`: nobody is asked.
    NotRequired,
    /// There is a method, and this one has not logged in, or has given up its login.
    Guest,
    /// It has logged in as somebody who may read.
    User,
}

/// Why a request is refused. It is answered with NOT_AUTHORIZED; the connection stays.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Denial {
    LoginNeeded(Right),
    /// The peer's address may not even connect; it did so before that was the rule.
    MayNotConnect,
    /// The peer's address is in none of the networks that have this right.
    AddressNotListed(Right),
    /// The deletion would reach beyond the directory that deletions are confined to.
    DeletesTooHigh,
}

/// What an operator may ask for beyond Storm's rule.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rules {
    pub writes: Need,
    pub deletes: Need,
    /// From where peers may connect at all.
    pub connect_from: Addresses,
    pub reads_from: Addresses,
    pub writes_from: Addresses,
    pub deletes_from: Addresses,
    /// Deletions reach what is below this directory and nothing else; `/` spares the root alone.
    /// Empty: no such rule.
    pub deletes_below: String,
}

/// What a write or a deletion needs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Need {
    /// Nothing, as with Storm's daemon.
    Open,
    /// A login.
    Authenticated,
}

/// Networks, in CIDR notation. None at all is everyone.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Addresses(pub Vec<IpNet>);

impl Default for Rules {
    /// Storm's, but for the deletion of everything.
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

impl Addresses {
    /// An IPv4 peer of an IPv6 socket must come as the IPv4 address that it is.
    pub fn include(&self, address: IpAddr) -> bool {
        self.0.is_empty() || self.0.iter().any(|network| network.contains(&address))
    }
}

/// Whose account an address is on: its own, or the /64 that one IPv6 host can choose addresses from.
pub fn account_of(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => IpAddr::V6((u128::from(address) >> 64 << 64).into()),
    }
}

/// The table: whether this request, of a peer with this login and address, is carried out.
pub fn decide(
    rules: &Rules,
    kind: RequestKind,
    login: Login,
    from: IpAddr,
    path: &str,
) -> Result<(), Denial> {
    let right = kind.right();
    let needs_login = match (right, login) {
        (Right::Read | Right::Write | Right::Delete, Login::User) => false,
        (Right::Read, Login::NotRequired) => false,
        (Right::Read, Login::Guest) => true,
        // Without a method nobody can log in; `config` refuses that, and this does not rely on it.
        (Right::Write, Login::NotRequired | Login::Guest) => rules.writes == Need::Authenticated,
        (Right::Delete, Login::NotRequired | Login::Guest) => rules.deletes == Need::Authenticated,
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

/// Whether a DELETE_PATH stays below a directory. It takes all keys that begin with the path, with a
/// `/` at its end (see `store`), so "" and "/" are everything.
fn deletes_path_below(path: &str, directory: &str) -> bool {
    match directory.trim_end_matches('/') {
        "" if directory.is_empty() => true,
        "" => !matches!(path, "" | "/"),
        directory => is_below(path, directory),
    }
}

/// Whether a DELETE_PULSE_ID does; it takes one key, wherever its name may point.
fn deletes_key_below(key: &str, directory: &str) -> bool {
    match directory.trim_end_matches('/') {
        "" => true,
        directory => is_below(key, directory),
    }
}

/// Whether there is something after the directory and a `/`.
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
    const LOGINS: [Login; 3] = [Login::NotRequired, Login::Guest, Login::User];

    /// Every request against every login, with these rules: those that are refused, and why.
    fn refused(rules: &Rules) -> Vec<(RequestKind, Login, Denial)> {
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

    /// Every request of these rights, by a guest; and where a rule asks for a login also by whoever
    /// cannot log in.
    fn without_login(rights: &[Right]) -> Vec<(RequestKind, Login, Denial)> {
        let logins = |right| match right {
            Right::Read => &[Login::Guest][..],
            Right::Write | Right::Delete => &[Login::NotRequired, Login::Guest],
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
    fn by_default_guests_write_and_do_not_read() {
        assert_eq!(refused(&Rules::default()), without_login(&[Right::Read]));
    }

    #[test]
    fn writes_and_deletions_may_need_a_login_each_by_itself() {
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
                let expected = match kind.right() == right {
                    true => Err(Denial::AddressNotListed(right)),
                    false => Ok(()),
                };
                assert_eq!(decide(&rules, kind, Login::User, HERE, PATH), expected);
                let there = "192.0.2.200".parse().unwrap();
                assert_eq!(decide(&rules, kind, Login::User, there, PATH), Ok(()));
            }
        }
    }

    #[test]
    fn whoever_may_not_connect_may_do_nothing() {
        let rules = Rules {
            connect_from: Addresses(vec!["192.0.2.0/24".parse().unwrap()]),
            ..Rules::default()
        };
        for kind in RequestKind::ALL {
            let from = |address| decide(&rules, kind, Login::User, address, PATH);
            assert_eq!(from(HERE), Err(Denial::MayNotConnect));
            assert_eq!(from("192.0.2.1".parse().unwrap()), Ok(()));
        }
    }

    #[test]
    fn an_ipv6_host_cannot_choose_its_account() {
        let account = |text: &str| account_of(text.parse().unwrap());
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
            match decide(&rules, kind, Login::User, HERE, path) {
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
