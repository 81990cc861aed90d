//! Encodes messages as whole frames, with their length prefix, and appends them to a buffer. The fields have
//! the order of Storm's writers: type, data, message_id. A pulse can be sent without copying its details:
//! encode its head, send the details, encode its tail.
//!
//! Nothing here checks the frame limit of a peer: the functions that end in `_len` tell the bytes of a body
//! before it is encoded. A body of 2 GiB or more, which Storm's `int` length cannot express, panics.

use super::super::thrift::code;
use super::MessageType;

/// Bytes of the length prefix of a frame.
pub const FRAME_PREFIX_BYTES: usize = 4;

/// Bytes of the body of a message without data.
pub(super) const PLAIN_BODY_BYTES: u64 = 15;

/// The bytes that follow the details of each record.
pub const RECORD_TAIL: &[u8] = &[code::STOP];

/// Bytes of the body of a message with data, without the field of the union: see `begin` and `end`.
const DATA_BODY_BYTES: u64 = 22;
/// Bytes of the head of a string field: type, id, size.
const STRING_HEAD_BYTES: u64 = 7;
/// Bytes of a struct that holds an empty list: field head, element type, count, stop byte.
const LIST_BYTES: u64 = 9;

/// The fields of the union `HBMessageData`: type code and id.
const PATH: [u8; 3] = [code::STRING, 0, 1];
const PULSE: [u8; 3] = [code::STRUCT, 0, 2];
const BOOL: [u8; 3] = [code::BOOL, 0, 3];
const RECORDS: [u8; 3] = [code::STRUCT, 0, 4];
const NODES: [u8; 3] = [code::STRUCT, 0, 5];
const BLOB: [u8; 3] = [code::STRING, 0, 7];

/// Encodes a message without data: an acknowledgement, or NOT_AUTHORIZED.
pub fn encode_plain(out: &mut Vec<u8>, kind: MessageType, id: i32) {
    let [a, b, c, d] = id.to_be_bytes();
    let message = [
        code::I32,
        0,
        1,
        0,
        0,
        0,
        number(kind),
        code::I32,
        0,
        3,
        a,
        b,
        c,
        d,
        code::STOP,
    ];
    debug_assert_eq!(message.len() as u64, PLAIN_BODY_BYTES);
    put_size(out, PLAIN_BODY_BYTES);
    out.extend_from_slice(&message);
}

/// Encodes a message with a path: any request but SEND_PULSE.
pub fn encode_path(out: &mut Vec<u8>, kind: MessageType, path: &str, id: i32) {
    begin(out, DATA_BODY_BYTES + 4 + bytes(path.len()), kind, PATH);
    put_binary(out, path.as_bytes());
    end(out, id);
}

/// Encodes a message with a pulse. `None` for the details means in an answer that nothing is stored.
pub fn encode_pulse(
    out: &mut Vec<u8>,
    kind: MessageType,
    pulse_id: &str,
    details: Option<&[u8]>,
    id: i32,
) {
    match details {
        Some(details) => {
            encode_pulse_head(out, kind, pulse_id, details.len());
            out.extend_from_slice(details);
        }
        None => {
            begin(out, pulse_body_len(pulse_id.len(), None), kind, PULSE);
            put_string_field(out, 1, pulse_id.as_bytes());
        }
    }
    encode_pulse_tail(out, id);
}

/// Encodes a frame with a pulse up to its details. The `details_len` bytes of the details and
/// [`encode_pulse_tail`] must follow.
pub fn encode_pulse_head(out: &mut Vec<u8>, kind: MessageType, pulse_id: &str, details_len: usize) {
    begin(
        out,
        pulse_body_len(pulse_id.len(), Some(details_len)),
        kind,
        PULSE,
    );
    put_pulse_head(out, pulse_id, details_len);
}

/// Encodes the rest of a frame with a pulse, after the details.
pub fn encode_pulse_tail(out: &mut Vec<u8>, id: i32) {
    out.push(code::STOP);
    end(out, id);
}

/// Encodes a message with a bool: the answer to EXISTS.
pub fn encode_bool(out: &mut Vec<u8>, kind: MessageType, value: bool, id: i32) {
    begin(out, DATA_BODY_BYTES + 1, kind, BOOL);
    out.push(u8::from(value));
    end(out, id);
}

/// Encodes a message with a list of names: the answer to GET_ALL_NODES_FOR_PATH.
pub fn encode_nodes(
    out: &mut Vec<u8>,
    kind: MessageType,
    names: impl IntoIterator<Item = impl AsRef<str>>,
    id: i32,
) {
    // Both sizes are known only after the names have been written.
    let frame = out.len();
    begin(out, 0, kind, NODES);
    let list = out.len();
    put_list_head(out, code::STRING, 0);
    let mut count = 0;
    for name in names {
        put_binary(out, name.as_ref().as_bytes());
        count += 1;
    }
    out.push(code::STOP);
    end(out, id);
    let body = out.len() - frame - FRAME_PREFIX_BYTES;
    out[frame..][..4].copy_from_slice(&size(bytes(body)));
    out[list + 4..][..4].copy_from_slice(&size(count));
}

