//! The text files of the repository, as git lists them, and where tests begin in them.
//!
//! New files that git does not ignore count too, so that a violation is seen before the commit.

use std::path::Path;
use std::{fs, io};

use anyhow::{Context, ensure};

/// A text file.
#[derive(Debug, Clone)]
pub(crate) struct SourceFile {
    /// Relative to the root, with `/`.
    pub(crate) path: String,
    /// What is in it.
    pub(crate) text: String,
}

impl SourceFile {
    /// Whether it is Rust.
    pub(crate) fn is_rust(&self) -> bool {
        Path::new(&self.path).extension().is_some_and(|extension| extension == "rs")
    }

    /// The folders and the file name.
    pub(crate) fn components(&self) -> impl Iterator<Item = &str> {
        self.path.split('/')
    }

    /// Whether nothing but tests is in it: it lies in a `tests` folder or is a `tests.rs`.
    pub(crate) fn is_tests(&self) -> bool {
        self.components().any(|component| component == "tests" || component == "tests.rs")
    }

    /// The index of the first line that belongs to tests: 0 in a file of tests, else that of the
    /// `#[cfg(test)]` of the first test module that is written out here.
    pub(crate) fn first_test_line(&self) -> Option<usize> {
        if self.is_tests() {
            return Some(0);
        }
        let lines: Vec<_> = self.text.lines().collect();
        let opens_module = |index: &usize| {
            let after = lines.iter().skip(index + 1);
            let item = after.copied().find(|line| !line.starts_with("#[") && !line.is_empty());
            item.is_some_and(|line| line.starts_with("mod ") && line.ends_with('{'))
        };
        let gates = lines.iter().enumerate().filter(|(_, line)| **line == "#[cfg(test)]");
        gates.map(|(index, _)| index).find(opens_module)
    }

    /// `path:line` for the line with this index.
    pub(crate) fn place(&self, index: usize) -> String {
        format!("{}:{}", self.path, index + 1)
    }
}

/// Reads every text file below `root` that git tracks or would track.
pub(crate) fn read(root: &Path) -> anyhow::Result<Vec<SourceFile>> {
    let list = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
    let paths = super::output_of(root, "git", &list)?;
    let mut files = Vec::new();
    for path in paths.split_terminator('\0') {
        let full = root.join(path);
        match fs::read_to_string(&full) {
            Ok(text) => files.push(SourceFile { path: path.to_owned(), text }),
            // Deleted but not committed, an image or another binary, a link to a folder.
            Err(error) if is_no_text(error.kind()) => {}
            Err(error) => return Err(error).context(format!("read {}", full.display())),
        }
    }
    // Rules about texts pass over an empty list in silence.
    ensure!(files.iter().any(SourceFile::is_rust), "git lists no Rust file in {}", root.display());
    Ok(files)
}

fn is_no_text(kind: io::ErrorKind) -> bool {
    matches!(
        kind,
        io::ErrorKind::NotFound | io::ErrorKind::InvalidData | io::ErrorKind::IsADirectory
    )
}

/// A file that is not on disk, for the tests of the rules.
#[cfg(test)]
pub(crate) fn file(path: &str, text: impl Into<String>) -> SourceFile {
    SourceFile { path: path.to_owned(), text: text.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_begin_at_the_module_and_not_at_another_gated_item() {
        let gated = file("src/a.rs", "//! A.\n#[cfg(test)]\nfn fixture() {}\n");
        assert_eq!(gated.first_test_line(), None);
        let elsewhere = file("src/a.rs", "//! A.\n#[cfg(test)]\nmod tests;\n");
        assert_eq!(elsewhere.first_test_line(), None);
        let inline = file("src/a.rs", "//! A.\n#[cfg(test)]\n#[expect(x)]\nmod tests {\n}\n");
        assert_eq!(inline.first_test_line(), Some(1));
    }

    #[test]
    fn a_file_of_tests_is_tests_from_its_first_line() {
        for path in
            ["operator/tests/it/main.rs", "operator/src/plan/tests.rs", "tests/e2e/src/a.rs"]
        {
            assert_eq!(file(path, "fn a() {}\n").first_test_line(), Some(0), "{path}");
        }
    }

    #[test]
    fn files_are_read_as_git_lists_them() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        crate::tidy::output_of(root, "git", &["init", "--quiet"]).unwrap();
        fs::write(root.join(".gitignore"), "/ignored.rs\n").unwrap();
        fs::write(root.join("ignored.rs"), "").unwrap();
        fs::write(root.join("new.rs"), "//! New.\n").unwrap();
        fs::write(root.join("image.png"), [0xff, 0xfe, 0x00]).unwrap();
        let paths: Vec<_> = read(root).unwrap().into_iter().map(|file| file.path).collect();
        assert_eq!(paths, [".gitignore", "new.rs"]);
    }
}
