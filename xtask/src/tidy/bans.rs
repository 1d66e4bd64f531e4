//! Rule: no crate that `deny.toml` bans is in what ships, and none of those it wants once is there
//! twice.

use super::Violation;
use super::deny::{Ban, Bans};
use super::tree::Shipped;

/// All banned crates and all second versions.
pub(crate) fn check(shipped: &[Shipped], bans: &Bans) -> Vec<Violation> {
    bans.deny.iter().filter_map(|ban| judge(shipped, ban)).collect()
}

fn judge(shipped: &[Shipped], ban: &Ban) -> Option<Violation> {
    let found = shipped.iter().filter(|package| package.name == ban.name);
    let versions: Vec<_> = found.map(|package| package.version.as_str()).collect();
    let what = match versions.as_slice() {
        [] => return None,
        [_] if ban.deny_multiple_versions => return None,
        [_, ..] if ban.deny_multiple_versions => {
            format!("{} is in the tree as {}: {}", ban.name, versions.join(" and "), ban.reason)
        }
        _ => format!("{} {} is in the tree: {}", ban.name, versions.join(" and "), ban.reason),
    };
    Some(Violation {
        place: "Cargo.lock".to_owned(),
        what,
        fix: format!(
            "`cargo tree --workspace --edges normal,build --target all --invert {}@{}` shows who \
             brings it",
            ban.name, versions[0]
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shipped(packages: &[(&str, &str)]) -> Vec<Shipped> {
        let package = |(name, version): &(&str, &str)| Shipped {
            name: (*name).to_owned(),
            version: (*version).to_owned(),
        };
        packages.iter().map(package).collect()
    }

    fn bans() -> Bans {
        let ban = |name: &str, deny_multiple_versions| Ban {
            name: name.to_owned(),
            deny_multiple_versions,
            reason: "because".to_owned(),
        };
        Bans { deny: vec![ban("serde_yaml", false), ban("kube", true)] }
    }

    #[test]
    fn a_tree_without_banned_crates_is_accepted() {
        let tree = shipped(&[
            ("kube", "5.0.0"),
            ("kube-core", "5.0.0"),
            ("syn", "1.0.9"),
            ("syn", "2.0.1"),
        ]);
        assert_eq!(check(&tree, &bans()), []);
    }

    #[test]
    fn a_banned_crate_is_refused_with_its_reason() {
        let violations = check(&shipped(&[("serde_yaml", "0.9.34")]), &bans());
        assert_eq!(violations.len(), 1);
        assert_eq!(violations[0].what, "serde_yaml 0.9.34 is in the tree: because");
    }

    #[test]
    fn a_second_version_is_refused() {
        let violations = check(&shipped(&[("kube", "4.0.0"), ("kube", "5.0.0")]), &bans());
        assert_eq!(violations.len(), 1);
        assert_eq!(violations[0].what, "kube is in the tree as 4.0.0 and 5.0.0: because");
    }
}
