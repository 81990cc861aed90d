//! DIGEST-MD5 (RFC 2831) as Storm's daemon and clients speak it: one realm, one digest-uri,
//! authentication only. It knows no connection and no clock; the random nonce is its only input from
//! outside.

mod client;
mod directives;
mod hash;
mod nonce;
mod response;
#[cfg(test)]
mod tests;

pub use client::Client;

use std::sync::Arc;

use subtle::ConstantTimeEq;

use super::mechanism::{Exchange, ProvenPeer, Step};
use super::secret::Secret;
use super::{DigestCredentials, LoginFailure};
use hash::ProofInputs;
use nonce::Nonce;
use response::Response;

/// Storm names its server "default", and the JDK's server offers that name as the realm.
const REALM: &str = "default";

/// Service and host (RFC 2831, 2.1.2). Storm passes no service, and Java writes that as `null`.
const DIGEST_URI: &str = "null/default";

/// The `nc` directive: eight hex digits. A nonce is used for one response, so the count is always 1.
const NONCE_COUNT: &str = "00000001";

pub(super) use hash::sasl_password;

/// What responses are checked against: the SASL password, which is the same for every username.
pub(super) struct Key {
    password: Secret,
}

impl Key {
    pub(super) fn new(credentials: &DigestCredentials) -> Key {
        Key {
            password: credentials.sasl_password.clone(),
        }
    }
}

/// The server's side of one login.
pub(super) struct DigestExchange {
    key: Arc<Key>,
    state: ExchangeState,
}

enum ExchangeState {
    /// The peer has not asked for the challenge.
    New,
    Challenged(Nonce),
    /// Accepted or refused. Nothing may follow.
    Finished,
}

impl DigestExchange {
    pub(super) fn new(key: Arc<Key>) -> DigestExchange {
        DigestExchange {
            key,
            state: ExchangeState::New,
        }
    }

    /// Writes the challenge (RFC 2831, 2.1.1): the directives of the JDK's server, in its order.
    fn challenge(&mut self, nonce: Nonce, out: &mut Vec<u8>) -> Step {
        for part in [
            b"realm=\"".as_slice(),
            REALM.as_bytes(),
            b"\",nonce=\"",
            nonce.as_bytes(),
            b"\",charset=utf-8,algorithm=md5-sess",
        ] {
            out.extend_from_slice(part);
        }
        self.state = ExchangeState::Challenged(nonce);
        Step::Continue
    }

    /// Checks the response to the challenge with `nonce`, and writes the proof that the server knows
    /// the password too (RFC 2831, 2.1.3).
    fn judge(&self, nonce: &Nonce, token: &[u8], out: &mut Vec<u8>) -> Result<Step, LoginFailure> {
        let response = Response::parse(token, nonce)?;
        let proofs = ProofInputs {
            username: &response.username,
            realm: REALM,
            password: self.key.password.reveal(),
            nonce: nonce.as_bytes(),
            cnonce: &response.cnonce,
            authorization_id: response.authorization_id(),
            digest_uri: &response.digest_uri,
        }
        .proofs();
        if !bool::from(proofs.client.ct_eq(&response.proof)) {
            return Err(LoginFailure::WrongPassword);
        }
        out.extend_from_slice(b"rspauth=");
        out.extend_from_slice(&proofs.server);
        let name = response.username.into_owned();
        Ok(Step::Done(ProvenPeer {
            authorization_id: name.clone(),
            name,
        }))
    }
}

impl Exchange for DigestExchange {
    fn step(&mut self, token: Option<&[u8]>, out: &mut Vec<u8>) -> Result<Step, LoginFailure> {
        // A challenge is good for one response: whatever this step leads to, its nonce is spent.
        match (
            std::mem::replace(&mut self.state, ExchangeState::Finished),
            token,
        ) {
            (ExchangeState::New, None) => Ok(self.challenge(Nonce::fresh()?, out)),
            (ExchangeState::New, Some(_)) => Err(LoginFailure::OutOfOrder(
                "the client sent a response before it asked for the challenge",
            )),
            (ExchangeState::Challenged(nonce), Some(token)) => self.judge(&nonce, token, out),
            (ExchangeState::Challenged(_), None) => Err(LoginFailure::OutOfOrder(
                "the client asked for the challenge a second time",
            )),
            (ExchangeState::Finished, _) => {
                Err(LoginFailure::OutOfOrder("the login has already ended"))
            }
        }
    }
}
