//! DIGEST-MD5 (RFC 2831) as Storm's daemon and its clients speak it: one realm, one digest-uri,
//! authentication only. Computes on what it is given and knows no connection and no clock; its one
//! source from outside is the nonce.

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

use super::mechanism::{Exchange, Shown, Step};
use super::secret::Secret;
use super::{DigestCredentials, LoginFailure};
use hash::Login;
use nonce::Nonce;
use response::Response;

/// Storm names its server "default", and the JDK's server offers that name as the realm.
const REALM: &str = "default";

/// Service and host (RFC 2831, 2.1.2). Storm passes no service, which Java spells `null`.
const DIGEST_URI: &str = "null/default";

/// A nonce serves one response, so its count is always one.
const NONCE_COUNT: &str = "00000001";

pub(super) use hash::sasl_password;

/// What a response is checked by: the SASL password, which is the same for every username.
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
pub(super) struct Server {
    key: Arc<Key>,
    state: State,
}

enum State {
    Begun,
    Challenged(Nonce),
    /// Logged in or refused; nothing may follow either.
    Over,
}

impl Server {
    pub(super) fn new(key: Arc<Key>) -> Server {
        Server {
            key,
            state: State::Begun,
        }
    }

    /// Sends the challenge (RFC 2831, 2.1.1): the directives that the JDK's server sends, and their
    /// order.
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
        self.state = State::Challenged(nonce);
        Step::Continue
    }

    /// Judges the response to the challenge of `nonce`, and sends the proof that the server knows
    /// the password too (RFC 2831, 2.1.3).
    fn judge(&self, nonce: &Nonce, token: &[u8], out: &mut Vec<u8>) -> Result<Step, LoginFailure> {
        let response = Response::parse(token, nonce)?;
        let proofs = Login {
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
        Ok(Step::Done(Shown {
            authorization_id: name.clone(),
            name,
        }))
    }
}

impl Exchange for Server {
    fn step(&mut self, token: Option<&[u8]>, out: &mut Vec<u8>) -> Result<Step, LoginFailure> {
        // One response to one challenge: whatever comes of this step, its nonce is spent.
        match (std::mem::replace(&mut self.state, State::Over), token) {
            (State::Begun, None) => Ok(self.challenge(Nonce::fresh()?, out)),
            (State::Begun, Some(_)) => Err(LoginFailure::OutOfOrder(
                "a response before the challenge was asked for",
            )),
            (State::Challenged(nonce), Some(token)) => self.judge(&nonce, token, out),
            (State::Challenged(_), None) => Err(LoginFailure::OutOfOrder(
                "the challenge was asked for a second time",
            )),
            (State::Over, _) => Err(LoginFailure::OutOfOrder("the login is already over")),
        }
    }
}
