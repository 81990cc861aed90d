//! Encodes outcomes into a peer's outbox. A stored pulse is spliced in, not copied.

use bytes::Bytes;

use super::merge;
use super::work::Outcome;
use crate::connection::Outbox;
use crate::fault::Refusal;
use crate::wire::message::{self, MessageType, RECORD_TAIL};

/// Encodes the answer to the request for `path` that carried `message_id`. A refusal is encoded
/// too, and returned to be counted and logged.
pub(super) fn encode(
    outbox: &mut Outbox,
    path: &str,
    message_id: i32,
    outcome: Outcome,
    frame_limit: u64,
) -> Result<(), Refusal> {
    let plain = |outbox: &mut Outbox, kind| message::encode_plain(outbox.text(), kind, message_id);
    match outcome {
        Outcome::PathCreated => plain(outbox, MessageType::CreatePathResponse),
        Outcome::Stored => plain(outbox, MessageType::SendPulseResponse),
        Outcome::DeletedPath => plain(outbox, MessageType::DeletePathResponse),
        Outcome::Removed => plain(outbox, MessageType::DeletePulseIdResponse),
        Outcome::Exists(exists) => message::encode_bool(
            outbox.text(),
            MessageType::ExistsResponse,
            exists,
            message_id,
        ),
        Outcome::Pulse(None) => message::encode_pulse(
            outbox.text(),
            MessageType::GetPulseResponse,
            path,
            None,
            message_id,
        ),
        Outcome::Pulse(Some(details)) => pulse(outbox, path, message_id, &details),
        Outcome::Names(names) => return nodes(outbox, message_id, names, frame_limit),
        Outcome::Records(found) => return records(outbox, message_id, found, frame_limit),
        Outcome::Refused(why) => {
            match why {
                // Java's own answer to this request; the client falls back to single reads.
                Refusal::RecordsTooLarge { .. } => {
                    plain(outbox, MessageType::GetAllPulseForPathResponse);
                }
                _ => plain(outbox, MessageType::NotAuthorized),
            }
            return Err(why);
        }
    }
    Ok(())
}

fn pulse(outbox: &mut Outbox, path: &str, message_id: i32, details: &Bytes) {
    message::encode_pulse_head(
        outbox.text(),
        MessageType::GetPulseResponse,
        path,
        details.len(),
    );
    outbox.push_shared(details);
    message::encode_pulse_tail(outbox.text(), message_id);
}

fn nodes(
    outbox: &mut Outbox,
    message_id: i32,
    names: Vec<String>,
    frame_limit: u64,
) -> Result<(), Refusal> {
    let names = merge::names(names);
    let names_len = names.iter().map(|name| name.len() as u64).sum();
    let bytes = message::nodes_body_len(names.len(), names_len);
    if bytes > frame_limit {
        let why = Refusal::AnswerTooLarge {
            bytes,
            limit: frame_limit,
        };
        message::encode_plain(outbox.text(), MessageType::NotAuthorized, message_id);
        return Err(why);
    }
    message::encode_nodes(
        outbox.text(),
        MessageType::GetAllNodesForPathResponse,
        &names,
        message_id,
    );
    Ok(())
}

fn records(
    outbox: &mut Outbox,
    message_id: i32,
    records: Vec<(String, Bytes)>,
    frame_limit: u64,
) -> Result<(), Refusal> {
    let (mut paths_len, mut details_len) = (0, 0);
    for (path, details) in &records {
        paths_len += path.len() as u64;
        details_len += details.len() as u64;
    }
    let bytes = message::records_body_len(records.len(), paths_len, details_len);
    if bytes > frame_limit {
        let why = Refusal::RecordsTooLarge { limit: frame_limit };
        return encode(outbox, "", message_id, Outcome::Refused(why), frame_limit);
    }
    let records = merge::records(records);
    message::encode_records_head(outbox.text(), bytes, records.len());
    for (path, details) in &records {
        message::encode_record_head(outbox.text(), path, details.len());
        outbox.push_shared(details);
        outbox.text().extend_from_slice(RECORD_TAIL);
    }
    message::encode_records_tail(outbox.text(), message_id);
    Ok(())
}
