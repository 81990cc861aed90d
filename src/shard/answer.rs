//! Encodes outcomes into a peer's outbox. A stored pulse is spliced in, not copied.

use bytes::Bytes;

use super::work::Outcome;
use crate::connection::Outbox;
use crate::fault::Refusal;
use crate::wire::message::{self, MessageType};

/// Encodes the answer to the request for `path` that carried `message_id`. A refusal is encoded
/// too, and returned to be counted and logged.
pub(super) fn encode(
    outbox: &mut Outbox,
    path: &str,
    message_id: i32,
    outcome: Outcome,
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
        Outcome::Withdrawn => {}
        Outcome::Scanned(frame) => outbox.append(frame),
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
