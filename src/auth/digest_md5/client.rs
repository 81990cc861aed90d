//! The client's side, as the JDK implements it for Storm's clients. The commands, the load generator,
//! benches and tests use it.

use std::fmt;

use subtle::ConstantTimeEq;

use super::directives::{DirectiveValue, Field, fill, write_quoted};
use super::hash::{HexSum, ProofInputs};
use super::nonce::Nonce;
use super::{DIGEST_URI, Key, NONCE_COUNT};
use crate::auth::{DigestCredentials, LoginFailure};

/// A challenge must be shorter than this (RFC 2831, 2.1.1).
const CHALLENGE_BYTES: usize = 2048;

/// The client's side of one login.
pub struct Client {
    key: Key,
    username: String,
    /// What the server must send back. Known once the response is made.
    server_proof: Option<HexSum>,
}

impl Client {
    /// `username` is sent as it is. Storm's clients send the base64 of their topology's name, or of
    /// `pacemaker-client`; the server accepts any name.
    pub fn new(credentials: &DigestCredentials, username: &str) -> Client {
        Client {
            key: Key::new(credentials),
            username: username.to_owned(),
            server_proof: None,
        }
    }

    /// The response to a challenge (RFC 2831, 2.1.2): the directives of the JDK's client, in its order.
    ///
    /// # Errors
    /// `Malformed`: this is not a challenge, or not one that Storm's server sends. `Internal`: the
    /// operating system gave no random bytes.
    pub fn respond(&mut self, challenge: &[u8]) -> Result<Vec<u8>, LoginFailure> {
        self.respond_with(challenge, &Nonce::fresh()?)
    }

    pub(super) fn respond_with(
        &mut self,
        challenge: &[u8],
        cnonce: &Nonce,
    ) -> Result<Vec<u8>, LoginFailure> {
        let Challenge { realm, nonce } = Challenge::parse(challenge)?;
        let proofs = ProofInputs {
            username: &self.username,
            realm: &realm,
            password: self.key.password.reveal(),
            nonce: &nonce,
            cnonce: cnonce.as_bytes(),
            authorization_id: None,
            digest_uri: DIGEST_URI.as_bytes(),
        }
        .proofs();
        self.server_proof = Some(proofs.server);

        let mut out = Vec::with_capacity(challenge.len() + self.username.len() + 256);
        out.extend_from_slice(b"charset=utf-8,username=");
        write_quoted(&mut out, self.username.as_bytes());
        out.extend_from_slice(b",realm=");
        write_quoted(&mut out, realm.as_bytes());
        out.extend_from_slice(b",nonce=");
        write_quoted(&mut out, &nonce);
        out.extend_from_slice(b",nc=");
        out.extend_from_slice(NONCE_COUNT.as_bytes());
        out.extend_from_slice(b",cnonce=");
        write_quoted(&mut out, cnonce.as_bytes());
        out.extend_from_slice(b",digest-uri=");
        write_quoted(&mut out, DIGEST_URI.as_bytes());
        out.extend_from_slice(b",maxbuf=65536,response=");
        out.extend_from_slice(&proofs.client);
        out.extend_from_slice(b",qop=auth");
        Ok(out)
    }

    /// Checks the server's last token, its proof that it knows the password (RFC 2831, 2.1.3).
    ///
    /// # Errors
    /// `WrongPassword`: the server does not know the password. `OutOfOrder`: no response has been made.
    /// `Malformed`: the token has no proof.
    pub fn verify(&self, rspauth: &[u8]) -> Result<(), LoginFailure> {
        let expected = self.server_proof.ok_or(LoginFailure::OutOfOrder(
            "the server sent rspauth before the response was made",
        ))?;
        let mut shown = None;
        let field = Field {
            name: "rspauth",
            value: &mut shown,
            twice: "rspauth must come only once",
        };
        fill(rspauth, &mut [field])?;
        let shown = shown.ok_or(LoginFailure::Malformed("rspauth must be there"))?;
        if bool::from(shown.ct_eq(expected.as_slice())) {
            Ok(())
        } else {
            Err(LoginFailure::WrongPassword)
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}

/// The directives of a challenge that the response needs.
struct Challenge<'a> {
    realm: String,
    nonce: DirectiveValue<'a>,
}

impl<'a> Challenge<'a> {
    fn parse(token: &'a [u8]) -> Result<Challenge<'a>, LoginFailure> {
        if token.len() >= CHALLENGE_BYTES {
            return malformed("a challenge must be shorter than 2048 bytes");
        }
        let (mut realm, mut nonce, mut qop) = (None, None, None);
        let (mut charset, mut algorithm) = (None, None);
        let field = |name, value, twice| Field { name, value, twice };
        let mut fields = [
            // The RFC allows a server to offer several. Storm's offers one, and this client could not choose.
            field("realm", &mut realm, "realm must come only once"),
            field("nonce", &mut nonce, "nonce must come only once"),
            field("qop", &mut qop, "qop must come only once"),
            field("charset", &mut charset, "charset must come only once"),
            field("algorithm", &mut algorithm, "algorithm must come only once"),
        ];
        fill(token, &mut fields)?;
        let realm = match realm.map(|realm| String::from_utf8(realm.into_owned())) {
            Some(Ok(realm)) => realm,
            Some(Err(_)) => return malformed("realm must be UTF-8"),
            None => return malformed("realm must be there"),
        };
        let Some(nonce) = nonce else {
            return malformed("nonce must be there");
        };
        if qop.is_some_and(|offered| !offers_auth(&offered)) {
            return malformed("qop must offer auth");
        }
        if charset.as_deref() != Some(b"utf-8") {
            return malformed("charset must be utf-8");
        }
        if algorithm.as_deref() != Some(b"md5-sess") {
            return malformed("algorithm must be md5-sess");
        }
        Ok(Challenge { realm, nonce })
    }
}

fn offers_auth(offered: &[u8]) -> bool {
    offered
        .split(|&byte| byte == b',')
        .any(|protection| protection.trim_ascii() == b"auth")
}

fn malformed<T>(expected: &'static str) -> Result<T, LoginFailure> {
    Err(LoginFailure::Malformed(expected))
}
