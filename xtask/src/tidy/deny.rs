//! The allow and ban lists of `deny.toml`, the one place where they are written.
//!
//! Only the form that tidy understands is taken: an entry that it would silently never apply is an
//! error.

use std::fs;
use std::path::Path;

use anyhow::{Context, ensure};
use serde::Deserialize;

/// The parts of `deny.toml` that tidy applies.
#[derive(Debug, Deserialize)]
pub(crate) struct Deny {
    /// Section `[licenses]`.
    pub(crate) licenses: Licences,
    /// Section `[bans]`.
    pub(crate) bans: Bans,
}

/// The licences that may be in the tree.
#[derive(Debug, Deserialize)]
pub(crate) struct Licences {
    /// SPDX identifiers, with `WITH <exception>` where one is meant.
    pub(crate) allow: Vec<String>,
}

/// The crates that may not be in the tree.
#[derive(Debug, Deserialize)]
pub(crate) struct Bans {
    /// One entry a crate.
    pub(crate) deny: Vec<Ban>,
}

/// A crate that may not be in the tree at all, or not twice.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Ban {
    /// The name, without a version.
    #[serde(rename = "crate")]
    pub(crate) name: String,
    /// One version is welcome, a second is not.
    #[serde(default)]
    pub(crate) deny_multiple_versions: bool,
    /// Why.
    pub(crate) reason: String,
}

/// Reads `deny.toml` in `root`.
pub(crate) fn read(root: &Path) -> anyhow::Result<Deny> {
    let path = root.join("deny.toml");
    let text = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
    parse(&text).context("read deny.toml")
}

fn parse(text: &str) -> anyhow::Result<Deny> {
    let deny: Deny = toml::from_str(text)?;
    for Ban { name, .. } in &deny.bans.deny {
        let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
        ensure!(
            plain,
            "bans.deny: `{name}` is not a plain crate name; tidy knows no version ranges"
        );
    }
    Ok(deny)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ban_is_a_name_and_a_reason() {
        let deny = parse(
            r#"
            [licenses]
            allow = ["MIT"]
            [bans]
            deny = [{ crate = "kube", deny-multiple-versions = true, reason = "types" }]
            "#,
        )
        .unwrap();
        assert_eq!(deny.licenses.allow, ["MIT"]);
        assert_eq!(deny.bans.deny[0].name, "kube");
        assert!(deny.bans.deny[0].deny_multiple_versions);
    }

    #[test]
    fn a_ban_that_would_never_match_is_refused() {
        for entry in [
            r#"{ crate = "ring@0.17", reason = "range" }"#,
            r#"{ crate = "ring:<1", reason = "range" }"#,
            r#"{ crate = "ring" }"#,
            r#""ring""#,
        ] {
            let text = format!("[licenses]\nallow = []\n[bans]\ndeny = [{entry}]\n");
            assert!(parse(&text).is_err(), "{entry}");
        }
    }
}
