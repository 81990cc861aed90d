//! Who may do what: (kind of request, login) → allow or refuse. Pure, one table, and no `_` arm:
//! whoever adds a request or a login state must decide here.

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

    /// Whether it asks for something stored, rather than changing it.
    pub fn is_read(self) -> bool {
        match self {
            RequestKind::Exists
            | RequestKind::GetAllPulseForPath
            | RequestKind::GetAllNodesForPath
            | RequestKind::GetPulse => true,
            RequestKind::CreatePath
            | RequestKind::SendPulse
            | RequestKind::DeletePath
            | RequestKind::DeletePulseId => false,
        }
    }
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

/// What a connection has shown of who it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Login {
    /// `pacemaker.auth.method: NONE`: nobody is asked.
    NotRequired,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Decision {
    Allow,
    /// Answered with NOT_AUTHORIZED; the connection stays.
    Refuse,
}

/// Storm's rule: reads need a login where a method is set, writes never do.
pub fn decide(kind: RequestKind, login: Login) -> Decision {
    match (kind.is_read(), login) {
        (true, Login::NotRequired) => Decision::Allow,
        (false, Login::NotRequired) => Decision::Allow,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_method_everything_is_allowed() {
        for kind in RequestKind::ALL {
            assert_eq!(decide(kind, Login::NotRequired), Decision::Allow);
        }
    }
}
