//! Values of the command line that are more than numbers: addresses, limits, payloads, executors.

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use crate::expect::{self, Expectation};
use crate::plan::{Sizes, Style};
use crate::storm;
use crate::units::parse_bytes;
use crate::{payload, units};

// Newtypes, because clap takes a `Vec` for an option that may be repeated.
#[derive(Clone, Debug)]
pub struct Addresses(pub Vec<IpAddr>);
#[derive(Clone, Debug)]
pub struct Expectations(pub Vec<Expectation>);

/// The value of `--payload`.
#[derive(Clone, Debug, PartialEq)]
pub enum Payload {
    Bytes(u32),
    Drawn(Arc<[u32]>),
    Style(Style),
}

/// Executors per worker: one number for all workers, or a range.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Executors {
    pub least: u32,
    pub most: u32,
}

/// Storm has no limit. Beyond this a pulse comes close to the frame limit.
const MOST_EXECUTORS: u32 = 5_000;

/// The default of `--executors`.
const DEFAULT_EXECUTORS: Executors = Executors {
    least: 10,
    most: 10,
};

/// The key and the message around the details take well under 1 KiB of a frame.
const MOST_BYTES: u64 = storm::FRAME_BYTES as u64 - 1024;

pub fn addresses(text: &str) -> Result<Addresses, String> {
    let mut addresses = Vec::new();
    for part in text.split(',') {
        let wrong = || format!("\"{part}\" is neither an IP address nor a range of them, A-B");
        match part.split_once('-') {
            None => addresses.push(part.parse().map_err(|_| wrong())?),
            Some((first, last)) => {
                let [first, last] = [first, last].map(|end| end.parse::<Ipv4Addr>().map(u32::from));
                let (first, last) = (first.map_err(|_| wrong())?, last.map_err(|_| wrong())?);
                if first > last || last - first >= 4096 {
                    return Err(format!("\"{part}\" is not a range of 1 to 4096 addresses"));
                }
                addresses.extend((first..=last).map(|ip| IpAddr::from(Ipv4Addr::from(ip))));
            }
        }
    }
    Ok(Addresses(addresses))
}

pub fn expectations(text: &str) -> Result<Expectations, String> {
    expect::parse(text).map(Expectations)
}

pub fn payload(text: &str) -> Result<Payload, String> {
    match text {
        "simple" => Ok(Payload::Style(Style::Simple)),
        "rich" => Ok(Payload::Style(Style::Rich)),
        _ => match text.strip_prefix('@') {
            Some(file) => sizes_in(file).map(Payload::Drawn),
            None => parse_bytes(text)
                .map_err(|why| format!("{why}; or simple, rich, @FILE"))
                .and_then(checked)
                .map(Payload::Bytes),
        },
    }
}

/// One size per line; # starts a comment.
fn sizes_in(file: &str) -> Result<Arc<[u32]>, String> {
    let text = fs::read_to_string(file).map_err(|error| format!("cannot read {file}: {error}"))?;
    let mut sizes = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let size = line.split('#').next().unwrap_or_default().trim();
        if !size.is_empty() {
            let size = parse_bytes(size).and_then(checked);
            sizes.push(size.map_err(|why| format!("{file}:{number}: {why}"))?);
        }
    }
    if sizes.is_empty() {
        return Err(format!("{file} has no size; expected one per line"));
    }
    Ok(sizes.into())
}

fn checked(bytes: u64) -> Result<u32, String> {
    if (payload::MIN_BYTES..=MOST_BYTES).contains(&bytes) {
        Ok(bytes as u32)
    } else {
        Err(format!(
            "{bytes} bytes; allowed are {} (the pulse's stamp and some of its body) to {MOST_BYTES}",
            payload::MIN_BYTES
        ))
    }
}

pub fn executors(text: &str) -> Result<Executors, String> {
    let (least, most) = text.split_once('-').unwrap_or((text, text));
    match (least.parse(), most.parse()) {
        (Ok(least), Ok(most)) if 1 <= least && least <= most && most <= MOST_EXECUTORS => {
            Ok(Executors { least, most })
        }
        _ => Err(format!(
            "\"{text}\" is neither a number of executors nor a range of them, A-B, from 1 to {MOST_EXECUTORS}"
        )),
    }
}

/// Bits per second of a link, such as 1Gbit.
pub fn link_speed(text: &str) -> Result<u64, String> {
    units::parse_bits_per_second(text)
}

/// Combines `--payload` and `--executors`.
pub fn sizes(payload: Option<Payload>, executors: Option<Executors>) -> Result<Sizes, String> {
    const DEFAULT_BYTES: u32 = 4096;
    let of = |style, executors: Executors| Sizes::Executors {
        least: executors.least,
        most: executors.most,
        style,
    };
    match (payload, executors) {
        (None, None) => Ok(Sizes::Fixed(DEFAULT_BYTES)),
        (None, Some(executors)) => Ok(of(Style::Simple, executors)),
        (Some(Payload::Style(style)), executors) => {
            Ok(of(style, executors.unwrap_or(DEFAULT_EXECUTORS)))
        }
        (Some(Payload::Bytes(bytes)), None) => Ok(Sizes::Fixed(bytes)),
        (Some(Payload::Drawn(sizes)), None) => Ok(Sizes::Drawn(sizes)),
        (Some(Payload::Bytes(_) | Payload::Drawn(_)), Some(_)) => Err(
            "--executors needs --payload simple or rich; here --payload gives the sizes itself"
                .to_owned(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_payloads() {
        assert_eq!(payload("4KiB"), Ok(Payload::Bytes(4096)));
        assert_eq!(payload("rich"), Ok(Payload::Style(Style::Rich)));
        for (wrong, why) in [
            ("8", "allowed are 40"),
            ("11MiB", "allowed are 40"),
            ("poor", "or simple, rich, @FILE"),
            ("@/nowhere", "cannot read /nowhere"),
        ] {
            let error = payload(wrong).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn reads_sizes_from_a_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let name = format!("@{}", file.path().display());
        fs::write(&file, "# seen\n600\n\n4KiB # ten executors\n").unwrap();
        assert_eq!(payload(&name), Ok(Payload::Drawn([600, 4096].into())));
        fs::write(&file, "600\n4KB\n").unwrap();
        assert!(payload(&name).unwrap_err().contains(":2: \"4KB\""));
        fs::write(&file, "# none\n").unwrap();
        assert!(payload(&name).unwrap_err().contains("has no size"));
    }

    #[test]
    fn executors_go_with_styles() {
        let ten = executors("10").unwrap();
        assert_eq!(executors("5-50").unwrap().most, 50);
        for wrong in ["0", "9-3", "many", "1-9999", "-"] {
            assert!(executors(wrong).is_err(), "{wrong}");
        }
        let simple = Sizes::Executors {
            least: 10,
            most: 10,
            style: Style::Simple,
        };
        assert_eq!(sizes(None, Some(ten)), Ok(simple));
        assert_eq!(sizes(None, None), Ok(Sizes::Fixed(4096)));
        assert!(sizes(Some(Payload::Bytes(600)), Some(ten)).is_err());
    }

    #[test]
    fn source_addresses_are_ranges_and_lists() {
        let Addresses(sources) = addresses("127.0.0.2-127.0.0.4,127.1.0.1").unwrap();
        assert_eq!(sources.len(), 4);
        assert_eq!(sources[3].to_string(), "127.1.0.1");
        for wrong in ["127.0.0.9-127.0.0.2", "here", "127.0.0.1-"] {
            assert!(addresses(wrong).is_err(), "{wrong}");
        }
    }
}
