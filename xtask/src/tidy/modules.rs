//! Rule: modules are named by what they hold, and `foo.rs` stands beside `foo/`.

use super::Violation;
use super::sources::SourceFile;

/// Names that say nothing, as a whole or as the last word.
const EMPTY_NAMES: [&str; 7] = ["common", "helper", "helpers", "manager", "misc", "util", "utils"];

/// All `mod.rs` files and all modules with an empty name.
pub(crate) fn check(files: &[SourceFile]) -> Vec<Violation> {
    let rust = files.iter().filter(|file| file.is_rust());
    rust.flat_map(|file| by_path(file).into_iter().chain(by_declaration(file))).collect()
}

fn by_path(file: &SourceFile) -> Option<Violation> {
    let empty = file.components().find_map(|name| empty_name(name.trim_end_matches(".rs")));
    if let Some(name) = empty {
        return Some(nameless(file.path.clone(), name));
    }
    (file.components().last() == Some("mod.rs")).then(|| Violation {
        place: file.path.clone(),
        what: "is a `mod.rs`".to_owned(),
        fix: "name it after its module and put it beside the folder: `foo.rs` and `foo/`"
            .to_owned(),
    })
}

/// Modules written out in a file; those in files of their own are found by path.
fn by_declaration(file: &SourceFile) -> impl Iterator<Item = Violation> {
    file.text.lines().enumerate().filter_map(|(index, line)| {
        let declared = line.trim().strip_suffix('{')?.trim_end();
        let (before, name) = declared.rsplit_once(' ')?;
        let is_module = before == "mod" || (before.starts_with("pub") && before.ends_with(" mod"));
        let name = is_module.then(|| empty_name(name))??;
        Some(nameless(file.place(index), name))
    })
}

fn empty_name(name: &str) -> Option<&str> {
    let last = name.rsplit(['_', '-']).next()?;
    EMPTY_NAMES.contains(&last).then_some(name)
}

fn nameless(place: String, name: &str) -> Violation {
    Violation {
        place,
        what: format!("the name `{name}` says nothing of what is inside"),
        fix: "name the module after the concept; if there are two, make two modules".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::sources::file;
    use super::*;

    #[test]
    fn modules_that_are_nouns_are_accepted() {
        let files = [
            file("worker/src/session.rs", "mod drain;\npub(crate) mod permits {\n}\n"),
            file("worker/src/session/drain.rs", "struct Common {\n}\n"),
            file("charts/utils/notes.md", "mod utils {\n"),
        ];
        assert_eq!(check(&files), []);
    }

    #[test]
    fn a_module_whose_name_says_nothing_is_refused() {
        for (path, text) in [
            ("worker/src/utils.rs", ""),
            ("worker/src/queue_helpers.rs", ""),
            ("worker/tests/common/server.rs", ""),
            ("worker/src/session.rs", "mod helpers {\n"),
            ("worker/src/session.rs", "pub(crate) mod string_utils {\n"),
        ] {
            assert_eq!(check(&[file(path, text)]).len(), 1, "{path} {text}");
        }
    }

    #[test]
    fn a_mod_rs_is_refused() {
        assert_eq!(check(&[file("worker/src/session/mod.rs", "")]).len(), 1);
    }
}
