//! The blobs of control and SASL messages: Storm's `ControlMessage` and `SaslMessageToken`. The session
//! decides which of them may come when.

use super::DecodeError;
use super::message::{MessageType, encode_blob, encode_blob_parts};
use super::thrift::Cursor;

/// The code before every SASL token (`SaslMessageToken.IDENTIFIER`).
pub(super) const TOKEN_CODE: i16 = -500;

/// The codes of Storm's `ControlMessage`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(i16)]
pub enum ControlCode {
    Close = -100,
    Ok = -200,
    /// `EOB_MESSAGE`, the end of a batch.
    EndOfBatch = -201,
    /// `SASL_TOKEN_MESSAGE_REQUEST`: the client asks for the first token of a login.
    SaslTokenRequest = -202,
    /// `SASL_COMPLETE_REQUEST`: the server tells the client that its login is complete.
    SaslComplete = -203,
    Failure = -400,
}

impl ControlCode {
    /// The code with this number. `None`: Storm has no such code.
    fn from_number(number: i16) -> Option<Self> {
        match number {
            -100 => Some(Self::Close),
            -200 => Some(Self::Ok),
            -201 => Some(Self::EndOfBatch),
            -202 => Some(Self::SaslTokenRequest),
            -203 => Some(Self::SaslComplete),
            -400 => Some(Self::Failure),
            _ => None,
        }
    }
}

/// Appends a whole CONTROL_MESSAGE frame.
pub fn encode_control(out: &mut Vec<u8>, code: ControlCode) {
    encode_blob(
        out,
        MessageType::ControlMessage,
        &(code as i16).to_be_bytes(),
    );
}

/// Appends a whole SASL_MESSAGE_TOKEN frame.
///
/// # Panics
/// The token has 2 GiB or more.
pub(crate) fn encode_token(out: &mut Vec<u8>, token: &[u8]) {
    let size = i32::try_from(token.len()).expect("a token has less than 2 GiB");
    let parts = [&TOKEN_CODE.to_be_bytes(), &size.to_be_bytes()[..], token];
    encode_blob_parts(out, MessageType::SaslMessageToken, &parts);
}

/// Decodes the blob of a CONTROL_MESSAGE. Ignores bytes after the code, as Storm does.
///
/// # Errors
/// The blob is shorter than a code, or Storm has no such code.
pub(crate) fn decode_control(blob: &[u8]) -> Result<ControlCode, DecodeError> {
    let number = Cursor::new(blob).i16()?;
    ControlCode::from_number(number).ok_or(DecodeError::UnknownControlCode(number))
}

/// Decodes the blob of a SASL_MESSAGE_TOKEN. Ignores bytes after the token, as Storm does.
///
/// # Errors
/// The blob does not begin with `SaslMessageToken.IDENTIFIER`, or ends before the token does.
pub fn decode_token(blob: &[u8]) -> Result<&[u8], DecodeError> {
    let mut cursor = Cursor::new(blob);
    match cursor.i16()? {
        TOKEN_CODE => cursor.binary(),
        other => Err(DecodeError::NotAToken(other)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::message::{Data, decode};
    use super::*;

    fn blob(frame: &[u8]) -> &[u8] {
        match decode(&frame[4..]).expect("a message").data {
            Some(Data::Blob(blob)) => blob,
            other => panic!("expected a blob, found {other:?}"),
        }
    }

    #[test]
    fn control_codes_survive_the_wire() {
        use ControlCode::*;
        for code in [
            Close,
            Ok,
            EndOfBatch,
            SaslTokenRequest,
            SaslComplete,
            Failure,
        ] {
            let mut frame = Vec::new();
            encode_control(&mut frame, code);
            assert_eq!(decode_control(blob(&frame)), Result::Ok(code));
        }
    }

    #[test]
    fn tokens_survive_the_wire() {
        for token in [&b""[..], b"hi", &[0xFF; 4096]] {
            let mut frame = Vec::new();
            encode_token(&mut frame, token);
            assert_eq!(decode_token(blob(&frame)), Ok(token));
        }
    }

    #[test]
    fn odd_blobs_are_refused() {
        assert_eq!(decode_control(b""), Err(DecodeError::Truncated));
        assert_eq!(decode_control(&[0xFF]), Err(DecodeError::Truncated));
        assert_eq!(
            decode_control(&[0, 0]),
            Err(DecodeError::UnknownControlCode(0))
        );
        assert_eq!(
            decode_control(&[0xFF, 0x36, 9]),
            Ok(ControlCode::SaslTokenRequest)
        );

        assert_eq!(decode_token(b""), Err(DecodeError::Truncated));
        assert_eq!(
            decode_token(&[0xFF, 0x36]),
            Err(DecodeError::NotAToken(-202))
        );
        let token = [0xFE, 0x0C, 0, 0, 0, 2, b'h', b'i', b'!'];
        assert_eq!(decode_token(&token), Ok(&b"hi"[..]));
        for length in 0..8 {
            assert_eq!(decode_token(&token[..length]), Err(DecodeError::Truncated));
        }
        let negative = [0xFE, 0x0C, 0xFF, 0xFF, 0xFF, 0xFF];
        assert_eq!(decode_token(&negative), Err(DecodeError::NegativeSize(-1)));
    }
}
