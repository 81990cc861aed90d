//! The codec against Apache's own Thrift library: both write the same bytes, and each reads what the
//! other writes, whatever the order of the fields and whatever unknown fields lie between them. The
//! schema is written out by hand below, as it shows on the wire; none of Storm's files is copied.

use proptest::collection::vec;
use proptest::prelude::*;
use storm_pacemaker::wire::message::{self, Data, MessageType, NO_ID};
use thrift::protocol::{
    TBinaryInputProtocol, TBinaryOutputProtocol, TFieldIdentifier, TInputProtocol, TListIdentifier,
    TMapIdentifier, TOutputProtocol, TSetIdentifier, TStructIdentifier, TType,
};

// ── The schema, owned ────────────────────────────────────────────────────────────────────────────

#[derive(Debug, Clone, PartialEq)]
struct Message {
    kind: MessageType,
    data: Option<Arm>,
    /// Control and SASL messages have none.
    id: Option<i32>,
}

#[derive(Debug, Clone, PartialEq)]
enum Arm {
    Path(String),
    Pulse(Pulse),
    Bool(bool),
    Records(Vec<Pulse>),
    Nodes(Vec<String>),
    Blob(Vec<u8>),
}

#[derive(Debug, Clone, PartialEq)]
struct Pulse {
    id: String,
    details: Option<Vec<u8>>,
}

/// A value of a field that the schema does not have.
#[derive(Debug, Clone)]
enum Unknown {
    Bool(bool),
    Byte(i8),
    I16(i16),
    I64(i64),
    Double(f64),
    Bytes(Vec<u8>),
    Struct(Vec<Unknown>),
    Set(Vec<i32>),
    Strings(Vec<String>),
    Map(Vec<(i16, Unknown)>),
}

/// How the fields of a struct lie: a shuffled list of the known ones, by id, and unknown ones.
type Layout = Vec<LayoutField>;

#[derive(Debug, Clone)]
enum LayoutField {
    Known(i16),
    Unknown(i16, Unknown),
}

/// The layouts of every struct in a message; a union has exactly one field.
#[derive(Debug, Clone)]
struct Layouts {
    message: Layout,
    pulse: Layout,
    list: Layout,
}

impl Layouts {
    /// The order in which Storm writes.
    fn canonical() -> Self {
        let known = |ids: &[i16]| ids.iter().map(|&id| LayoutField::Known(id)).collect();
        Self {
            message: known(&[1, 2, 3]),
            pulse: known(&[1, 2]),
            list: known(&[1]),
        }
    }
}

// ── Written by the Thrift library ────────────────────────────────────────────────────────────────

type Output<'a> = TBinaryOutputProtocol<&'a mut Vec<u8>>;

fn thrift_body(message: &Message, layouts: &Layouts) -> Vec<u8> {
    let mut body = Vec::new();
    let mut out = TBinaryOutputProtocol::new(&mut body, false);
    write_struct(&mut out, &layouts.message, |out, id| match id {
        1 => field(out, TType::I32, 1, |out| out.write_i32(message.kind as i32)),
        2 => match &message.data {
            Some(arm) => field(out, TType::Struct, 2, |out| write_union(out, arm, layouts)),
            None => Ok(()),
        },
        3 => match message.id {
            Some(id) => field(out, TType::I32, 3, |out| out.write_i32(id)),
            None => Ok(()),
        },
        other => unreachable!("HBMessage has no field {other}"),
    })
    .expect("memory takes every write");
    body
}

fn write_union(out: &mut Output<'_>, arm: &Arm, layouts: &Layouts) -> thrift::Result<()> {
    out.write_struct_begin(&TStructIdentifier::new("HBMessageData"))?;
    match arm {
        Arm::Path(path) => field(out, TType::String, 1, |out| out.write_string(path)),
        Arm::Pulse(pulse) => field(out, TType::Struct, 2, |out| {
            write_pulse(out, pulse, &layouts.pulse)
        }),
        Arm::Bool(value) => field(out, TType::Bool, 3, |out| out.write_bool(*value)),
        Arm::Records(pulses) => field(out, TType::Struct, 4, |out| {
            write_struct(out, &layouts.list, |out, _| {
                field(out, TType::List, 1, |out| {
                    let head = TListIdentifier::new(TType::Struct, pulses.len() as i32);
                    out.write_list_begin(&head)?;
                    for pulse in pulses {
                        write_pulse(out, pulse, &layouts.pulse)?;
                    }
                    out.write_list_end()
                })
            })
        }),
        Arm::Nodes(names) => field(out, TType::Struct, 5, |out| {
            write_struct(out, &layouts.list, |out, _| {
                field(out, TType::List, 1, |out| write_strings(out, names))
            })
        }),
        Arm::Blob(blob) => field(out, TType::String, 7, |out| out.write_bytes(blob)),
    }?;
    out.write_field_stop()?;
    out.write_struct_end()
}

