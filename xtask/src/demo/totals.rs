//! What a demo came to: the one line at its end, and whether it adds up.
//!
//! Pure: it reads nothing and counts what it is given.

use std::collections::BTreeSet;
use std::fmt;

use super::census::Census;
use super::tally::Copy;

/// What was counted, each by another way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Counted<'a> {
    /// Ids that the producer said were confirmed.
    pub(super) published: &'a BTreeSet<String>,
    pub(super) queues: &'a [&'a str],
    /// What handlers finished, as the receiver says.
    pub(super) done: &'a BTreeSet<Copy>,
    /// What was in the dead-letter queues.
    pub(super) dead: &'a BTreeSet<Copy>,
    /// What the looks at the workers showed.
    pub(super) workers: &'a Census,
}

/// What it comes to.
#[derive(Debug)]
pub(super) struct Totals<'a> {
    published: usize,
    queues: usize,
    done: usize,
    dead: usize,
    lost: Vec<Copy>,
    twice: Vec<Copy>,
    strangers: usize,
    workers: &'a Census,
}

/// Copies that are named when something is wrong with many of them.
const NAMED: usize = 3;

impl<'a> Totals<'a> {
    /// Adds up. Messages that somebody else published on the way are left out.
    pub(super) fn of(counted: Counted<'a>) -> Self {
        let Counted { published, queues, done, dead, workers } = counted;
        let copies_in = |queue: &&str| {
            let queue = (*queue).to_owned();
            published.iter().map(move |id| Copy { queue: queue.clone(), id: id.clone() })
        };
        let wanted: BTreeSet<_> = queues.iter().flat_map(copies_in).collect();
        let of_ours = |copies: &BTreeSet<Copy>| copies.intersection(&wanted).count();
        let ended = |copy: &&Copy| done.contains(*copy) || dead.contains(*copy);
        Self {
            published: published.len(),
            queues: queues.len(),
            done: of_ours(done),
            dead: of_ours(dead),
            lost: wanted.iter().filter(|copy| !ended(copy)).cloned().collect(),
            twice: done.intersection(dead).cloned().collect(),
            strangers: done.union(dead).filter(|copy| !wanted.contains(copy)).count(),
            workers,
        }
    }

    /// Messages in the queues that the demo did not publish.
    pub(super) fn strangers(&self) -> usize {
        self.strangers
    }

    /// Everything that does not add up, a sentence each; nothing when all is well.
    pub(super) fn problems(&self) -> Vec<String> {
        let mut problems = self.of_messages();
        problems.extend(self.of_workers());
        problems
    }

    fn of_messages(&self) -> Vec<String> {
        let Self { published, queues, done, dead, .. } = self;
        let mut problems = Vec::new();
        if done + dead != published * queues {
            problems.push(format!(
                "{done} done + {dead} dead is not {published} published × {queues} queues"
            ));
        }
        problems.extend(named(&self.lost, "neither done nor dead"));
        problems.extend(named(&self.twice, "both done and dead"));
        problems
    }

    fn of_workers(&self) -> Vec<String> {
        let census = self.workers;
        let mut problems = Vec::new();
        let mut claim = |holds: bool, problem: String| {
            if !holds {
                problems.push(problem);
            }
        };
        let (first, peak, now) = (census.first(), census.peak(), census.now());
        claim(first == 0, format!("{first} workers ran before anything was published"));
        claim(
            peak >= 2,
            format!("at most {peak} workers ran at a time; a larger backlog would need more"),
        );
        claim(now == 0, format!("{now} workers still ran when the wait for none was over"));
        for sighting in census.at_peak() {
            claim(
                sighting.settled() > 0,
                format!(
                    "worker {} of queue {} ran at the peak and settled nothing",
                    sighting.worker,
                    sighting.queue()
                ),
            );
        }
        problems
    }
}

impl fmt::Display for Totals<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "demo: published {}, done {}, dead {}, workers {} → {} → {}",
            self.published,
            self.done,
            self.dead,
            self.workers.first(),
            self.workers.peak(),
            self.workers.now(),
        )
    }
}

