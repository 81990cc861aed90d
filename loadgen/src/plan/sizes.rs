//! The size of pulses. A pulse of Storm is a compressed `ClusterWorkerHeartbeat`, which grows with the number
//! of executors and with what each of them counts. The sizes below were measured with Storm.

use std::fmt;
use std::sync::Arc;

use crate::random::Random;
use crate::units::show_bytes;

/// The size for a worker that has just started, whose executors have counted nothing.
pub const JUST_STARTED_BYTES: u32 = 200;

/// Executors, and the bytes of the pulse, with few streams and components.
const SIMPLE: [(u32, u32); 3] = [(1, 600), (10, 4_000), (50, 18_000)];

/// The same with many streams, grouped by many components.
const RICH: [(u32, u32); 3] = [(1, 1_200), (10, 12_000), (50, 62_000)];

/// How the size of a worker's pulses is chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sizes {
    /// All pulses have this size, including the first.
    Fixed(u32),
    /// The number of executors of each worker is drawn from this range.
    Executors { least: u32, most: u32, style: Style },
    /// Drawn for each worker from sizes of a real cluster.
    Drawn(Arc<[u32]>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    Simple,
    Rich,
}

impl Sizes {
    /// Draws the size of a worker's pulses, in bytes.
    pub fn draw(&self, random: &mut Random) -> u32 {
        match self {
            Sizes::Fixed(bytes) => *bytes,
            Sizes::Executors { least, most, style } => {
                let executors = least + random.below(u64::from(most - least) + 1) as u32;
                style.bytes(executors)
            }
            Sizes::Drawn(sizes) => sizes[random.below(sizes.len() as u64) as usize],
        }
    }

    /// The size of the first pulse, given that of the others.
    pub fn first(&self, bytes: u32) -> u32 {
        match self {
            Sizes::Fixed(_) => bytes,
            Sizes::Executors { .. } | Sizes::Drawn(_) => bytes.min(JUST_STARTED_BYTES),
        }
    }
}

impl fmt::Display for Sizes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Sizes::Fixed(bytes) => f.write_str(&show_bytes(f64::from(*bytes))),
            Sizes::Drawn(sizes) => write!(f, "one of {} sizes", sizes.len()),
            Sizes::Executors { least, most, style } => {
                let style = match style {
                    Style::Simple => "simple",
                    Style::Rich => "rich",
                };
                if least == most {
                    write!(f, "{least} {style} executors")
                } else {
                    write!(f, "{least} to {most} {style} executors")
                }
            }
        }
    }
}

impl Style {
    /// Interpolated linearly between the measured points, and extrapolated beyond the last.
    pub fn bytes(self, executors: u32) -> u32 {
        let points = match self {
            Style::Simple => SIMPLE,
            Style::Rich => RICH,
        };
        let [_, (middle, _), _] = points;
        let (from, to) = if executors < middle {
            (points[0], points[1])
        } else {
            (points[1], points[2])
        };
        let slope = f64::from(to.1 - from.1) / f64::from(to.0 - from.0);
        let bytes = f64::from(from.1) + slope * (f64::from(executors) - f64::from(from.0));
        bytes.round() as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_the_measured_ones() {
        let sizes = |style: Style| [1, 10, 50].map(|executors| style.bytes(executors));
        assert_eq!(sizes(Style::Simple), [600, 4_000, 18_000]);
        assert_eq!(sizes(Style::Rich), [1_200, 12_000, 62_000]);
        assert_eq!(Style::Simple.bytes(30), 11_000);
        assert_eq!(Style::Simple.bytes(100), 35_500);
    }

    #[test]
    fn the_whole_range_of_executors_is_drawn() {
        let sizes = Sizes::Executors {
            least: 1,
            most: 3,
            style: Style::Simple,
        };
        let mut random = Random::new(1);
        let drawn: std::collections::BTreeSet<u32> =
            (0..100).map(|_| sizes.draw(&mut random)).collect();
        assert_eq!(drawn.len(), 3);
        assert_eq!(sizes.first(4_000), JUST_STARTED_BYTES);
        assert_eq!(Sizes::Fixed(4_096).first(4_096), 4_096);
    }
}