/// Encodes a control or SASL message: a blob and no id.
pub fn encode_blob(out: &mut Vec<u8>, kind: MessageType, blob: &[u8]) {
    encode_blob_parts(out, kind, &[blob]);
}

/// As [`encode_blob`], with a blob of several parts.
pub(in crate::wire) fn encode_blob_parts(out: &mut Vec<u8>, kind: MessageType, parts: &[&[u8]]) {
    let blob = parts.iter().map(|part| bytes(part.len())).sum();
    begin(
        out,
        DATA_BODY_BYTES - STRING_HEAD_BYTES + 4 + blob,
        kind,
        BLOB,
    );
    put_size(out, blob);
    for part in parts {
        out.extend_from_slice(part);
    }
    out.extend_from_slice(&[code::STOP, code::STOP]);
}

/// Encodes an answer to GET_ALL_PULSE_FOR_PATH up to its records. Exactly `count` records must follow, each
/// an [`encode_record_head`], the details and [`RECORD_TAIL`], and then [`encode_records_tail`]. `body_len`
/// is the [`records_body_len`] of these records.
pub fn encode_records_head(out: &mut Vec<u8>, body_len: u64, count: usize) {
    begin(
        out,
        body_len,
        MessageType::GetAllPulseForPathResponse,
        RECORDS,
    );
    put_list_head(out, code::STRUCT, bytes(count));
}

/// Encodes one record up to its details.
pub fn encode_record_head(out: &mut Vec<u8>, pulse_id: &str, details_len: usize) {
    put_pulse_head(out, pulse_id, details_len);
}

/// Encodes the rest of the frame, after the last record.
pub fn encode_records_tail(out: &mut Vec<u8>, id: i32) {
    out.push(code::STOP);
    end(out, id);
}

/// Bytes of a body with a pulse whose id and details have these lengths in bytes.
pub(crate) fn pulse_body_len(pulse_id_len: usize, details_len: Option<usize>) -> u64 {
    let details = details_len.map_or(0, |length| STRING_HEAD_BYTES + bytes(length));
    DATA_BODY_BYTES + STRING_HEAD_BYTES + bytes(pulse_id_len) + details + 1
}

/// Bytes of a body with `count` names that have `names_len` bytes together.
pub(crate) fn nodes_body_len(count: usize, names_len: u64) -> u64 {
    DATA_BODY_BYTES + LIST_BYTES + 4 * bytes(count) + names_len
}

/// Bytes of a body with `count` records whose ids have `pulse_ids_len` bytes together, and whose details
/// have `details_len` bytes together.
pub fn records_body_len(count: usize, pulse_ids_len: u64, details_len: u64) -> u64 {
    let record = 2 * STRING_HEAD_BYTES + 1;
    DATA_BODY_BYTES + LIST_BYTES + record * bytes(count) + pulse_ids_len + details_len
}

/// Encodes the frame's length, the message's type, and the heads of `data` and of the union's field.
fn begin(out: &mut Vec<u8>, body_bytes: u64, kind: MessageType, union_field: [u8; 3]) {
    let [a, b, c, d] = size(body_bytes);
    let [x, y, z] = union_field;
    let number = number(kind);
    #[rustfmt::skip]
    out.extend_from_slice(&[a, b, c, d, code::I32, 0, 1, 0, 0, 0, number, code::STRUCT, 0, 2, x, y, z]);
}

/// Encodes the union's stop byte, `message_id`, and the message's stop byte.
fn end(out: &mut Vec<u8>, id: i32) {
    let [a, b, c, d] = id.to_be_bytes();
    out.extend_from_slice(&[code::STOP, code::I32, 0, 3, a, b, c, d, code::STOP]);
}

fn put_pulse_head(out: &mut Vec<u8>, pulse_id: &str, details_len: usize) {
    put_string_field(out, 1, pulse_id.as_bytes());
    out.extend_from_slice(&[code::STRING, 0, 2]);
    put_size(out, bytes(details_len));
}

fn put_string_field(out: &mut Vec<u8>, id: u8, value: &[u8]) {
    out.extend_from_slice(&[code::STRING, 0, id]);
    put_binary(out, value);
}

fn put_list_head(out: &mut Vec<u8>, element: u8, count: u64) {
    out.extend_from_slice(&[code::LIST, 0, 1, element]);
    put_size(out, count);
}

fn put_binary(out: &mut Vec<u8>, value: &[u8]) {
    put_size(out, bytes(value.len()));
    out.extend_from_slice(value);
}

fn put_size(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(&size(value));
}

fn size(value: u64) -> [u8; 4] {
    let value = i32::try_from(value).expect("the caller keeps every frame under 2 GiB");
    value.to_be_bytes()
}

fn number(kind: MessageType) -> u8 {
    kind as u8
}

fn bytes(length: usize) -> u64 {
    length as u64
}
