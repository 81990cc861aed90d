//! Which hosts a request may name. A web page can let its own name resolve to the endpoint's address and
//! then read it in an operator's browser (DNS rebinding), but the browser still names the page's host. So
//! names that are not the endpoint's own are refused. Addresses pass: nobody can rebind one.

use std::net::{Ipv4Addr, Ipv6Addr};

use hyper::Version;
use hyper::header::HOST;
use hyper::http::request::Parts;

#[derive(Debug)]
pub(super) struct Hosts {
    /// Without a dot at the end.
    names: Vec<String>,
}

/// What is wrong with the host of a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum WrongHost {
    /// There are several Host headers, or none in HTTP/1.1.
    NotOne,
    /// It is the name of another host, or not a host.
    Unknown,
}

impl Hosts {
    /// These names, localhost, and the machine's own name.
    pub(super) fn new(configured: &[String]) -> Hosts {
        let uname = rustix::system::uname();
        Hosts::named(configured, &uname.nodename().to_string_lossy())
    }

    fn named(configured: &[String], own: &str) -> Hosts {
        let fixed = ["localhost", without_dot(own)];
        let fixed = fixed.into_iter().filter(|name| !name.is_empty());
        Hosts {
            names: fixed
                .map(str::to_owned)
                .chain(configured.iter().cloned())
                .collect(),
        }
    }

    /// # Errors
    /// The request does not name this endpoint. HTTP/1.0 may name no host.
    pub(super) fn check(&self, request: &Parts) -> Result<(), WrongHost> {
        let mut headers = request.headers.get_all(HOST).iter();
        let header = headers.next();
        let is_missing = header.is_none() && request.version >= Version::HTTP_11;
        if is_missing || headers.next().is_some() {
            return Err(WrongHost::NotOne);
        }
        // If the target names a host, the header does not count (RFC 9112, 3.2.2).
        let host = match (request.uri.authority(), header) {
            (Some(authority), _) => authority.as_str(),
            (None, Some(header)) => header.to_str().map_err(|_| WrongHost::Unknown)?,
            (None, None) => return Ok(()),
        };
        if self.include(host) {
            Ok(())
        } else {
            Err(WrongHost::Unknown)
        }
    }

    fn include(&self, host: &str) -> bool {
        let host = without_port(host);
        let name = without_dot(host);
        let mut names = self.names.iter();
        is_address(host) || names.any(|known| known.eq_ignore_ascii_case(name))
    }
}

/// An IPv4 address, or an IPv6 address in brackets.
fn is_address(host: &str) -> bool {
    let bracketed = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    match bracketed {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        None => host.parse::<Ipv4Addr>().is_ok(),
    }
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => host,
    }
}

/// A DNS name is the same with a dot at its end.
fn without_dot(name: &str) -> &str {
    name.strip_suffix('.').unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_own_names_pass_and_others_do_not() {
        let hosts = Hosts::named(&["pacemaker.example".to_owned()], "node7");
        for own in [
            "localhost",
            "LocalHost:6698",
            "localhost.",
            "localhost:",
            "node7",
            "NODE7:80",
            "pacemaker.example",
            "Pacemaker.Example.:6698",
            "127.0.0.1",
            "10.1.2.3:6698",
            "[::1]",
            "[::1]:6698",
            "[2001:db8::7]:6698",
            "[::ffff:10.1.2.3]",
        ] {
            assert!(hosts.include(own), "{own}");
        }
        for other in [
            "",
            ".",
            ":6698",
            "evil.example",
            "evil.example:6698",
            "localhost.evil.example",
            "localhost..",
            "xlocalhost",
            "node7.evil.example",
            "x.pacemaker.example",
            "127.0.0.1.evil.example",
            "127.0.0.1.",
            "127.1",
            "2130706433",
            "0x7f.0.0.1",
            "[::1].evil.example",
            "[127.0.0.1]",
            "[evil.example]",
            "::1",
            "user@localhost",
            "localhost:80:80",
            "localhost, evil.example",
        ] {
            assert!(!hosts.include(other), "{other}");
        }
    }

    #[test]
    fn a_machine_without_a_name_adds_none() {
        assert!(!Hosts::named(&[], "").include(""));
    }
}
