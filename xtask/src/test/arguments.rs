//! What cargo is called with, given what was typed after `--`.

use std::collections::BTreeSet;

/// The package that tests make crash.
pub(super) const WORKER: &str = "warren-worker";
/// Its feature with which a test chooses the point of the crash.
pub(super) const FAILPOINTS: &str = "failpoints";
/// The target with the stories of the cluster, the only one of its name.
const STORIES_TARGET: &str = "stories";
/// The target that is run beside the others, because it takes long and mostly waits: brokers that are
/// restarted again and again take minutes to boot. The only one of its name.
const LONG_TARGET: &str = "delivery";

/// Calls of cargo, one after the other.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Lane {
    /// Names the file in which what it says is kept.
    pub(super) name: &'static str,
    /// The words of each call.
    pub(super) calls: Vec<Vec<String>>,
    /// How many tests of a program run at once, unless `-- --test-threads` says otherwise.
    pub(super) threads: u8,
}

/// Most tests wait, for a broker or for pods, so that two cores do more than two at once. With
/// twice as many stories the operator was seen to need most of a minute until its next pass.
const THREADS: u8 = 4;
/// Beside all that, what needs most of the processor: programs by the dozen on three brokers.
const REST_THREADS: u8 = 3;

/// The words for cargo and those for the test programs.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Arguments {
    features: Vec<String>,
    /// The packages that are named; none stands for all.
    packages: Vec<String>,
    excluded: Vec<&'static str>,
    cargo: Vec<String>,
    programs: Vec<String>,
}

impl Arguments {
    /// Sorts `typed`; `failpoints` tells whether the worker has that feature.
    pub(super) fn new(typed: &[String], failpoints: bool) -> Self {
        let mut halves = typed.splitn(2, |word| word == "--");
        let cargo = halves.next().unwrap_or_default().to_vec();
        let programs = halves.next().unwrap_or_default().to_vec();
        let packages = packages(&cargo).into_iter().map(str::to_owned).collect();
        let excluded = Vec::new();
        let mut arguments = Self { features: Vec::new(), packages, excluded, cargo, programs };
        if failpoints && arguments.concern(WORKER) {
            arguments.features = vec!["--features".to_owned(), format!("{WORKER}/{FAILPOINTS}")];
        }
        arguments
    }

    /// Whether the tests of `package` run.
    pub(super) fn concern(&self, package: &str) -> bool {
        let among_all = self.packages.is_empty() && !self.excluded.contains(&package);
        among_all || self.name(package)
    }

    /// Whether the tests of `package` run because somebody named it.
    pub(super) fn name(&self, package: &str) -> bool {
        self.packages.iter().any(|named| named == package)
    }

    /// Leaves out `package`, unless packages are named.
    pub(super) fn exclude(&mut self, package: &'static str) {
        self.excluded.push(package);
    }

    /// What `cargo build` gets: all programs, as the tests want them. Where no package is named, the
    /// tests as well: they turn on more features of libraries than what is shipped has, with which
    /// cargo would build the programs anew and put them in the place of the first.
    pub(super) fn build(&self) -> Vec<&str> {
        let mut words = vec!["--workspace"];
        if self.packages.is_empty() {
            words.extend(self.excluded.iter().flat_map(|package| ["--exclude", *package]));
            words.push("--all-targets");
        }
        words.extend(self.features.iter().map(String::as_str));
        words
    }

    /// Whether nothing was typed for cargo, which then is called for all packages and targets.
    pub(super) fn is_whole_workspace(&self) -> bool {
        self.cargo.is_empty()
    }

    /// One call after the other, about what was typed.
    pub(super) fn chosen(&self) -> Lane {
        Lane { name: "chosen", calls: vec![self.test(&[])], threads: THREADS }
    }

    /// Runs all tests of the `chosen` targets to the end: totals of half of them would mislead.
    /// What a passed test printed is shown, because it may say that it skipped.
    fn test(&self, chosen: &[&str]) -> Vec<String> {
        let mut words = vec!["test", "--locked", "--no-fail-fast"];
        if self.packages.is_empty() {
            words.push("--workspace");
            words.extend(self.excluded.iter().flat_map(|package| ["--exclude", *package]));
        }
        words.extend(chosen);
        words.extend(self.features.iter().map(String::as_str));
        words.extend(self.cargo.iter().map(String::as_str));
        words.extend(["--", "--show-output"]);
        words.extend(self.programs.iter().map(String::as_str));
        words.into_iter().map(str::to_owned).collect()
    }

    /// The call that tells the stories and nothing else. It is about all packages too, or cargo
    /// would build what they share with other features.
    pub(super) fn stories(&self) -> Lane {
        self.only(STORIES_TARGET)
    }

    /// The longest of the other tests.
    pub(super) fn long(&self) -> Lane {
        self.only(LONG_TARGET)
    }

    fn only(&self, target: &'static str) -> Lane {
        Lane { name: target, calls: vec![self.test(&["--test", target])], threads: THREADS }
    }

