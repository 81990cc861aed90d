//! When each worker's next action is due: a heap of instants. Knows no clock.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// What a worker does at a planned instant.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Action {
    Dial,
    Pulse,
    /// The end of its life.
    Leave,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Due {
    pub at_us: u64,
    /// Index among the thread's workers.
    pub worker: u32,
    pub action: Action,
}

#[derive(Debug, Default)]
pub struct Timeline {
    heap: BinaryHeap<Reverse<Due>>,
}

impl Timeline {
    pub fn add(&mut self, due: Due) {
        self.heap.push(Reverse(due));
    }

    /// The next action, if it is due.
    pub fn take(&mut self, now_us: u64) -> Option<Due> {
        match self.heap.peek() {
            Some(Reverse(due)) if due.at_us <= now_us => self.heap.pop().map(|Reverse(due)| due),
            _ => None,
        }
    }

    pub fn next_us(&self) -> Option<u64> {
        self.heap.peek().map(|Reverse(due)| due.at_us)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn due_actions_come_in_order() {
        let mut timeline = Timeline::default();
        for (at_us, action) in [(30, Action::Pulse), (10, Action::Pulse), (10, Action::Dial)] {
            timeline.add(Due {
                at_us,
                worker: 1,
                action,
            });
        }
        assert_eq!(timeline.next_us(), Some(10));
        assert_eq!(timeline.take(9), None);
        assert_eq!(timeline.take(10).unwrap().action, Action::Dial);
        assert_eq!(timeline.take(10).unwrap().action, Action::Pulse);
        assert_eq!(timeline.take(29), None);
        assert_eq!(timeline.take(31).unwrap().at_us, 30);
        assert_eq!(timeline.next_us(), None);
    }
}
