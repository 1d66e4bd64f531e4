//! Waiting for a condition, with a deadline and with what was seen last.

use std::time::Duration;

use tokio::time::{Instant, sleep};

/// How often a condition is looked at: often enough for limits of seconds, seldom enough for two
/// cores that also run the cluster.
const STEP: Duration = Duration::from_millis(200);

/// Looks again and again until there is a value; panics with what was seen last when the time is
/// over.
pub(crate) async fn until<T>(
    within: Duration,
    what: &str,
    mut look: impl AsyncFnMut() -> Result<T, String>,
) -> T {
    let deadline = Instant::now() + within;
    loop {
        match look().await {
            Ok(value) => return value,
            Err(seen) if Instant::now() >= deadline => {
                panic!("not within {within:?}: {what}; seen last: {seen}")
            }
            Err(_) => sleep(STEP).await,
        }
    }
}

/// Looks for a while at something that must stay as it is.
pub(crate) async fn poll_for(during: Duration, mut look: impl AsyncFnMut()) {
    let deadline = Instant::now() + during;
    while Instant::now() < deadline {
        look().await;
        sleep(STEP).await;
    }
}
