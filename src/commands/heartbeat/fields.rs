//! The fields of a heartbeat and their names in Storm's `storm.thrift`, the same since 1.0;
//! `time_secs` has 64 bits since 3.0.

use super::FieldName;

/// What a value should look like. If the bytes differ, the bytes decide.
#[derive(Clone, Copy)]
pub(super) enum Shape {
    Plain,
    Struct(&'static [(i16, &'static str, Shape)]),
    Map(&'static Shape, &'static Shape),
}

impl Shape {
    pub(super) fn field(self, id: i16) -> (FieldName, Shape) {
        let fields = match self {
            Shape::Struct(fields) => fields,
            Shape::Plain | Shape::Map(..) => &[],
        };
        match fields.iter().find(|(known, ..)| *known == id) {
            Some((_, name, shape)) => (FieldName::Known(name), *shape),
            None => (FieldName::Field(id), Shape::Plain),
        }
    }

    pub(super) fn entry(self) -> (Shape, Shape) {
        match self {
            Shape::Map(key, value) => (*key, *value),
            Shape::Plain | Shape::Struct(_) => (Shape::Plain, Shape::Plain),
        }
    }
}

pub(super) const TIME_SECS: i16 = 3;

pub(super) const HEARTBEAT: Shape = Shape::Struct(&[
    (1, "storm_id", Shape::Plain),
    (
        2,
        "executor_stats",
        Shape::Map(&EXECUTOR_INFO, &EXECUTOR_STATS),
    ),
    (TIME_SECS, "time_secs", Shape::Plain),
    (4, "uptime_secs", Shape::Plain),
]);

const EXECUTOR_INFO: Shape = Shape::Struct(&[
    (1, "task_start", Shape::Plain),
    (2, "task_end", Shape::Plain),
]);

const EXECUTOR_STATS: Shape = Shape::Struct(&[
    (1, "emitted", Shape::Plain),
    (2, "transferred", Shape::Plain),
    (3, "specific", SPECIFIC),
    (4, "rate", Shape::Plain),
]);

/// `ExecutorSpecificStats`, a union.
const SPECIFIC: Shape = Shape::Struct(&[(1, "bolt", BOLT), (2, "spout", SPOUT)]);

const BOLT: Shape = Shape::Struct(&[
    (1, "acked", BY_INPUT),
    (2, "failed", BY_INPUT),
    (3, "process_ms_avg", BY_INPUT),
    (4, "executed", BY_INPUT),
    (5, "execute_ms_avg", BY_INPUT),
]);

const SPOUT: Shape = Shape::Struct(&[
    (1, "acked", Shape::Plain),
    (2, "failed", Shape::Plain),
    (3, "complete_ms_avg", Shape::Plain),
]);

/// Window to input stream to number.
const BY_INPUT: Shape = Shape::Map(&Shape::Plain, &Shape::Map(&GLOBAL_STREAM_ID, &Shape::Plain));

const GLOBAL_STREAM_ID: Shape = Shape::Struct(&[
    (1, "componentId", Shape::Plain),
    (2, "streamId", Shape::Plain),
]);
