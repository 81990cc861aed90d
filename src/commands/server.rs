//! The name of the server to ask, `HOST[:PORT]`, and its addresses.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use super::error::RequestError;

/// A server as the user named it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ServerName {
    /// Without the brackets of an IPv6 address.
    pub host: String,
    pub port: u16,
    /// To try if the host's own address does not answer.
    pub or_at: Option<IpAddr>,
}

impl ServerName {
    /// Reads `HOST`, `HOST:PORT`, an IPv6 address or `[IPV6]:PORT`.
    ///
    /// # Errors
    /// A sentence that quotes the text.
    pub(crate) fn parse(text: &str, default_port: u16) -> Result<ServerName, String> {
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let closed = rest.split_once(']');
                let (host, rest) = closed.ok_or_else(|| format!("{text:?} has no ]"))?;
                let is_ip = host.parse::<Ipv6Addr>().is_ok() || host.contains('%');
                if !is_ip {
                    return Err(format!("{host:?} in brackets is not an IPv6 address"));
                }
                match rest.strip_prefix(':') {
                    Some(port) => (host, Some(port)),
                    None if rest.is_empty() => (host, None),
                    None => return Err(format!("{text:?} has other text than :PORT after ]")),
                }
            }
            // More than one colon and no brackets: an IPv6 address.
            None => match text.split_once(':') {
                Some((_, port)) if port.contains(':') => (text, None),
                Some((host, port)) => (host, Some(port)),
                None => (text, None),
            },
        };
        if host.is_empty() || host.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err(format!("{text:?} names no host"));
        }
        let port = match port.map(str::parse) {
            None => default_port,
            Some(Ok(port)) if port != 0 => port,
            Some(_) => {
                return Err(format!(
                    "{text:?} has no port from 1 to 65535 after the colon"
                ));
            }
        };
        Ok(ServerName {
            host: host.to_owned(),
            port,
            or_at: None,
        })
    }

    /// The addresses of the name, in the order in which to try them. The system's resolver has timeouts
    /// of its own, so it runs on a thread that is abandoned when `within` is over.
    pub(super) fn resolve(&self, within: Duration) -> Result<Vec<SocketAddr>, RequestError> {
        if let Ok(ip) = self.host.parse::<IpAddr>() {
            let ips = [Some(ip), self.or_at].into_iter().flatten();
            return Ok(ips.map(|ip| SocketAddr::new(ip, self.port)).collect());
        }
        let (sender, receiver) = channel();
        let name = (self.host.clone(), self.port);
        thread::spawn(move || sender.send(name.to_socket_addrs().map(Vec::from_iter)));
        match receiver.recv_timeout(within) {
            Ok(Ok(addresses)) if !addresses.is_empty() => Ok(addresses),
            Ok(Ok(_)) => Err(RequestError::NoAddress("it has none".to_owned())),
            Ok(Err(error)) => Err(RequestError::NoAddress(error.to_string())),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => Err(
                RequestError::NoAddress("the name service does not answer".to_owned()),
            ),
        }
    }
}

impl fmt::Display for ServerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_read_as_people_write_them() {
        for (text, host, port, shown) in [
            ("pm", "pm", 6699, "pm:6699"),
            (
                "pm.example.com:7000",
                "pm.example.com",
                7000,
                "pm.example.com:7000",
            ),
            ("10.0.0.1:1", "10.0.0.1", 1, "10.0.0.1:1"),
            ("::1", "::1", 6699, "[::1]:6699"),
            ("[::1]", "::1", 6699, "[::1]:6699"),
            ("[fe80::1%lo]:7000", "fe80::1%lo", 7000, "[fe80::1%lo]:7000"),
        ] {
            let server = ServerName::parse(text, 6699).unwrap();
            assert_eq!((server.host.as_str(), server.port), (host, port), "{text}");
            assert_eq!(server.to_string(), shown);
        }
    }

    #[test]
    fn text_that_names_no_server_is_refused() {
        for (text, why) in [
            ("", "\"\" names no host"),
            (":6699", "\":6699\" names no host"),
            ("a b", "\"a b\" names no host"),
            ("pm:", "\"pm:\" has no port from 1 to 65535 after the colon"),
            (
                "pm:0",
                "\"pm:0\" has no port from 1 to 65535 after the colon",
            ),
            (
                "pm:65536",
                "\"pm:65536\" has no port from 1 to 65535 after the colon",
            ),
            ("[::1", "\"[::1\" has no ]"),
            ("[pm]:1", "\"pm\" in brackets is not an IPv6 address"),
            (
                "[::1]7000",
                "\"[::1]7000\" has other text than :PORT after ]",
            ),
        ] {
            assert_eq!(ServerName::parse(text, 6699).unwrap_err(), why);
        }
    }
}
