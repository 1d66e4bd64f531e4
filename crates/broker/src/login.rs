//! Where a broker is and who logs in, from a directory of files or from values.
//!
//! The files are the keys of a Kubernetes Secret, mounted. Kubernetes replaces all of them at once
//! by swapping a symbolic link, so a directory is read through that link and watched by reading it
//! again. No content of a file ever reaches a log, an error or a `Debug`.

mod watcher;

use std::{fmt, path::Path};

pub use watcher::{RE_READ, watch_dir};

/// The names of the files, which are also the keys of the Secret.
pub mod file {
    /// The host name or address.
    pub const HOST: &str = "host";
    /// The AMQP port.
    pub const PORT: &str = "port";
    /// The user.
    pub const USERNAME: &str = "username";
    /// The password.
    pub const PASSWORD: &str = "password";
    /// The virtual host; `/` when there is no such file.
    pub const VHOST: &str = "vhost";
    /// The address of the management API.
    pub const MANAGEMENT_URI: &str = "management-uri";
    /// The only certificate authority to trust, in PEM.
    pub const CA: &str = "ca.crt";
    /// The certificate of the client, in PEM.
    pub const CERTIFICATE: &str = "tls.crt";
    /// The key of the client's certificate, in PEM.
    pub const KEY: &str = "tls.key";
    /// `Verify` or `Plaintext`, where the port and the other files do not say it.
    pub const TLS_MODE: &str = "tls-mode";
    /// The name in the broker's certificate, where it is not the host.
    pub const SERVER_NAME: &str = "tls-server-name";
}

/// The port of AMQP without TLS.
const AMQP: u16 = 5672;
/// The port of AMQP over TLS.
const AMQPS: u16 = 5671;

/// A text that is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

/// Where a broker is and who logs in.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// The host name or address.
    pub host: String,
    /// The AMQP port.
    pub port: u16,
    /// The user.
    pub username: String,
    /// The password.
    pub password: Secret,
    /// The virtual host.
    pub vhost: String,
    /// The address of the management API, unless it is the usual one.
    pub management_uri: Option<String>,
    /// How the connection is protected.
    pub tls: Tls,
}

/// How a connection is protected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tls {
    /// Not at all.
    Plaintext,
    /// The broker must prove its name.
    Verify(Verify),
}

/// What proves the names of both sides.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Verify {
    /// The only certificate authority to trust, in PEM; without it, those of the platform.
    pub ca: Option<String>,
    /// The certificate of the client.
    pub client: Option<ClientCertificate>,
    /// The name in the broker's certificate; without it, the host.
    pub server_name: Option<String>,
}

/// A client certificate with its key, both in PEM.
#[derive(Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    /// The certificate, with its intermediates.
    pub certificate: String,
    /// Its key.
    pub key: Secret,
}

/// Why files give no login.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// A file that must be there is not.
    #[error("the broker login has no {file}; add it to the Secret or the directory")]
    Missing {
        /// The file.
        file: &'static str,
    },
    /// A file has nothing in it.
    #[error("{file} of the broker login is empty")]
    Empty {
        /// The file.
        file: &'static str,
    },
    /// A file is not text.
    #[error("{file} of the broker login is not UTF-8 text")]
    NotText {
        /// The file.
        file: &'static str,
    },
    /// The port is no port.
    #[error("port of the broker login is not a number from 1 to 65535")]
    Port,
    /// The mode is none of the two.
    #[error("tls-mode of the broker login is neither Verify nor Plaintext")]
    TlsMode,
    /// A certificate without a key, or the reverse.
    #[error(
        "the broker login has only one of tls.crt and tls.key; a client certificate needs both"
    )]
    HalfClientCertificate,
    /// A file could not be read.
    #[error("cannot read {file} of the broker login")]
    Read {
        /// The file.
        file: &'static str,
        /// Why.
        source: std::io::Error,
    },
}

impl Secret {
    /// Hides a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, for those who must send it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl Login {
    /// A login on the usual port without TLS, in vhost `/`.
    pub fn new(host: impl Into<String>, username: impl Into<String>, password: Secret) -> Self {
        Self {
            host: host.into(),
            port: AMQP,
            username: username.into(),
            password,
            vhost: "/".to_owned(),
            management_uri: None,
            tls: Tls::Plaintext,
        }
    }

