//! Rule: files stay short enough to be read in one go.
//!
//! Functions, arguments and branches have their budgets in `clippy.toml`.

use super::Violation;
use super::sources::SourceFile;

/// Lines of a file without its tests.
const FILE: usize = 400;

/// Lines of `reconcile.rs`: one screen, because it tells the story of a pass.
const RECONCILE: usize = 60;

/// Lines of a test module that stands in the file it tests.
const INLINE_TESTS: usize = 150;

/// All Rust files that are over their budget.
pub(crate) fn check(files: &[SourceFile]) -> Vec<Violation> {
    let judged = files.iter().filter(|file| file.is_rust() && !file.is_tests());
    judged.flat_map(judge).collect()
}

fn judge(file: &SourceFile) -> Vec<Violation> {
    let lines = file.text.lines().count();
    let code = file.first_test_line().unwrap_or(lines);
    let tests = lines - code;
    let is_reconcile = file.components().last() == Some("reconcile.rs");
    let budget = if is_reconcile { RECONCILE } else { FILE };
    let over = |count, budget, of: &str, fix: &str| {
        (count > budget).then(|| Violation {
            place: file.path.clone(),
            what: format!("{count} lines of {of}, and {budget} are allowed"),
            fix: fix.to_owned(),
        })
    };
    let code = over(code, budget, "code", "split the file by concept, not by length");
    let tests =
        over(tests, INLINE_TESTS, "tests", "move the test module to a `tests.rs` of its own");
    code.into_iter().chain(tests).collect()
}

#[cfg(test)]
mod tests {
    use super::super::sources::file;
    use super::*;

    fn text(code: usize, tests: usize) -> String {
        let code = "fn a() {}\n".repeat(code);
        match tests {
            0 => code,
            _ => format!("{code}#[cfg(test)]\nmod tests {{\n{}}}\n", "// x\n".repeat(tests - 3)),
        }
    }

    #[test]
    fn files_within_their_budget_are_accepted() {
        let files = [
            file("operator/src/plan.rs", text(FILE, INLINE_TESTS)),
            file("operator/src/reconcile.rs", text(RECONCILE, 20)),
            file("operator/src/plan/tests.rs", text(FILE + 1, 0)),
            file("operator/tests/it/main.rs", text(FILE + 1, 0)),
            file("docs/long.md", text(FILE + 1, 0)),
        ];
        assert_eq!(check(&files), []);
    }

    #[test]
    fn a_file_over_its_budget_is_refused() {
        for (path, code, tests) in [
            ("operator/src/plan.rs", FILE + 1, 0),
            ("operator/src/reconcile.rs", RECONCILE + 1, 0),
            ("operator/src/plan.rs", 10, INLINE_TESTS + 1),
        ] {
            assert_eq!(check(&[file(path, text(code, tests))]).len(), 1, "{path} {code} {tests}");
        }
    }

    #[test]
    fn both_budgets_of_a_file_are_told_at_once() {
        assert_eq!(check(&[file("src/a.rs", text(FILE + 1, INLINE_TESTS + 1))]).len(), 2);
    }
}
