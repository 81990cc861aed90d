//! The details of a simulated pulse: a stamp (run, worker, sequence number) and a body computed from the
//! stamp. No two pulses are equal, none compresses, and a reader can verify every byte.

use crate::random::{Random, mix};
use crate::record::ErrorKind;

/// The stamp, and enough of a body to detect corruption.
pub const MIN_BYTES: u64 = (STAMP_BYTES + 8) as u64;

const MAGIC: [u8; 8] = *b"loadgen\x01";
const STAMP_BYTES: usize = 32;

/// Which pulse it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stamp {
    /// Identifies the run, because a server may still hold pulses of an earlier one.
    pub run: u64,
    pub worker: u32,
    /// Counts a worker's pulses, from 1.
    pub sequence: u32,
}

/// Appends a pulse's details of this size, at least [`MIN_BYTES`].
pub fn append(out: &mut Vec<u8>, stamp: Stamp, bytes: usize) {
    let start = out.len();
    out.resize(start + bytes, 0);
    let (head, body) = out[start..].split_at_mut(STAMP_BYTES);
    head[..8].copy_from_slice(&MAGIC);
    head[8..16].copy_from_slice(&stamp.run.to_le_bytes());
    head[16..20].copy_from_slice(&stamp.worker.to_le_bytes());
    head[20..24].copy_from_slice(&stamp.sequence.to_le_bytes());
    head[24..32].copy_from_slice(&(bytes as u64).to_le_bytes());
    let mut random = body_of(stamp);
    let mut words = body.chunks_exact_mut(8);
    for word in &mut words {
        word.copy_from_slice(&random.next().to_le_bytes());
    }
    let rest = words.into_remainder();
    let last = random.next().to_le_bytes();
    rest.copy_from_slice(&last[..rest.len()]);
}

/// The stamp of a pulse; `None` if any byte differs from what was sent.
pub fn read(details: &[u8]) -> Option<Stamp> {
    let (head, body) = details.split_at_checked(STAMP_BYTES)?;
    let stamp = Stamp {
        run: u64::from_le_bytes(*head[8..].first_chunk()?),
        worker: u32::from_le_bytes(*head[16..].first_chunk()?),
        sequence: u32::from_le_bytes(*head[20..].first_chunk()?),
    };
    let bytes = u64::from_le_bytes(*head[24..].first_chunk()?);
    if head[..8] != MAGIC || bytes != details.len() as u64 || body.len() < 8 {
        return None;
    }
    let mut random = body_of(stamp);
    let mut words = body.chunks_exact(8);
    let whole = words.all(|word| word == random.next().to_le_bytes());
    let rest = words.remainder();
    (whole && rest == &random.next().to_le_bytes()[..rest.len()]).then_some(stamp)
}

/// The sequence number of the worker's pulse that a GET has returned. `None`: there was no pulse, or one of
/// an earlier run, which is older than all of this run.
pub fn sequence_of(
    details: Option<&[u8]>,
    run: u64,
    worker: u32,
) -> Result<Option<u32>, ErrorKind> {
    let Some(details) = details else {
        return Ok(None);
    };
    let stamp = read(details).ok_or(ErrorKind::Corrupt)?;
    if stamp.run != run {
        return Ok(None);
    }
    if stamp.worker == worker {
        Ok(Some(stamp.sequence))
    } else {
        Err(ErrorKind::Foreign)
    }
}

fn body_of(stamp: Stamp) -> Random {
    let who = u64::from(stamp.worker) << 32 | u64::from(stamp.sequence);
    Random::new(mix(mix(stamp.run) ^ who))
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAMP: Stamp = Stamp {
        run: 7,
        worker: 3,
        sequence: 5,
    };

    fn pulse(stamp: Stamp, bytes: usize) -> Vec<u8> {
        let mut details = Vec::new();
        append(&mut details, stamp, bytes);
        details
    }

    fn judged(details: &[u8]) -> Result<Option<u32>, ErrorKind> {
        sequence_of(Some(details), STAMP.run, STAMP.worker)
    }

    #[test]
    fn every_size_reads_back() {
        for bytes in (MIN_BYTES as usize..100).chain([4095, 4096]) {
            let details = pulse(STAMP, bytes);
            assert_eq!(details.len(), bytes);
            assert_eq!(read(&details), Some(STAMP), "{bytes} bytes");
        }
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_caught() {
        let details = pulse(STAMP, 99);
        for bit in 0..details.len() * 8 {
            let mut flipped = details.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(judged(&flipped), Err(ErrorKind::Corrupt), "bit {bit}");
        }
        for length in 0..details.len() {
            assert_eq!(judged(&details[..length]), Err(ErrorKind::Corrupt));
        }
    }

    #[test]
    fn another_workers_pulse_is_foreign() {
        let foreign = pulse(Stamp { worker: 4, ..STAMP }, 64);
        assert_eq!(judged(&foreign), Err(ErrorKind::Foreign));
    }

    #[test]
    fn a_pulse_of_an_earlier_run_counts_as_none() {
        assert_eq!(judged(&pulse(STAMP, 64)), Ok(Some(5)));
        assert_eq!(judged(&pulse(Stamp { run: 6, ..STAMP }, 64)), Ok(None));
        assert_eq!(sequence_of(None, 7, 3), Ok(None));
    }

    #[test]
    fn does_not_compress() {
        // Each byte has close to eight bits of entropy.
        let details = pulse(STAMP, 64 * 1024);
        let mut counts = [0f64; 256];
        for byte in &details {
            counts[usize::from(*byte)] += 1.0;
        }
        let total = details.len() as f64;
        let entropy: f64 = counts
            .iter()
            .filter(|count| **count > 0.0)
            .map(|count| -(count / total) * (count / total).log2())
            .sum();
        assert!(entropy > 7.99, "{entropy} bits a byte");
        assert_ne!(
            pulse(
                Stamp {
                    sequence: 6,
                    ..STAMP
                },
                64
            )[32..],
            pulse(STAMP, 64)[32..]
        );
    }
}
