//! What an axis measures: its range, its ticks on a log scale, and labels in units that people read.

use std::ops::Range;

use super::words::{short, trim};
use crate::units::{show_bytes, show_time};

#[derive(Clone, Copy, Debug)]
pub struct Axis {
    pub quantity: Quantity,
    /// Decades instead of equal steps. A log axis cannot show 0.
    pub log: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantity {
    /// Microseconds.
    Time,
    Bytes,
    BytesPerSecond,
    Count,
    /// A number that may have a fraction, such as cores.
    Number,
    /// Seconds since the start of the run.
    Elapsed,
    /// 1/(1 - q) of a quantile q: on a log scale each further nine takes the same room.
    Quantile,
}

/// What values are divided by before they are drawn, so that ticks are round in the unit of their labels.
#[derive(Clone, Copy, Debug)]
pub struct TickUnit {
    factor: f64,
    name: &'static str,
}

impl TickUnit {
    pub fn scale(&self, value: f64) -> f64 {
        value / self.factor
    }
}

impl Axis {
    pub fn linear(quantity: Quantity) -> Axis {
        Axis {
            quantity,
            log: false,
        }
    }

    pub fn log(quantity: Quantity) -> Axis {
        Axis {
            quantity,
            log: true,
        }
    }

    pub fn shows(&self, value: f64) -> bool {
        value.is_finite() && (!self.log || value > 0.0)
    }

    /// A range to draw for values from `low` to `high`. A linear y begins at 0, so that heights compare.
    pub fn range(&self, (low, high): (f64, f64)) -> (f64, f64) {
        if self.log {
            let (low, high) = (round(low, f64::floor), round(high, f64::ceil));
            return if low < high {
                (low, high)
            } else {
                (low, low * 2.0)
            };
        }
        match self.quantity {
            Quantity::Elapsed => (0.0, high.max(1.0)),
            _ if high > 0.0 => (0.0, high * 1.08),
            _ => (0.0, 1.0),
        }
    }

    /// Round values of a log axis: decades; with 2 and 5 between them, or with all digits, where the range
    /// is short.
    pub fn ticks(&self, range: &Range<f64>) -> Vec<f64> {
        let decades = (range.end / range.start).log10();
        let digits: &[u32] = match decades {
            _ if self.quantity == Quantity::Quantile => &[1],
            decades if decades > 3.0 => &[1],
            decades if decades > 0.8 => &[1, 2, 5],
            _ => &[1, 2, 3, 4, 5, 6, 7, 8, 9],
        };
        let exponents = range.start.log10().floor() as i32..=range.end.log10().ceil() as i32;
        let all = exponents.flat_map(|exponent| {
            let digits = digits.iter();
            digits.map(move |digit| f64::from(*digit) * 10f64.powi(exponent))
        });
        let least = range.start * (1.0 - 1e-9);
        let most = range.end * (1.0 + 1e-9);
        let inside = all.filter(|tick| (least..=most).contains(tick));
        // Half an answer does not exist.
        let whole = inside.filter(|tick| self.quantity != Quantity::Count || *tick >= 1.0);
        whole.collect()
    }

    /// The unit for an axis that ends at `high`.
    pub fn unit(&self, high: f64) -> TickUnit {
        const KIB: f64 = 1024.0;
        let (factor, name) = match self.quantity {
            Quantity::Bytes | Quantity::BytesPerSecond => match high {
                high if high >= KIB * KIB * KIB => (KIB * KIB * KIB, "GiB"),
                high if high >= KIB * KIB => (KIB * KIB, "MiB"),
                high if high >= KIB => (KIB, "KiB"),
                _ => (1.0, "B"),
            },
            Quantity::Elapsed => match high {
                high if high > 3.0 * 3600.0 => (3600.0, "h"),
                high if high > 180.0 => (60.0, "min"),
                _ => (1.0, "s"),
            },
            Quantity::Time | Quantity::Count | Quantity::Number | Quantity::Quantile => (1.0, ""),
        };
        TickUnit { factor, name }
    }

