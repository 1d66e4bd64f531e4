//! Adds up what the test programs say about themselves.

use std::fmt;

/// What a test prints, on a line of its own, when it could not do what it is for.
const SKIPPED: &str = "SKIPPED: ";

/// The results of all test programs so far.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    passed: u64,
    failed: u64,
    ignored: u64,
    programs: u64,
    /// The lines of tests that passed because they skipped.
    skips: Vec<String>,
    /// The lines of tests that were not run at all.
    ignores: Vec<String>,
}

impl Tally {
    /// Takes one line of output into account.
    pub(super) fn read(&mut self, line: &str) {
        let line = line.trim();
        if let Some(counts) = line.strip_prefix("test result: ") {
            self.add(counts);
        } else if let Some((_, skip)) = skip_of(line) {
            self.skips.push(format!("{SKIPPED}{skip}"));
        } else if line.starts_with("test ") && line.contains(" ... ignored") {
            self.ignores.push(line.to_owned());
        }
    }

    /// These results and others.
    pub(super) fn and(mut self, other: Self) -> Self {
        self.passed += other.passed;
        self.failed += other.failed;
        self.ignored += other.ignored;
        self.programs += other.programs;
        self.skips.extend(other.skips);
        self.ignores.extend(other.ignores);
        self
    }

    /// How many test programs said how they ended.
    pub(super) fn programs(&self) -> u64 {
        self.programs
    }

    /// Whether no test failed.
    pub(super) fn good(&self) -> bool {
        self.failed == 0
    }

    /// How many tests did not do what they are for.
    pub(super) fn skipped(&self) -> u64 {
        self.ignored + self.skips.len() as u64
    }

    /// `ok. 3 passed; 0 failed; 1 ignored; 0 measured; 9 filtered out; finished in 0.01s`
    fn add(&mut self, counts: &str) {
        self.programs += 1;
        let parts = counts.split(['.', ';']);
        for (count, what) in parts.filter_map(|part| part.trim().split_once(' ')) {
            let total = match what {
                "passed" => &mut self.passed,
                "failed" => &mut self.failed,
                "ignored" => &mut self.ignored,
                _ => continue,
            };
            *total += count.parse::<u64>().unwrap_or(0);
        }
    }
}

/// A skip begins its line, or follows `test name ... ` when programs run one test at a time.
fn skip_of(line: &str) -> Option<(&str, &str)> {
    let (before, skip) = line.split_once(SKIPPED)?;
    let own_line = before.is_empty() || (before.starts_with("test ") && before.ends_with(" ... "));
    own_line.then_some((before, skip))
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in self.ignores.iter().chain(&self.skips) {
            writeln!(f, "{line}")?;
        }
        // The test programs count a test that skipped as passed.
        let passed = self.passed.saturating_sub(self.skips.len() as u64);
        let skipped = self.skipped();
        write!(f, "{passed} passed, {} failed, {skipped} skipped", self.failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(output: &str) -> Tally {
        let mut tally = Tally::default();
        output.lines().for_each(|line| tally.read(line));
        tally
    }

    #[test]
    fn results_of_all_programs_are_added_up() {
        let tally = tally(
            "running 3 tests\n\
             test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.11s\n\
             test result: FAILED. 40 passed; 2 failed; 0 ignored; 0 measured; 1 filtered out; finished in 9.01s\n",
        );
        assert_eq!(tally.to_string(), "43 passed, 2 failed, 0 skipped");
        assert!(!tally.good());
    }

    #[test]
    fn a_test_that_skipped_is_not_counted_as_passed() {
        let tally = tally(
            "test a ... ignored, needs a moon\n\
             test b ... SKIPPED: b: no broker\n\
             ---- c stdout ----\n\
             SKIPPED: c: no disk\n\
             a line that talks about SKIPPED: tests\n\
             test result: ok. 5 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.11s\n",
        );
        assert_eq!(
            tally.to_string(),
            "test a ... ignored, needs a moon\nSKIPPED: b: no broker\nSKIPPED: c: no disk\n\
             3 passed, 0 failed, 3 skipped"
        );
        assert!(tally.good());
    }

    #[test]
    fn results_of_two_runs_are_added_up() {
        let one = tally(
            "test a ... ignored, needs a moon\n\
             test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out",
        );
        let other = tally(
            "SKIPPED: b: no disk\n\
             test result: FAILED. 4 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out",
        );
        let both = one.and(other);
        assert_eq!(
            both.to_string(),
            "test a ... ignored, needs a moon\nSKIPPED: b: no disk\n6 passed, 2 failed, 2 skipped"
        );
        assert_eq!((both.programs(), both.good()), (2, false));
    }

    #[test]
    fn programs_that_did_not_run_are_not_counted() {
        assert_eq!(tally("error: could not compile").programs(), 0);
        assert_eq!(tally("test result: ok. 0 passed; 0 failed").programs(), 1);
    }
}
