//! The codec against bytes recorded from Storm, and against what Java's readers do with odd bytes.

use super::super::golden;
use super::super::thrift::code;
use super::properties::frame;
use super::*;
use crate::limits::THRIFT_DEPTH;

// ── Storm's own bytes ────────────────────────────────────────────────────────────────────────────

#[test]
fn golden_frames_both_ways() {
    for golden in golden::ALL {
        let (bytes, message) = (golden.frame(), golden.message());
        assert_eq!(
            decode(&bytes[4..]).as_ref(),
            Ok(&message),
            "{}",
            golden.name
        );
        assert_eq!(frame(&message), bytes, "{}", golden.name);
    }
}

#[test]
fn an_answer_to_a_request_without_id_ends_in_minus_one() {
    let mut out = Vec::new();
    encode_plain(&mut out, MessageType::SendPulseResponse, NO_ID);
    assert!(out.ends_with(&[0x08, 0x00, 0x03, 0xFF, 0xFF, 0xFF, 0xFF, 0x00]));
}

#[test]
fn every_truncation_of_a_golden_body_is_an_error() {
    for golden in golden::ALL {
        let body = &golden.frame()[4..];
        for length in 0..body.len() {
            let error = decode(&body[..length]);
            assert_eq!(
                error,
                Err(DecodeError::Truncated),
                "{} at {length}",
                golden.name
            );
        }
    }
}

#[test]
fn no_corruption_of_a_golden_body_panics() {
    for golden in golden::ALL {
        let mut body = golden.frame().split_off(4);
        for position in 0..body.len() {
            for change in 1..=u8::MAX {
                body[position] ^= change;
                let _ = decode(&body);
                body[position] ^= change;
            }
        }
    }
}

#[test]
fn message_types_are_numbered_as_in_storm() {
    for (number, kind) in MessageType::ALL.into_iter().enumerate() {
        assert_eq!(kind as usize, number);
        assert_eq!(MessageType::from_number(number as i32), Some(kind));
    }
    for number in [-1, 19, i32::MIN, i32::MAX] {
        assert_eq!(MessageType::from_number(number), None);
    }
}

// ── What Java's readers do with odd bytes ────────────────────────────────────────────────────────

pub(super) const TYPE: &[u8] = &[code::I32, 0, 1, 0, 0, 0, 10];
const ID: &[u8] = &[code::I32, 0, 3, 0, 0, 0, 5];
pub(super) const DATA: &[u8] = &[code::STRUCT, 0, 2];
const PATH_A: &[u8] = &[code::STRING, 0, 1, 0, 0, 0, 1, b'a'];
const STOP: &[u8] = &[code::STOP];

fn read(parts: &[&[u8]]) -> Result<(Option<Data<'static>>, i32), DecodeError> {
    let body = parts.concat().leak();
    decode(body).map(|message| {
        assert_eq!(message.kind, MessageType::GetPulse);
        (message.data, message.id)
    })
}

