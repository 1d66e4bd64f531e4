//! Rule: no file names a folder that exists only on the machine of whoever wrote it.

use super::Violation;
use super::sources::SourceFile;

/// Top-level folders that people work in. Without slashes, so that this file is not its own
/// violation.
const FOLDERS: [&str; 4] = ["home", "root", "work", "Users"];

/// Below one of [`FOLDERS`], but the same everywhere: the home of the user that images run as.
const EVERYWHERE: [&str; 1] = ["nonroot"];

/// Every line with such a path, in any text file.
pub(crate) fn check(files: &[SourceFile]) -> Vec<Violation> {
    files.iter().flat_map(judge).collect()
}

fn judge(file: &SourceFile) -> impl Iterator<Item = Violation> {
    file.text.lines().enumerate().filter_map(|(index, line)| {
        let path = machine_path(line)?;
        Some(Violation {
            place: file.place(index),
            what: format!("`{path}` is a path of one machine"),
            fix: "name it relative to the repository, or take it as an argument".to_owned(),
        })
    })
}

/// The first absolute path below one of [`FOLDERS`].
fn machine_path(line: &str) -> Option<&str> {
    FOLDERS.iter().find_map(|folder| {
        let start = format!("/{folder}/");
        line.match_indices(&start).find_map(|(at, _)| {
            let path = line[at..].split(ends_path).next()?;
            let absolute = !line[..at].ends_with(continues_path);
            let below = &path[start.len()..];
            let known = EVERYWHERE.iter().any(|name| below.split('/').next() == Some(name));
            (absolute && !known && !below.is_empty()).then_some(path)
        })
    })
}

/// Characters after which a `/` is in the middle of a path or an address.
fn continues_path(c: char) -> bool {
    c.is_alphanumeric() || "_-./~})]*>".contains(c)
}

fn ends_path(c: char) -> bool {
    c.is_whitespace() || "\"'`<>()[]{},;:*".contains(c)
}

#[cfg(test)]
mod tests {
    use super::super::sources::file;
    use super::*;

    #[test]
    fn paths_that_everybody_has_are_accepted() {
        for line in [
            "https://example.com/home/page",
            concat!("crates/ro", "ot/src/lib.rs and $HOME/w", "ork/x and ~/w", "ork/x"),
            "cat /etc/warren/worker.yaml /var/run/secrets/token",
            concat!("WORKDIR /home", "/nonroot/app"),
            "{folder}/work/x",
        ] {
            assert_eq!(check(&[file("a.md", line)]), [], "{line}");
        }
    }

    #[test]
    fn a_path_of_one_machine_is_refused_in_any_text_file() {
        for (path, line) in [
            ("README.md", concat!("see /work", "/main/README.md")),
            ("a.yaml", concat!("path: \"/home", "/somebody/x\"")),
            ("src/a.rs", concat!("// in (/root", "/.cargo)")),
            ("run", concat!("DIR=/Users", "/me")),
        ] {
            assert_eq!(check(&[file(path, line)]).len(), 1, "{line}");
        }
        let line = concat!("see /work", "/main/README.md, please");
        assert_eq!(machine_path(line), Some(concat!("/work", "/main/README.md")));
    }
}
