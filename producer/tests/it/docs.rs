//! The documentation that the producer carries.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::rig::{Always, Producer};

async fn producer() -> Producer {
    Producer::scripted(Always::new(Ok(())), |_| {}, None).await
}

#[tokio::test]
async fn the_pages_ask_no_other_origin_for_anything() {
    let producer = producer().await;
    let page = producer.get("/ui/").await;
    assert_eq!(page.status, 200);
    assert!(page.text.contains("swagger-ui"), "{}", page.text);
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.contains("default-src 'self'"), "{policy}");
    assert!(!policy.contains("http") && !policy.contains('*'), "{policy}");
    let mut loaded = vec![page.text];
    let links: Vec<String> = loaded[0]
        .split(['"', '\''])
        .filter(|text| text.contains(".css") || text.contains(".js") || text.contains(".png"))
        .map(str::to_owned)
        .collect();
    assert!(links.len() >= 4, "{links:?}");
    for link in links {
        let part = producer.get(&format!("/ui/{}", link.trim_start_matches("./"))).await;
        assert_eq!(part.status, 200, "{link}");
        if link.contains("initializer") {
            assert!(part.text.contains("/openapi.json"), "{}", part.text);
            assert!(part.text.contains(r#""validatorUrl": "none""#), "{}", part.text);
            loaded.push(part.text);
        }
    }
    assert_eq!(loaded.len(), 2, "the page has its settings in one file");
    for text in loaded {
        for foreign in ["http://", "https://", "src=\"//", "href=\"//"] {
            assert!(!text.contains(foreign), "{foreign} in {text}");
        }
    }
    producer.stop().await;
}

#[tokio::test]
async fn every_route_is_documented_with_its_problems() {
    let producer = producer().await;
    let document = producer.get("/openapi.json").await.json();
    let paths = document["paths"].as_object().unwrap();
    let publishing = [
        ("/produce", "200"),
        ("/batch-produce", "207"),
        ("/v1/pipelines/{p}/messages", "202"),
        ("/v1/pipelines/{p}/messages:batch", "200"),
    ];
    for (path, good) in publishing {
        let responses = &paths[path]["post"]["responses"];
        assert!(responses[good].is_object(), "{path} {good}");
        for problem in ["400", "401", "408", "413", "415", "429", "503", "504"] {
            let content = &responses[problem]["content"]["application/problem+json"];
            assert_eq!(
                content["schema"]["$ref"], "#/components/schemas/Problem",
                "{path} {problem}: {}",
                responses[problem]
            );
        }
        if path.contains("{p}") {
            assert!(responses["404"].is_object(), "{path}");
        }
    }
    let listed: BTreeSet<&str> = paths.keys().map(String::as_str).collect();
    let mut expected: BTreeSet<&str> = publishing.iter().map(|(path, _)| *path).collect();
    expected.extend(["/v1/pipelines", "/v1/messages/{id}", "/health", "/livez", "/readyz"]);
    expected.extend(["/metrics", "/openapi.json", "/ui/"]);
    assert_eq!(listed, expected);
    let problem = &document["components"]["schemas"]["Problem"]["properties"];
    for field in ["type", "title", "status", "detail", "reason", "message_id"] {
        assert!(problem[field].is_object(), "{field}");
    }
    producer.stop().await;
}

#[tokio::test]
async fn every_reference_in_the_document_leads_somewhere() {
    fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::Object(fields) => {
                found.extend(fields.get("$ref").and_then(Value::as_str));
                fields.values().for_each(|inner| references(inner, found));
            }
            Value::Array(items) => items.iter().for_each(|inner| references(inner, found)),
            _ => {}
        }
    }
    let producer = producer().await;
    let document = producer.get("/openapi.json").await.json();
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(found.len() > 10, "{found:?}");
    for reference in found {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
    producer.stop().await;
}
