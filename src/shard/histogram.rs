//! Counts of values by size, in plain numbers of one thread.

/// How many values there were up to each bound, and beyond the last one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Histogram<const BOUNDS: usize> {
    bounds: &'static [u64; BOUNDS],
    counts: [u64; BOUNDS],
    beyond: u64,
    sum: u64,
}

impl<const BOUNDS: usize> Histogram<BOUNDS> {
    /// `bounds` ascend; a value belongs to the first one that it does not exceed.
    pub fn new(bounds: &'static [u64; BOUNDS]) -> Self {
        debug_assert!(bounds.is_sorted());
        Self {
            bounds,
            counts: [0; BOUNDS],
            beyond: 0,
            sum: 0,
        }
    }

    /// Counts `times` equal values.
    pub(super) fn note(&mut self, value: u64, times: u64) {
        let bucket = self.bounds.partition_point(|bound| *bound < value);
        *self.counts.get_mut(bucket).unwrap_or(&mut self.beyond) += times;
        self.sum += value * times;
    }

    /// Each bound with the values up to it that are beyond the one before.
    pub(crate) fn buckets(&self) -> impl Iterator<Item = (u64, u64)> {
        self.bounds.iter().copied().zip(self.counts)
    }

    /// Values beyond the last bound.
    pub fn beyond(&self) -> u64 {
        self.beyond
    }

    pub fn count(&self) -> u64 {
        self.counts.iter().sum::<u64>() + self.beyond
    }

    /// Of all values.
    pub fn sum(&self) -> u64 {
        self.sum
    }

    /// Takes another one's values in.
    pub fn add(&mut self, other: &Self) {
        debug_assert_eq!(self.bounds, other.bounds);
        for (own, more) in self.counts.iter_mut().zip(other.counts) {
            *own += more;
        }
        self.beyond += other.beyond;
        self.sum += other.sum;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static BOUNDS: [u64; 3] = [10, 20, 50];

    #[test]
    fn a_value_belongs_to_the_first_bound_that_it_does_not_exceed() {
        let mut histogram = Histogram::new(&BOUNDS);
        for value in [0, 10, 11, 20, 50, 51] {
            histogram.note(value, 1);
        }
        histogram.note(7, 3);
        let buckets: Vec<_> = histogram.buckets().collect();
        assert_eq!(buckets, [(10, 5), (20, 2), (50, 1)]);
        assert_eq!((histogram.beyond(), histogram.count()), (1, 9));
        assert_eq!(histogram.sum(), 10 + 11 + 20 + 50 + 51 + 21);
        let mut twice = histogram.clone();
        twice.add(&histogram);
        assert_eq!((twice.count(), twice.sum()), (18, 2 * histogram.sum()));
    }
}
