//! Rule: which of our packages may depend on which, and what the two pure ones may take from
//! outside.
//!
//! A crate exists here only to forbid a dependency, so this table is the architecture. Dependencies
//! of tests count for our own packages too: what needs two sides at once is a package below
//! `tests/`.

use super::Violation;
use super::tree::{Dependency, Package};

/// Who may use whom; the picture is in ARCHITECTURE.md.
#[rustfmt::skip] // One line a package, as in the picture.
const ARROWS: &[(&str, &[&str])] = &[
    ("warren-core", &[]),
    ("warren-api", &[]),
    ("warren-service", &[]),
    ("warren-broker", &["warren-core"]),
    ("warren-operator", &["warren-api", "warren-broker", "warren-core", "warren-service"]),
    ("warren-worker", &["warren-broker", "warren-core", "warren-service"]),
    ("warren-producer", &["warren-broker", "warren-core", "warren-service"]),
    ("kubectl-warren", &["warren-api", "warren-broker", "warren-core", "warren-operator"]),
    ("xtask", &["warren-api", "warren-broker", "warren-core"]),
];

/// What a package may take from outside, tests aside: without the dependency, no I/O can be
/// written.
#[rustfmt::skip] // As above.
const OUTSIDE: &[(&str, &[&str])] = &[
    ("warren-core", &["bytes", "jiff", "serde", "sha2", "thiserror", "uuid"]),
    ("warren-api", &["k8s-openapi", "kube", "regex", "schemars", "serde", "serde-saphyr", "serde_json"]),
];

/// Features that would bring in by the back door what [`OUTSIDE`] keeps out: package, dependency,
/// features.
const FEATURES: &[(&str, &str, &[&str])] =
    &[("warren-api", "kube", &["client", "runtime", "ws", "default"])];

/// What tests on real brokers share. Whoever may use the broker crate may use it in tests.
const TEST_SUPPORT: &str = "warren-test-support";

/// Packages below this folder may use anything.
const FREE: &str = "tests/";

/// All arrows that are not in the table.
pub(crate) fn check(packages: &[Package]) -> Vec<Violation> {
    packages.iter().filter(|package| !package.folder.starts_with(FREE)).flat_map(judge).collect()
}

fn judge(package: &Package) -> Vec<Violation> {
    let Some(allowed) = listed(ARROWS, &package.name) else {
        return vec![Violation {
            place: format!("{}/Cargo.toml", package.folder),
            what: format!("nobody has said what {} may depend on", package.name),
            fix: "write its line in xtask/src/tidy/arrows.rs and its arrow in ARCHITECTURE.md"
                .to_owned(),
        }];
    };
    let outside = listed(OUTSIDE, &package.name);
    package
        .dependencies
        .iter()
        .filter_map(|dependency| {
            inside(package, dependency, allowed)
                .or_else(|| from_outside(package, dependency, outside?))
                .or_else(|| features(package, dependency))
        })
        .collect()
}

fn inside(package: &Package, dependency: &Dependency, allowed: &[&str]) -> Option<Violation> {
    let on_broker = package.name == "warren-broker" || allowed.contains(&"warren-broker");
    let for_tests = dependency.dev && dependency.name == TEST_SUPPORT && on_broker;
    let wrong = dependency.ours && !for_tests && !allowed.contains(&dependency.name.as_str());
    wrong.then(|| Violation {
        place: format!("{}/Cargo.toml", package.folder),
        what: format!("{} may not depend on {}", package.name, dependency.name),
        fix: match allowed {
            [] => "it depends on none of ours: move the code to the package that needs both"
                .to_owned(),
            _ => format!("of ours it may use {}", allowed.join(", ")),
        },
    })
}

fn from_outside(package: &Package, dependency: &Dependency, allowed: &[&str]) -> Option<Violation> {
    let wrong = !dependency.ours && !dependency.dev && !allowed.contains(&dependency.name.as_str());
    wrong.then(|| Violation {
        place: format!("{}/Cargo.toml", package.folder),
        what: format!("{} may not depend on {}", package.name, dependency.name),
        fix: format!(
            "tests aside it may use {}: move the code to a package that does I/O, or, if {} \
             does none, add it to OUTSIDE in xtask/src/tidy/arrows.rs",
            allowed.join(", "),
            dependency.name
        ),
    })
}

