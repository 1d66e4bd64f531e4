//! Sends each message to an HTTP endpoint and judges by the status.
//!
//! An attempt is one request: no redirects, no retries by the library. The host never comes from
//! the message. A repetition carries the same `webhook-id`, so that the receiver can tell it.

use std::{error::Error as _, fs, path::Path, time::Duration};

use reqwest::{
    Client, Response, Url,
    header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER},
};
use warren_core::{
    classify::retry_after_seconds,
    config::{HttpHandler, HttpHeader},
    duration, headers,
    message::{Incoming, Value},
    outcome::{ErrorClass, Outcome, Report},
};
use warren_service::clock;

use super::{Context, Handler, HandlerError};

/// The longest part of a reply that is read, in bytes.
const REPLY_MAX: usize = 64 * 1024;

/// How long an idle connection is kept.
///
/// Shorter than the 5 s after which Node.js closes it, or the next request may meet a connection
/// that is just being closed (hyperium/hyper#2136).
const IDLE: Duration = Duration::from_secs(4);

/// The handler `http`.
#[derive(Debug)]
pub struct Http {
    settings: HttpHandler,
    url: Url,
    method: reqwest::Method,
    headers: HeaderMap,
    client: Client,
}

impl Http {
    /// Makes the client; header values from Secrets are read from `<secrets>/<name>/<key>`.
    ///
    /// # Errors
    /// When the URL or a header is not valid, or a Secret's file cannot be read.
    pub fn new(
        settings: &HttpHandler,
        task_timeout: Duration,
        secrets: &Path,
    ) -> Result<Self, HandlerError> {
        let url = Url::parse(&settings.url).map_err(HandlerError::Url)?;
        let client = Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .connect_timeout(settings.connect_timeout)
            .timeout(settings.timeout.min(task_timeout))
            .pool_idle_timeout(IDLE)
            .tcp_nodelay(true)
            .user_agent(concat!("warren-worker/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(HandlerError::Client)?;
        let method = settings.method.as_str().parse().unwrap_or(reqwest::Method::POST);
        let headers = configured_headers(&settings.headers, secrets)?;
        Ok(Self { settings: settings.clone(), url, method, headers, client })
    }

    fn headers(&self, message: &Incoming, cx: &Context) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let properties = &message.message.properties;
        let traceparent =
            message.message.headers.get(headers::TRACEPARENT).and_then(Value::as_text);
        let own = [
            ("webhook-id", cx.message_id.clone()),
            ("idempotency-key", cx.message_id.clone()),
            ("webhook-timestamp", clock::now().as_second().to_string()),
            ("warren-pipeline", cx.pipeline.to_string()),
            ("warren-queue", cx.queue.to_string()),
            ("warren-routing-key", cx.routing_key.clone()),
            ("warren-published-at", cx.published_at.as_millisecond().to_string()),
            ("warren-attempt", cx.attempt.to_string()),
            ("warren-max-attempts", cx.max_attempts.to_string()),
            ("traceparent", traceparent.unwrap_or_default().to_owned()),
        ];
        for (name, value) in own {
            // What a foreign publisher wrote may not fit a header; the request goes without it.
            if let (false, Ok(value)) = (value.is_empty(), HeaderValue::from_str(&value)) {
                headers.insert(HeaderName::from_static(name), value);
            }
        }
        let content_type = properties.content_type.as_deref().unwrap_or("application/octet-stream");
        if let Ok(value) = HeaderValue::from_str(content_type) {
            headers.insert(CONTENT_TYPE, value);
        }
        headers.extend(self.headers.clone());
        headers
    }

    async fn send(&self, message: &Incoming, cx: &Context) -> Report {
        let request = self
            .client
            .request(self.method.clone(), self.url.clone())
            .headers(self.headers(message, cx))
            .body(message.message.body.clone());
        match request.send().await {
            Ok(response) => self.judge(response).await,
            Err(error) => self.failed(&error),
        }
    }

    async fn judge(&self, response: Response) -> Report {
        let status = response.status().as_u16();
        let retry_after = response
            .headers()
            .get(RETRY_AFTER)
            .and_then(|value| value.to_str().ok())
            .and_then(retry_after);
        let reply = read_reply(response).await;
        let text = String::from_utf8_lossy(&reply);
        let text = text.trim();
        let said = if text.is_empty() { String::new() } else { format!(": {text}") };
        let detail = format!("status {status}{said}");
        self.settings.rules().report(status, retry_after, detail)
    }

    /// The endpoint gave no complete answer. The URL stays out of the text: it may hold a token.
    fn failed(&self, error: &reqwest::Error) -> Report {
        let chain = causes(error);
        let (class, detail) = if error.is_timeout() && error.is_connect() {
            let limit = duration::format(self.settings.connect_timeout);
            (ErrorClass::Connect, format!("no connection within {limit}"))
        } else if error.is_timeout() {
            let limit = duration::format(self.settings.timeout);
            (ErrorClass::Timeout, format!("no complete reply within {limit}"))
        } else if error.is_connect() {
            (connect_class(&chain), format!("cannot connect: {chain}"))
        } else {
            (ErrorClass::ConnectionReset, format!("the connection broke: {chain}"))
        };
        Outcome::Retry { class, after: None, detail }.into()
    }
}

impl Handler for Http {
    async fn handle(&self, message: &Incoming, cx: &Context) -> Report {
        self.send(message, cx).await
    }
}

fn configured_headers(
    configured: &[HttpHeader],
    secrets: &Path,
) -> Result<HeaderMap, HandlerError> {
    let mut map = HeaderMap::new();
    for header in configured {
        let value = match &header.value_from {
            Some(source) => read_secret(header, &source.secret_key_ref, secrets)?,
            None => header.value.clone().unwrap_or_default(),
        };
        let refuse = || HandlerError::Header { name: header.name.clone() };
        let name = HeaderName::from_bytes(header.name.as_bytes()).map_err(|_| refuse())?;
        let mut value = HeaderValue::from_str(value.trim_end()).map_err(|_| refuse())?;
        value.set_sensitive(header.value_from.is_some());
        map.insert(name, value);
    }
    Ok(map)
}

fn read_secret(
    header: &HttpHeader,
    key: &warren_core::config::SecretKey,
    secrets: &Path,
) -> Result<String, HandlerError> {
    let file = secrets.join(&key.name).join(&key.key);
    fs::read_to_string(&file).map_err(|source| HandlerError::ReadHeader {
        name: header.name.clone(),
        file: file.display().to_string(),
        source,
    })
}

/// Reads at most [`REPLY_MAX`] bytes; the rest is left, and the connection with it.
///
/// The status has decided already: a reply that breaks off changes nothing about it.
async fn read_reply(mut response: Response) -> Vec<u8> {
    let mut reply = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        let room = REPLY_MAX - reply.len();
        reply.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if reply.len() == REPLY_MAX {
            break;
        }
    }
    reply
}

