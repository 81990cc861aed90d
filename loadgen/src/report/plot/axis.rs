//! An axis: what it measures, the range that shows all values, round ticks in people's units, and
//! where a value lies on it.

use crate::units::{show_bytes, show_time};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    Linear,
    /// Decades. Values of 0 and less have no place on it.
    Log,
}

/// What the numbers of an axis are, for its ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Quantity {
    /// Microseconds.
    Time,
    Bytes,
    BytesPerSecond,
    Count,
    /// Numbers that may have a fraction, such as cores.
    Number,
    Percent,
    /// Seconds since a start: may be hours.
    Elapsed,
    /// 1/(1 - q) of a quantile q: on a log scale each nine takes the same room.
    Quantile,
}

#[derive(Clone, Copy, Debug)]
pub struct Axis {
    pub quantity: Quantity,
    pub scale: Scale,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Tick {
    pub value: f64,
    /// `None`: a line without words.
    pub label: Option<String>,
}

/// An axis with a range, laid out between two pixels.
#[derive(Clone, Copy, Debug)]
pub struct Laid {
    axis: Axis,
    low: f64,
    high: f64,
    from_px: f64,
    to_px: f64,
}

impl Axis {
    pub fn linear(quantity: Quantity) -> Axis {
        let scale = Scale::Linear;
        Axis { quantity, scale }
    }

    pub fn log(quantity: Quantity) -> Axis {
        let scale = Scale::Log;
        Axis { quantity, scale }
    }

    /// Whether a value has a place on it.
    pub fn takes(&self, value: f64) -> bool {
        value.is_finite() && (self.scale == Scale::Linear || value > 0.0)
    }

    /// A range with round ends around values from `low` to `high`, none below 0; a linear one begins
    /// at 0, so that lengths can be compared.
    pub fn round_range(&self, low: f64, high: f64) -> (f64, f64) {
        match self.scale {
            Scale::Linear if high <= 0.0 => (0.0, 1.0),
            Scale::Linear => {
                let step = self.quantity.step(high / 4.0, high);
                (0.0, (high / step - 1e-9).ceil() * step)
            }
            Scale::Log => {
                let (low, high) = (round_down(low), round_up(high));
                match low < high {
                    true => (low, high),
                    false => (low / 2.0, high * 2.0),
                }
            }
        }
    }

    pub fn lay(self, (low, high): (f64, f64), from_px: f64, to_px: f64) -> Laid {
        assert!(
            low < high && self.takes(low) && self.takes(high),
            "{low}..{high}"
        );
        Laid {
            axis: self,
            low,
            high,
            from_px,
            to_px,
        }
    }
}

impl Laid {
    /// Whether a value has a place on it.
    pub fn takes(&self, value: f64) -> bool {
        self.axis.takes(value)
    }

    pub fn scale(&self) -> Scale {
        self.axis.scale
    }

    pub fn pixel(&self, value: f64) -> f64 {
        let share = match self.axis.scale {
            Scale::Linear => (value - self.low) / (self.high - self.low),
            Scale::Log => (value / self.low).log10() / (self.high / self.low).log10(),
        };
        self.from_px + share.clamp(0.0, 1.0) * (self.to_px - self.from_px)
    }

    /// About `wanted` labelled ticks.
    pub fn ticks(&self, wanted: usize) -> Vec<Tick> {
        match self.axis.scale {
            Scale::Linear => self.linear_ticks(wanted),
            Scale::Log => self.log_ticks(wanted),
        }
    }

    fn linear_ticks(&self, wanted: usize) -> Vec<Tick> {
        let quantity = self.axis.quantity;
        let step = quantity.step((self.high - self.low) / wanted as f64, self.high);
        let first = (self.low / step - 1e-9).ceil() as i64;
        let last = (self.high / step + 1e-9).floor() as i64;
        let tick = |n: i64| {
            let value = n as f64 * step;
            Tick {
                value,
                label: Some(quantity.label(value, self.high)),
            }
        };
        (first..=last).map(tick).collect()
    }

