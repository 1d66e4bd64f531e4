//! How many workers there were, and what each did: their list, looked at again and again.
//!
//! Pure: it is told what was seen.

use std::fmt;

use super::worker::Figures;
use crate::process::Process;

/// Which worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Worker {
    /// A process of this machine.
    Process(Process),
    /// A pod of a cluster, whose name no other pod gets.
    Pod(String),
}

/// A worker that was seen.
#[derive(Debug, Clone)]
pub(super) struct Sighting {
    pub(super) worker: Worker,
    /// What it told of itself; nothing while it starts or ends.
    pub(super) figures: Option<Figures>,
}

/// All that was seen.
#[derive(Debug, Default)]
pub(super) struct Census {
    /// Every worker that was ever seen, with what it told last.
    workers: Vec<Sighting>,
    /// The workers at the peak.
    peak: Vec<Worker>,
    first: Option<usize>,
    now: Vec<Worker>,
    /// How often in a row the same workers were seen.
    steady: u32,
}

/// Looks in a row at which the same workers at work are taken for the peak: more than a second, in
/// which a scaler that wants more workers starts them.
const STEADY: u32 = 12;

impl Census {
    /// Takes a look at the workers into account. One that starts or ends is there, but none of a
    /// peak: a peak is of workers at work.
    pub(super) fn see(&mut self, seen: Vec<Sighting>) {
        let now: Vec<_> = seen.iter().map(|sighting| sighting.worker.clone()).collect();
        let same = now.len() == self.now.len() && now.iter().all(|one| self.now.contains(one));
        self.steady = if same { self.steady + 1 } else { 0 };
        self.first.get_or_insert(now.len());
        let at_work = seen.iter().filter(|sighting| sighting.figures.is_some());
        let at_work: Vec<_> = at_work.map(|sighting| sighting.worker.clone()).collect();
        if at_work.len() > self.peak.len() {
            self.peak = at_work;
        }
        self.now = now;
        for sighting in seen {
            self.update(sighting);
        }
    }

    fn update(&mut self, seen: Sighting) {
        let mut workers = self.workers.iter_mut();
        match workers.find(|known| known.worker == seen.worker) {
            None => self.workers.push(seen),
            Some(known) if seen.figures.is_some() => known.figures = seen.figures,
            Some(_) => {}
        }
    }

    /// Workers at the first look.
    pub(super) fn first(&self) -> usize {
        self.first.unwrap_or_default()
    }

    /// Workers at the last look.
    pub(super) fn now(&self) -> usize {
        self.now.len()
    }

    /// The most workers that there were at one look.
    pub(super) fn peak(&self) -> usize {
        self.peak.len()
    }

    /// The workers of the peak, with what each told last.
    pub(super) fn at_peak(&self) -> impl Iterator<Item = &Sighting> {
        let workers = self.workers.iter();
        workers.filter(|sighting| self.peak.contains(&sighting.worker))
    }

    /// The busiest worker, when the peak stands now and each of its workers has settled something.
    pub(super) fn victim(&self) -> Option<&Sighting> {
        let stands = self.peak() >= 2 && self.now.len() == self.peak() && self.steady >= STEADY;
        let working = stands && self.at_peak().all(|worker| worker.settled() > 0);
        let busy = self.at_peak().filter(|worker| worker.in_flight() > 0);
        busy.max_by_key(|worker| worker.in_flight())
            .filter(|sighting| working && self.now.contains(&sighting.worker))
    }
}

impl fmt::Display for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Worker::Process(process) => write!(f, "{}", process.id),
            Worker::Pod(name) => f.write_str(name),
        }
    }
}

impl Sighting {
    /// Messages that it settled.
    pub(super) fn settled(&self) -> u64 {
        self.figures.as_ref().map_or(0, |figures| figures.settled)
    }

    /// Handlers that run in it.
    pub(super) fn in_flight(&self) -> u64 {
        self.figures.as_ref().map_or(0, |figures| figures.in_flight)
    }

    /// Its queue; `?` before it told.
    pub(super) fn queue(&self) -> &str {
        let queue = self.figures.as_ref().map(|figures| figures.queue.as_str());
        queue.unwrap_or("?")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn worker(id: i32, settled: u64, in_flight: u64) -> Sighting {
        let queue = "email".to_owned();
        let figures = Some(Figures { queue, settled, in_flight });
        Sighting { figures, ..starting(id) }
    }

    fn starting(id: i32) -> Sighting {
        Sighting { worker: Worker::Pod(id.to_string()), figures: None }
    }

    #[test]
    fn the_peak_is_the_most_at_one_time_and_not_all_there_ever_were() {
        let mut census = Census::default();
        for seen in [vec![], vec![1], vec![1, 2, 3], vec![3, 4], vec![5], vec![]] {
            census.see(seen.into_iter().map(|id| worker(id, 1, 0)).collect());
        }
        assert_eq!((census.first(), census.peak(), census.now()), (0, 3, 0));
        assert_eq!(census.at_peak().count(), 3);
    }

    #[test]
    fn a_worker_that_starts_is_there_but_not_at_work() {
        let mut census = Census::default();
        census.see(vec![worker(1, 1, 0), starting(2)]);
        assert_eq!((census.peak(), census.now()), (1, 2));
    }

    #[test]
    fn what_a_worker_told_last_is_kept_when_it_tells_nothing_more() {
        let mut census = Census::default();
        census.see(vec![starting(1)]);
        assert_eq!(census.at_peak().map(Sighting::settled).sum::<u64>(), 0);
        census.see(vec![worker(1, 7, 2)]);
        census.see(vec![starting(1)]);
        census.see(vec![]);
        assert_eq!(census.at_peak().map(Sighting::settled).sum::<u64>(), 7);
    }

    #[test]
    fn a_victim_is_the_busiest_of_a_peak_that_stands_and_works() {
        let mut census = Census::default();
        let look = |census: &mut Census, seen: &[Sighting]| {
            for _ in 0..=STEADY {
                census.see(seen.to_vec());
            }
            census.victim().map(|sighting| sighting.worker.to_string())
        };
        assert_eq!(look(&mut census, &[worker(1, 9, 9)]), None);
        assert_eq!(look(&mut census, &[worker(1, 9, 3), starting(2)]), None);
        assert_eq!(look(&mut census, &[worker(1, 9, 3), worker(2, 0, 9)]), None);
        let both = [worker(1, 9, 3), worker(2, 1, 4)];
        assert_eq!(look(&mut census, &both).as_deref(), Some("2"));
        assert_eq!(look(&mut census, &[worker(1, 9, 0), worker(2, 1, 0)]), None);
        assert_eq!(look(&mut census, &[worker(1, 9, 3)]), None);
    }
}
