//! DIGEST-MD5 (RFC 2831), the server's side.

use std::sync::Arc;

use super::mechanism::{Exchange, Step};
use super::{DigestCredentials, LoginFailure};

/// What a response is checked by.
pub(super) struct Key {}

impl Key {
    pub(super) fn new(_credentials: &DigestCredentials) -> Key {
        Key {}
    }
}

/// One login.
pub(super) struct Server {
    _key: Arc<Key>,
}

impl Server {
    pub(super) fn new(key: Arc<Key>) -> Server {
        Server { _key: key }
    }
}

impl Exchange for Server {
    fn step(&mut self, _token: Option<&[u8]>, _out: &mut Vec<u8>) -> Result<Step, LoginFailure> {
        Err(LoginFailure::WrongPassword)
    }
}
