//! The workers of each queue beside its backlog, a line whenever there is news.
//!
//! Pure: it is told what was seen, and when.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

/// A backlog alone is news after so long.
const BACKLOG: Duration = Duration::from_secs(5);

/// The room for a backlog, and for workers like `2/3`, with the space before each.
const COLUMNS: (usize, usize) = (9, 6);

/// What is seen of a queue.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Sight {
    /// Messages in it, as far as anybody knows.
    pub(super) backlog: Option<u64>,
    /// Workers that are ready.
    pub(super) ready: usize,
    /// Workers, also those that start or end.
    pub(super) workers: usize,
}

/// What is seen of all queues, by name.
pub(super) type Sights = BTreeMap<String, Sight>;

/// What was told.
#[derive(Debug, Default)]
pub(super) struct Board {
    last: Option<(Duration, Sights)>,
}

impl Board {
    /// The news, so long after the beginning; the first time with a head.
    pub(super) fn tell(&mut self, at: Duration, seen: Sights) -> Option<String> {
        let told = match &self.last {
            None => format!("{}\n{}", head(&seen), line(at, &seen)),
            Some((before, last)) if is_news(last, &seen, at.saturating_sub(*before)) => {
                line(at, &seen)
            }
            Some(_) => return None,
        };
        self.last = Some((at, seen));
        Some(told)
    }
}

fn is_news(last: &Sights, seen: &Sights, passed: Duration) -> bool {
    let workers = |sights: &Sights| -> Vec<_> {
        sights.values().map(|sight| (sight.ready, sight.workers)).collect()
    };
    workers(last) != workers(seen) || (last != seen && passed >= BACKLOG)
}

fn head(seen: &Sights) -> String {
    let width = COLUMNS.0 + COLUMNS.1;
    let mut names = " ".repeat(5);
    let mut columns = names.clone();
    for queue in seen.keys() {
        // Formatting into a text cannot fail.
        let _ = write!(names, "{queue:>width$}");
        let _ = write!(columns, "{:>1$}{2:>3$}", "backlog", COLUMNS.0, "pods", COLUMNS.1);
    }
    format!("{names}\n{columns}")
}

fn line(at: Duration, seen: &Sights) -> String {
    let mut line = format!("{:>4}s", at.as_secs());
    for Sight { backlog, ready, workers } in seen.values() {
        let backlog = backlog.map_or_else(|| "?".to_owned(), |messages| messages.to_string());
        let workers = format!("{ready}/{workers}");
        let _ = write!(line, "{backlog:>0$}{workers:>1$}", COLUMNS.0, COLUMNS.1);
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(backlog: Option<u64>, ready: usize, workers: usize) -> Sights {
        let email = Sight { backlog, ready, workers };
        [("audit".to_owned(), Sight::default()), ("email".to_owned(), email)].into()
    }

    fn tell(board: &mut Board, second: u64, seen: Sights) -> Option<String> {
        board.tell(Duration::from_secs(second), seen)
    }

    #[test]
    fn the_first_line_has_a_head_over_its_columns() {
        let told = tell(&mut Board::default(), 0, seen(Some(1000), 0, 3));
        let expected = "               audit          email
       backlog  pods  backlog  pods
   0s        ?   0/0     1000   0/3";
        assert_eq!(told.as_deref(), Some(expected));
    }

    #[test]
    fn workers_that_change_are_told_at_once_and_a_backlog_alone_now_and_then() {
        let mut board = Board::default();
        let mut news = |second, backlog, ready| {
            tell(&mut board, second, seen(Some(backlog), ready, 3)).is_some()
        };
        assert!(news(0, 10, 0));
        assert!(!news(1, 9, 0));
        assert!(news(2, 8, 1));
        assert!(!news(6, 7, 1));
        assert!(news(7, 7, 1));
        assert!(!news(60, 7, 1));
    }
}
