//! One TLS configuration for both ways to a broker, AMQP and the management API.
//!
//! A login that names a certificate authority trusts that one alone; the libraries would add it
//! to those of the platform. The crypto provider is named, so that nothing depends on which one
//! a process has installed.

use std::sync::Arc;

use rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use rustls_platform_verifier::Verifier;

use crate::login::{ClientCertificate, Verify};

/// Why certificates give no TLS configuration.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    /// A PEM file has no certificate in it, or not a key.
    #[error("{file} of the broker login holds no valid PEM")]
    Pem { file: &'static str },
    /// The certificates are PEM but rustls cannot use them.
    #[error("the certificates of the broker login cannot be used")]
    Unusable(#[source] rustls::Error),
}

/// The configuration that proves what a login asks for.
pub(crate) fn client_config(verify: &Verify) -> Result<ClientConfig, TlsError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Unusable)?;
    let builder = if let Some(pem) = &verify.ca {
        builder.with_root_certificates(roots(pem)?)
    } else {
        let verifier = Verifier::new(provider).map_err(TlsError::Unusable)?;
        // "Dangerous" is rustls' name for any verifier of one's own; this one asks the platform.
        let builder = builder.dangerous();
        builder.with_custom_certificate_verifier(Arc::new(verifier))
    };
    match &verify.client {
        None => Ok(builder.with_no_client_auth()),
        Some(client) => {
            let (chain, key) = identity(client)?;
            builder.with_client_auth_cert(chain, key).map_err(TlsError::Unusable)
        }
    }
}

fn roots(pem: &str) -> Result<RootCertStore, TlsError> {
    let mut store = RootCertStore::empty();
    for certificate in certificates("ca.crt", pem)? {
        store.add(certificate).map_err(TlsError::Unusable)?;
    }
    Ok(store)
}

fn identity(
    client: &ClientCertificate,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), TlsError> {
    let chain = certificates("tls.crt", &client.certificate)?;
    let key = PrivateKeyDer::from_pem_slice(client.key.reveal().as_bytes())
        .map_err(|_| TlsError::Pem { file: "tls.key" })?;
    Ok((chain, key))
}

fn certificates(file: &'static str, pem: &str) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    match certificates {
        Ok(some) if !some.is_empty() => Ok(some),
        _ => Err(TlsError::Pem { file }),
    }
}
