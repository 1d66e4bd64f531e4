//! `deploy/default`: the chart as helm renders it with its defaults, for those without helm.
//!
//! The namespace and the list of files are not rendered and not written here. Whether the files are
//! those of the chart is judged by `tests/chart`, which needs helm too.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};

/// Relative to the root.
const FOLDER: &str = "deploy/default";

/// What the first line of every file says.
const NOTICE: &str = "# Written by `cargo xtask gen` from charts/warren; edits are lost.\n";

/// What helm writes before each object, and before the path of its template.
const SOURCE: &str = "# Source: warren/templates/";

/// Renders the chart of `root` with the program `helm` and writes one file for each template.
///
/// # Errors
/// When helm does not render it, or a file cannot be written.
pub(super) fn write(root: &Path, helm: &Path) -> anyhow::Result<()> {
    let folder = root.join(FOLDER);
    for (name, text) in files(&render(root, helm)?)? {
        let path = folder.join(name);
        fs::write(&path, text).with_context(|| format!("write {}", path.display()))?;
    }
    Ok(())
}

fn render(root: &Path, helm: &Path) -> anyhow::Result<String> {
    let output = Command::new(helm)
        .args(["template", "warren", "charts/warren", "--namespace", "warren-system"])
        // The first one that the chart takes: what is rendered must suit all.
        .args(["--skip-tests", "--kube-version", "1.33"])
        .current_dir(root)
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("start {}", helm.display()))?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "the chart does not render: {}", complaint.trim());
    String::from_utf8(output.stdout).context("read what helm rendered")
}

/// The objects of each template as a file, by its name.
fn files(rendered: &str) -> anyhow::Result<BTreeMap<String, String>> {
    let mut files: BTreeMap<String, String> = BTreeMap::new();
    let rendered = format!("\n{rendered}");
    let objects = rendered.split("\n---\n").map(str::trim).filter(|object| !object.is_empty());
    for object in objects {
        let (template, manifest) = object
            .strip_prefix(SOURCE)
            .and_then(|object| object.split_once('\n'))
            .with_context(|| format!("helm does not say where this is from:\n{object}"))?;
        let file = files.entry(template.to_owned()).or_default();
        file.push_str(if file.is_empty() { NOTICE } else { "---\n" });
        file.push_str(manifest);
        file.push('\n');
    }
    ensure!(!files.is_empty(), "helm rendered nothing");
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_objects_of_a_template_become_one_file() {
        let rendered = "---\n# Source: warren/templates/rbac.yaml\nkind: Role\n---\n\
                        # Source: warren/templates/pod.yaml\nkind: Pod\n---\n\
                        # Source: warren/templates/rbac.yaml\nkind: RoleBinding\n\n";
        let files = files(rendered).unwrap();
        let names: Vec<_> = files.keys().map(String::as_str).collect();
        assert_eq!(names, ["pod.yaml", "rbac.yaml"]);
        assert_eq!(files["rbac.yaml"], format!("{NOTICE}kind: Role\n---\nkind: RoleBinding\n"));
    }

    #[test]
    fn what_is_rendered_must_be_something_and_from_somewhere() {
        assert!(files("\n").is_err());
        assert!(files("---\nkind: Pod\n").is_err());
    }
}
