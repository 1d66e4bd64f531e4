//! Rule: every package of the lock file, those of tests too, can be used under licences that
//! `deny.toml` allows.

use spdx::{Expression, Licensee, ParseMode};

use super::Violation;
use super::deny::Licences;
use super::tree::Licensed;

/// All packages without a licence or with one that nobody has allowed, and all entries that are not
/// SPDX.
pub(crate) fn check(packages: &[Licensed], licences: &Licences) -> Vec<Violation> {
    let mut violations = Vec::new();
    let mut allowed = Vec::new();
    for name in &licences.allow {
        match Licensee::parse(name) {
            Ok(licensee) => allowed.push(licensee),
            Err(error) => violations.push(Violation {
                place: "deny.toml".to_owned(),
                what: format!("licenses.allow: `{name}` is no SPDX licence: {}", error.reason),
                fix: "take the identifier from https://spdx.org/licenses/".to_owned(),
            }),
        }
    }
    violations.extend(packages.iter().filter_map(|package| judge(package, &allowed)));
    violations
}

fn judge(package: &Licensed, allowed: &[Licensee]) -> Option<Violation> {
    let refuse = |what: String, fix: &str| {
        Some(Violation {
            place: format!("Cargo.lock: {}", package.package),
            what,
            fix: fix.to_owned(),
        })
    };
    let Some(licence) = &package.licence else {
        return refuse("declares no licence".to_owned(), "use another crate");
    };
    // Manifests older than SPDX expressions write `MIT/Apache-2.0`.
    let expression = match Expression::parse_mode(licence, ParseMode::LAX) {
        Ok(expression) => expression,
        Err(error) => {
            let what = format!("its licence `{licence}` is no SPDX expression: {}", error.reason);
            return refuse(what, "use another crate");
        }
    };
    let satisfied =
        expression.evaluate(|asked| allowed.iter().any(|licensee| licensee.satisfies(asked)));
    if satisfied {
        return None;
    }
    refuse(
        format!("its licence `{licence}` is not allowed"),
        "use another crate, or, when it has been decided to live with the licence, add it to \
         licenses.allow in deny.toml",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(licence: Option<&str>) -> Vec<Violation> {
        let allow = ["Apache-2.0", "MIT", "ISC"].map(str::to_owned).to_vec();
        let package =
            Licensed { package: "some 1.0.0".to_owned(), licence: licence.map(str::to_owned) };
        check(&[package], &Licences { allow })
    }

    #[test]
    fn a_licence_that_the_list_satisfies_is_accepted() {
        for licence in [
            "MIT",
            "MIT OR Apache-2.0",
            "MIT/Apache-2.0",
            "GPL-3.0-only OR MIT",
            "ISC AND (Apache-2.0 OR ISC)",
            "Apache-2.0 WITH LLVM-exception OR MIT",
        ] {
            assert_eq!(judged(Some(licence)), [], "{licence}");
        }
    }

    #[test]
    fn a_licence_that_the_list_does_not_satisfy_is_refused() {
        for licence in [
            "GPL-3.0-only",
            "MIT AND GPL-3.0-only",
            "Apache-2.0 WITH LLVM-exception",
            "Proprietary",
        ] {
            assert_eq!(judged(Some(licence)).len(), 1, "{licence}");
        }
        assert_eq!(judged(None).len(), 1, "no licence at all");
    }

    #[test]
    fn an_entry_that_is_no_licence_is_refused() {
        let licences = Licences { allow: vec!["Apache 2".to_owned()] };
        let violations = check(&[], &licences);
        assert_eq!(violations.len(), 1);
        assert_eq!(violations[0].place, "deny.toml");
    }
}
