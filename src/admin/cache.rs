//! An answer that is made once for all who ask within a moment: however often somebody asks, making
//! it costs no more.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use hyper::body::Bytes;

#[derive(Debug, Default)]
pub(super) struct Cache(Mutex<Option<(Instant, Bytes)>>);

impl Cache {
    /// What was made at most so long ago, or is made now.
    pub(super) fn get(&self, most_age: Duration, make: impl FnOnce() -> Bytes) -> Bytes {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &*kept {
            Some((made, body)) if made.elapsed() < most_age => body.clone(),
            _ => {
                let body = make();
                *kept = Some((Instant::now(), body.clone()));
                body
            }
        }
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
}
