//! Which orders are unlucky: decided by their number alone, so that every run of a demo comes to
//! the same totals.
//!
//! Each path has other unlucky orders: trouble at one of them shows to be no trouble at another.

/// One order in so many is refused at a path, whatever the attempt, and ends as a dead letter.
const REFUSED: u32 = 50;

/// One order in so many fails once and is taken at its second attempt.
const FLAKY: u32 = 10;

/// Among [`FLAKY`] neighbours the one that fails; not 0, which is where the refused ones are.
const FLAKY_AT: u32 = 5;

/// HTTP 400: a permanent failure, not to be tried again.
const BAD_REQUEST: u16 = 400;

/// HTTP 500: trouble of the receiver's own, to be tried again. It is not one of those that open a
/// breaker (502, 503, 504).
const SERVER_ERROR: u16 = 500;

/// The id of the order with this number.
pub fn order_id(number: u32) -> String {
    format!("order-{number:06}")
}

/// The status for the run `attempt` (from 1) for the message `id` at `path`, where `success` is
/// what means done. A message that is no order is done.
pub fn status(path: &str, id: &str, attempt: u32, success: u16) -> u16 {
    let number = id.strip_prefix("order-").map(str::parse::<u32>);
    let Some(Ok(number)) = number else {
        return success;
    };
    let shift: u32 = path.bytes().map(u32::from).sum();
    let place = number.wrapping_add(shift);
    if place % REFUSED == 0 {
        BAD_REQUEST
    } else if place % FLAKY == FLAKY_AT && attempt == 1 {
        SERVER_ERROR
    } else {
        success
    }
}

/// Whether a status is the last word on a message: done, or never to be tried again.
pub fn is_final(status: u16) -> bool {
    is_done(status) || status == BAD_REQUEST
}

/// Whether a status says that the message is done.
pub fn is_done(status: u16) -> bool {
    (200..300).contains(&status)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statuses(path: &str, attempt: u32) -> Vec<u16> {
        let ids = (1..=100).map(order_id);
        ids.map(|id| status(path, &id, attempt, 201)).collect()
    }

    fn count(statuses: &[u16], wanted: u16) -> usize {
        statuses.iter().filter(|status| **status == wanted).count()
    }

    #[test]
    fn a_tenth_fails_once_and_a_fiftieth_for_ever() {
        for path in ["/email", "/invoice", "/audit"] {
            let first = statuses(path, 1);
            assert_eq!(count(&first, 500), 10);
            assert_eq!(count(&first, 400), 2);
            let second = statuses(path, 2);
            assert_eq!(count(&second, 500), 0);
            assert_eq!(count(&second, 400), 2);
            assert_eq!(count(&second, 201), 98);
        }
    }

    #[test]
    fn paths_refuse_different_orders() {
        assert_ne!(statuses("/email", 2), statuses("/invoice", 2));
    }

    #[test]
    fn failures_that_follow_one_another_are_too_few_to_open_a_breaker() {
        let first = statuses("/email", 1);
        let worst = first.split(|status| *status == 201).map(<[u16]>::len);
        assert!(worst.max() <= Some(1));
    }

    #[test]
    fn what_is_no_order_is_done() {
        assert_eq!(status("/email", "0199a6", 1, 200), 200);
    }
}
