//! An answer that is made once for all who ask within a moment: however often somebody asks, making
//! it costs no more.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hyper::body::Bytes;

/// Older answers that some reader may not have taken to the end. While there are so many, further ones
/// get the latest, however old: readers that do not read cannot pile up answers.
const MOST_UNREAD: usize = 2;

#[derive(Debug, Default)]
pub(super) struct Cache(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    latest: Option<(Instant, Bytes)>,
    unread: Vec<Bytes>,
}

impl Cache {
    /// What was made at most so long ago, or is made now.
    pub(super) fn get(&self, most_age: Duration, make: impl FnOnce() -> Bytes) -> Bytes {
        let mut kept = self.lock();
        kept.unread.retain(|body| !body.is_unique());
        match &kept.latest {
            Some((made, body)) if made.elapsed() < most_age || kept.unread.len() >= MOST_UNREAD => {
                body.clone()
            }
            _ => {
                let body = make();
                if let Some((_, old)) = kept.latest.replace((Instant::now(), body.clone()))
                    && !old.is_unique()
                {
                    kept.unread.push(old);
                }
                body
            }
        }
    }

    /// Keeps nothing that nobody reads.
    pub(super) fn clear(&self) {
        *self.lock() = Kept::default();
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_made_once_for_a_moment() {
        let cache = Cache::default();
        let hour = Duration::from_secs(3600);
        assert_eq!(cache.get(hour, || Bytes::from_static(b"one")), "one");
        assert_eq!(cache.get(hour, || Bytes::from_static(b"two")), "one");
        assert_eq!(
            cache.get(Duration::ZERO, || Bytes::from_static(b"two")),
            "two"
        );
    }

    #[test]
    fn answers_that_nobody_reads_do_not_pile_up() {
        let cache = Cache::default();
        let mut made = 0;
        let mut get = || {
            cache.get(Duration::ZERO, || {
                made += 1;
                vec![b'x'; 10 + made].into()
            })
        };
        let mut readers: Vec<Bytes> = (0..10).map(|_| get()).collect();
        let lengths: Vec<usize> = readers.iter().map(Bytes::len).collect();
        assert_eq!(lengths, [11, 12, 13, 13, 13, 13, 13, 13, 13, 13]);
        readers.remove(0);
        assert_eq!(get().len(), 14, "one has read to the end");
        readers.clear();
        assert_eq!(get().len(), 15);
    }
}
