//! The codec against itself: every message is decoded as it was encoded, and no bytes cause a panic.

use proptest::collection::vec;
use proptest::prelude::*;

use super::encode::PLAIN_BODY_BYTES;
use super::tests::{DATA, TYPE};
use super::*;

/// Appends the message's frame with the encoder for its data.
fn encode(out: &mut Vec<u8>, message: &Message<'_>) {
    let Message { kind, data, id } = message;
    match data {
        None => encode_plain(out, *kind, *id),
        Some(Data::Path(path)) => encode_path(out, *kind, path, *id),
        Some(Data::Pulse(pulse)) => encode_pulse(out, *kind, &pulse.id, pulse.details, *id),
        Some(Data::Bool(value)) => encode_bool(out, *kind, *value, *id),
        Some(Data::Nodes(names)) => encode_nodes(out, *kind, names, *id),
        Some(Data::Blob(blob)) => encode_blob(out, *kind, blob),
        Some(Data::Records(pulses)) => {
            let ids = pulses.iter().map(|pulse| pulse.id.len() as u64).sum();
            let details = pulses.iter().flat_map(|pulse| pulse.details);
            let details_len = details.map(|details| details.len() as u64).sum();
            let body_len = records_body_len(pulses.len(), ids, details_len);
            let start = out.len() as u64;
            encode_records_head(out, body_len, pulses.len());
            for pulse in pulses {
                let details = pulse
                    .details
                    .expect("the encoder writes records with details only");
                encode_record_head(out, &pulse.id, details.len());
                out.extend_from_slice(details);
                out.extend_from_slice(RECORD_TAIL);
            }
            encode_records_tail(out, *id);
            let frame_len = out.len() as u64 - start;
            assert_eq!(frame_len, FRAME_PREFIX_BYTES as u64 + body_len);
        }
    }
}

pub(super) fn frame(message: &Message<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    encode(&mut out, message);
    let declared = u32::from_be_bytes(out[..4].try_into().unwrap());
    assert_eq!(
        declared as usize,
        out.len() - 4,
        "the length prefix is the body's"
    );
    out
}

fn any_kind() -> impl Strategy<Value = MessageType> {
    (0..MessageType::ALL.len()).prop_map(|number| MessageType::ALL[number])
}

/// Leaks its text, so that a message can borrow it for longer than the strategy lives.
fn any_text() -> impl Strategy<Value = Cow<'static, str>> {
    any::<String>().prop_map(Cow::Owned)
}

fn any_bytes() -> impl Strategy<Value = &'static [u8]> {
    vec(any::<u8>(), 0..64).prop_map(|bytes| &*bytes.leak())
}

fn any_pulse() -> impl Strategy<Value = Pulse<'static>> {
    (any_text(), prop::option::of(any_bytes())).prop_map(|(id, details)| Pulse { id, details })
}

fn any_message() -> impl Strategy<Value = Message<'static>> {
    let record = (any_text(), any_bytes());
    let record = record.prop_map(|(id, details)| Pulse {
        id,
        details: Some(details),
    });
    let data = prop_oneof![
        Just(None),
        any_text().prop_map(|path| Some(Data::Path(path))),
        any_pulse().prop_map(|pulse| Some(Data::Pulse(pulse))),
        any::<bool>().prop_map(|value| Some(Data::Bool(value))),
        vec(record, 0..8).prop_map(|records| Some(Data::Records(records))),
        vec(any_text(), 0..8).prop_map(|names| Some(Data::Nodes(names))),
        any_bytes().prop_map(|blob| Some(Data::Blob(blob))),
    ];
    (any_kind(), data, any::<i32>()).prop_map(|(kind, data, id)| match data {
        Some(Data::Blob(_)) => Message {
            kind,
            data,
            id: NO_ID,
        },
        Some(Data::Records(_)) => Message {
            kind: MessageType::GetAllPulseForPathResponse,
            data,
            id,
        },
        data => Message { kind, data, id },
    })
}

/// Bytes that look like fields, so that the reader gets further than with noise.
fn any_body() -> impl Strategy<Value = Vec<u8>> {
    let bytes = prop_oneof![
        6 => (0u8..17, 0u8..8).prop_map(|(code, id)| vec![code, 0, id]),
        2 => (0u8..9).prop_map(|size| vec![0, 0, 0, size]),
        1 => vec(any::<u8>(), 0..9),
        2 => Just(vec![0]),
    ];
    vec(bytes, 0..32).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(body in vec(any::<u8>(), 0..256)) {
        let _ = decode(&body);
    }

    #[test]
    fn arbitrary_fields_never_panic(body in any_body()) {
        let _ = decode(&body);
        let _ = decode(&[TYPE, &body[..]].concat());
        let _ = decode(&[TYPE, DATA, &body[..]].concat());
    }

    #[test]
    fn what_is_encoded_is_decoded(message in any_message()) {
        let frame = frame(&message);
        prop_assert_eq!(decode(&frame[4..]), Ok(message));
    }

    #[test]
    fn body_lengths_are_known_beforehand(message in any_message()) {
        let length = frame(&message).len() as u64 - 4;
        match &message.data {
            None => prop_assert_eq!(length, PLAIN_BODY_BYTES),
            Some(Data::Pulse(pulse)) => {
                let details = pulse.details.map(<[u8]>::len);
                prop_assert_eq!(length, pulse_body_len(pulse.id.len(), details));
            }
            Some(Data::Nodes(names)) => {
                let names_len = names.iter().map(|name| name.len() as u64).sum();
                prop_assert_eq!(length, nodes_body_len(names.len(), names_len));
            }
            // `encode` checks the length of records. The other messages have no length function.
            Some(Data::Records(_) | Data::Path(_) | Data::Bool(_) | Data::Blob(_)) => {}
        }
    }

    #[test]
    fn a_pulse_in_parts_is_the_pulse(pulse in any_pulse(), id in any::<i32>()) {
        let details = pulse.details.unwrap_or_default();
        let (mut whole, mut parts) = (Vec::new(), Vec::new());
        encode_pulse(&mut whole, MessageType::GetPulseResponse, &pulse.id, Some(details), id);
        encode_pulse_head(&mut parts, MessageType::GetPulseResponse, &pulse.id, details.len());
        parts.extend_from_slice(details);
        encode_pulse_tail(&mut parts, id);
        prop_assert_eq!(whole, parts);
    }

    #[test]
    fn frames_append(messages in vec(any_message(), 0..5)) {
        let mut out = Vec::new();
        messages.iter().for_each(|message| encode(&mut out, message));
        let frames: Vec<_> = messages.iter().map(frame).collect();
        prop_assert_eq!(out, frames.concat());
    }
}