    /// Everything but the stories and the long tests, given the names of all test targets. Examples
    /// in documentation are a call of their own for cargo.
    pub(super) fn rest(&self, tests: &BTreeSet<String>) -> Lane {
        let tests = tests.iter().map(String::as_str);
        let short = tests.filter(|name| ![STORIES_TARGET, LONG_TARGET].contains(name));
        let mut chosen = vec!["--lib", "--bins"];
        chosen.extend(short.flat_map(|name| ["--test", name]));
        let calls = vec![self.test(&chosen), self.test(&["--doc"])];
        Lane { name: "rest", calls, threads: REST_THREADS }
    }
}

/// The packages chosen among `words`.
fn packages(words: &[String]) -> Vec<&str> {
    let mut chosen = Vec::new();
    let mut words = words.iter().map(String::as_str);
    while let Some(word) = words.next() {
        if matches!(word, "-p" | "--package") {
            chosen.extend(words.next());
        } else if let Some(name) = word.strip_prefix("--package=") {
            chosen.push(name);
        } else if let Some(name) = word.strip_prefix("-p") {
            chosen.push(name.trim_start_matches('='));
        }
    }
    chosen
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn test_line(typed: &str, failpoints: bool) -> String {
        let typed: Vec<_> = typed.split_whitespace().map(str::to_owned).collect();
        Arguments::new(&typed, failpoints).test(&[]).join(" ")
    }

    #[test]
    fn everything_is_tested_unless_packages_are_named() {
        assert_eq!(
            test_line("", false),
            "test --locked --no-fail-fast --workspace -- --show-output"
        );
        assert_eq!(
            test_line("-p warren-core tiers -- --test-threads 1", true),
            "test --locked --no-fail-fast -p warren-core tiers -- --show-output --test-threads 1"
        );
    }

    #[test]
    fn what_cannot_run_is_left_out_of_everything() {
        let mut arguments = Arguments::new(&[], false);
        assert!(arguments.concern("warren-e2e") && !arguments.name("warren-e2e"));
        arguments.exclude("warren-e2e");
        assert!(!arguments.concern("warren-e2e"));
        let line = arguments.test(&[]).join(" ");
        assert!(line.contains("--workspace --exclude warren-e2e "), "{line}");
        let typed = ["-p".to_owned(), "warren-core".to_owned()];
        assert!(!Arguments::new(&typed, false).concern("warren-e2e"));
    }

    #[test]
    fn the_targets_with_a_lane_of_their_own_are_there() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        for (package, target) in [("tests/e2e", STORIES_TARGET), ("worker", LONG_TARGET)] {
            let main = root.join(package).join("tests").join(target).join("main.rs");
            assert!(main.is_file(), "{}", main.display());
        }
    }

    #[test]
    fn one_build_makes_everything_that_is_run() {
        let features = "--features warren-worker/failpoints";
        let mut everything = Arguments::new(&[], true);
        assert_eq!(everything.build().join(" "), format!("--workspace --all-targets {features}"));
        everything.exclude("warren-e2e");
        let expected = format!("--workspace --exclude warren-e2e --all-targets {features}");
        assert_eq!(everything.build().join(" "), expected);
        let typed = Arguments::new(&["-p", "warren-worker"].map(str::to_owned), true);
        assert_eq!(typed.build().join(" "), format!("--workspace {features}"));
    }

    #[test]
    fn the_lanes_are_everything_once() {
        let arguments = Arguments::new(&["--".to_owned(), "pause".to_owned()], true);
        assert!(arguments.is_whole_workspace());
        let tests = ["it", "stories", "delivery", "more"].map(str::to_owned).into();
        let start = "test --locked --no-fail-fast --workspace";
        let end = "--features warren-worker/failpoints -- --show-output pause";
        let lines = |lane: Lane| lane.calls.iter().map(|call| call.join(" ")).collect::<Vec<_>>();
        assert_eq!(lines(arguments.stories()), [format!("{start} --test stories {end}")]);
        assert_eq!(lines(arguments.long()), [format!("{start} --test delivery {end}")]);
        assert_eq!(
            lines(arguments.rest(&tests)),
            [
                format!("{start} --lib --bins --test it --test more {end}"),
                format!("{start} --doc {end}"),
            ]
        );
        assert!(!Arguments::new(&["--lib".to_owned()], true).is_whole_workspace());
    }

    #[test]
    fn failpoints_are_on_wherever_the_worker_is_built_and_has_them() {
        for (typed, failpoints, on) in [
            ("", true, true),
            ("", false, false),
            ("-pwarren-worker", true, true),
            ("-p=warren-worker", true, true),
            ("--package=warren-worker", true, true),
            ("--package warren-broker", true, false),
            ("-- -p warren-broker", true, true),
        ] {
            let found =
                test_line(typed, failpoints).contains("--features warren-worker/failpoints");
            assert_eq!(found, on, "{typed}");
        }
    }
}
