//! The client's side of a login, message by message, as Storm's clients go about it: for the load
//! generator and for the commands that ask a server. Frames in, frames out; no socket.

use std::fmt;

use crate::auth::digest_md5;
#[cfg(feature = "kerberos")]
use crate::auth::kerberos::{self, ClientStep};
use crate::auth::{DigestCredentials, LoginFailure, TicketSource};
use crate::wire::control::{self, ControlCode};
use crate::wire::message::{self, Data, MessageType};

/// The name that Storm's daemons go by, in base64 as their clients send it: `pacemaker-client`.
const CLIENT_NAME: &str = "cGFjZW1ha2VyLWNsaWVudA==";

/// How a client logs in.
#[derive(Clone, Debug)]
pub enum ClientMethod {
    Digest(DigestCredentials),
    /// With the tickets of the default credential cache, for this service at the server's host.
    Kerberos {
        /// `service/host`, maybe with `@REALM`.
        service: String,
    },
    /// With tickets from elsewhere.
    KerberosWith {
        service: String,
        tickets: TicketSource,
    },
}

/// One login.
pub struct ClientLogin {
    mechanism: Mechanism,
}

enum Mechanism {
    Digest {
        client: Box<digest_md5::Client>,
        responded: bool,
        verified: bool,
    },
    #[cfg(feature = "kerberos")]
    Kerberos {
        client: kerberos::Client,
        /// Nothing but the server's last word is missing.
        through: bool,
    },
}

impl ClientLogin {
    /// Begins a login; what to send first is appended to `out`.
    ///
    /// # Errors
    /// There is no ticket, or this build has no Kerberos.
    pub fn begin(method: &ClientMethod, out: &mut Vec<u8>) -> Result<ClientLogin, LoginFailure> {
        let mechanism = match method {
            ClientMethod::Digest(credentials) => {
                control::encode_control(out, ControlCode::SaslTokenRequest);
                Mechanism::Digest {
                    client: Box::new(digest_md5::Client::new(credentials, CLIENT_NAME)),
                    responded: false,
                    verified: false,
                }
            }
            #[cfg(feature = "kerberos")]
            ClientMethod::Kerberos { service } => {
                Mechanism::of_ticket(kerberos::Client::new(service, false)?, out)?
            }
            #[cfg(feature = "kerberos")]
            ClientMethod::KerberosWith { service, tickets } => {
                let client = kerberos::Client::with(tickets, service)?;
                Mechanism::of_ticket(client, out)?
            }
            #[cfg(not(feature = "kerberos"))]
            ClientMethod::Kerberos { .. } | ClientMethod::KerberosWith { .. } => {
                let why = "this build has no Kerberos (cargo feature \"kerberos\")";
                return Err(LoginFailure::Internal(why.to_owned()));
            }
        };
        Ok(ClientLogin { mechanism })
    }

    /// Takes the server's next frame, without its length; appends what to send. True once the login
    /// is complete.
    ///
    /// # Errors
    /// What the server has sent does not belong to a login, or it does not know our password.
    pub fn receive(&mut self, body: &[u8], out: &mut Vec<u8>) -> Result<bool, LoginFailure> {
        let unexpected = || LoginFailure::OutOfOrder("no message of a login");
        let message = message::decode(body).map_err(|_| unexpected())?;
        let Some(Data::Blob(blob)) = message.data else {
            return Err(unexpected());
        };
        match message.kind {
            MessageType::ControlMessage => match control::decode_control(blob) {
                Ok(ControlCode::SaslComplete) => self.complete(),
                _ => Err(unexpected()),
            },
            MessageType::SaslMessageToken => {
                let token = control::decode_token(blob).map_err(|_| unexpected())?;
                if let Some(answer) = self.answer(token)? {
                    control::encode_token(out, &answer);
                }
                Ok(false)
            }
            _ => Err(unexpected()),
        }
    }

    fn answer(&mut self, token: &[u8]) -> Result<Option<Vec<u8>>, LoginFailure> {
        match &mut self.mechanism {
            Mechanism::Digest {
                client,
                responded,
                verified,
            } => {
                if *responded {
                    client.verify(token)?;
                    *verified = true;
                    return Ok(None);
                }
                *responded = true;
                client.respond(token).map(Some)
            }
            #[cfg(feature = "kerberos")]
            Mechanism::Kerberos { client, through } => match client.step(Some(token))? {
                ClientStep::Continue(answer) => Ok(Some(answer)),
                ClientStep::Done(answer) => {
                    *through = true;
                    Ok(Some(answer))
                }
            },
        }
    }

    /// The server says that it is done: are we?
    fn complete(&self) -> Result<bool, LoginFailure> {
        let is_complete = match &self.mechanism {
            Mechanism::Digest { verified, .. } => *verified,
            #[cfg(feature = "kerberos")]
            Mechanism::Kerberos { through, .. } => *through,
        };
        match is_complete {
            true => Ok(true),
            false => Err(LoginFailure::OutOfOrder(
                "the server ends a login too early",
            )),
        }
    }
}

#[cfg(feature = "kerberos")]
impl Mechanism {
    /// The client speaks first.
    fn of_ticket(
        mut client: kerberos::Client,
        out: &mut Vec<u8>,
    ) -> Result<Mechanism, LoginFailure> {
        let (ClientStep::Continue(token) | ClientStep::Done(token)) = client.step(None)?;
        control::encode_token(out, &token);
        Ok(Mechanism::Kerberos {
            client,
            through: false,
        })
    }
}

impl fmt::Debug for ClientLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientLogin")
    }
}
