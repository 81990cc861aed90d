//! The hashes of RFC 2831, 2.1.2.1, for algorithm md5-sess and qop auth.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest, Md5};
use sha2::Sha512;
use zeroize::Zeroizing;

use super::NONCE_COUNT;
use crate::auth::secret::Secret;

/// An MD5 sum as 32 lower-case hex digits.
pub(super) type HexSum = [u8; 32];

/// The SASL password that Storm derives from the user and the password of the JAAS file
/// (`ClientAuthUtils.makeDigestPayload`, `SaslUtils.encodePassword`): base64 of the lower-case hex of
/// SHA-512 of `user:password`.
pub(in crate::auth) fn sasl_password(username: &str, password: &Secret) -> Secret {
    let sum: Zeroizing<[u8; 64]> = Zeroizing::new(
        Sha512::new()
            .chain_update(username)
            .chain_update(":")
            .chain_update(password.reveal())
            .finalize()
            .into(),
    );
    let mut hex = Zeroizing::new([0; 128]);
    write_hex(&sum[..], &mut hex[..]);
    Secret::new(STANDARD.encode(&hex[..]))
}

/// What both sides of a login hash.
pub(super) struct ProofInputs<'a> {
    pub(super) username: &'a str,
    pub(super) realm: &'a str,
    pub(super) password: &'a str,
    pub(super) nonce: &'a [u8],
    pub(super) cnonce: &'a [u8],
    /// Hashed only if the client sent one.
    pub(super) authorization_id: Option<&'a str>,
    /// As the client sent it: upper or lower case makes a different hash.
    pub(super) digest_uri: &'a [u8],
}

/// What each side sends to prove that it knows the password.
pub(super) struct Proofs {
    /// The value of `response`.
    pub(super) client: HexSum,
    /// The value of `rspauth`.
    pub(super) server: HexSum,
}

impl ProofInputs<'_> {
    pub(super) fn proofs(&self) -> Proofs {
        let key = self.session_key();
        Proofs {
            client: self.proof(&key, "AUTHENTICATE"),
            server: self.proof(&key, ""),
        }
    }

    /// HEX(H(A1)).
    fn session_key(&self) -> Zeroizing<HexSum> {
        let mut user = Md5::new();
        update_text(&mut user, self.username);
        user.update(":");
        update_text(&mut user, self.realm);
        user.update(":");
        update_text(&mut user, self.password);
        let mut session = Md5::new()
            .chain_update(user.finalize())
            .chain_update(":")
            .chain_update(self.nonce)
            .chain_update(":")
            .chain_update(self.cnonce);
        if let Some(authorization_id) = self.authorization_id {
            session.update(":");
            // Always UTF-8, unlike the username (RFC 2831, 2.1.2).
            session.update(authorization_id);
        }
        Zeroizing::new(hex(session))
    }

    /// KD(HEX(H(A1)), nonce:nc:cnonce:qop:HEX(H(A2))).
    fn proof(&self, session_key: &HexSum, method: &str) -> HexSum {
        let action = Md5::new()
            .chain_update(method)
            .chain_update(":")
            .chain_update(self.digest_uri);
        hex(Md5::new()
            .chain_update(session_key)
            .chain_update(":")
            .chain_update(self.nonce)
            .chain_update(":")
            .chain_update(NONCE_COUNT)
            .chain_update(":")
            .chain_update(self.cnonce)
            .chain_update(":auth:")
            .chain_update(hex(action)))
    }
}

/// Hashes a text as ISO-8859-1 if it can be written so, and as UTF-8 otherwise. The RFC demands it, so
/// that a server can keep one hash for clients with and without charset=utf-8; the JDK does the same.
fn update_text(md5: &mut Md5, text: &str) {
    if !text.is_ascii() && text.chars().all(|character| character <= '\u{ff}') {
        for character in text.chars() {
            md5.update([character as u8]);
        }
    } else {
        md5.update(text);
    }
}

fn hex(md5: Md5) -> HexSum {
    let mut hex = [0; 32];
    write_hex(&md5.finalize(), &mut hex);
    hex
}

fn write_hex(bytes: &[u8], out: &mut [u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for (byte, pair) in bytes.iter().zip(out.chunks_exact_mut(2)) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
}
