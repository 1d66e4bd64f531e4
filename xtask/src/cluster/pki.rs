//! Who is who in the cluster: one authority, and a certificate for each component.
//!
//! Everything is made anew with each cluster and lives in its state folder, readable by its user
//! alone; nothing of it is worth anything elsewhere. <https://kubernetes.io/docs/setup/best-practices/certificates/>
//! names the subjects.

use std::fmt;

use anyhow::Context;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose,
};

/// Signs the certificates of one cluster.
pub(super) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key, both PEM.
pub(super) struct Identity {
    pub(super) certificate: String,
    pub(super) key: String,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").finish_non_exhaustive()
    }
}

/// Whom a certificate is for.
#[derive(Debug, Clone)]
pub(super) struct Subject<'a> {
    /// The user, to Kubernetes.
    pub(super) name: &'a str,
    /// The user's group, to Kubernetes.
    pub(super) group: Option<&'a str>,
    /// The names and addresses of a server; none for those who are clients only.
    pub(super) hosts: Vec<String>,
}

impl Authority {
    /// A new one.
    ///
    /// # Errors
    /// When no key can be drawn.
    pub(super) fn new() -> anyhow::Result<Self> {
        let mut params = CertificateParams::default();
        params.distinguished_name = named("warren-dev-cluster", None);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![
            KeyUsagePurpose::CrlSign,
            KeyUsagePurpose::DigitalSignature,
            KeyUsagePurpose::KeyCertSign,
        ];
        let key = KeyPair::generate().context("draw a key")?;
        let issuer = CertifiedIssuer::self_signed(params, key).context("sign the authority")?;
        Ok(Self(issuer))
    }

    /// Its certificate, by which the others are known.
    pub(super) fn certificate(&self) -> String {
        self.0.pem()
    }

    /// A certificate for `subject`.
    ///
    /// # Errors
    /// When no key can be drawn, or a host is no name.
    pub(super) fn issue(&self, subject: &Subject<'_>) -> anyhow::Result<Identity> {
        let what = || format!("make a certificate for {}", subject.name);
        let mut params = CertificateParams::new(subject.hosts.clone()).with_context(what)?;
        params.distinguished_name = named(subject.name, subject.group);
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        if !subject.hosts.is_empty() {
            params.extended_key_usages.push(ExtendedKeyUsagePurpose::ServerAuth);
        }
        let key = KeyPair::generate().with_context(what)?;
        let certificate = params.signed_by(&key, &self.0).with_context(what)?;
        Ok(Identity { certificate: certificate.pem(), key: key.serialize_pem() })
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority").finish_non_exhaustive()
    }
}

/// The key pair that signs tokens of service accounts: private, then public, both PEM.
///
/// # Errors
/// When no key can be drawn.
pub(super) fn token_keys() -> anyhow::Result<(String, String)> {
    let key = KeyPair::generate().context("draw the key of service accounts")?;
    Ok((key.serialize_pem(), key.public_key_pem()))
}

fn named(name: &str, group: Option<&str>) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    if let Some(group) = group {
        distinguished.push(DnType::OrganizationName, group);
    }
    distinguished.push(DnType::CommonName, name);
    distinguished
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_identity_is_its_own_and_no_debug_text_shows_a_key() {
        let authority = Authority::new().expect("an authority");
        let subject = Subject {
            name: "kube-apiserver",
            group: None,
            hosts: vec!["kubernetes.default.svc".to_owned(), "10.96.0.1".to_owned()],
        };
        let one = authority.issue(&subject).expect("an identity");
        let other = authority.issue(&subject).expect("an identity");
        assert_ne!(one.key, other.key);
        assert!(one.key.starts_with("-----BEGIN PRIVATE KEY-----"));
        assert!(!format!("{one:?} {authority:?}").contains("BEGIN"));
    }

    #[test]
    fn a_host_that_is_no_name_is_an_error() {
        let subject = Subject { name: "x", group: None, hosts: vec!["é".to_owned()] };
        assert!(Authority::new().expect("an authority").issue(&subject).is_err());
    }
}