    /// Decades have labels; 2 and 5 between them too where few decades leave the room.
    fn log_ticks(&self, wanted: usize) -> Vec<Tick> {
        let decades = (self.high / self.low).log10();
        let labelled: &[u32] = match decades * 3.0 <= wanted as f64 {
            true => &[1, 2, 5],
            false => &[1],
        };
        let every = (decades / wanted as f64).ceil().max(1.0) as i32;
        let (first, last) = (
            self.low.log10().floor() as i32,
            self.high.log10().floor() as i32,
        );
        let mut ticks = Vec::new();
        for exponent in first..=last {
            for digit in 1..=9 {
                let value = f64::from(digit) * 10f64.powi(exponent);
                if value < self.low * (1.0 - 1e-9) || value > self.high * (1.0 + 1e-9) {
                    continue;
                }
                // There is no half of an answer.
                if self.axis.quantity == Quantity::Count && value < 1.0 {
                    continue;
                }
                let worded = labelled.contains(&digit) && exponent.rem_euclid(every) == 0;
                let label = worded.then(|| self.axis.quantity.label(value, value));
                // Nines have no steps between them, and lines of many decades only blacken the page.
                let plain = decades <= 5.0 && self.axis.quantity != Quantity::Quantile;
                if label.is_some() || plain {
                    ticks.push(Tick { value, label });
                }
            }
        }
        // So little of a decade is as good as linear.
        match ticks.iter().filter(|tick| tick.label.is_some()).count() {
            0 | 1 if self.axis.quantity != Quantity::Quantile => self.linear_ticks(wanted),
            _ => ticks,
        }
    }
}

impl Quantity {
    /// A value as a tick of an axis that ends at `high`.
    pub fn label(self, value: f64, high: f64) -> String {
        let in_unit = || short((value / self.unit(high) * 1e6).round() / 1e6);
        match self {
            Quantity::Time => trim(&show_time(value)),
            Quantity::Bytes if value == 0.0 => "0".to_owned(),
            Quantity::Bytes => trim(&show_bytes(value)),
            Quantity::BytesPerSecond if value == 0.0 => "0".to_owned(),
            Quantity::BytesPerSecond => trim(&show_bytes(value)) + "/s",
            Quantity::Count | Quantity::Number => in_unit(),
            Quantity::Percent => in_unit() + " %",
            Quantity::Elapsed if value == 0.0 => "0".to_owned(),
            Quantity::Elapsed => {
                let unit = match self.unit(high) as u32 {
                    3600 => "h",
                    60 => "min",
                    _ => "s",
                };
                format!("{} {unit}", in_unit())
            }
            Quantity::Quantile => {
                let percent = 100.0 - 100.0 / value;
                // Each further nine needs one more digit, and no more.
                let digits = (value.log10().ceil() - 2.0).max(0.0) as usize;
                format!("{percent:.digits$} %")
            }
        }
    }

    /// What steps are round in: a MiB on an axis that goes to some MiB.
    fn unit(self, high: f64) -> f64 {
        match self {
            Quantity::Time => 1.0,
            Quantity::Bytes | Quantity::BytesPerSecond => match high {
                high if high >= 1024.0 * 1024.0 * 1024.0 => 1024.0 * 1024.0 * 1024.0,
                high if high >= 1024.0 * 1024.0 => 1024.0 * 1024.0,
                high if high >= 1024.0 => 1024.0,
                _ => 1.0,
            },
            Quantity::Elapsed => match high {
                high if high > 3.0 * 3600.0 => 3600.0,
                high if high > 180.0 => 60.0,
                _ => 1.0,
            },
            Quantity::Count | Quantity::Number | Quantity::Percent | Quantity::Quantile => 1.0,
        }
    }

