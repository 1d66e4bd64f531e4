//! The management API of a broker, as far as xtask needs it: plain HTTP and JSON.
//!
//! Only what stands in a `--broker-dir` is asked, and nothing is tried twice. Passwords stay out of
//! every error.

use std::fmt::Write as _;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use ureq::Agent;
use ureq::http::{Response, StatusCode};

/// Deleting a virtual host with its queues is what takes longest.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long an idle connection is kept: RabbitMQ 4 closes it after 5 s.
const KEEP_ALIVE: Duration = Duration::from_secs(3);

/// The broker's own port for this API, without TLS.
const PORT: u16 = 15672;

/// A login to the management API.
pub(crate) struct Management {
    agent: Agent,
    base: String,
    user: String,
    /// The virtual host that the broker folder names.
    vhost: String,
    authorization: String,
}

impl Management {
    /// Reads the login from a broker folder; asks nothing yet.
    ///
    /// # Errors
    /// When a file is missing, or when the API is behind TLS.
    pub(crate) fn of(broker_dir: &Path) -> anyhow::Result<Self> {
        let file = |name: &str| broker_file(broker_dir, name);
        let need = |name: &str| {
            file(name)?
                .with_context(|| format!("there is no file {name} in {}", broker_dir.display()))
        };
        let base = match file("management-uri")? {
            Some(uri) => uri.trim_end_matches('/').to_owned(),
            None => format!("http://{}:{PORT}", need("host")?),
        };
        ensure!(
            base.starts_with("http://"),
            "only plain HTTP is spoken to the management API, which is not what the file \
             management-uri in {} names",
            broker_dir.display()
        );
        let user = need("username")?;
        let login = STANDARD.encode(format!("{user}:{}", need("password")?));
        let agent = Agent::config_builder()
            .timeout_global(Some(PATIENCE))
            .http_status_as_error(false)
            .max_idle_age(KEEP_ALIVE)
            // The environment may name a proxy; a broker for development is not behind it.
            .proxy(None)
            .build()
            .new_agent();
        Ok(Self {
            agent,
            base,
            user,
            vhost: file("vhost")?.unwrap_or_else(|| "/".to_owned()),
            authorization: format!("Basic {login}"),
        })
    }

    /// Where the API is.
    pub(crate) fn address(&self) -> &str {
        &self.base
    }

    /// The name of the login.
    pub(crate) fn user(&self) -> &str {
        &self.user
    }

    /// The virtual host that the broker folder names.
    pub(crate) fn vhost(&self) -> &str {
        &self.vhost
    }

    /// Reads what is at `path` (below `/api/`, one name a segment).
    ///
    /// # Errors
    /// When the broker does not answer, or answers no.
    pub(crate) fn get(&self, path: &[&str]) -> anyhow::Result<Value> {
        let url = self.url(path);
        let request = self.agent.get(&url);
        let response = request.header("authorization", &self.authorization).call();
        answer("GET", &url, response).and_then(|body| json(&body))
    }

    /// Makes what is at `path`.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub(crate) fn put(&self, path: &[&str], body: &Value) -> anyhow::Result<()> {
        let url = self.url(path);
        let request = self.agent.put(&url);
        let response = request
            .header("authorization", &self.authorization)
            .header("content-type", "application/json")
            .send(body.to_string());
        answer("PUT", &url, response).map(drop)
    }

    /// Asks `path` to do something.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub(crate) fn post(&self, path: &[&str], body: &Value) -> anyhow::Result<Value> {
        let url = self.url(path);
        let request = self.agent.post(&url);
        let response = request
            .header("authorization", &self.authorization)
            .header("content-type", "application/json")
            .send(body.to_string());
        answer("POST", &url, response).and_then(|body| json(&body))
    }

    /// Removes what is at `path`; nothing there is as good.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub(crate) fn delete(&self, path: &[&str]) -> anyhow::Result<()> {
        let url = self.url(path);
        let request = self.agent.delete(&url);
        let response = request.header("authorization", &self.authorization).call();
        if matches!(&response, Ok(response) if response.status() == StatusCode::NOT_FOUND) {
            return Ok(());
        }
        answer("DELETE", &url, response).map(drop)
    }

    fn url(&self, path: &[&str]) -> String {
        let segments = path.iter().map(|segment| escape(segment));
        segments.fold(format!("{}/api", self.base), |url, segment| format!("{url}/{segment}"))
    }
}

/// The value in a file of a broker folder; nothing when there is no such file.
///
/// # Errors
/// When it cannot be read.
pub(crate) fn broker_file(folder: &Path, name: &str) -> anyhow::Result<Option<String>> {
    let path = folder.join(name);
    match fs::read_to_string(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        other => {
            let text = other.with_context(|| format!("read {}", path.display()))?;
            Ok(Some(text.trim_end_matches(['\r', '\n']).to_owned()))
        }
    }
}

fn answer(
    method: &str,
    url: &str,
    response: Result<Response<ureq::Body>, ureq::Error>,
) -> anyhow::Result<Vec<u8>> {
    let what = || format!("{method} {url}");
    let mut response = response.with_context(what)?;
    let status = response.status();
    let body = response.body_mut().read_to_vec().with_context(what)?;
    if status.is_success() {
        return Ok(body);
    }
    let reason = json(&body).unwrap_or_default();
    let reason = reason.get("reason").and_then(Value::as_str).unwrap_or("-");
    bail!("{method} {url}: the broker answers {status}: {reason}")
}

fn json(body: &[u8]) -> anyhow::Result<Value> {
    if body.is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_slice(body).context("read the broker's answer as JSON")
}

/// A name as one segment of a path (RFC 3986, section 3.3): a virtual host is often called `/`.
fn escape(name: &str) -> String {
    let mut segment = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            segment.push(char::from(byte));
        } else {
            write!(segment, "%{byte:02X}").expect("a String takes every write");
        }
    }
    segment
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, text) in files {
            fs::write(folder.path().join(name), text).expect("written");
        }
        folder
    }

    const LOGIN: [(&str, &str); 3] =
        [("host", "broker.example\n"), ("username", "u"), ("password", "p")];

    #[test]
    fn names_are_escaped_in_the_path() {
        let folder = folder(&LOGIN);
        let management = Management::of(folder.path()).expect("a login");
        assert_eq!(
            management.url(&["queues", "/", "a b.é"]),
            "http://broker.example:15672/api/queues/%2F/a%20b.%C3%A9"
        );
        assert_eq!((management.user(), management.vhost()), ("u", "/"));
    }

    #[test]
    fn an_address_of_its_own_and_a_virtual_host_are_taken_from_their_files() {
        let mut files = LOGIN.to_vec();
        files.extend([("management-uri", "http://a:1/\n"), ("vhost", "v")]);
        let management = Management::of(folder(&files).path()).expect("a login");
        assert_eq!(management.url(&["whoami"]), "http://a:1/api/whoami");
        assert_eq!(management.vhost(), "v");
    }

    #[test]
    fn a_missing_file_and_an_api_behind_tls_are_named() {
        let missing = Management::of(folder(&LOGIN[..2]).path()).err();
        assert!(missing.expect("no login").to_string().contains("password"));
        let mut files = LOGIN.to_vec();
        files.push(("management-uri", "https://a"));
        let tls = Management::of(folder(&files).path()).err();
        assert!(tls.expect("no login").to_string().contains("plain HTTP"));
    }
}
