//! An API server in memory that notes what it is asked and answers as it was told.

use std::sync::{Arc, Mutex};

use http::{Request, Response, StatusCode};
use kube::{Client, client::Body};
use serde_json::{Value, json};
use tower::service_fn;

/// What it was asked.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    /// The method.
    pub(crate) method: String,
    /// The path.
    pub(crate) path: String,
    /// The query.
    pub(crate) query: String,
    /// The body; null without one.
    pub(crate) body: Value,
}

/// An API server in memory; clones are the same one.
#[derive(Clone, Default)]
pub(crate) struct Fake {
    answers: Arc<Mutex<Vec<(String, Answer)>>>,
    asked: Arc<Mutex<Vec<Asked>>>,
}

/// What is answered.
#[derive(Clone)]
enum Answer {
    Body(u16, Value),
    Never,
}

impl Fake {
    /// Answers the next question of this method and path with this object, and later ones too,
    /// unless another answer follows.
    pub(crate) fn answers(self, question: &str, code: u16, body: Value) -> Self {
        self.answers.lock().unwrap().push((question.to_owned(), Answer::Body(code, body)));
        self
    }

    /// Refuses a question in the words of an API server.
    pub(crate) fn refuses(self, question: &str, code: u16, reason: &str, message: &str) -> Self {
        let status = json!({
            "apiVersion": "v1", "kind": "Status", "status": "Failure",
            "code": code, "reason": reason, "message": message,
        });
        self.answers(question, code, status)
    }

    /// Never answers a question.
    pub(crate) fn with_silence_about(self, question: &str) -> Self {
        self.answers.lock().unwrap().push((question.to_owned(), Answer::Never));
        self
    }

    /// A client of it.
    pub(crate) fn client(&self) -> Client {
        let fake = self.clone();
        let service = service_fn(move |request: Request<Body>| {
            let fake = fake.clone();
            async move { Ok::<_, std::convert::Infallible>(fake.answer(request).await) }
        });
        Client::new(service, "default")
    }

    /// What it was asked so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// The questions so far, as method and path.
    pub(crate) fn questions(&self) -> Vec<String> {
        let asked = self.asked().into_iter();
        asked.map(|asked| format!("{} {}", asked.method, asked.path)).collect()
    }

    async fn answer(&self, request: Request<Body>) -> Response<Body> {
        let (head, body) = request.into_parts();
        let bytes = body.collect_bytes().await.unwrap();
        let question = format!("{} {}", head.method, head.uri.path());
        self.asked.lock().unwrap().push(Asked {
            method: head.method.to_string(),
            path: head.uri.path().to_owned(),
            query: head.uri.query().unwrap_or_default().to_owned(),
            body: serde_json::from_slice(&bytes).unwrap_or_default(),
        });
        match self.next(&question) {
            Some(Answer::Body(code, body)) => respond(code, &body),
            Some(Answer::Never) => std::future::pending().await,
            None => respond(
                404,
                &json!({
                    "apiVersion": "v1", "kind": "Status", "status": "Failure",
                    "code": 404, "reason": "NotFound", "message": format!("{question}: not found"),
                }),
            ),
        }
    }

    fn next(&self, question: &str) -> Option<Answer> {
        let mut answers = self.answers.lock().unwrap();
        let first = answers.iter().position(|(of, _)| of == question)?;
        let another = answers.iter().skip(first + 1).any(|(of, _)| of == question);
        if another { Some(answers.remove(first).1) } else { Some(answers[first].1.clone()) }
    }
}

fn respond(code: u16, body: &Value) -> Response<Body> {
    let mut response = Response::new(Body::from(body.to_string().into_bytes()));
    *response.status_mut() = StatusCode::from_u16(code).unwrap();
    response
}
