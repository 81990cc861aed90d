//! Frames by hand: the golden ones as Storm's Java server and clients put them on the wire, and
//! builders that follow the same layout. Nothing here uses the crate's encoder.

use storm_pacemaker::wire::message::{self, Data, MessageType};

// ── Golden: recorded from Storm ──────────────────────────────────────────────────────────────────

/// SEND_PULSE of "xyz" to /w/t1/n-1, id 2.
pub const SEND: &str = "00000031080001000000040c00020c00020b0001000000092f772f74312f6e2d310b00020000000378797a\
     00000800030000000200";
pub const SEND_ANSWER: &str = "0000000f080001000000050800030000000200";
/// GET_PULSE of /w/t1/n-1, id 6.
pub const GET: &str =
    "000000230800010000000a0c00020b0001000000092f772f74312f6e2d31000800030000000600";
pub const GET_ANSWER: &str = "000000310800010000000b0c00020c00020b0001000000092f772f74312f6e2d310b00020000000378797a\
     00000800030000000600";
/// GET_PULSE of /zz, id 7, which is not stored.
pub const GET_MISS: &str = "0000001d0800010000000a0c00020b0001000000032f7a7a000800030000000700";
pub const GET_MISS_ANSWER: &str =
    "000000210800010000000b0c00020c00020b0001000000032f7a7a00000800030000000700";
/// GET_ALL_NODES_FOR_PATH of /w, id 9.
pub const NODES: &str = "0000001c080001000000080c00020b0001000000022f77000800030000000900";
/// As Java gave it: t11 before t1. The order is free, ours is sorted.
pub const NODES_ANSWER: &str = "0000002c080001000000090c00020c00050f00010b000000020000000374313100000002743100\
     000800030000000900";
pub const NO_NODES_ANSWER: &str =
    "0000001f080001000000090c00020c00050f00010b0000000000000800030000000c00";
pub const EXISTS_ANSWER: &str = "00000017080001000000030c000202000301000800030000000400";
pub const CREATE_ANSWER: &str = "0000000f080001000000010800030000000100";
pub const DELETE_PATH_ANSWER: &str = "0000000f0800010000000d0800030000001100";
pub const DELETE_PULSE_ANSWER: &str = "0000000f0800010000000f0800030000001000";
/// How an answer ends whose request had no message_id.
pub const NO_ID_END: &str = "080003ffffffff00";
/// CONTROL_MESSAGE -202 and SASL_MESSAGE_TOKEN "hi": bodies, without their length.
pub const CONTROL: &str = "080001000000100c00020b000700000002ff360000";
pub const TOKEN: &str = "080001000000110c00020b000700000008fe0c0000000268690000";

pub fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u32> = text.chars().map(|c| c.to_digit(16).expect("hex")).collect();
    digits
        .chunks(2)
        .map(|pair| (pair[0] << 4 | pair[1]) as u8)
        .collect()
}

// ── Types ────────────────────────────────────────────────────────────────────────────────────────

pub const CREATE_PATH: i32 = 0;
pub const EXISTS: i32 = 2;
pub const SEND_PULSE: i32 = 4;
pub const GET_ALL_PULSE: i32 = 6;
pub const GET_ALL_NODES: i32 = 8;
pub const GET_PULSE: i32 = 10;
pub const DELETE_PATH: i32 = 12;
pub const DELETE_PULSE_ID: i32 = 14;
pub const NOT_AUTHORIZED: i32 = 18;

/// The type that answers a request's type.
pub const fn answer_to(kind: i32) -> i32 {
    kind + 1
}

// ── Builders ─────────────────────────────────────────────────────────────────────────────────────

pub fn framed(body: &[u8]) -> Vec<u8> {
    let mut frame = (body.len() as i32).to_be_bytes().to_vec();
    frame.extend_from_slice(body);
    frame
}

/// A whole message: `union` is the bytes of the one field in the data; no data if it is empty.
pub fn message(kind: i32, union: &[u8], id: Option<i32>) -> Vec<u8> {
    let mut body = vec![8, 0, 1];
    body.extend_from_slice(&kind.to_be_bytes());
    if !union.is_empty() {
        body.extend_from_slice(&[12, 0, 2]);
        body.extend_from_slice(union);
        body.push(0);
    }
    if let Some(id) = id {
        body.extend_from_slice(&[8, 0, 3]);
        body.extend_from_slice(&id.to_be_bytes());
    }
    body.push(0);
    framed(&body)
}

