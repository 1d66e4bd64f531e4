//! How many workers there were, and what each did: the process table, looked at again and again.
//!
//! Pure: it is told what was seen.

use super::worker::Figures;
use crate::process::Process;

/// A worker, seen in the process table.
#[derive(Debug, Clone)]
pub(super) struct Sighting {
    pub(super) process: Process,
    /// What it told of itself; nothing while it starts or ends.
    pub(super) figures: Option<Figures>,
}

/// All that was seen.
#[derive(Debug, Default)]
pub(super) struct Census {
    /// Every worker that was ever seen, with what it told last.
    workers: Vec<Sighting>,
    /// The workers at the peak.
    peak: Vec<Process>,
    first: Option<usize>,
    now: Vec<Process>,
    /// How often in a row the same workers were seen.
    steady: u32,
}

/// Looks in a row at which the same workers at work are taken for the peak: more than a second, in
/// which a scaler that wants more workers starts them.
const STEADY: u32 = 12;

impl Census {
    /// Takes a look at the process table into account.
    pub(super) fn see(&mut self, seen: Vec<Sighting>) {
        let now: Vec<_> = seen.iter().map(|worker| worker.process).collect();
        let same = now.len() == self.now.len() && now.iter().all(|p| self.now.contains(p));
        self.steady = if same { self.steady + 1 } else { 0 };
        self.first.get_or_insert(now.len());
        if now.len() > self.peak.len() {
            self.peak.clone_from(&now);
        }
        self.now = now;
        for worker in seen {
            self.update(worker);
        }
    }

    fn update(&mut self, seen: Sighting) {
        let mut workers = self.workers.iter_mut();
        match workers.find(|worker| worker.process == seen.process) {
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
        workers.filter(|worker| self.peak.contains(&worker.process))
    }

    /// The busiest worker, when the peak stands now and each of its workers has settled something.
    pub(super) fn victim(&self) -> Option<&Sighting> {
        let stands = self.peak() >= 2 && self.now.len() == self.peak() && self.steady >= STEADY;
        let working = stands && self.at_peak().all(|worker| worker.settled() > 0);
        let busy = self.at_peak().filter(|worker| worker.in_flight() > 0);
        busy.max_by_key(|worker| worker.in_flight())
            .filter(|worker| working && self.now.contains(&worker.process))
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

    fn process(id: i32) -> Process {
        serde_json::from_value(serde_json::json!({"id": id, "started": 1})).expect("a process")
    }

    fn worker(id: i32, settled: u64, in_flight: u64) -> Sighting {
        let queue = "email".to_owned();
        let figures = Some(Figures { queue, settled, in_flight });
        Sighting { process: process(id), figures }
    }

    fn starting(id: i32) -> Sighting {
        let figures = None;
        Sighting { process: process(id), figures }
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
            census.victim().map(|worker| worker.process.id)
        };
        assert_eq!(look(&mut census, &[worker(1, 9, 9)]), None);
        assert_eq!(look(&mut census, &[worker(1, 9, 3), starting(2)]), None);
        assert_eq!(look(&mut census, &[worker(1, 9, 3), worker(2, 0, 9)]), None);
        let both = [worker(1, 9, 3), worker(2, 1, 4)];
        assert_eq!(look(&mut census, &both), Some(2));
        assert_eq!(look(&mut census, &[worker(1, 9, 0), worker(2, 1, 0)]), None);
        assert_eq!(look(&mut census, &[worker(1, 9, 3)]), None);
    }
}
