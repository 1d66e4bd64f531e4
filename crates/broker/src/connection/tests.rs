//! Errors of the library and the reasons they become, and a TLS handshake with a private CA.

use super::*;
use crate::login::{Secret, Verify};

fn login() -> Login {
    Login::new("localhost", "shop", Secret::new("s3cr3t"))
}

#[tokio::test]
async fn a_port_without_a_listener_is_refused_at_once() {
    let mut login = login();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    login.port = free.local_addr().unwrap().port();
    drop(free);
    let error = connect(&login, "test").await.unwrap_err();
    assert_eq!(error.reason(), "ConnectionRefused");
    assert!(!error.to_string().contains("s3cr3t"));
}

#[tokio::test]
async fn a_host_without_an_address_is_told_apart_from_one_that_refuses() {
    let mut login = login();
    login.host = "no-such-host.invalid".to_owned();
    assert_eq!(connect(&login, "test").await.unwrap_err().reason(), "DnsFailed");
}

/// A server with a certificate of its own authority, which says nothing after the handshake.
async fn tls_server() -> (u16, String) {
    let certificate = rcgen::generate_simple_self_signed(["broker.test".to_owned()]).unwrap();
    let pem = certificate.cert.pem();
    let chain = vec![certificate.cert.der().clone()];
    let key = rustls::pki_types::PrivateKeyDer::try_from(certificate.signing_key.serialize_der());
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key.unwrap())
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move { acceptor.accept(stream).await });
        }
    });
    (port, pem)
}

async fn reason_with(port: u16, verify: Verify) -> (&'static str, String) {
    let mut login = login();
    login.port = port;
    login.tls = Tls::Verify(verify);
    let error = connect(&login, "test").await.unwrap_err();
    (error.reason(), error.to_string())
}

#[tokio::test]
async fn only_the_named_authority_and_the_right_name_are_trusted() {
    let (port, pem) = tls_server().await;
    let (_, other_pem) = tls_server().await;
    let verify = |ca: &str, name: &str| Verify {
        ca: Some(ca.to_owned()),
        client: None,
        server_name: Some(name.to_owned()),
    };
    let trusted = reason_with(port, verify(&pem, "broker.test")).await;
    assert_ne!(trusted.0, "TlsVerifyFailed", "{}", trusted.1);
    let other_authority = reason_with(port, verify(&other_pem, "broker.test")).await;
    assert_eq!(other_authority.0, "TlsVerifyFailed", "{}", other_authority.1);
    let other_name = reason_with(port, verify(&pem, "elsewhere.test")).await;
    assert_eq!(other_name.0, "TlsVerifyFailed", "{}", other_name.1);
    assert!(other_name.1.contains("broker.test"), "{}", other_name.1);
    let of_the_platform = reason_with(port, Verify::default()).await;
    assert_eq!(of_the_platform.0, "TlsVerifyFailed", "{}", of_the_platform.1);
}

#[tokio::test]
async fn an_authority_that_is_no_pem_is_told_by_its_file() {
    let verify = Verify { ca: Some("s3cr3t".to_owned()), ..Verify::default() };
    let (reason, text) = reason_with(1, verify).await;
    assert_eq!(reason, "TlsVerifyFailed");
    assert!(text.contains("ca.crt") && !text.contains("s3cr3t"), "{text}");
}