    /// The label of a tick, whose value is in `unit`.
    pub fn label(&self, scaled: f64, unit: &TickUnit) -> String {
        let scaled = (scaled * 1e6).round() / 1e6;
        match self.quantity {
            Quantity::Count if scaled.fract() != 0.0 => String::new(),
            Quantity::Count | Quantity::Number => short(scaled),
            _ if scaled == 0.0 => "0".to_owned(),
            Quantity::Time => trim(&show_time(scaled)),
            Quantity::Bytes if self.log => trim(&show_bytes(scaled * unit.factor)),
            Quantity::Bytes | Quantity::Elapsed => format!("{} {}", short(scaled), unit.name),
            Quantity::BytesPerSecond => format!("{} {}/s", short(scaled), unit.name),
            Quantity::Quantile => {
                let percent = 100.0 - 100.0 / scaled;
                // Each further nine needs one more digit.
                let digits = (scaled.log10().round() - 2.0).max(0.0) as usize;
                format!("{percent:.digits$} %")
            }
        }
    }
}

/// To one digit.
fn round(value: f64, rounding: fn(f64) -> f64) -> f64 {
    let power = 10f64.powf(value.log10().floor());
    // What is round already must stay so.
    rounding((value / power * 1e9).round() / 1e9) * power
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: Axis, low: f64, high: f64) -> Vec<String> {
        let (low, high) = axis.range((low, high));
        let unit = axis.unit(high);
        let ticks = axis.ticks(&(low..high)).into_iter();
        ticks.map(|tick| axis.label(tick, &unit)).collect()
    }

    #[test]
    fn log_ticks_are_decades_or_finer() {
        let time = Axis::log(Quantity::Time);
        let expected = ["100 µs", "1 ms", "10 ms", "100 ms", "1 s"];
        assert_eq!(labels(time, 100.0, 1e6), expected);
        let expected = ["200 µs", "500 µs", "1 ms", "2 ms"];
        assert_eq!(labels(time, 200.0, 2000.0), expected);
        assert_eq!(labels(time, 1050.0, 1650.0), ["1 ms", "2 ms"]);
        let expected = ["0 %", "90 %", "99 %", "99.9 %", "99.99 %"];
        assert_eq!(
            labels(Axis::log(Quantity::Quantile), 1.0, 30_000.0),
            expected
        );
    }

    #[test]
    fn labels_have_the_unit_of_the_axis() {
        let bytes = Axis::linear(Quantity::BytesPerSecond);
        let unit = bytes.unit(14e6);
        assert_eq!(bytes.label(5.0, &unit), "5 MiB/s");
        let elapsed = Axis::linear(Quantity::Elapsed);
        assert_eq!(elapsed.label(2.5, &elapsed.unit(86_400.0)), "2.5 h");
        assert_eq!(elapsed.label(0.0, &elapsed.unit(70.0)), "0");
        let count = Axis::linear(Quantity::Count);
        assert_eq!(count.label(0.5, &count.unit(1.0)), "");
        assert_eq!(count.label(12_000.0, &count.unit(12_000.0)), "12\u{a0}000");
        let cores = Axis::linear(Quantity::Number);
        assert_eq!(cores.label(0.1 + 0.2, &cores.unit(0.6)), "0.3");
    }

    #[test]
    fn ranges_hold_their_values() {
        for (low, high) in [(3.0, 3.0), (1.7, 12.0), (1.0, 1e6), (123.0, 99_999.0)] {
            for axis in [Axis::log(Quantity::Time), Axis::linear(Quantity::Bytes)] {
                let (from, to) = axis.range((low, high));
                assert!(from <= low && high <= to && from < to, "{axis:?} {high}");
            }
        }
        assert_eq!(Axis::linear(Quantity::Count).range((0.0, 0.0)), (0.0, 1.0));
    }
}