fn write_pulse(out: &mut Output<'_>, pulse: &Pulse, layout: &Layout) -> thrift::Result<()> {
    write_struct(out, layout, |out, id| match (id, &pulse.details) {
        (1, _) => field(out, TType::String, 1, |out| out.write_string(&pulse.id)),
        (2, Some(details)) => field(out, TType::String, 2, |out| out.write_bytes(details)),
        _ => Ok(()),
    })
}

fn write_struct(
    out: &mut Output<'_>,
    layout: &Layout,
    known: impl Fn(&mut Output<'_>, i16) -> thrift::Result<()>,
) -> thrift::Result<()> {
    out.write_struct_begin(&TStructIdentifier::new("struct"))?;
    for part in layout {
        match part {
            LayoutField::Known(id) => known(out, *id)?,
            LayoutField::Unknown(id, value) => {
                field(out, unknown_type(value), *id, |out| {
                    write_unknown(out, value)
                })?;
            }
        }
    }
    out.write_field_stop()?;
    out.write_struct_end()
}

fn field(
    out: &mut Output<'_>,
    kind: TType,
    id: i16,
    value: impl FnOnce(&mut Output<'_>) -> thrift::Result<()>,
) -> thrift::Result<()> {
    out.write_field_begin(&TFieldIdentifier::new("field", kind, id))?;
    value(out)?;
    out.write_field_end()
}

fn write_strings(out: &mut Output<'_>, strings: &[String]) -> thrift::Result<()> {
    out.write_list_begin(&TListIdentifier::new(TType::String, strings.len() as i32))?;
    for string in strings {
        out.write_string(string)?;
    }
    out.write_list_end()
}

fn unknown_type(value: &Unknown) -> TType {
    match value {
        Unknown::Bool(_) => TType::Bool,
        Unknown::Byte(_) => TType::I08,
        Unknown::I16(_) => TType::I16,
        Unknown::I64(_) => TType::I64,
        Unknown::Double(_) => TType::Double,
        Unknown::Bytes(_) => TType::String,
        Unknown::Struct(_) => TType::Struct,
        Unknown::Set(_) => TType::Set,
        Unknown::Strings(_) => TType::List,
        Unknown::Map(_) => TType::Map,
    }
}

fn write_unknown(out: &mut Output<'_>, value: &Unknown) -> thrift::Result<()> {
    match value {
        Unknown::Bool(value) => out.write_bool(*value),
        Unknown::Byte(value) => out.write_i8(*value),
        Unknown::I16(value) => out.write_i16(*value),
        Unknown::I64(value) => out.write_i64(*value),
        Unknown::Double(value) => out.write_double(*value),
        Unknown::Bytes(value) => out.write_bytes(value),
        Unknown::Struct(values) => {
            let fields = (1..).zip(values.iter().cloned());
            let layout = fields
                .map(|(id, value)| LayoutField::Unknown(id, value))
                .collect();
            write_struct(out, &layout, |_, _| Ok(()))
        }
        Unknown::Set(values) => {
            out.write_set_begin(&TSetIdentifier::new(TType::I32, values.len() as i32))?;
            values.iter().try_for_each(|value| out.write_i32(*value))?;
            out.write_set_end()
        }
        Unknown::Strings(values) => write_strings(out, values),
        Unknown::Map(entries) => {
            // A map's values are of one type: the first one's.
            let kind = entries
                .first()
                .map_or(TType::Bool, |(_, value)| unknown_type(value));
            let entries = entries
                .iter()
                .filter(|(_, value)| unknown_type(value) == kind);
            let count = entries.clone().count() as i32;
            out.write_map_begin(&TMapIdentifier::new(TType::I16, kind, count))?;
            for (key, value) in entries {
                out.write_i16(*key)?;
                write_unknown(out, value)?;
            }
            out.write_map_end()
        }
    }
}

// ── Read by the Thrift library ───────────────────────────────────────────────────────────────────

type Input<'a> = TBinaryInputProtocol<&'a [u8]>;

fn thrift_read(body: &[u8]) -> Message {
    let mut input = TBinaryInputProtocol::new(body, false);
    let (mut kind, mut data, mut id) = (None, None, None);
    read_struct(&mut input, |input, field| match field {
        (1, TType::I32) => input.read_i32().map(|number| kind = Some(number)),
        (2, TType::Struct) => read_union(input).map(|arm| data = arm),
        (3, TType::I32) => input.read_i32().map(|number| id = Some(number)),
        (_, kind) => input.skip(kind),
    })
    .expect("what is encoded is Thrift");
    let kind = kind
        .and_then(MessageType::from_number)
        .expect("what is encoded has a type");
    Message { kind, data, id }
}

fn read_union(input: &mut Input<'_>) -> thrift::Result<Option<Arm>> {
    let mut arm = None;
    read_struct(input, |input, field| {
        arm = Some(match field {
            (1, TType::String) => Arm::Path(input.read_string()?),
            (2, TType::Struct) => Arm::Pulse(read_pulse(input)?),
            (3, TType::Bool) => Arm::Bool(input.read_bool()?),
            (4, TType::Struct) => Arm::Records(read_list(input, TType::Struct, read_pulse)?),
            (5, TType::Struct) => Arm::Nodes(read_list(input, TType::String, |input| {
                input.read_string()
            })?),
            (7, TType::String) => Arm::Blob(input.read_bytes()?),
            other => panic!("HBMessageData has no field {other:?}"),
        });
        Ok(())
    })?;
    Ok(arm)
}

fn read_pulse(input: &mut Input<'_>) -> thrift::Result<Pulse> {
    let (mut id, mut details) = (None, None);
    read_struct(input, |input, field| match field {
        (1, TType::String) => input.read_string().map(|text| id = Some(text)),
        (2, TType::String) => input.read_bytes().map(|bytes| details = Some(bytes)),
        (_, kind) => input.skip(kind),
    })?;
    Ok(Pulse {
        id: id.expect("a pulse has an id"),
        details,
    })
}

fn read_list<T>(
    input: &mut Input<'_>,
    element: TType,
    read: impl Fn(&mut Input<'_>) -> thrift::Result<T>,
) -> thrift::Result<Vec<T>> {
    let mut elements = Vec::new();
    read_struct(input, |input, field| {
        assert_eq!(field, (1, TType::List));
        let head = input.read_list_begin()?;
        if head.size > 0 {
            assert_eq!(head.element_type, element);
        }
        for _ in 0..head.size {
            elements.push(read(input)?);
        }
        input.read_list_end()
    })?;
    Ok(elements)
}

fn read_struct(
    input: &mut Input<'_>,
    mut known: impl FnMut(&mut Input<'_>, (i16, TType)) -> thrift::Result<()>,
) -> thrift::Result<()> {
    input.read_struct_begin()?;
    loop {
        let field = input.read_field_begin()?;
        if field.field_type == TType::Stop {
            return input.read_struct_end();
        }
        known(
            input,
            (
                field.id.expect("a binary field has an id"),
                field.field_type,
            ),
        )?;
        input.read_field_end()?;
    }
}

// ── Ours ─────────────────────────────────────────────────────────────────────────────────────────

fn our_body(message: &Message) -> Vec<u8> {
    let Message { kind, data, id } = message;
    let (kind, id) = (*kind, id.unwrap_or(NO_ID));
    let out = &mut Vec::new();
    match data {
        None => message::encode_plain(out, kind, id),
        Some(Arm::Path(path)) => message::encode_path(out, kind, path, id),
        Some(Arm::Pulse(pulse)) => {
            message::encode_pulse(out, kind, &pulse.id, pulse.details.as_deref(), id);
        }
        Some(Arm::Bool(value)) => message::encode_bool(out, kind, *value, id),
        Some(Arm::Nodes(names)) => message::encode_nodes(out, kind, names, id),
        Some(Arm::Blob(blob)) => message::encode_blob(out, kind, blob),
        Some(Arm::Records(pulses)) => {
            let details = |pulse: &Pulse| pulse.details.clone().expect("records have details");
            let ids = pulses.iter().map(|pulse| pulse.id.len() as u64).sum();
            let details_len = pulses.iter().map(|pulse| details(pulse).len() as u64).sum();
            let body_len = message::records_body_len(pulses.len(), ids, details_len);
            message::encode_records_head(out, body_len, pulses.len());
            for pulse in pulses {
                message::encode_record_head(out, &pulse.id, details(pulse).len());
                out.extend(details(pulse));
                out.extend(message::RECORD_TAIL);
            }
            message::encode_records_tail(out, id);
        }
    }
    let body = out.split_off(4);
    assert_eq!(**out, (body.len() as u32).to_be_bytes());
    body
}

fn our_read(body: &[u8]) -> Message {
    let message = message::decode(body).expect("the message decodes");
    let owned = |pulse: message::Pulse<'_>| Pulse {
        id: pulse.id.into_owned(),
        details: pulse.details.map(Vec::from),
    };
    let data = message.data.map(|data| match data {
        Data::Path(path) => Arm::Path(path.into_owned()),
        Data::Pulse(pulse) => Arm::Pulse(owned(pulse)),
        Data::Bool(value) => Arm::Bool(value),
        Data::Records(pulses) => Arm::Records(pulses.into_iter().map(owned).collect()),
        Data::Nodes(names) => Arm::Nodes(names.into_iter().map(String::from).collect()),
        Data::Blob(blob) => Arm::Blob(blob.to_vec()),
    });
    let id = Some(message.id).filter(|&id| id != NO_ID);
    Message {
        kind: message.kind,
        data,
        id,
    }
}

// ── Arbitrary messages ───────────────────────────────────────────────────────────────────────────

fn any_kind() -> impl Strategy<Value = MessageType> {
    (0..MessageType::ALL.len()).prop_map(|number| MessageType::ALL[number])
}

fn any_pulse() -> impl Strategy<Value = Pulse> {
    let details = prop::option::of(vec(any::<u8>(), 0..64));
    (any::<String>(), details).prop_map(|(id, details)| Pulse { id, details })
}

fn any_record() -> impl Strategy<Value = Pulse> {
    let details = vec(any::<u8>(), 0..64).prop_map(Some);
    (any::<String>(), details).prop_map(|(id, details)| Pulse { id, details })
}

fn any_message() -> impl Strategy<Value = Message> {
    let data = prop_oneof![
        Just(None),
        any::<String>().prop_map(|path| Some(Arm::Path(path))),
        any_pulse().prop_map(|pulse| Some(Arm::Pulse(pulse))),
        any::<bool>().prop_map(|value| Some(Arm::Bool(value))),
        vec(any_record(), 0..6).prop_map(|records| Some(Arm::Records(records))),
        vec(any::<String>(), 0..6).prop_map(|names| Some(Arm::Nodes(names))),
        vec(any::<u8>(), 0..64).prop_map(|blob| Some(Arm::Blob(blob))),
    ];
    (any_kind(), data, 0..i32::MAX).prop_map(|(kind, data, id)| match &data {
        Some(Arm::Blob(_)) => Message {
            kind,
            data,
            id: None,
        },
        Some(Arm::Records(_)) => {
            let kind = MessageType::GetAllPulseForPathResponse;
            Message {
                kind,
                data,
                id: Some(id),
            }
        }
        _ => Message {
            kind,
            data,
            id: Some(id),
        },
    })
}

fn any_unknown() -> impl Strategy<Value = Unknown> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Unknown::Bool),
        any::<i8>().prop_map(Unknown::Byte),
        any::<i16>().prop_map(Unknown::I16),
        any::<i64>().prop_map(Unknown::I64),
        any::<f64>().prop_map(Unknown::Double),
        vec(any::<u8>(), 0..16).prop_map(Unknown::Bytes),
        vec(any::<i32>(), 0..4).prop_map(Unknown::Set),
        vec(any::<String>(), 0..4).prop_map(Unknown::Strings),
    ];
    leaf.prop_recursive(4, 16, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Unknown::Struct),
            vec((any::<i16>(), inner), 0..4).prop_map(Unknown::Map),
        ]
    })
}