fn string(value: &[u8]) -> Vec<u8> {
    framed(value)
}

fn field(kind: u8, id: u8, value: &[u8]) -> Vec<u8> {
    [&[kind, 0, id], value].concat()
}

/// The struct HBPulse, its stop byte included.
fn pulse(path: &[u8], details: Option<&[u8]>) -> Vec<u8> {
    let mut fields = field(11, 1, &string(path));
    if let Some(details) = details {
        fields.extend(field(11, 2, &string(details)));
    }
    fields.push(0);
    fields
}

/// Any request that is about a path.
pub fn about(kind: i32, path: impl AsRef<[u8]>, id: i32) -> Vec<u8> {
    message(kind, &field(11, 1, &string(path.as_ref())), Some(id))
}

pub fn send(path: impl AsRef<[u8]>, details: impl AsRef<[u8]>, id: i32) -> Vec<u8> {
    let pulse = pulse(path.as_ref(), Some(details.as_ref()));
    message(SEND_PULSE, &field(12, 2, &pulse), Some(id))
}

pub fn get(path: impl AsRef<[u8]>, id: i32) -> Vec<u8> {
    about(GET_PULSE, path, id)
}

pub fn plain(kind: i32, id: i32) -> Vec<u8> {
    message(kind, &[], Some(id))
}

pub fn pulse_answer(path: impl AsRef<[u8]>, details: Option<&[u8]>, id: i32) -> Vec<u8> {
    let pulse = pulse(path.as_ref(), details);
    message(answer_to(GET_PULSE), &field(12, 2, &pulse), Some(id))
}

pub fn exists_answer(exists: bool, id: i32) -> Vec<u8> {
    message(answer_to(EXISTS), &field(2, 3, &[exists.into()]), Some(id))
}

/// A list or a set of elements, as field 1 of a struct of its own.
fn list_struct(element: u8, count: usize, elements: &[u8]) -> Vec<u8> {
    let mut list = vec![15, 0, 1, element];
    list.extend_from_slice(&(count as i32).to_be_bytes());
    list.extend_from_slice(elements);
    list.push(0);
    list
}

pub fn nodes_answer(names: &[&str], id: i32) -> Vec<u8> {
    let strings: Vec<u8> = names
        .iter()
        .flat_map(|name| string(name.as_bytes()))
        .collect();
    let nodes = list_struct(11, names.len(), &strings);
    message(answer_to(GET_ALL_NODES), &field(12, 5, &nodes), Some(id))
}

pub fn records_answer(records: &[(&str, &[u8])], id: i32) -> Vec<u8> {
    let pulses: Vec<u8> = records
        .iter()
        .flat_map(|(path, details)| pulse(path.as_bytes(), Some(details)))
        .collect();
    let records = list_struct(12, records.len(), &pulses);
    message(answer_to(GET_ALL_PULSE), &field(12, 4, &records), Some(id))
}

// ── Answers ──────────────────────────────────────────────────────────────────────────────────────

/// What a whole frame says, by the crate's decoder.
pub fn decoded(frame: &[u8]) -> message::Message<'_> {
    message::decode(&frame[4..]).expect("the daemon sends messages")
}

pub fn kind_of(frame: &[u8]) -> i32 {
    decoded(frame).kind as i32
}

pub fn id_of(frame: &[u8]) -> i32 {
    decoded(frame).id
}

/// The details in the answer to GET_PULSE.
pub fn details_of(frame: &[u8]) -> Option<Vec<u8>> {
    match decoded(frame) {
        message::Message {
            kind: MessageType::GetPulseResponse,
            data: Some(Data::Pulse(pulse)),
            ..
        } => pulse.details.map(<[u8]>::to_vec),
        other => panic!("no answer to GET_PULSE: {other:?}"),
    }
}

/// The names in the answer to GET_ALL_NODES_FOR_PATH.
pub fn names_of(frame: &[u8]) -> Vec<String> {
    match decoded(frame).data {
        Some(Data::Nodes(names)) => names.into_iter().map(Into::into).collect(),
        other => panic!("no answer to GET_ALL_NODES_FOR_PATH: {other:?}"),
    }
}
