//! One call: method, path, body, deadline, and what its answer means.

use std::sync::atomic::{AtomicU64, Ordering};

use reqwest::{Method, RequestBuilder, Response, header::CONTENT_TYPE};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tokio::time::timeout;
use url::Url;

use super::{
    ApiError, ApiErrorKind, CallResult, EndedCall, Management, READ_TIMEOUT, WRITE_TIMEOUT,
};

/// The largest page the broker gives.
const PAGE_SIZE: &str = "500";
/// The largest answer that is read, in bytes; a page of 500 queues has about one MiB.
const ANSWER_MAX: usize = 64 * 1024 * 1024;

/// A call that is being put together.
#[derive(Clone)]
pub(super) struct Call {
    management: Management,
    method: Method,
    url: Url,
    body: Option<Vec<u8>>,
}

/// A page of a list.
#[derive(Deserialize)]
struct Page<T> {
    items: Vec<T>,
    page_count: u32,
}

impl Management {
    pub(super) fn get(&self, path: &[&str]) -> Call {
        self.call(Method::GET, path)
    }

    pub(super) fn put(&self, path: &[&str]) -> Call {
        self.call(Method::PUT, path)
    }

    pub(super) fn post(&self, path: &[&str]) -> Call {
        self.call(Method::POST, path)
    }

    pub(super) fn delete(&self, path: &[&str]) -> Call {
        self.call(Method::DELETE, path)
    }

    /// Each part of the path is one segment, whatever characters are in it.
    fn call(&self, method: Method, path: &[&str]) -> Call {
        let mut url = self.inner.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().push("api").extend(path);
        }
        Call { management: self.clone(), method, url, body: None }
    }
}

impl Call {
    /// Adds to the query.
    pub(super) fn query(mut self, name: &str, value: &str) -> Self {
        self.url.query_pairs_mut().append_pair(name, value);
        self
    }

    /// Adds a body.
    pub(super) fn with(mut self, body: &impl Serialize) -> Result<Self, ApiError> {
        let bytes = serde_json::to_vec(body);
        self.body = Some(bytes.map_err(|error| self.unexpected(&error.to_string()))?);
        Ok(self)
    }

    /// Sends it and reads the answer as JSON.
    pub(super) async fn json<T: DeserializeOwned>(self) -> Result<T, ApiError> {
        let bytes = self.send().await?;
        serde_json::from_slice(&bytes).map_err(|error| self.unexpected(&error.to_string()))
    }

