//! The process-wide crypto provider of rustls.
//!
//! rustls picks a provider by itself only when exactly one is compiled in
//! (<https://docs.rs/rustls/latest/rustls/crypto/struct.CryptoProvider.html>). A dependency that
//! brings a second one would make the first TLS connection panic, so the choice is made by hand.

/// Chooses aws-lc-rs for all TLS of this process: the first line of every `main`.
///
/// Calling it again changes nothing.
pub fn install() {
    // The only error is "a provider is installed already", and nothing but this line installs one.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}

#[cfg(test)]
mod tests {
    use rustls::crypto::CryptoProvider;

    #[test]
    fn a_provider_is_there_after_installing_twice() {
        super::install();
        super::install();
        assert!(CryptoProvider::get_default().is_some());
    }
}
