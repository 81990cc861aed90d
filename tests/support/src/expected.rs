//! What a peer of the simulation must be told: the answers that are due, by message id.

use std::collections::{BTreeMap, BTreeSet};

use storm_pacemaker::wire::message::{self, Data, MessageType, decode};

#[derive(Debug, PartialEq)]
pub enum Expected {
    Plain(MessageType),
    Exists(bool),
    Pulse(String, Option<Vec<u8>>),
    Nodes(BTreeSet<String>),
    Records(BTreeMap<String, Vec<u8>>),
}

/// Takes one answer off what is expected.
pub fn check(expected: &mut BTreeMap<i32, Expected>, body: &[u8]) -> Result<(), String> {
    let message = decode(body).map_err(|error| error.to_string())?;
    let Some(wanted) = expected.remove(&message.id) else {
        return Err(format!("an answer too many: {message:?}"));
    };
    let got = match (message.kind, message.data) {
        (MessageType::ExistsResponse, Some(Data::Bool(exists))) => Expected::Exists(exists),
        (MessageType::GetPulseResponse, Some(Data::Pulse(pulse))) => {
            Expected::Pulse(pulse.id.into_owned(), pulse.details.map(<[u8]>::to_vec))
        }
        (MessageType::GetAllNodesForPathResponse, Some(Data::Nodes(names))) => {
            let count = names.len();
            let names: BTreeSet<String> = names.into_iter().map(Into::into).collect();
            if names.len() != count {
                return Err("a list names something twice".to_owned());
            }
            Expected::Nodes(names)
        }
        (MessageType::GetAllPulseForPathResponse, Some(Data::Records(records))) => {
            Expected::Records(
                records
                    .into_iter()
                    .map(|pulse: message::Pulse<'_>| {
                        let details = pulse.details.unwrap_or_default().to_vec();
                        (pulse.id.into_owned(), details)
                    })
                    .collect(),
            )
        }
        (kind, None) => Expected::Plain(kind),
        (kind, data) => return Err(format!("{kind:?} with {data:?}")),
    };
    if got == wanted {
        Ok(())
    } else {
        let short = |what: &Expected| format!("{what:?}").chars().take(200).collect::<String>();
        let (wanted, got) = (short(&wanted), short(&got));
        Err(format!("expected {wanted} …, got {got} …"))
    }
}
