//! Storm's Pacemaker protocol: bytes to messages and back, as Storm's Java daemon and clients do it. Pure
//! code without a clock, a socket or a log. Bytes from a peer can cause an error, but never a panic, nor an
//! allocation of more than a small multiple of the bytes received.

pub mod control;
pub mod frame;
pub mod message;
pub(crate) mod thrift;

mod error;
#[cfg(test)]
mod golden;

pub use control::ControlCode;
pub use error::DecodeError;
pub use frame::{FrameError, FrameReader};
pub use message::{Data, Message, MessageType, Pulse, decode};