fn features(package: &Package, dependency: &Dependency) -> Option<Violation> {
    let (_, _, banned) = FEATURES
        .iter()
        .find(|(owner, name, _)| *owner == package.name && *name == dependency.name)?;
    let feature = dependency.features.iter().find(|name| banned.contains(&name.as_str()))?;
    (!dependency.dev).then(|| Violation {
        place: format!("{}/Cargo.toml", package.folder),
        what: format!("{} may not turn on `{feature}` of {}", package.name, dependency.name),
        fix: "turn it on in the package that talks to a server".to_owned(),
    })
}

fn listed<'a>(table: &[(&str, &'a [&'a str])], name: &str) -> Option<&'a [&'a str]> {
    table.iter().find(|(owner, _)| *owner == name).map(|(_, allowed)| *allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, folder: &str, dependencies: &[Dependency]) -> Package {
        let dependencies = dependencies.to_vec();
        Package { name: name.to_owned(), folder: folder.to_owned(), dependencies }
    }

    fn ours(name: &str) -> Dependency {
        Dependency { ours: true, ..outside(name) }
    }

    fn outside(name: &str) -> Dependency {
        Dependency { name: name.to_owned(), ours: false, dev: false, features: Vec::new() }
    }

    #[test]
    fn the_arrows_of_the_picture_are_accepted() {
        for (name, allowed) in ARROWS {
            let dependencies: Vec<_> = allowed.iter().map(|name| ours(name)).collect();
            assert_eq!(check(&[package(name, "x", &dependencies)]), []);
        }
        let everything = [ours("warren-operator"), ours("warren-worker"), outside("ring")];
        assert_eq!(check(&[package("warren-e2e", "tests/e2e", &everything)]), []);
    }

    #[test]
    fn what_tests_share_is_for_tests_of_those_that_speak_to_the_broker() {
        let in_tests = Dependency { dev: true, ..ours(TEST_SUPPORT) };
        for name in ["warren-broker", "warren-worker", "warren-producer", "warren-operator"] {
            assert_eq!(check(&[package(name, "x", std::slice::from_ref(&in_tests))]), []);
            assert_eq!(check(&[package(name, "x", &[ours(TEST_SUPPORT)])]).len(), 1);
        }
        assert_eq!(check(&[package("warren-core", "x", &[in_tests])]).len(), 1);
    }

    #[test]
    fn an_arrow_that_is_not_in_the_picture_is_refused() {
        for (from, to) in [
            ("warren-api", "warren-core"),
            ("warren-core", "warren-api"),
            ("warren-service", "warren-core"),
            ("warren-broker", "warren-service"),
            ("warren-worker", "warren-api"),
            ("warren-worker", "warren-producer"),
            ("warren-operator", "warren-worker"),
            ("xtask", "warren-operator"),
        ] {
            let violations = check(&[package(from, "x", &[ours(to)])]);
            assert_eq!(violations.len(), 1, "{from} -> {to}");
            assert_eq!(violations[0].what, format!("{from} may not depend on {to}"));
        }
    }

    #[test]
    fn an_arrow_of_tests_alone_is_refused_too() {
        let dependency = Dependency { dev: true, ..ours("warren-core") };
        assert_eq!(check(&[package("warren-api", "x", &[dependency])]).len(), 1);
    }

    #[test]
    fn a_package_without_a_line_in_the_table_is_refused() {
        assert_eq!(check(&[package("warren-extra", "crates/extra", &[])]).len(), 1);
    }

    #[test]
    fn the_pure_packages_take_no_runtime_from_outside() {
        for name in ["tokio", "kube", "lapin", "tracing", "reqwest", "clap", "getrandom"] {
            assert_eq!(check(&[package("warren-core", "x", &[outside(name)])]).len(), 1, "{name}");
            let dev = Dependency { dev: true, ..outside(name) };
            assert_eq!(check(&[package("warren-core", "x", &[dev])]), [], "{name} for tests");
        }
        assert_eq!(check(&[package("warren-core", "x", &[outside("serde")])]), []);
        assert_eq!(check(&[package("warren-broker", "x", &[outside("tokio")])]), []);
    }

    #[test]
    fn the_resource_types_bring_no_client() {
        let kube =
            |feature: &str| Dependency { features: vec![feature.to_owned()], ..outside("kube") };
        assert_eq!(check(&[package("warren-api", "x", &[kube("client")])]).len(), 1);
        assert_eq!(check(&[package("warren-api", "x", &[kube("derive")])]), []);
    }
}