    /// A round step of at least `least`, on an axis that ends at `high`.
    fn step(self, least: f64, high: f64) -> f64 {
        let unit = self.unit(high);
        let least = match self {
            Quantity::Count | Quantity::Bytes | Quantity::BytesPerSecond if unit == 1.0 => {
                least.max(1.0)
            }
            _ => least / unit,
        };
        // Minutes and seconds come in sixties.
        let sixties = [5.0, 10.0, 15.0, 20.0, 30.0, 60.0];
        if self == Quantity::Elapsed && unit < 3600.0 && least > 2.0 {
            let step = sixties.into_iter().find(|step| *step >= least);
            return step.unwrap_or_else(|| round_up(least)) * unit;
        }
        round_up(least) * unit
    }
}

/// The next of 1, 2, 5 times a power of ten.
fn round_up(value: f64) -> f64 {
    let power = 10f64.powf(value.log10().floor());
    let digit = [1.0, 2.0, 5.0]
        .into_iter()
        .find(|digit| digit * power >= value * (1.0 - 1e-9));
    digit.unwrap_or(10.0) * power
}

fn round_down(value: f64) -> f64 {
    let power = 10f64.powf(value.log10().floor());
    let digit = [5.0, 2.0]
        .into_iter()
        .find(|digit| digit * power <= value * (1.0 + 1e-9));
    digit.unwrap_or(1.0) * power
}

/// `10.0 ms` as `10 ms`: for values that are round, not measured.
pub fn trim(shown: &str) -> String {
    match shown.split_once(' ') {
        Some((number, unit)) if number.contains('.') => {
            let number = number.trim_end_matches('0').trim_end_matches('.');
            format!("{number} {unit}")
        }
        _ => shown.to_owned(),
    }
}

/// A number as people write it: `0.25`, `12 000`.
pub fn short(value: f64) -> String {
    if value.fract() != 0.0 {
        return value.to_string();
    }
    group(value as u64)
}

/// Thousands apart, by a space that does not break.
pub fn group(count: u64) -> String {
    let digits = count.to_string();
    let mut out = String::with_capacity(digits.len() * 2);
    for (index, digit) in digits.chars().enumerate() {
        // Four digits are read at a glance.
        if index > 0 && (digits.len() - index).is_multiple_of(3) && digits.len() > 4 {
            out.push('\u{a0}');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: Axis, range: (f64, f64), wanted: usize) -> Vec<String> {
        let ticks = axis.lay(range, 0.0, 100.0).ticks(wanted);
        ticks.into_iter().filter_map(|tick| tick.label).collect()
    }

    #[test]
    fn log_axes_are_labelled_at_decades_or_finer() {
        let time = Axis::log(Quantity::Time);
        let expected = ["100 µs", "1 ms", "10 ms", "100 ms", "1 s"];
        assert_eq!(labels(time, (100.0, 1e6), 6), expected);
        let expected = ["200 µs", "500 µs", "1 ms", "2 ms"];
        assert_eq!(labels(time, (200.0, 2000.0), 6), expected);
        let quantiles = Axis::log(Quantity::Quantile);
        let expected = ["0 %", "90 %", "99 %", "99.9 %", "99.99 %"];
        assert_eq!(labels(quantiles, (1.0, 30_000.0), 6), expected);
    }

    #[test]
    fn many_decades_are_thinned() {
        let shown = labels(Axis::log(Quantity::Count), (1.0, 1e12), 6);
        assert_eq!(shown[..3], ["1", "100", "10\u{a0}000"]);
        assert_eq!(shown.len(), 7);
    }

    #[test]
    fn linear_steps_are_round_in_the_unit() {
        let expected = ["0", "20 s", "40 s", "60 s"];
        let elapsed = Axis::linear(Quantity::Elapsed);
        assert_eq!(labels(elapsed, (0.0, 70.0), 4), expected);
        let expected = ["0", "5 min", "10 min", "15 min", "20 min"];
        assert_eq!(labels(elapsed, (0.0, 1210.0), 6), expected);
        let expected = ["0", "5 h", "10 h", "15 h", "20 h"];
        assert_eq!(labels(elapsed, (0.0, 86_400.0), 6), expected);
        let bytes = Axis::linear(Quantity::BytesPerSecond);
        let expected = ["0", "5 MiB/s", "10 MiB/s", "15 MiB/s"];
        let range = bytes.round_range(0.0, 14e6);
        assert_eq!(labels(bytes, range, 4), expected);
        let expected = ["1.2 ms", "1.4 ms", "1.6 ms"];
        assert_eq!(
            labels(Axis::log(Quantity::Time), (1050.0, 1650.0), 4),
            expected
        );
        let count = Axis::linear(Quantity::Count);
        assert_eq!(labels(count, count.round_range(0.0, 1.0), 5), ["0", "1"]);
        let cores = Axis::linear(Quantity::Number);
        assert_eq!(
            labels(cores, (0.0, 0.6), 4),
            ["0", "0.2", "0.4", "0.6"],
            "no rounding dust"
        );
        let percent = Axis::linear(Quantity::Percent);
        let range = percent.round_range(3.0, 97.0);
        assert_eq!(labels(percent, range, 2), ["0 %", "50 %", "100 %"]);
    }

    #[test]
    fn ranges_hold_their_values() {
        for (low, high) in [(3.0, 3.0), (0.7, 12.0), (1.0, 1e6), (123.0, 99_999.0)] {
            for axis in [Axis::log(Quantity::Time), Axis::linear(Quantity::Bytes)] {
                let (from, to) = axis.round_range(low, high);
                assert!(from <= low && high <= to && from < to, "{axis:?} {high}");
            }
        }
        let (from, to) = Axis::linear(Quantity::Count).round_range(0.0, 0.0);
        assert_eq!((from, to), (0.0, 1.0));
    }

    #[test]
    fn values_lie_where_they_belong() {
        let laid = Axis::log(Quantity::Time).lay((1.0, 100.0), 0.0, 200.0);
        assert_eq!(
            [1.0, 10.0, 100.0, 1e9].map(|v| laid.pixel(v)),
            [0.0, 100.0, 200.0, 200.0]
        );
        assert_eq!(group(1_234_567), "1\u{a0}234\u{a0}567");
    }
}
