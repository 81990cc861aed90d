//! Writes the response times of each second as an HdrHistogram log, for the tools of HdrHistogram. A thread
//! of its own writes it, so that a slow disk delays no other thread.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime};

use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, Tag};

use crate::drive::Slice;

/// Values are in microseconds; the column of maxima is in milliseconds, as in the logs of Java.
const MAX_VALUE_DIVISOR: f64 = 1000.0;

pub struct HdrLog {
    thread: JoinHandle<io::Result<()>>,
    name: String,
}

impl HdrLog {
    /// Creates the file, and returns the sender for the slices.
    pub fn create(path: &Path) -> Result<(HdrLog, Sender<Slice>), String> {
        let name = path.display().to_string();
        let file = File::create(path)
            .map_err(|error| format!("--hdr-log: cannot write {name}: {error}"))?;
        let (sender, slices) = mpsc::channel();
        let thread = thread::Builder::new()
            .name("hdr-log".to_owned())
            .spawn(move || write(&mut BufWriter::new(file), &slices))
            .map_err(|error| format!("cannot start a thread: {error}"))?;
        Ok((HdrLog { thread, name }, sender))
    }

    /// Waits until all is written. Drop the sender first.
    pub fn finish(self) -> Result<(), String> {
        let outcome = self.thread.join().expect("the log's thread does not panic");
        outcome.map_err(|error| format!("--hdr-log: cannot write {}: {error}", self.name))
    }
}

fn write(file: &mut impl Write, slices: &Receiver<Slice>) -> io::Result<()> {
    let mut serializer = V2DeflateSerializer::new();
    let mut builder = IntervalLogWriterBuilder::new();
    builder
        .add_comment("response times in microseconds; tags: pulse, get (of Nimbus's scheduler)")
        .with_start_time(SystemTime::now())
        .with_max_value_divisor(MAX_VALUE_DIVISOR);
    let failed = |error| io::Error::other(format!("{error:?}"));
    {
        let mut log = builder.begin_log_with(file, &mut serializer)?;
        for slice in slices {
            let start = Duration::from_secs(slice.second.into());
            for (name, times) in [("pulse", &slice.pulse), ("get", &slice.get)] {
                let tag = Tag::new(name);
                log.write_histogram(times.histogram(), start, Duration::from_secs(1), tag)
                    .map_err(failed)?;
            }
        }
    }
    file.flush()
}

#[cfg(test)]
mod tests {
    use hdrhistogram::serialization::Deserializer;
    use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};

    use super::*;

    #[test]
    fn the_log_can_be_read_back() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let (log, sender) = HdrLog::create(file.path()).unwrap();
        let mut slice = Slice {
            second: 3,
            ..Slice::default()
        };
        slice.pulse.record(2_000);
        sender.send(slice).unwrap();
        drop(sender);
        log.finish().unwrap();
        let text = std::fs::read(file.path()).unwrap();
        let intervals: Vec<_> = IntervalLogIterator::new(&text)
            .filter_map(|entry| match entry.unwrap() {
                LogEntry::Interval(interval) => Some(interval),
                _ => None,
            })
            .collect();
        assert_eq!(intervals.len(), 2);
        assert_eq!(intervals[0].tag().unwrap().as_str(), "pulse");
        assert_eq!(intervals[0].start_timestamp(), Duration::from_secs(3));
        assert_eq!(intervals[0].max(), 2.0);
        let bytes = base64(intervals[0].encoded_histogram());
        let histogram: hdrhistogram::Histogram<u64> =
            Deserializer::new().deserialize(&mut &bytes[..]).unwrap();
        assert_eq!((histogram.len(), histogram.max()), (1, 2_000));
    }

    fn base64(text: &str) -> Vec<u8> {
        const DIGITS: &[u8; 64] =
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let (mut bits, mut held, mut bytes) = (0_u32, 0, Vec::new());
        for digit in text.bytes().filter(|digit| *digit != b'=') {
            let value = DIGITS.iter().position(|known| *known == digit).unwrap();
            bits = bits << 6 | value as u32;
            held += 6;
            if held >= 8 {
                held -= 8;
                bytes.push((bits >> held) as u8);
            }
        }
        bytes
    }
}