fn path(text: &'static str) -> Option<Data<'static>> {
    Some(Data::Path(text.into()))
}

#[test]
fn the_type_must_be_present_and_known() {
    assert_eq!(decode(&[]), Err(DecodeError::Truncated));
    assert_eq!(decode(STOP), Err(DecodeError::MissingType));
    assert_eq!(read(&[ID, STOP]), Err(DecodeError::MissingType));
    let number = |number: u8| [code::I32, 0, 1, 0, 0, 0, number];
    assert_eq!(
        read(&[&number(19), STOP]),
        Err(DecodeError::UnknownType(19))
    );
    assert_eq!(read(&[&number(19), &number(10), STOP]), Ok((None, NO_ID)));
    assert_eq!(
        read(&[&number(10), &number(19), STOP]),
        Err(DecodeError::UnknownType(19))
    );
    // A field 1 that is not an i32 is skipped.
    assert_eq!(
        read(&[&[code::I16, 0, 1, 0, 10], STOP]),
        Err(DecodeError::MissingType)
    );
}

#[test]
fn fields_come_in_any_order_and_the_last_one_counts() {
    assert_eq!(
        read(&[ID, DATA, PATH_A, STOP, TYPE, STOP]),
        Ok((path("a"), 5))
    );
    let path_b = [code::STRING, 0, 1, 0, 0, 0, 1, b'b'];
    let id_6 = [code::I32, 0, 3, 0, 0, 0, 6];
    let twice = [
        TYPE, DATA, PATH_A, STOP, ID, DATA, &path_b, STOP, &id_6, STOP,
    ];
    assert_eq!(read(&twice), Ok((path("b"), 6)));
    let unset_later = [
        TYPE,
        DATA,
        PATH_A,
        STOP,
        DATA,
        &[code::BOOL, 0, 1, 1],
        STOP,
        STOP,
    ];
    assert_eq!(read(&unset_later), Ok((None, NO_ID)));
}

#[test]
fn unknown_fields_and_other_types_are_skipped() {
    let unknown: &[&[u8]] = &[
        &[code::BOOL, 0, 9, 1],
        &[code::STRING, 0xFF, 0xFF, 0, 0, 0, 2, b'h', b'i'],
        &[code::MAP, 0, 3, code::BYTE, code::BYTE, 0, 0, 0, 1, 1, 2],
        &[code::STRING, 0, 2, 0, 0, 0, 0],
        &[code::STRUCT, 0, 1, code::BOOL, 0, 1, 1, code::STOP],
    ];
    for field in unknown {
        assert_eq!(
            read(&[field, TYPE, DATA, PATH_A, STOP, STOP]),
            Ok((path("a"), NO_ID))
        );
        assert_eq!(
            read(&[TYPE, DATA, PATH_A, STOP, field, ID, STOP]),
            Ok((path("a"), 5))
        );
    }
    let pulse = [code::STRUCT, 0, 2];
    let id = [code::STRING, 0, 1, 0, 0, 0, 1, b'k'];
    let no_details = [code::I32, 0, 2, 0, 0, 0, 1];
    let expected = Some(Data::Pulse(Pulse {
        id: "k".into(),
        details: None,
    }));
    let message = [TYPE, DATA, &pulse, &no_details, &id, STOP, STOP, STOP];
    assert_eq!(read(&message), Ok((expected, NO_ID)));
    assert_eq!(
        read(&[TYPE, DATA, PATH_A, STOP, STOP, b"trailing"]),
        Ok((path("a"), NO_ID))
    );
}

#[test]
fn the_union_reads_one_field_and_takes_the_next_head_as_its_stop() {
    assert_eq!(
        read(&[TYPE, DATA, STOP, STOP]),
        Err(DecodeError::EmptyUnion)
    );
    for unknown in [
        &[code::BOOL, 0, 6, 1],
        &[code::BOOL, 0, 1, 1],
        &[code::BYTE, 0, 3, 1],
    ] {
        assert_eq!(read(&[TYPE, DATA, unknown, STOP, ID, STOP]), Ok((None, 5)));
    }
    // A second field: its head counts as the stop byte, and its value is read as fields of the message.
    // This value happens to be valid fields.
    let second = [code::STRING, 0, 1];
    assert_eq!(
        read(&[TYPE, DATA, PATH_A, &second, ID, STOP]),
        Ok((path("a"), 5))
    );
    // This value, 0, is the message's stop byte.
    let second = [code::STRING, 0, 1, 0, 0, 0, 1, b'b'];
    assert_eq!(
        read(&[TYPE, DATA, PATH_A, &second, STOP, ID, STOP]),
        Ok((path("a"), NO_ID))
    );
}

#[test]
fn only_one_is_true() {
    for (byte, value) in [(0, false), (1, true), (2, false), (255, false)] {
        let message = [TYPE, DATA, &[code::BOOL, 0, 3, byte], STOP, STOP];
        assert_eq!(read(&message), Ok((Some(Data::Bool(value)), NO_ID)));
    }
}

#[test]
fn a_pulse_needs_its_id() {
    let pulse = [code::STRUCT, 0, 2];
    let details = [code::STRING, 0, 2, 0, 0, 0, 0];
    let message = [TYPE, DATA, &pulse, &details, STOP, STOP, STOP];
    assert_eq!(read(&message), Err(DecodeError::MissingPulseId));
}

#[test]
fn a_list_is_read_by_its_field_whatever_element_type_it_declares() {
    let nodes = [code::STRUCT, 0, 5];
    for element in [code::STRING, code::I64, code::STRUCT, 0, 99] {
        let list = [code::LIST, 0, 1, element, 0, 0, 0, 1, 0, 0, 0, 1, b'x'];
        let expected = Some(Data::Nodes(vec!["x".into()]));
        let message = [TYPE, DATA, &nodes, &list, STOP, STOP, STOP];
        assert_eq!(read(&message), Ok((expected, NO_ID)));
    }
    let list = |name| [code::LIST, 0, 1, code::STRING, 0, 0, 0, 1, 0, 0, 0, 1, name];
    let message = [
        TYPE,
        DATA,
        &nodes,
        &list(b'x'),
        &list(b'y'),
        STOP,
        STOP,
        STOP,
    ];
    let last = Some(Data::Nodes(vec!["y".into()]));
    assert_eq!(read(&message), Ok((last, NO_ID)));
    let empty = Some(Data::Nodes(Vec::new()));
    assert_eq!(
        read(&[TYPE, DATA, &nodes, STOP, STOP, STOP]),
        Ok((empty, NO_ID))
    );
}

#[test]
fn declared_counts_cost_nothing() {
    for (field, element) in [(4, code::STRUCT), (5, code::STRING)] {
        let union = [code::STRUCT, 0, field];
        let most = [code::LIST, 0, 1, element, 0x7F, 0xFF, 0xFF, 0xFF];
        assert_eq!(
            read(&[TYPE, DATA, &union, &most]),
            Err(DecodeError::Truncated)
        );
        let negative = [code::LIST, 0, 1, element, 0xFF, 0xFF, 0xFF, 0xFF];
        let message = [TYPE, DATA, &union, &negative, STOP, STOP, STOP];
        assert_eq!(read(&message), Err(DecodeError::NegativeSize(-1)));
    }
}

#[test]
fn nesting_is_counted_from_the_message() {
    let level = [code::STRUCT, 0, 9];
    let nested = |levels: usize| [TYPE, &level.repeat(levels), &STOP.repeat(levels), STOP].concat();
    let most = THRIFT_DEPTH as usize - 1;
    assert!(decode(&nested(most)).is_ok());
    assert_eq!(decode(&nested(most + 1)), Err(DecodeError::TooDeep));
    assert_eq!(decode(&nested(200_000)), Err(DecodeError::TooDeep));
}

#[test]
fn malformed_text_is_replaced_as_java_does() {
    let text = [code::STRING, 0, 1, 0, 0, 0, 5, 0xED, 0xA0, 0x80, 0xC0, 0xAF];
    assert_eq!(
        read(&[TYPE, DATA, &text, STOP, STOP]),
        Ok((path("\u{FFFD}\u{FFFD}\u{FFFD}"), NO_ID))
    );
}

#[test]
fn debug_shows_no_payload() {
    let details = Data::Pulse(Pulse {
        id: "key".into(),
        details: Some(b"SECRET"),
    });
    assert_eq!(
        format!("{details:?}"),
        "Pulse(Pulse { id: \"key\", details_bytes: Some(6) })"
    );
    assert_eq!(format!("{:?}", Data::Blob(b"SECRET")), "Blob(6 bytes)");
}

/// Lists belong into answers: a request with one is refused before it is built.
#[test]
fn a_request_with_a_list_is_not_decoded() {
    let mut frame = Vec::new();
    encode_nodes(&mut frame, MessageType::GetPulse, vec![""; 1000], 7);
    let body = &frame[FRAME_PREFIX_BYTES..];
    assert_eq!(decode_request(body), Err(DecodeError::ListInRequest));
    assert!(decode(body).is_ok());
    let mut frame = Vec::new();
    encode_path(&mut frame, MessageType::GetPulse, "/w/t", 7);
    let body = &frame[FRAME_PREFIX_BYTES..];
    assert_eq!(decode_request(body), decode(body));
}