/// RFC 9110: a number of seconds or a date.
fn retry_after(text: &str) -> Option<Duration> {
    retry_after_seconds(text).or_else(|| {
        let date = httpdate::parse_http_date(text.trim()).ok()?;
        let since_epoch = date.duration_since(std::time::UNIX_EPOCH).ok()?;
        let now = u64::try_from(clock::now().as_second()).ok()?;
        Some(since_epoch.saturating_sub(Duration::from_secs(now)))
    })
}

/// The library tells name resolution and TLS apart from refusal only in the text of the cause.
fn connect_class(chain: &str) -> ErrorClass {
    let chain = chain.to_ascii_lowercase();
    if chain.contains("dns") || chain.contains("lookup") {
        ErrorClass::Dns
    } else if chain.contains("certificate") || chain.contains("tls") || chain.contains("handshake")
    {
        ErrorClass::Tls
    } else {
        ErrorClass::Connect
    }
}

/// The causes of an error without the outermost text, which holds the URL.
fn causes(error: &reqwest::Error) -> String {
    let mut texts: Vec<String> = Vec::new();
    let mut cause = error.source();
    while let Some(error) = cause {
        texts.push(error.to_string());
        cause = error.source();
    }
    texts.dedup();
    if texts.is_empty() { "no further cause given".to_owned() } else { texts.join(": ") }
}

#[cfg(test)]
mod tests;
