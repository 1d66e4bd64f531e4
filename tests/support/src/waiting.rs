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
    value: impl AsyncFnMut() -> Option<T>,
) -> T {
    let value = poll_while(within, value, Option::is_none).await;
    value.unwrap_or_else(|| panic!("not within {within:?}: {what}"))
}

/// Looks again and again while what is seen is not the last word; gives what was seen last.
pub(crate) async fn poll_while<T>(
    within: Duration,
    mut look: impl AsyncFnMut() -> T,
    goes_on: impl Fn(&T) -> bool,
) -> T {
    let deadline = Instant::now() + within;
    loop {
        let seen = look().await;
        if !goes_on(&seen) || Instant::now() >= deadline {
            return seen;
        }
        sleep(STEP).await;
    }
}