    /// Reads the files of a directory.
    ///
    /// # Errors
    /// When one that must be there is not, or one does not hold what it should.
    pub fn read_dir(dir: &Path) -> Result<Self, LoginError> {
        // Kubernetes keeps the files of one version behind this link; reading through it never
        // mixes the user of one version with the password of another.
        let version = std::fs::canonicalize(dir.join("..data"));
        let dir = version.as_deref().unwrap_or(dir);
        Self::from_files(|file| match std::fs::read(dir.join(file)) {
            Ok(content) => Ok(Some(content)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(LoginError::Read { file, source }),
        })
    }

    /// Reads the files by a function, so that the data of a Secret serve as well as a directory.
    ///
    /// # Errors
    /// As [`Login::read_dir`].
    pub fn from_files(
        mut read: impl FnMut(&'static str) -> Result<Option<Vec<u8>>, LoginError>,
    ) -> Result<Self, LoginError> {
        let mut text = |file| read(file).and_then(|content| as_text(file, content));
        let tls = tls(&mut text)?;
        let usual = if matches!(tls, Some(Tls::Verify(_))) { AMQPS } else { AMQP };
        let port = match text(file::PORT)? {
            Some(port) => port.parse().ok().filter(|port| *port != 0).ok_or(LoginError::Port)?,
            None => usual,
        };
        let unless_said = || match port {
            AMQPS => Tls::Verify(Verify::default()),
            _ => Tls::Plaintext,
        };
        Ok(Self {
            host: needed(file::HOST, text(file::HOST)?)?,
            port,
            username: needed(file::USERNAME, text(file::USERNAME)?)?,
            password: Secret(needed(file::PASSWORD, text(file::PASSWORD)?)?),
            vhost: text(file::VHOST)?.unwrap_or_else(|| "/".to_owned()),
            management_uri: text(file::MANAGEMENT_URI)?,
            tls: tls.unwrap_or_else(unless_said),
        })
    }

    /// The address of the management API: the given one, else the usual port of the host.
    pub fn management_url(&self) -> String {
        let host = match self.host.parse::<std::net::Ipv6Addr>() {
            Ok(address) => format!("[{address}]"),
            Err(_) => self.host.clone(),
        };
        match (&self.management_uri, &self.tls) {
            (Some(uri), _) => uri.clone(),
            (None, Tls::Plaintext) => format!("http://{host}:15672"),
            (None, Tls::Verify(_)) => format!("https://{host}:15671"),
        }
    }
}

/// What the files say about TLS; nothing when the port decides.
fn tls(
    text: &mut impl FnMut(&'static str) -> Result<Option<String>, LoginError>,
) -> Result<Option<Tls>, LoginError> {
    let client = match (text(file::CERTIFICATE)?, text(file::KEY)?) {
        (Some(certificate), Some(key)) => Some(ClientCertificate { certificate, key: Secret(key) }),
        (None, None) => None,
        _ => return Err(LoginError::HalfClientCertificate),
    };
    let verify = Verify { ca: text(file::CA)?, client, server_name: text(file::SERVER_NAME)? };
    match text(file::TLS_MODE)?.as_deref() {
        Some("Plaintext") => Ok(Some(Tls::Plaintext)),
        Some("Verify") => Ok(Some(Tls::Verify(verify))),
        Some(_) => Err(LoginError::TlsMode),
        None if verify == Verify::default() => Ok(None),
        None => Ok(Some(Tls::Verify(verify))),
    }
}

/// The text of a file, without the newline that editors and `kubectl` put at its end.
fn as_text(file: &'static str, content: Option<Vec<u8>>) -> Result<Option<String>, LoginError> {
    let Some(content) = content else {
        return Ok(None);
    };
    let text = String::from_utf8(content).map_err(|_| LoginError::NotText { file })?;
    let text = text.trim_end_matches(['\n', '\r']);
    if text.is_empty() {
        return Err(LoginError::Empty { file });
    }
    Ok(Some(text.to_owned()))
}

fn needed(file: &'static str, text: Option<String>) -> Result<String, LoginError> {
    text.ok_or(LoginError::Missing { file })
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<redacted>")
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("username", &self.username)
            .field("vhost", &self.vhost)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Verify {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verify")
            .field("own_ca", &self.ca.is_some())
            .field("client_certificate", &self.client.is_some())
            .field("server_name", &self.server_name)
            .finish()
    }
}

impl fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<redacted>")
    }
}

/// `user@host:port/vhost`: who logs in where, without the password.
impl fmt::Display for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port, username, vhost, .. } = self;
        write!(f, "{username}@{host}:{port}, vhost {vhost:?}")
    }
}

#[cfg(test)]
mod tests;
