//! Nonces: the server's in the challenge, and the client's in the response.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::auth::LoginFailure;

const RANDOM_BYTES: usize = 30;
const TEXT_BYTES: usize = 40;

/// 30 random bytes in base64, like the JDK's nonces. RFC 2831 (2.1.1) recommends 64 bits at least. The
/// text needs no escapes inside quotes.
#[derive(Clone)]
pub(super) struct Nonce([u8; TEXT_BYTES]);

impl Nonce {
    /// # Errors
    /// `Internal`: the operating system gave no random bytes.
    pub(super) fn fresh() -> Result<Nonce, LoginFailure> {
        let mut random = [0; RANDOM_BYTES];
        getrandom::fill(&mut random).map_err(|error| {
            LoginFailure::Internal(format!(
                "the operating system gave no random bytes: {error}"
            ))
        })?;
        let mut text = [0; TEXT_BYTES];
        STANDARD
            .encode_slice(random, &mut text)
            .expect("30 bytes make 40 characters of base64");
        Ok(Nonce(text))
    }

    /// A recorded nonce.
    #[cfg(test)]
    pub(super) fn recorded(text: &str) -> Nonce {
        Nonce(text.as_bytes().try_into().expect("40 characters"))
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}
