//! Bytes to messages and back: Storm's Pacemaker protocol, as its Java daemon and clients speak it.
//! Nothing in here knows a clock, a socket, the environment or a log; a peer's bytes can make it
//! answer an error, never panic and never allocate more than a small multiple of what was received.

pub mod control;
pub mod frame;
pub mod message;
pub mod thrift;

mod error;
#[cfg(test)]
mod golden;

pub use control::ControlCode;
pub use error::DecodeError;
pub use frame::{FrameError, FrameReader};
pub use message::{Data, Message, MessageType, Pulse, decode};