    /// As [`json`](Self::json), with nothing where the broker has no such object.
    pub(super) async fn json_if_found<T: DeserializeOwned>(self) -> Result<Option<T>, ApiError> {
        match self.json().await {
            Ok(found) => Ok(Some(found)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Sends it as many times as there are pages.
    pub(super) async fn pages<T: DeserializeOwned>(self) -> Result<Vec<T>, ApiError> {
        let mut items = Vec::new();
        let mut number = 1;
        loop {
            let page = self.clone().query("page", &number.to_string());
            let page: Page<T> = page.query("page_size", PAGE_SIZE).json().await?;
            items.extend(page.items);
            if number >= page.page_count {
                return Ok(items);
            }
            number += 1;
        }
    }

    /// Sends it; the answer says only that it is done.
    pub(super) async fn done(self) -> Result<(), ApiError> {
        self.send().await.map(|_| ())
    }

    /// Sends a deletion; what was not there is gone as well.
    pub(super) async fn gone(self) -> Result<(), ApiError> {
        match self.done().await {
            Err(error) if error.is_not_found() => Ok(()),
            other => other,
        }
    }

    /// An error of this call for an answer that makes no sense.
    pub(super) fn unexpected(&self, what: &str) -> ApiError {
        self.failed(ApiErrorKind::Unexpected(what.to_owned()))
    }

    /// An error of this call.
    pub(super) fn failed(&self, kind: ApiErrorKind) -> ApiError {
        let (method, path) = (&self.method, self.url.path());
        ApiError { call: format!("{method} {path}"), kind }
    }

    /// The deadline covers the wait for a place among the calls under way, so that one hung
    /// broker cannot pile up callers.
    async fn send(&self) -> Result<Vec<u8>, ApiError> {
        let deadline = if self.is_write() { WRITE_TIMEOUT } else { READ_TIMEOUT };
        let sent = timeout(deadline, self.send_at_once()).await;
        let sent = sent.unwrap_or(Err(ApiErrorKind::Timeout));
        if let Some(witness) = &self.management.inner.witness {
            let result = sent.as_ref().map_or_else(CallResult::of, |_| CallResult::Ok);
            witness(EndedCall { result, is_write: self.is_write() });
        }
        sent.map_err(|kind| self.failed(kind))
    }

    async fn send_at_once(&self) -> Result<Vec<u8>, ApiErrorKind> {
        let inner = &self.management.inner;
        let _place = inner.calls.acquire().await;
        let _change = self.is_write().then(|| {
            inner.writes.fetch_add(1, Ordering::Relaxed);
            Changing::begin(&inner.changes)
        });
        let mut response = self.response().await.map_err(|error| transport(&error))?;
        let status = response.status();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| transport(&error))? {
            body.extend_from_slice(&chunk);
            if body.len() > ANSWER_MAX {
                return Err(ApiErrorKind::Unexpected("the answer is too long".to_owned()));
            }
        }
        if status.is_success() {
            return Ok(body);
        }
        Err(ApiErrorKind::of_answer(status, &body))
    }

    /// Sends it, and once more if the connection ends without an answer: whoever serves closes idle
    /// ones, at times just as they are used. Only for what may be done twice
    /// (<https://www.rfc-editor.org/rfc/rfc9110#section-9.2.2>).
    async fn response(&self) -> reqwest::Result<Response> {
        match self.request().send().await {
            Err(error) if is_unanswered(&error) && self.method.is_idempotent() => {
                let (method, path) = (&self.method, self.url.path());
                tracing::debug!(%method, path, error = %error.without_url(), "call is sent again");
                self.request().send().await
            }
            answered => answered,
        }
    }

    fn request(&self) -> RequestBuilder {
        let inner = &self.management.inner;
        let request = inner
            .client
            .request(self.method.clone(), self.url.clone())
            .basic_auth(&inner.username, Some(inner.password.reveal()));
        match &self.body {
            Some(body) => request.header(CONTENT_TYPE, "application/json").body(body.clone()),
            None => request,
        }
    }

    fn is_write(&self) -> bool {
        self.method != Method::GET
    }
}

/// A change under way: its beginning and its end count, however it ends.
struct Changing<'a>(&'a AtomicU64);

impl<'a> Changing<'a> {
    fn begin(changes: &'a AtomicU64) -> Self {
        changes.fetch_add(1, Ordering::SeqCst);
        Self(changes)
    }
}

impl Drop for Changing<'_> {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Whether there was a connection, and no answer on it that could be read.
fn is_unanswered(error: &reqwest::Error) -> bool {
    error.is_request() && !error.is_connect() && !error.is_timeout()
}

fn transport(error: &reqwest::Error) -> ApiErrorKind {
    ApiErrorKind::of_transport(error)
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, atomic::AtomicUsize};

    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::{TcpListener, TcpStream},
    };

    use super::*;
    use crate::login::{Login, Secret};

    const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";

    /// Answers so many requests on each connection and ends it with the next one. Counts all.
    async fn serve(answers: usize) -> (Management, Arc<AtomicUsize>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(AtomicUsize::new(0));
        let count = requests.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, answers, count.clone()));
            }
        });
        let mut login = Login::new("127.0.0.1", "u", Secret::new("p"));
        login.management_uri = Some(format!("http://{address}"));
        (Management::new(&login).unwrap(), requests)
    }

    async fn answer(mut stream: TcpStream, answers: usize, requests: Arc<AtomicUsize>) {
        for number in 0..=answers {
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                match stream.read_u8().await {
                    Ok(byte) => request.push(byte),
                    Err(_) => return,
                }
            }
            requests.fetch_add(1, Ordering::SeqCst);
            if number < answers {
                stream.write_all(ANSWER).await.unwrap();
            }
        }
    }

    #[tokio::test]
    async fn what_a_closing_connection_swallowed_is_sent_once_more() {
        let (management, requests) = serve(1).await;
        for asked in [1, 3] {
            management.get(&["whoami"]).done().await.unwrap();
            assert_eq!(requests.load(Ordering::SeqCst), asked);
        }
    }

    #[tokio::test]
    async fn what_may_not_be_done_twice_is_sent_once_and_everything_else_twice_at_most() {
        for (method, sent) in
            [(Method::GET, 2), (Method::PUT, 2), (Method::DELETE, 2), (Method::POST, 1)]
        {
            let (management, requests) = serve(0).await;
            let error = management.call(method.clone(), &["x"]).done().await.unwrap_err();
            assert!(matches!(error.kind, ApiErrorKind::Transient(_)), "{method}: {error}");
            assert_eq!(requests.load(Ordering::SeqCst), sent, "{method}");
        }
    }
}
