//! A reading of a broker that several passes use, because none of them needs its own.
//!
//! Who comes while somebody asks waits for that answer, so that a hundred pipelines that are looked
//! at together cost one question. What was changed since is never answered from before.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::Mutex;
use warren_broker::management::ApiError;

/// The last reading of one kind.
#[derive(Debug)]
pub(super) struct Shared<T>(Mutex<Option<Reading<T>>>);

/// How far a reading may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limit {
    /// How old it may be.
    pub(super) age: Duration,
    /// Changes by us, and doubts, up to now.
    pub(super) changes: u64,
}

#[derive(Debug)]
struct Reading<T> {
    begun: Instant,
    ended: Instant,
    changes: u64,
    said: Result<Arc<T>, ApiError>,
}

impl<T> Default for Shared<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> Shared<T> {
    /// The last reading, or what `ask` says now; `limit` is asked when it counts.
    ///
    /// # Errors
    /// Those of `ask`.
    pub(super) async fn read(
        &self,
        limit: impl Fn() -> Limit,
        ask: impl AsyncFnOnce() -> Result<T, ApiError>,
    ) -> Result<Arc<T>, ApiError> {
        let wanted = Instant::now();
        let mut last = self.0.lock().await;
        if let Some(reading) = last.as_ref().filter(|last| last.serves(wanted, limit())) {
            return reading.said.clone();
        }
        let (begun, changes) = (Instant::now(), limit().changes);
        let said = ask().await.map(Arc::new);
        *last = Some(Reading { begun, ended: Instant::now(), changes, said: said.clone() });
        said
    }
}

impl<T> Reading<T> {
    /// A failure is told to those who waited for it, and to nobody later.
    fn serves(&self, wanted: Instant, limit: Limit) -> bool {
        match &self.said {
            Ok(_) => self.changes == limit.changes && wanted < self.begun + limit.age,
            Err(_) => !limit.age.is_zero() && wanted <= self.ended,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use futures_util::future::join;
    use warren_broker::management::ApiErrorKind;

    use super::*;

    const LIMIT: Limit = Limit { age: Duration::from_mins(1), changes: 3 };

    struct Asked(Shared<u32>, Cell<u32>);

    impl Asked {
        fn new() -> Self {
            Self(Shared::default(), Cell::new(0))
        }

        async fn read(&self, limit: Limit) -> Result<u32, ApiError> {
            let ask = async || {
                self.1.set(self.1.get() + 1);
                tokio::task::yield_now().await;
                Ok(self.1.get())
            };
            self.0.read(|| limit, ask).await.map(|read| *read)
        }

        async fn fail(&self) -> bool {
            let kind = ApiErrorKind::Timeout;
            let ask = async || {
                self.1.set(self.1.get() + 1);
                tokio::task::yield_now().await;
                Err(ApiError { call: "GET /api/queues".to_owned(), kind })
            };
            self.0.read(|| LIMIT, ask).await.is_err()
        }
    }

    #[tokio::test]
    async fn two_who_come_together_cost_one_question() {
        let asked = Asked::new();
        assert_eq!(join(asked.read(LIMIT), asked.read(LIMIT)).await, (Ok(1), Ok(1)));
        assert_eq!(asked.read(LIMIT).await, Ok(1));
    }

    #[tokio::test]
    async fn what_was_read_before_a_change_is_read_again() {
        let asked = Asked::new();
        assert_eq!(asked.read(LIMIT).await, Ok(1));
        assert_eq!(asked.read(Limit { changes: 4, ..LIMIT }).await, Ok(2));
    }

    #[tokio::test]
    async fn what_is_old_is_read_again() {
        let asked = Asked::new();
        let none = Limit { age: Duration::ZERO, ..LIMIT };
        assert_eq!(asked.read(LIMIT).await, Ok(1));
        assert_eq!(asked.read(none).await, Ok(2));
    }

    #[tokio::test]
    async fn a_failure_is_only_for_those_who_waited_for_it() {
        let asked = Asked::new();
        assert_eq!(join(asked.fail(), asked.fail()).await, (true, true));
        assert_eq!(asked.1.get(), 1);
        assert_eq!(asked.read(LIMIT).await, Ok(2));
    }
}
