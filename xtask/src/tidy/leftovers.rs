//! Rule: nothing in Rust code says that it is not finished, and no test is switched off.

use super::Violation;
use super::sources::SourceFile;

/// What is looked for and what to do instead. Put together from halves, so that this file is not
/// its own violation.
const LEFTOVERS: [(&str, &str); 5] = [
    (concat!("to", "do!("), "write the code, or return an error that says what is missing"),
    (
        concat!("unimpl", "emented!("),
        "write the code, or return an error that says what is missing",
    ),
    (concat!("FIX", "ME"), "mend it, or write down the reason why it is as it is"),
    (concat!("TO", "DO"), "do it, or write down the reason why it is as it is"),
    (
        concat!("#[ig", "nore"),
        "make the test pass or delete it: a test that never runs shows nothing",
    ),
];

/// Every line with a leftover.
pub(crate) fn check(files: &[SourceFile]) -> Vec<Violation> {
    let rust = files.iter().filter(|file| file.is_rust());
    rust.flat_map(judge).collect()
}

fn judge(file: &SourceFile) -> impl Iterator<Item = Violation> {
    file.text.lines().enumerate().filter_map(|(index, line)| {
        let (found, fix) = LEFTOVERS.into_iter().find(|(found, _)| line.contains(found))?;
        Some(Violation {
            place: file.place(index),
            what: format!("`{found}` was left behind"),
            fix: fix.to_owned(),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::super::sources::file;
    use super::*;

    #[test]
    fn finished_code_is_accepted() {
        let files = [
            file("src/a.rs", "#[test]\nfn todos_are_listed() {}\n"),
            file("notes.md", concat!("TO", "DO: buy carrots\n")),
        ];
        assert_eq!(check(&files), []);
    }

    #[test]
    fn every_kind_of_leftover_is_refused_with_its_line() {
        for (leftover, _) in LEFTOVERS {
            let violations = check(&[file("src/a.rs", format!("//! A.\n    {leftover}\n"))]);
            assert_eq!(violations.len(), 1, "{leftover}");
            assert_eq!(violations[0].place, "src/a.rs:2");
        }
    }
}
