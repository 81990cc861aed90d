//! The client's side of the exchange (RFC 4752, 3.1), for the commands, the load generator and tests.
//! Unless told otherwise, it logs in as the owner of the default credential cache (KRB5CCNAME) or of
//! the default client keytab (KRB5_CLIENT_KTNAME). It may ask the KDC, and blocks until the KDC answers.

use std::fmt;
use std::mem;

use libgssapi::context::{ClientCtx, CtxFlags, SecurityContext};
use libgssapi::credential::Cred;
use libgssapi::name::Name;
use libgssapi::oid::{GSS_MECH_KRB5, GSS_NT_HOSTBASED_SERVICE, GSS_NT_KRB5_PRINCIPAL};

use super::super::principal::Principal;
use super::super::{LoginFailure, TicketSource};
use super::{credential, message, name_text};

/// No security layer, and therefore a size of 0.
const CHOICE: [u8; 4] = [1, 0, 0, 0];

/// One login.
pub struct Client {
    state: ClientState,
}

/// What the client does next.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ClientStep {
    /// Send this, even if it is empty; another token must come.
    Continue(Vec<u8>),
    /// Send this. The mechanism has ended, and the server decides.
    Done(Vec<u8>),
}

enum ClientState {
    /// The two sides are exchanging tickets.
    New(ClientCtx),
    /// The server's offer is next.
    Established(ClientCtx),
    Finished,
}

impl Client {
    /// A login to `service/host@REALM`, or to `service/host` in the realm that krb5.conf gives the host.
    /// With `mutual` the server must prove itself, which Storm's clients do not demand.
    ///
    /// # Errors
    /// `Internal`: the library does not accept the name.
    pub fn new(service_principal: &str, mutual: bool) -> Result<Client, LoginFailure> {
        Client::begin(None, service_principal, mutual)
    }

    /// A login with tickets from `tickets`; the server need not prove itself. See [`Client::new`].
    ///
    /// # Errors
    /// `Internal`: the library does not accept the name, or finds no such tickets.
    pub fn with(tickets: &TicketSource, service_principal: &str) -> Result<Client, LoginFailure> {
        let credential = match tickets {
            TicketSource::Cache(cache) => credential::of_cache(cache),
            TicketSource::Keytab { path, principal } => {
                credential::of_client_keytab(path, principal.as_deref())
            }
        };
        Client::begin(
            Some(credential.map_err(internal)?),
            service_principal,
            false,
        )
    }

    fn begin(
        credential: Option<Cred>,
        service_principal: &str,
        mutual: bool,
    ) -> Result<Client, LoginFailure> {
        let service = Principal::parse(service_principal);
        let name = match (service.instance, service.realm) {
            (Some(host), None) => {
                let name = format!("{}@{host}", service.primary);
                Name::new(name.as_bytes(), Some(GSS_NT_HOSTBASED_SERVICE))
            }
            _ => Name::new(service_principal.as_bytes(), Some(GSS_NT_KRB5_PRINCIPAL)),
        };
        let mut flags = CtxFlags::GSS_C_INTEG_FLAG;
        flags.set(CtxFlags::GSS_C_MUTUAL_FLAG, mutual);
        let context = ClientCtx::new(
            credential,
            name.map_err(internal)?,
            flags,
            Some(GSS_MECH_KRB5),
        );
        Ok(Client {
            state: ClientState::New(context),
        })
    }

    /// Takes the server's next token; `None` at first, since the client begins.
    ///
    /// # Errors
    /// `Internal`: no ticket can be obtained. Others: the server's token is wrong. Every further step
    /// fails too.
    pub fn step(&mut self, token: Option<&[u8]>) -> Result<ClientStep, LoginFailure> {
        match mem::replace(&mut self.state, ClientState::Finished) {
            ClientState::New(mut context) => {
                let answer = context.step(token, None).map_err(internal)?;
                let answer = answer.map(|answer| answer.to_vec()).unwrap_or_default();
                self.state = if context.is_complete() {
                    ClientState::Established(context)
                } else {
                    ClientState::New(context)
                };
                Ok(ClientStep::Continue(answer))
            }
            ClientState::Established(context) => choose(context, token).map(ClientStep::Done),
            ClientState::Finished => Err(LoginFailure::OutOfOrder("the login has already ended")),
        }
    }
}

/// Answers the server's offer: no layer, and the owner of the ticket as the name to log in as.
fn choose(mut context: ClientCtx, token: Option<&[u8]>) -> Result<Vec<u8>, LoginFailure> {
    let Some(token) = token else {
        return Err(LoginFailure::OutOfOrder("the server must send its offer"));
    };
    let offer = context
        .unwrap(token)
        .map_err(|error| LoginFailure::BadTicket(message(error)))?;
    match *offer {
        [layers, _, _, _] if layers & CHOICE[0] != 0 => (),
        _ => {
            return Err(LoginFailure::Malformed(
                "the server's offer must include \"no security layer\"",
            ));
        }
    }
    let name = name_text(context.source_name()).map_err(LoginFailure::Internal)?;
    let choice = [&CHOICE[..], name.as_bytes()].concat();
    Ok(context.wrap(false, &choice).map_err(internal)?.to_vec())
}

fn internal(error: libgssapi::error::Error) -> LoginFailure {
    LoginFailure::Internal(message(error))
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Client")
    }
}
