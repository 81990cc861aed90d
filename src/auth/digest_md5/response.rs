//! A client's response (RFC 2831, 2.1.2). Everything in it is checked here except its hash.

use std::borrow::Cow;

use super::directives::{DirectiveValue, Field, fill};
use super::hash::HexSum;
use super::nonce::Nonce;
use super::{DIGEST_URI, NONCE_COUNT, REALM};
use crate::auth::LoginFailure;

/// The longest response (RFC 2831, 2.1.2).
pub(super) const RESPONSE_BYTES: usize = 4096;

/// A valid response to our challenge whose hash is yet to be checked.
pub(super) struct Response<'a> {
    pub(super) username: Cow<'a, str>,
    names_authorization_id: bool,
    pub(super) cnonce: DirectiveValue<'a>,
    pub(super) digest_uri: DirectiveValue<'a>,
    pub(super) proof: HexSum,
}

/// The directives of a response, as they were sent.
#[derive(Default)]
struct Sent<'a> {
    charset: Option<DirectiveValue<'a>>,
    username: Option<DirectiveValue<'a>>,
    realm: Option<DirectiveValue<'a>>,
    nonce: Option<DirectiveValue<'a>>,
    nonce_count: Option<DirectiveValue<'a>>,
    cnonce: Option<DirectiveValue<'a>>,
    digest_uri: Option<DirectiveValue<'a>>,
    maxbuf: Option<DirectiveValue<'a>>,
    response: Option<DirectiveValue<'a>>,
    qop: Option<DirectiveValue<'a>>,
    cipher: Option<DirectiveValue<'a>>,
    authorization_id: Option<DirectiveValue<'a>>,
}

impl<'a> Response<'a> {
    /// Parses the response to the challenge with `nonce`.
    ///
    /// # Errors
    /// `Malformed`: the first directive that is missing or wrong.
    pub(super) fn parse(token: &'a [u8], nonce: &Nonce) -> Result<Response<'a>, LoginFailure> {
        ensure(
            token.len() <= RESPONSE_BYTES,
            "a response must not be longer than 4096 bytes",
        )?;
        let sent = Sent::read(token)?;
        let is_utf8 = match sent.charset.as_deref() {
            None => false,
            Some(b"utf-8") => true,
            Some(_) => return malformed("charset must be utf-8"),
        };
        let username = text(need(sent.username, "username must be there")?, is_utf8)?;
        ensure(!username.is_empty(), "username must not be empty")?;
        ensure(
            sent.realm.as_deref() == Some(REALM.as_bytes()),
            "realm must be \"default\"",
        )?;
        ensure(
            sent.nonce.as_deref() == Some(nonce.as_bytes()),
            "nonce must be that of this login's challenge",
        )?;
        ensure(
            sent.nonce_count.as_deref() == Some(NONCE_COUNT.as_bytes()),
            "nc must be 00000001",
        )?;
        let cnonce = need(sent.cnonce, "cnonce must be there")?;
        let digest_uri = need(sent.digest_uri, "digest-uri must be there")?;
        ensure(
            digest_uri.eq_ignore_ascii_case(DIGEST_URI.as_bytes()),
            "digest-uri must be \"null/default\"",
        )?;
        // The challenge offers no other protection, and a missing qop means auth.
        ensure(
            matches!(sent.qop.as_deref(), None | Some(b"auth")),
            "qop must be auth",
        )?;
        // It limits wrapped messages, and qop auth has none.
        ensure(
            sent.maxbuf.is_none_or(|value| is_number(&value)),
            "maxbuf must be a number",
        )?;
        ensure(
            sent.authorization_id
                .as_deref()
                .is_none_or(|id| id == username.as_bytes()),
            "authzid must be the username",
        )?;
        let response = need(sent.response, "response must be there")?;
        Ok(Response {
            username,
            names_authorization_id: sent.authorization_id.is_some(),
            cnonce,
            digest_uri,
            proof: hex_sum(&response)?,
        })
    }

    /// The authzid, if the client sent one: it is hashed too.
    pub(super) fn authorization_id(&self) -> Option<&str> {
        self.names_authorization_id.then_some(&*self.username)
    }
}

impl<'a> Sent<'a> {
    fn read(token: &'a [u8]) -> Result<Sent<'a>, LoginFailure> {
        let mut sent = Sent::default();
        let field = |name, value, twice| Field { name, value, twice };
        let mut fields = [
            field("charset", &mut sent.charset, "charset must come only once"),
            field(
                "username",
                &mut sent.username,
                "username must come only once",
            ),
            field("realm", &mut sent.realm, "realm must come only once"),
            field("nonce", &mut sent.nonce, "nonce must come only once"),
            field("nc", &mut sent.nonce_count, "nc must come only once"),
            field("cnonce", &mut sent.cnonce, "cnonce must come only once"),
            field(
                "digest-uri",
                &mut sent.digest_uri,
                "digest-uri must come only once",
            ),
            field("maxbuf", &mut sent.maxbuf, "maxbuf must come only once"),
            field(
                "response",
                &mut sent.response,
                "response must come only once",
            ),
            field("qop", &mut sent.qop, "qop must come only once"),
            // It means nothing with qop auth.
            field("cipher", &mut sent.cipher, "cipher must come only once"),
            field(
                "authzid",
                &mut sent.authorization_id,
                "authzid must come only once",
            ),
        ];
        fill(token, &mut fields)?;
        Ok(sent)
    }
}

/// A username as text. Without charset=utf-8 it is ISO-8859-1 (RFC 2831, 2.1.2).
fn text(value: DirectiveValue<'_>, is_utf8: bool) -> Result<Cow<'_, str>, LoginFailure> {
    if !is_utf8 && !value.is_ascii() {
        return Ok(value.iter().map(|&byte| char::from(byte)).collect());
    }
    let text = match value {
        Cow::Borrowed(bytes) => str::from_utf8(bytes).ok().map(Cow::Borrowed),
        Cow::Owned(bytes) => String::from_utf8(bytes).ok().map(Cow::Owned),
    };
    text.ok_or(LoginFailure::Malformed(
        "username must be UTF-8, because charset is utf-8",
    ))
}

fn hex_sum(value: &[u8]) -> Result<HexSum, LoginFailure> {
    let is_digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    match value.try_into() {
        Ok(sum) if value.iter().all(is_digit) => Ok(sum),
        _ => malformed("response must be 32 lower-case hex digits"),
    }
}

fn is_number(value: &[u8]) -> bool {
    !value.is_empty() && value.iter().all(u8::is_ascii_digit)
}

fn need<'a>(
    value: Option<DirectiveValue<'a>>,
    expected: &'static str,
) -> Result<DirectiveValue<'a>, LoginFailure> {
    value.ok_or(LoginFailure::Malformed(expected))
}

fn ensure(holds: bool, expected: &'static str) -> Result<(), LoginFailure> {
    if holds { Ok(()) } else { malformed(expected) }
}

fn malformed<T>(expected: &'static str) -> Result<T, LoginFailure> {
    Err(LoginFailure::Malformed(expected))
}
