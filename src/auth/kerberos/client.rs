//! The client's side of the exchange (RFC 4752, 3.1), for what tests and measures servers: logs in
//! as the owner of the default credential cache (KRB5CCNAME), or of the default client keytab
//! (KRB5_CLIENT_KTNAME). May ask the KDC, and waits for it.

use std::fmt;
use std::mem;

use libgssapi::context::{ClientCtx, CtxFlags, SecurityContext};
use libgssapi::credential::Cred;
use libgssapi::name::Name;
use libgssapi::oid::{GSS_MECH_KRB5, GSS_NT_HOSTBASED_SERVICE, GSS_NT_KRB5_PRINCIPAL};

use super::super::principal::Principal;
use super::super::{LoginFailure, TicketSource};
use super::{credential, said, text};

/// No security layer, and so no size.
const CHOICE: [u8; 4] = [1, 0, 0, 0];

/// One login.
pub struct Client {
    state: State,
}

/// What a client does next.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ClientStep {
    /// Send this, even if it is empty; another token must come.
    Continue(Vec<u8>),
    /// Send this; the mechanism is through, and the server has the last word.
    Done(Vec<u8>),
}

enum State {
    /// Until both sides have what they want of each other's tickets.
    Begun(ClientCtx),
    /// The server's offer is next.
    Established(ClientCtx),
    Ended,
}

impl Client {
    /// For `service/host@REALM`, or `service/host` in the realm that krb5.conf gives the host.
    /// `mutual`: the server must prove itself, which Storm's clients do not ask for.
    ///
    /// # Errors
    /// No such name.
    pub fn new(service_principal: &str, mutual: bool) -> Result<Client, LoginFailure> {
        Client::begin(None, service_principal, mutual)
    }

    /// [`Client::new`] with tickets of our choice, as Storm's clients ask.
    ///
    /// # Errors
    /// No such name, or no such tickets.
    pub fn with(tickets: &TicketSource, service_principal: &str) -> Result<Client, LoginFailure> {
        let credential = match tickets {
            TicketSource::Cache(cache) => credential::of_cache(cache),
            TicketSource::Keytab { path, principal } => {
                credential::of_client_keytab(path, principal.as_deref())
            }
        };
        Client::begin(Some(credential.map_err(ours)?), service_principal, false)
    }

    fn begin(
        credential: Option<Cred>,
        service_principal: &str,
        mutual: bool,
    ) -> Result<Client, LoginFailure> {
        let service = Principal::parse(service_principal);
        let name = match (service.rest, service.realm) {
            (Some(host), None) => {
                let name = format!("{}@{host}", service.first);
                Name::new(name.as_bytes(), Some(GSS_NT_HOSTBASED_SERVICE))
            }
            _ => Name::new(service_principal.as_bytes(), Some(GSS_NT_KRB5_PRINCIPAL)),
        };
        let mut flags = CtxFlags::GSS_C_INTEG_FLAG;
        flags.set(CtxFlags::GSS_C_MUTUAL_FLAG, mutual);
        let context = ClientCtx::new(credential, name.map_err(ours)?, flags, Some(GSS_MECH_KRB5));
        Ok(Client {
            state: State::Begun(context),
        })
    }

    /// Takes the server's next token, `None` at first.
    ///
    /// # Errors
    /// There is no ticket to be had, or the server's token is not as it must be. There is no further
    /// step.
    pub fn step(&mut self, token: Option<&[u8]>) -> Result<ClientStep, LoginFailure> {
        match mem::replace(&mut self.state, State::Ended) {
            State::Begun(mut context) => {
                let answer = context.step(token, None).map_err(ours)?;
                let answer = answer.map(|answer| answer.to_vec()).unwrap_or_default();
                self.state = match context.is_complete() {
                    true => State::Established(context),
                    false => State::Begun(context),
                };
                Ok(ClientStep::Continue(answer))
            }
            State::Established(context) => choose(context, token).map(ClientStep::Done),
            State::Ended => Err(LoginFailure::OutOfOrder("one after the login's end")),
        }
    }
}

/// Takes the server's offer; the answer says whom we want to be: who we are.
fn choose(mut context: ClientCtx, token: Option<&[u8]>) -> Result<Vec<u8>, LoginFailure> {
    let Some(token) = token else {
        return Err(LoginFailure::OutOfOrder(
            "none where the server's offer must come",
        ));
    };
    let offer = context
        .unwrap(token)
        .map_err(|error| LoginFailure::BadTicket(said(error)))?;
    match *offer {
        [layers, _, _, _] if layers & CHOICE[0] != 0 => (),
        _ => {
            return Err(LoginFailure::Malformed(
                "an offer without \"no security layer\"",
            ));
        }
    }
    let name = text(context.source_name()).map_err(LoginFailure::Ours)?;
    let choice = [&CHOICE[..], name.as_bytes()].concat();
    Ok(context.wrap(false, &choice).map_err(ours)?.to_vec())
}

fn ours(error: libgssapi::error::Error) -> LoginFailure {
    LoginFailure::Ours(said(error))
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Client")
    }
}
