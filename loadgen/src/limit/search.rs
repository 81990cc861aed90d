//! Which size to try next, given the results so far. Pure: it knows no server.

/// The factor from a good size to the next one to try.
const GROWTH: f64 = 1.5;

/// The search ends when the first bad size is at most this factor above the last good one.
const CLOSE: f64 = 1.1;

/// A size is bad after this many failures: one may be a hiccup of a busy machine.
const FAILURES: u32 = 2;

/// The most supervisors that a plan can have.
const MOST: u32 = 1_000_000;

#[derive(Debug)]
pub struct Search {
    trying: u32,
    failures: u32,
    last_good: Option<u32>,
    first_bad: Option<u32>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TrialResult {
    Good,
    Bad,
}

impl Search {
    pub fn from(first: u32) -> Search {
        Search {
            trying: first,
            failures: 0,
            last_good: None,
            first_bad: None,
        }
    }

    /// The next size to try; `None`: the limit is known.
    pub fn next(&self) -> Option<u32> {
        let known = match (self.last_good, self.first_bad) {
            (Some(good), Some(bad)) => f64::from(bad) <= f64::from(good) * CLOSE || bad == good + 1,
            (None, Some(bad)) => bad == 1,
            (Some(good), None) => good >= MOST,
            (None, None) => false,
        };
        (!known).then_some(self.trying)
    }

    /// Takes the result of the size that `next` gave.
    pub fn record(&mut self, verdict: TrialResult) {
        match verdict {
            TrialResult::Good => self.last_good = Some(self.trying),
            TrialResult::Bad => {
                self.failures += 1;
                if self.failures < FAILURES {
                    return;
                }
                self.first_bad = Some(self.trying);
            }
        }
        self.failures = 0;
        self.trying = match (self.last_good, self.first_bad) {
            (Some(good), None) => rounded(f64::from(good) * GROWTH).max(good + 1).min(MOST),
            (Some(good), Some(bad)) => {
                let middle = rounded((f64::from(good) * f64::from(bad)).sqrt());
                middle.clamp(good + 1, (bad - 1).max(good + 1))
            }
            (None, Some(bad)) => (bad / 2).max(1),
            (None, None) => unreachable!("a size was good or bad"),
        };
    }

    pub fn last_good(&self) -> Option<u32> {
        self.last_good
    }

    pub fn first_bad(&self) -> Option<u32> {
        self.first_bad
    }
}

/// Rounds to two digits.
fn rounded(size: f64) -> u32 {
    let digit = 10f64.powf((size.log10().floor() - 1.0).max(0.0));
    ((size / digit).round() * digit) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Searches for the limit of a server that carries this many.
    fn found(first: u32, carries: u32) -> (Search, Vec<u32>) {
        let mut search = Search::from(first);
        let mut tried = Vec::new();
        while let Some(size) = search.next() {
            tried.push(size);
            let good = size <= carries;
            search.record(if good {
                TrialResult::Good
            } else {
                TrialResult::Bad
            });
            assert!(tried.len() < 60, "{tried:?}");
        }
        (search, tried)
    }

    #[test]
    fn closes_in_on_any_limit() {
        for first in [1, 100, 3000] {
            for carries in [1, 2, 7, 99, 100, 2950, 3000, 47_000] {
                let (search, tried) = found(first, carries);
                let (good, bad) = (search.last_good().unwrap(), search.first_bad().unwrap());
                assert!(good <= carries && carries < bad, "{tried:?}");
                let close = f64::from(bad) <= f64::from(good) * CLOSE || bad == good + 1;
                assert!(close, "{good} to {bad}: {tried:?}");
            }
        }
    }

    #[test]
    fn a_server_that_carries_none_has_no_good_size() {
        let (search, tried) = found(100, 0);
        assert_eq!((search.last_good(), search.first_bad()), (None, Some(1)));
        assert_eq!(tried.last(), Some(&1));
    }

    #[test]
    fn one_failure_is_tried_again() {
        let mut search = Search::from(100);
        search.record(TrialResult::Bad);
        assert_eq!(search.next(), Some(100));
        search.record(TrialResult::Good);
        assert_eq!(search.next(), Some(150));
    }
}
