//! Files of this repository that are made from its code: `cargo xtask gen` writes them, tidy
//! compares them. What helm renders is compared by a test, because tidy needs no helm.
//!
//! They are checked in because people read and apply them without a compiler; nobody edits them.

use std::path::Path;
use std::{fs, io};

use anyhow::Context;

use crate::tidy::Violation;

mod base;

/// A file and the function that makes it.
struct Generated {
    /// Relative to the root.
    path: &'static str,
    /// The whole text.
    render: fn() -> String,
}

/// Every generated file.
const FILES: &[Generated] = &[
    Generated { path: "deploy/crds/messagepipelines.warren.dev.yaml", render: crd_manifest },
    Generated { path: "charts/warren/templates/crd.yaml", render: crd_template },
];

/// What the first line of every generated file says.
const NOTICE: &str = "Written by `cargo xtask gen` from crates/api; edits are lost.";

/// Writes every generated file below `root` anew; what is rendered from the chart only where there
/// is the program `helm`.
///
/// # Errors
/// When a file cannot be written, or the chart not rendered.
pub(crate) fn run(root: &Path, helm: Option<&Path>) -> anyhow::Result<()> {
    write(root)?;
    let Some(helm) = helm else {
        eprintln!(
            "deploy/default stays as it is: it is rendered by helm, which is not built yet. \
             `cargo xtask cluster build` does so; or name one with --helm"
        );
        return Ok(());
    };
    base::write(root, helm)
}

fn write(root: &Path) -> anyhow::Result<()> {
    for file in FILES {
        let path = root.join(file.path);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
        }
        fs::write(&path, (file.render)()).with_context(|| format!("write {}", path.display()))?;
    }
    Ok(())
}

/// All generated files below `root` that are missing or not what would be written now.
///
/// # Errors
/// When a file cannot be read.
pub(crate) fn check(root: &Path) -> anyhow::Result<Vec<Violation>> {
    let mut violations = Vec::new();
    for file in FILES {
        let path = root.join(file.path);
        let on_disk = match fs::read_to_string(&path) {
            Ok(text) => Some(text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error).context(format!("read {}", path.display())),
        };
        violations.extend(compare(file.path, on_disk.as_deref(), &(file.render)()));
    }
    Ok(violations)
}

fn crd_manifest() -> String {
    format!("# {NOTICE}\n{}", warren_api::crd_yaml())
}

/// Begins with a comment of the template and not of YAML: when the values say that the chart is to
/// have no definition, the rendered file must be empty.
fn crd_template() -> String {
    format!("{{{{- /* {NOTICE} */ -}}}}\n{}", warren_api::crd_chart_template())
}

fn compare(path: &str, on_disk: Option<&str>, made: &str) -> Option<Violation> {
    let violation = |place: String, what: &str| Violation {
        place,
        what: what.to_owned(),
        fix: "run `cargo xtask gen` and commit what it writes".to_owned(),
    };
    let Some(on_disk) = on_disk else {
        return Some(violation(path.to_owned(), "is generated, and missing"));
    };
    if on_disk == made {
        return None;
    }
    let same = on_disk.lines().zip(made.lines()).take_while(|(left, right)| left == right).count();
    Some(violation(
        format!("{path}:{}", same + 1),
        "is generated, and differs from what the code says",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_the_code_would_write_again_is_accepted() {
        assert_eq!(compare("crd.yaml", Some("a: 1\n"), "a: 1\n"), None);
    }

    #[test]
    fn every_file_can_be_made_and_tells_what_makes_it() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path()).unwrap();
        assert_eq!(check(folder.path()).unwrap(), []);
        for file in FILES {
            let text = fs::read_to_string(folder.path().join(file.path)).unwrap();
            assert!(text.lines().next().is_some_and(|line| line.contains(NOTICE)), "{}", file.path);
        }
    }

    #[test]
    fn a_missing_file_is_refused() {
        let violation = compare("crd.yaml", None, "a: 1\n").unwrap();
        assert_eq!(violation.place, "crd.yaml");
    }

    #[test]
    fn an_edited_file_is_refused_at_the_first_line_that_differs() {
        for (on_disk, line) in
            [("a: 1\nb: 3\n", 2), ("a: 1\n", 2), ("a: 1\nb: 2\nc: 3\n", 3), ("", 1)]
        {
            let violation = compare("crd.yaml", Some(on_disk), "a: 1\nb: 2\n").unwrap();
            assert_eq!(violation.place, format!("crd.yaml:{line}"), "{on_disk:?}");
        }
    }
}
