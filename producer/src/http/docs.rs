//! The documentation of the routes: `/openapi.json`, and `/ui/` to read it.
//!
//! The pages are compiled in. A content security policy keeps the browser from asking any other
//! origin, whatever a later version of the pages may want.

use axum::{
    Router,
    http::{HeaderValue, header},
    middleware::map_response,
    response::Response,
};
use utoipa::{
    OpenApi,
    openapi::{
        self, HttpMethod, PathItem, ResponseBuilder,
        path::OperationBuilder,
        security::{Http, HttpAuthScheme, SecurityScheme},
    },
};
use utoipa_swagger_ui::{Config, SwaggerUi};

use super::answer::ProblemSchema;

/// What a page of ours may load: nothing from elsewhere. Swagger UI sets styles in elements and
/// has its icons in `data:` addresses.
const POLICY: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:";

/// A status, and what it means.
type Answer = (&'static str, &'static str);

/// The routes that other crates serve: their path, what it is for, and what it may answer.
const ELSEWHERE: [(&str, &str, &[Answer]); 5] = [
    (
        "/livez",
        "Whether the process works; never depends on the broker",
        &[("200", "It does."), ("503", "It does not and wants a restart.")],
    ),
    (
        "/readyz",
        "Whether the producer takes messages",
        &[("200", "It does."), ("503", "It does not; the body says why.")],
    ),
    ("/metrics", "Metrics, in Prometheus' text format", &[("200", "The metrics.")]),
    ("/openapi.json", "This document", &[("200", "The document.")]),
    ("/ui/", "This document, to read and to try", &[("200", "A page.")]),
];

/// The document before any route is in it.
pub(super) fn base() -> openapi::OpenApi {
    #[derive(OpenApi)]
    #[openapi(
        info(
            title = "Warren producer",
            description = "Publishes messages to a Warren pipeline. A 2xx means that the broker has the message on disk.",
        ),
        components(schemas(ProblemSchema)),
        tags(
            (name = "publish", description = "Publish messages"),
            (name = "health", description = "Health, metrics and documentation"),
        ),
        security((), ("bearer" = [])),
    )]
    struct Base;

    let mut document = Base::openapi();
    if let Some(components) = &mut document.components {
        let bearer = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        components.add_security_scheme("bearer", bearer);
    }
    for (path, summary, answers) in ELSEWHERE {
        let mut operation = OperationBuilder::new().tag("health").summary(Some(summary));
        for (status, meaning) in answers {
            let answer = ResponseBuilder::new().description(*meaning).build();
            operation = operation.response(*status, answer);
        }
        let item = PathItem::new(HttpMethod::Get, operation.build());
        document.paths.paths.insert(path.to_owned(), item);
    }
    document
}

/// `/openapi.json` and `/ui/`.
pub(super) fn router(document: openapi::OpenApi) -> Router {
    // Without this the page asks validator.swagger.io whether the document is valid.
    let config = Config::default().validator_url("none");
    let pages = SwaggerUi::new("/ui").url("/openapi.json", document).config(config);
    Router::from(pages).layer(map_response(keep_at_home))
}

async fn keep_at_home(mut response: Response) -> Response {
    let headers = response.headers_mut();
    let policy = HeaderValue::from_static(POLICY);
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    let sniff = HeaderValue::from_static("nosniff");
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, sniff);
    response
}
