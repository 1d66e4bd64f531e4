//! Waiting for a condition, with a deadline.

use std::time::Duration;

use tokio::time::{Instant, sleep};

/// How often a condition is looked at.
const STEP: Duration = Duration::from_millis(20);

/// Waits until a condition holds; panics with what was waited for when the time is over.
pub async fn wait_until(within: Duration, what: &str, mut holds: impl AsyncFnMut() -> bool) {
    poll_until_some(within, what, async || holds().await.then_some(())).await;
}

/// Waits until there is a value; panics with what was waited for when the time is over.
pub async fn eventually<T>(
    within: Duration,
    what: &str,
    value: impl AsyncFnMut() -> Option<T>,
) -> T {
    poll_until_some(within, what, value).await
}

async fn poll_until_some<T>(
    within: Duration,
    what: &str,
    mut value: impl AsyncFnMut() -> Option<T>,
) -> T {
    let deadline = Instant::now() + within;
    loop {
        if let Some(value) = value().await {
            return value;
        }
        assert!(Instant::now() < deadline, "not within {within:?}: {what}");
        sleep(STEP).await;
    }
}
