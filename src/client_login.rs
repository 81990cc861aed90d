//! The client's side of a login, message by message, as Storm's clients do it, for the load generator and
//! the commands. Frames in, frames out: no socket.

use std::fmt;

use crate::auth::digest_md5;
#[cfg(feature = "kerberos")]
use crate::auth::kerberos::{self, ClientStep};
use crate::auth::{DigestCredentials, LoginFailure, TicketSource};
use crate::wire::control::{self, ControlCode};
use crate::wire::message::{self, Data, MessageType};

/// The name that clients of Storm give themselves, `pacemaker-client`, in base64.
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
        has_responded: bool,
        is_verified: bool,
    },
    #[cfg(feature = "kerberos")]
    Kerberos {
        client: kerberos::Client,
        /// Only the server's SASL_COMPLETE is missing.
        is_complete: bool,
    },
}

impl ClientLogin {
    /// Begins a login. Appends to `out` what to send first.
    ///
    /// # Errors
    /// There is no ticket, or this build lacks Kerberos.
    pub fn begin(method: &ClientMethod, out: &mut Vec<u8>) -> Result<ClientLogin, LoginFailure> {
        let mechanism = match method {
            ClientMethod::Digest(credentials) => {
                control::encode_control(out, ControlCode::SaslTokenRequest);
                Mechanism::Digest {
                    client: Box::new(digest_md5::Client::new(credentials, CLIENT_NAME)),
                    has_responded: false,
                    is_verified: false,
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
                return Err(LoginFailure::Internal(crate::auth::NO_KERBEROS.to_owned()));
            }
        };
        Ok(ClientLogin { mechanism })
    }

    /// Takes the body of the server's next frame and appends what to send. Returns true once the login is
    /// complete.
    ///
    /// # Errors
    /// The frame is not part of a login, or the server does not know our password.
    pub fn receive(&mut self, body: &[u8], out: &mut Vec<u8>) -> Result<bool, LoginFailure> {
        let unexpected = || LoginFailure::OutOfOrder("not a message of a login");
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
                has_responded,
                is_verified,
            } => {
                if *has_responded {
                    client.verify(token)?;
                    *is_verified = true;
                    return Ok(None);
                }
                *has_responded = true;
                client.respond(token).map(Some)
            }
            #[cfg(feature = "kerberos")]
            Mechanism::Kerberos {
                client,
                is_complete,
            } => match client.step(Some(token))? {
                ClientStep::Continue(answer) => Ok(Some(answer)),
                ClientStep::Done(answer) => {
                    *is_complete = true;
                    Ok(Some(answer))
                }
            },
        }
    }

    /// The server has sent SASL_COMPLETE; fails if our side is not complete.
    fn complete(&self) -> Result<bool, LoginFailure> {
        let is_complete = match &self.mechanism {
            Mechanism::Digest { is_verified, .. } => *is_verified,
            #[cfg(feature = "kerberos")]
            Mechanism::Kerberos { is_complete, .. } => *is_complete,
        };
        if is_complete {
            Ok(true)
        } else {
            let why = "the server ends a login too early";
            Err(LoginFailure::OutOfOrder(why))
        }
    }
}

#[cfg(feature = "kerberos")]
impl Mechanism {
    /// With Kerberos the client speaks first.
    fn of_ticket(
        mut client: kerberos::Client,
        out: &mut Vec<u8>,
    ) -> Result<Mechanism, LoginFailure> {
        let (ClientStep::Continue(token) | ClientStep::Done(token)) = client.step(None)?;
        control::encode_token(out, &token);
        Ok(Mechanism::Kerberos {
            client,
            is_complete: false,
        })
    }
}

impl fmt::Debug for ClientLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientLogin")
    }
}
