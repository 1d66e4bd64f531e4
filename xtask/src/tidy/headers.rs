//! Rule: every source file begins with a sentence that says what it does.

use super::Violation;
use super::sources::SourceFile;

/// All Rust files below a `src` folder whose first line is no module documentation.
pub(crate) fn check(files: &[SourceFile]) -> Vec<Violation> {
    let sources =
        files.iter().filter(|file| file.is_rust() && file.components().any(|c| c == "src"));
    sources
        .filter(|file| !file.text.starts_with("//! "))
        .map(|file| Violation {
            place: file.place(0),
            what: "does not begin with `//!`".to_owned(),
            fix: "say in the first sentence what the file does, and then what it must not do"
                .to_owned(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::sources::file;
    use super::*;

    #[test]
    fn a_file_that_begins_with_its_purpose_is_accepted() {
        let files = [
            file("worker/src/config.rs", "//! What the worker was told.\n"),
            file("operator/tests/it/main.rs", "#![allow(clippy::unwrap_used)]\n"),
            file("worker/src/notes.md", "Notes\n"),
        ];
        assert_eq!(check(&files), []);
    }

    #[test]
    fn a_file_that_begins_with_anything_else_is_refused() {
        for text in ["use std::fmt;\n//! Late.\n", "", "// Not documentation.\n", "//!\n"] {
            assert_eq!(check(&[file("worker/src/config.rs", text)]).len(), 1, "{text:?}");
        }
    }
}
