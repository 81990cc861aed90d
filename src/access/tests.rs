//! Every request against every login and address.

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
    let list = |texts: &[&str]| Addresses(texts.iter().map(|text| text.parse().unwrap()).collect());
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
