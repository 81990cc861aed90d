//! An answer that is made once and used for all requests of a short time, so that more requests do not
//! cost more.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hyper::body::Bytes;

/// Older answers that some reader still holds. While there are this many, requests get the latest
/// answer whatever its age, so readers that do not read cannot make answers pile up.
const MAX_HELD: usize = 2;

#[derive(Debug, Default)]
pub(super) struct Cache(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    latest: Option<(Instant, Bytes)>,
    /// Older answers that some reader still holds.
    held: Vec<Bytes>,
}

impl Cache {
    /// The latest answer if it is younger than `max_age`; otherwise a new one from `make`.
    pub(super) fn get(&self, max_age: Duration, make: impl FnOnce() -> Bytes) -> Bytes {
        let mut kept = self.lock();
        kept.held.retain(|body| !body.is_unique());
        match &kept.latest {
            Some((made, body)) if made.elapsed() < max_age || kept.held.len() >= MAX_HELD => {
                body.clone()
            }
            _ => {
                let body = make();
                if let Some((_, old)) = kept.latest.replace((Instant::now(), body.clone()))
                    && !old.is_unique()
                {
                    kept.held.push(old);
                }
                body
            }
        }
    }

    /// Forgets all answers. Readers keep theirs.
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
        assert_eq!(get().len(), 14, "one reader has finished");
        readers.clear();
        assert_eq!(get().len(), 15);
    }
}
