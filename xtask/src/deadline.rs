//! Waiting for a condition, never longer than a deadline.

use std::thread;
use std::time::{Duration, Instant};

/// How often a condition is looked at: seldom enough for two cores, often enough for people.
const STEP: Duration = Duration::from_millis(100);

/// Asks `condition` until it answers, at most for `limit`; `None` when the time is over.
///
/// # Errors
/// The first error of `condition`: it ends the wait.
pub(crate) fn wait_for<T>(
    limit: Duration,
    mut condition: impl FnMut() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<Option<T>> {
    let begin = Instant::now();
    loop {
        if let Some(answer) = condition()? {
            return Ok(Some(answer));
        }
        if begin.elapsed() >= limit {
            return Ok(None);
        }
        thread::sleep(STEP);
    }
}

#[cfg(test)]
mod tests {
    use anyhow::bail;

    use super::*;

    #[test]
    fn the_first_answer_ends_the_wait() {
        let mut asked = 0;
        let answer = wait_for(Duration::from_mins(1), || {
            asked += 1;
            Ok((asked == 2).then_some("yes"))
        });
        assert_eq!(answer.expect("no error"), Some("yes"));
        assert_eq!(asked, 2);
    }

    #[test]
    fn a_condition_is_asked_once_even_without_time_and_then_given_up() {
        let mut asked = 0;
        let answer = wait_for(Duration::ZERO, || {
            asked += 1;
            Ok(None::<()>)
        });
        assert_eq!((answer.expect("no error"), asked), (None, 1));
    }

    #[test]
    fn an_error_ends_the_wait() {
        let answer = wait_for::<()>(Duration::from_mins(1), || bail!("it is gone"));
        assert_eq!(answer.expect_err("the error").to_string(), "it is gone");
    }
}
