//! Rule: what ships has one crypto provider for rustls, aws-lc-rs, and no second.
//!
//! rustls picks a provider by itself only when exactly one is compiled in
//! (<https://docs.rs/rustls/latest/rustls/crypto/struct.CryptoProvider.html>); with two, a library
//! that relies on it panics at its first connection. `deny.toml` bans the usual second one by name;
//! this rule knows the others.

use super::Violation;
use super::tree::Shipped;

/// The provider that every program installs.
const CHOSEN: &str = "aws-lc-rs";

/// The other providers, from rustls' own list
/// (<https://docs.rs/rustls/latest/rustls/#third-party-providers>), and the one that rustls has
/// built in.
const OTHERS: [&str; 8] = [
    "boring-rustls-provider",
    "ring",
    "rustls-graviola",
    "rustls-mbedcrypto-provider",
    "rustls-openssl",
    "rustls-rustcrypto",
    "rustls-symcrypt",
    "rustls-wolfcrypt-provider",
];

/// Every provider but the chosen one, and the chosen one if it is missing where rustls is present.
pub(crate) fn check(shipped: &[Shipped]) -> Vec<Violation> {
    let has = |name: &str| shipped.iter().any(|package| package.name == name);
    let missing = (has("rustls") && !has(CHOSEN)).then(|| Violation {
        place: "Cargo.lock".to_owned(),
        what: format!(
            "rustls is in the tree without {CHOSEN}: the first TLS connection would panic"
        ),
        fix: "turn on the feature `aws_lc_rs` of rustls in the root Cargo.toml".to_owned(),
    });
    let second = OTHERS.into_iter().filter(|name| has(name)).map(|name| Violation {
        place: "Cargo.lock".to_owned(),
        what: format!("{name} is a second crypto provider beside {CHOSEN}"),
        fix: format!(
            "`cargo tree --workspace --edges normal,build,features --target all --invert {name}` shows \
             which feature brings it; turn that feature off"
        ),
    });
    missing.into_iter().chain(second).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shipped(names: &[&str]) -> Vec<Shipped> {
        let package =
            |name: &&str| Shipped { name: (*name).to_owned(), version: "1.0.0".to_owned() };
        names.iter().map(package).collect()
    }

    #[test]
    fn one_provider_is_accepted() {
        assert_eq!(check(&shipped(&["rustls", "aws-lc-rs", "aws-lc-sys"])), []);
        assert_eq!(check(&shipped(&["serde"])), []);
    }

    #[test]
    fn a_second_provider_is_refused() {
        for second in OTHERS {
            assert_eq!(check(&shipped(&["rustls", "aws-lc-rs", second])).len(), 1, "{second}");
        }
    }

    #[test]
    fn no_provider_is_refused() {
        assert_eq!(check(&shipped(&["rustls"])).len(), 1);
    }
}