/// A sentence about copies, which names some of them; nothing when there are none.
fn named(copies: &[Copy], what: &str) -> Option<String> {
    let some = copies.iter().take(NAMED);
    let some: Vec<_> = some.map(|copy| format!("{} {}", copy.queue, copy.id)).collect();
    let more = if copies.len() > NAMED { ", …" } else { "" };
    let count = match copies.len() {
        0 => return None,
        1 => "1 message is".to_owned(),
        count => format!("{count} messages are"),
    };
    Some(format!("{count} {what}: {}{more}", some.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::census::{Sighting, Worker};
    use crate::demo::worker::Figures;

    fn copies(text: &str) -> BTreeSet<Copy> {
        let words = text.split_whitespace();
        let copies = words.map(|word| word.split_once(':').expect("queue:id"));
        copies.map(|(queue, id)| Copy { queue: queue.to_owned(), id: id.to_owned() }).collect()
    }

    fn census(looks: &[&[u64]]) -> Census {
        let mut census = Census::default();
        for settled in looks {
            let workers = (1..).zip(*settled).map(|(id, settled): (i32, _)| Sighting {
                worker: Worker::Pod(id.to_string()),
                figures: Some(Figures { queue: "a".to_owned(), settled: *settled, in_flight: 0 }),
            });
            census.see(workers.collect());
        }
        census
    }

    fn problems(done: &str, dead: &str, looks: &[&[u64]]) -> (String, Vec<String>) {
        let published = ["x", "y"].map(str::to_owned).into();
        let (done, dead, workers) = (copies(done), copies(dead), census(looks));
        let totals = Totals::of(Counted {
            published: &published,
            queues: &["a", "b"],
            done: &done,
            dead: &dead,
            workers: &workers,
        });
        (totals.to_string(), totals.problems())
    }

    const GOOD: &[&[u64]] = &[&[], &[1, 1], &[]];

    #[test]
    fn a_demo_that_adds_up_has_no_problem() {
        let (line, problems) = problems("a:x a:y b:x", "b:y", GOOD);
        assert_eq!(line, "demo: published 2, done 3, dead 1, workers 0 → 2 → 0");
        assert_eq!(problems, [""; 0]);
    }

    #[test]
    fn a_lost_message_is_told_even_when_another_one_makes_up_for_it() {
        let (_, lost) = problems("a:x a:y b:x", "", GOOD);
        assert_eq!(
            lost,
            [
                "3 done + 0 dead is not 2 published × 2 queues",
                "1 message is neither done nor dead: b y"
            ]
        );
        let (_, hidden) = problems("a:x a:y b:x", "b:x", GOOD);
        assert_eq!(
            hidden,
            ["1 message is neither done nor dead: b y", "1 message is both done and dead: b x"]
        );
    }

    #[test]
    fn what_somebody_else_published_neither_harms_nor_helps() {
        let (line, good) = problems("a:x a:y b:x b:z", "b:y b:w", GOOD);
        assert!(line.contains("done 3, dead 1"), "{line}");
        assert_eq!(good, [""; 0]);
        let (_, lost) = problems("a:x a:y b:x", "b:z", GOOD);
        assert_eq!(lost[1], "1 message is neither done nor dead: b y");
    }

    #[test]
    fn workers_must_come_work_and_go() {
        for (looks, expected) in [
            (&[&[][..], &[1], &[]][..], "at most 1 workers"),
            (&[&[], &[1, 0], &[]], "settled nothing"),
            (&[&[], &[1, 1], &[1]], "still ran"),
            (&[&[1], &[1, 1], &[]], "before anything was published"),
        ] {
            let (_, problems) = problems("a:x a:y b:x", "b:y", looks);
            assert_eq!(problems.len(), 1, "{problems:?}");
            assert!(problems[0].contains(expected), "{problems:?}");
        }
    }
}
