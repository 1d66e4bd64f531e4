//! From the broker Secret and the spec to a login.
//!
//! Pure. The spec has the last word on virtual host, encryption and trust; what it leaves open the
//! Secret says.

use std::collections::BTreeMap;

use warren_broker::login::{Login, file};

use crate::{
    pipeline::{BrokerReference, TlsChoice, VhostChoice},
    trouble::{Trouble, TroubleReason},
};

/// The keys of a Secret with their values.
pub type SecretData = BTreeMap<String, Vec<u8>>;

/// The port on which brokers speak AMQP without TLS.
const PLAINTEXT_PORT: &[u8] = b"5672";

/// The login that a Secret gives for a pipeline; `ca` is the certificate authority the spec names,
/// when it names one.
///
/// # Errors
/// `SecretInvalid`, when a key is missing or does not hold what it should.
pub fn resolve(
    broker: &BrokerReference,
    secret: &SecretData,
    ca: Option<&[u8]>,
) -> Result<Login, Trouble> {
    let said = overlay(broker, secret, ca);
    let read = |file: &'static str| {
        let own = said.get(file).copied();
        let found = own.or_else(|| secret.get(file).map(Vec::as_slice));
        Ok(found.map(<[u8]>::to_vec))
    };
    Login::from_files(read).map_err(|error| {
        let message = format!("Secret {}: {error}", broker.secret);
        Trouble::new(TroubleReason::SecretInvalid, message)
    })
}

/// What the spec says in the place of the Secret, by key.
fn overlay<'a>(
    broker: &'a BrokerReference,
    secret: &SecretData,
    ca: Option<&'a [u8]>,
) -> BTreeMap<&'static str, &'a [u8]> {
    let mut said: BTreeMap<&str, &[u8]> = BTreeMap::new();
    if let VhostChoice::Named(vhost) = &broker.vhost {
        said.insert(file::VHOST, vhost.as_bytes());
    }
    if let Some(ca) = ca {
        said.insert(file::CA, ca);
    }
    let mode: Option<&[u8]> = match broker.tls {
        TlsChoice::Verify => Some(b"Verify"),
        TlsChoice::Plaintext => Some(b"Plaintext"),
        TlsChoice::ByPort if secret.contains_key(file::TLS_MODE) => None,
        TlsChoice::ByPort => secret.get(file::PORT).map(|port| by_port(port)),
    };
    said.extend(mode.map(|mode| (file::TLS_MODE, mode)));
    said
}

fn by_port(port: &[u8]) -> &'static [u8] {
    if port.trim_ascii() == PLAINTEXT_PORT { b"Plaintext" } else { b"Verify" }
}

#[cfg(test)]
mod tests {
    use warren_broker::login::Tls;

    use super::*;
    use crate::pipeline::CaChoice;

    fn reference(vhost: VhostChoice, tls: TlsChoice) -> BrokerReference {
        BrokerReference { secret: "rabbitmq".to_owned(), vhost, tls, ca: CaChoice::OfSecret }
    }

    fn secret(pairs: &[(&str, &str)]) -> SecretData {
        let base = [("host", "rabbit"), ("port", "5672"), ("username", "u"), ("password", "p@:/%")];
        let pairs = base.iter().chain(pairs);
        pairs.map(|(key, value)| ((*key).to_owned(), value.as_bytes().to_vec())).collect()
    }

    fn resolved(vhost: VhostChoice, tls: TlsChoice, pairs: &[(&str, &str)]) -> Login {
        resolve(&reference(vhost, tls), &secret(pairs), None).unwrap()
    }

    #[test]
    fn the_port_decides_about_encryption_unless_somebody_said_it() {
        let encrypted = |tls, pairs: &[(&str, &str)]| {
            matches!(resolved(VhostChoice::OfSecret, tls, pairs).tls, Tls::Verify(_))
        };
        assert!(!encrypted(TlsChoice::ByPort, &[]));
        assert!(encrypted(TlsChoice::ByPort, &[("port", "5671")]));
        assert!(encrypted(TlsChoice::ByPort, &[("port", "35000")]));
        assert!(!encrypted(TlsChoice::ByPort, &[("port", "35000"), ("tls-mode", "Plaintext")]));
        assert!(!encrypted(TlsChoice::Plaintext, &[("port", "5671")]));
        assert!(encrypted(TlsChoice::Verify, &[("tls-mode", "Plaintext")]));
    }

    #[test]
    fn the_spec_has_the_last_word_on_the_virtual_host() {
        let vhost =
            |choice, pairs: &[(&str, &str)]| resolved(choice, TlsChoice::ByPort, pairs).vhost;
        assert_eq!(vhost(VhostChoice::OfSecret, &[]), "/");
        assert_eq!(vhost(VhostChoice::OfSecret, &[("vhost", "blue")]), "blue");
        let named = VhostChoice::Named("green".to_owned());
        assert_eq!(vhost(named, &[("vhost", "blue")]), "green");
    }

    #[test]
    fn a_missing_key_is_named_with_its_secret_and_no_content() {
        let mut data = secret(&[]);
        data.remove("host");
        let reference = reference(VhostChoice::OfSecret, TlsChoice::ByPort);
        let trouble = resolve(&reference, &data, None).unwrap_err();
        assert_eq!(trouble.reason, TroubleReason::SecretInvalid);
        assert!(trouble.message.contains("Secret rabbitmq"), "{trouble}");
        assert!(trouble.message.contains("host"), "{trouble}");
        assert!(!trouble.message.contains("p@:/%"), "{trouble}");
    }
}