/// The known fields among unknown ones, shuffled. No id is both.
fn any_layout(known: i16) -> impl Strategy<Value = Layout> {
    let id = prop_oneof![-300..=0i16, known + 1..300];
    let unknown = (id, any_unknown()).prop_map(|(id, value)| LayoutField::Unknown(id, value));
    vec(unknown, 0..4).prop_flat_map(move |mut layout| {
        layout.extend((1..=known).map(LayoutField::Known));
        Just(layout).prop_shuffle()
    })
}

fn any_layouts() -> impl Strategy<Value = Layouts> {
    let layouts = (any_layout(3), any_layout(2), any_layout(1));
    layouts.prop_map(|(message, pulse, list)| Layouts {
        message,
        pulse,
        list,
    })
}

proptest! {
    #[test]
    fn both_write_the_same_bytes(message in any_message()) {
        prop_assert_eq!(our_body(&message), thrift_body(&message, &Layouts::canonical()));
    }

    #[test]
    fn thrift_reads_what_we_write(message in any_message()) {
        prop_assert_eq!(thrift_read(&our_body(&message)), message);
    }

    #[test]
    fn we_read_what_thrift_writes(message in any_message(), layouts in any_layouts()) {
        prop_assert_eq!(our_read(&thrift_body(&message, &layouts)), message);
    }
}
