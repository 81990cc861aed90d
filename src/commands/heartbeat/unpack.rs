//! Unpacks gzip and zstd within a limit: a megabyte of details could unpack to a terabyte.

use std::borrow::Cow;
use std::fmt;
use std::io::Read;

use flate2::read::GzDecoder;
use ruzstd::decoding::StreamingDecoder;

use super::HeartbeatError;
use crate::limits::UNPACKED_BYTES;

/// How details are packed, as their first bytes show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing {
    /// `GzipThriftSerializationDelegate`, Storm's default up to 2.8.
    Gzip,
    /// The default after that.
    Zstd,
    /// `ThriftSerializationDelegate`, or not a heartbeat at all.
    Plain,
}

#[derive(Debug)]
pub struct Unpacked<'a> {
    pub packing: Packing,
    pub bytes: Cow<'a, [u8]>,
}

pub fn unpack(details: &[u8]) -> Result<Unpacked<'_>, HeartbeatError> {
    let packing = Packing::of(details);
    let bytes = match packing {
        Packing::Plain => Cow::Borrowed(details),
        Packing::Gzip => Cow::Owned(read(packing, GzDecoder::new(details))?),
        Packing::Zstd => {
            // The window, which the data chooses, takes memory as well.
            let unpacker = StreamingDecoder::new_with_max_window_size(details, UNPACKED_BYTES);
            let unpacker =
                unpacker.map_err(|error| HeartbeatError::Packed(packing, error.to_string()))?;
            Cow::Owned(read(packing, unpacker)?)
        }
    };
    Ok(Unpacked { packing, bytes })
}

fn read(packing: Packing, unpacker: impl Read) -> Result<Vec<u8>, HeartbeatError> {
    let mut bytes = Vec::new();
    let mut bounded = unpacker.take(UNPACKED_BYTES + 1);
    match bounded.read_to_end(&mut bytes) {
        Ok(_) if bytes.len() as u64 > UNPACKED_BYTES => Err(HeartbeatError::TooLarge),
        Ok(_) => Ok(bytes),
        Err(error) => Err(HeartbeatError::Packed(packing, error.to_string())),
    }
}

impl Packing {
    fn of(details: &[u8]) -> Packing {
        match details {
            [0x1F, 0x8B, ..] => Packing::Gzip,
            [0x28, 0xB5, 0x2F, 0xFD, ..] => Packing::Zstd,
            _ => Packing::Plain,
        }
    }
}

impl fmt::Display for Packing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Packing::Gzip => "gzip",
            Packing::Zstd => "zstd",
            Packing::Plain => "plain",
        })
    }
}
