//! The API server and the judge of the tests say the same about every object of the corpus, so
//! what tests without a cluster show holds on one.

use std::{collections::BTreeSet, time::Duration};

use kube::{api::DeleteParams, core::Status};
use serde_json::{Value, json};
use warren_api::schema::{self, Violation};

use super::{
    corpus::{self, Refused},
    harness::{Scene, story, until},
    judge::{by_schema, complete, judge},
};

/// A busy server may have no time for a request.
const ANSWERED: Duration = Duration::from_secs(30);

/// The pipelines of a namespace.
fn collection(scene: &Scene) -> String {
    format!("/apis/warren.dev/v1alpha1/namespaces/{}/messagepipelines", scene.namespace)
}

#[test]
fn the_api_server_takes_every_object_that_the_judge_takes() {
    story("taken", async |scene| {
        let valid = corpus::valid();
        let unavailable = corpus::unavailable().into_iter().map(|case| (case.name, case.object));
        for (name, object) in valid.into_iter().chain(unavailable) {
            assert_eq!(judge(&object, None), [], "{name}");
            let verdict = created(scene, &object).await;
            assert!(verdict.is_ok(), "{name}: {verdict:?}");
        }
    });
}

#[test]
fn the_api_server_refuses_what_the_judge_refuses_where_and_as_it_does() {
    story("refused", async |scene| {
        let rules = rules(schema::root());
        let mut wrong = Vec::new();
        for case in corpus::invalid() {
            let ours = judge(&case.object, case.old.as_ref());
            let theirs = match &case.old {
                None => created(scene, &case.object).await,
                Some(old) => changed(scene, &case, old).await,
            };
            let theirs = theirs.err().unwrap_or_default();
            let problems = disagreements(&case, &ours, &theirs, &rules);
            if !problems.is_empty() {
                wrong.push(format!("{}: {problems:?}\n  server {theirs:?}", case.name));
            }
        }
        assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
    });
}

/// Where the two do not say the same, a sentence each. Two differences are none: the server says
/// of a text that is too long nothing more, and the judge, which stops at the schema, does not see
/// the rules that an object breaks as well.
fn disagreements(
    case: &Refused,
    ours: &[Violation],
    theirs: &[Violation],
    rules: &BTreeSet<String>,
) -> Vec<String> {
    let says = |one: &Violation, path: &str, message: &str| {
        one.path == path && one.message.contains(message)
    };
    let told = theirs.iter().filter(|one| says(one, &case.path, &case.message)).count();
    let by_schema = !by_schema(&complete(&case.object)).is_empty();
    let mut wrong = Vec::new();
    if told != 1 {
        wrong.push(format!("the server says it {told} times"));
    }
    if let Some(also) = &case.also
        && !theirs.iter().any(|one| one.path == *also)
    {
        wrong.push(format!("the server does not name {also} as well"));
    }
    for our in ours {
        let theirs_too = theirs.iter().any(|their| says(their, &our.path, &our.message));
        let too_long = theirs.iter().any(|their| says(their, &our.path, "Too long"));
        if !theirs_too && !too_long {
            wrong.push(format!("only the judge says {our}"));
        }
    }
    for their in theirs {
        let ours_too = ours.iter().any(|our| says(their, &our.path, &our.message));
        let is_rule = rules.iter().any(|message| their.message.ends_with(message));
        if !(ours_too || by_schema && is_rule) {
            wrong.push(format!("only the server says {their}"));
        }
    }
    wrong
}

/// The messages of all rules in a schema.
fn rules(schema: &Value) -> BTreeSet<String> {
    let mut messages = BTreeSet::new();
    match schema {
        Value::Object(fields) => {
            let own = fields.get("x-kubernetes-validations").and_then(Value::as_array);
            let own = own.into_iter().flatten().filter_map(|rule| rule["message"].as_str());
            messages.extend(own.map(str::to_owned));
            messages.extend(fields.values().flat_map(rules));
        }
        Value::Array(items) => messages.extend(items.iter().flat_map(rules)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
    messages
}

/// Whether an object would be created, or what is wrong with it.
async fn created(scene: &Scene, object: &Value) -> Result<(), Vec<Violation>> {
    let object = here(scene, object);
    send(scene, "POST", &format!("{}?dryRun=All", collection(scene)), &object).await
}

/// Whether an object would be changed. The one before is there while this is asked, and the
/// operator keeps its hands off it.
async fn changed(scene: &Scene, case: &Refused, old: &Value) -> Result<(), Vec<Violation>> {
    let mut old = here(scene, old);
    old["metadata"]["annotations"] = json!({"warren.dev/paused": "true"});
    let before = send(scene, "POST", &collection(scene), &old).await;
    assert!(before.is_ok(), "{}: the object before: {before:?}", case.name);
    let mut object = here(scene, &case.object);
    let name = object["metadata"]["name"].as_str().expect("a name").to_owned();
    let path = format!("{}/{name}?dryRun=All", collection(scene));
    // The operator writes its status in between, and a change is one of what is there now.
    let verdict = until(ANSWERED, "the change is one of the newest version", async || {
        let now = scene.pipelines().get(&name).await.map_err(|error| error.to_string())?;
        object["metadata"]["resourceVersion"] = json!(now.metadata.resource_version);
        let verdict = send(scene, "PUT", &path, &object).await;
        if is_overtaken(&verdict) { Err("overtaken".to_owned()) } else { Ok(verdict) }
    })
    .await;
    let _ = scene.pipelines().delete(&name, &DeleteParams::default()).await;
    verdict
}

fn here(scene: &Scene, object: &Value) -> Value {
    let mut object = object.clone();
    object["metadata"]["namespace"] = json!(scene.namespace);
    object
}

async fn send(
    scene: &Scene,
    method: &str,
    path: &str,
    object: &Value,
) -> Result<(), Vec<Violation>> {
    until(ANSWERED, path, async || {
        let request = http::Request::builder()
            .method(method)
            .uri(path)
            .header("content-type", "application/json")
            .body(object.to_string().into_bytes())
            .expect("a request");
        match scene.cluster.client.request::<Value>(request).await {
            Ok(_) => Ok(Ok(())),
            Err(kube::Error::Api(status)) if is_verdict(&status) => Ok(Err(causes(&status))),
            Err(error) => Err(error.to_string()),
        }
    })
    .await
}

/// Whether somebody changed the object since it was read.
fn is_overtaken(verdict: &Result<(), Vec<Violation>>) -> bool {
    let mut found = verdict.as_ref().err().into_iter().flatten();
    found.any(|one| one.message.contains("the object has been modified"))
}

/// Whether it is about the object, and not about a server that has no time.
fn is_verdict(status: &Status) -> bool {
    (400..500).contains(&status.code) && status.code != 429
}

/// What the server found, in the words of its newest version.
fn causes(status: &Status) -> Vec<Violation> {
    let details = status.details.as_ref().map(|details| details.causes.as_slice());
    let causes = details.unwrap_or_default().iter();
    // No finding of its own: it tells that the rules were left out.
    let found = causes.filter(|cause| !cause.message.contains("rules were not checked"));
    let found = found.map(|cause| Violation {
        path: if cause.field == "<nil>" { String::new() } else { cause.field.clone() },
        message: reworded(&cause.message),
    });
    let found: Vec<_> = found.collect();
    if found.is_empty() {
        return vec![Violation { path: String::new(), message: status.message.clone() }];
    }
    found
}

/// Versions before 1.35 count characters too, and call them bytes. And all name the value that is
/// not one of a list, and the number of items that is too many, which the judge does not.
fn reworded(message: &str) -> String {
    if let Some(rest) = message.strip_suffix(" bytes").filter(|rest| rest.starts_with("Too long")) {
        return format!("{rest} characters");
    }
    let valued = ["Too many", "Unsupported value"].into_iter().find_map(|kind| {
        let (_, rest) = message.strip_prefix(kind)?.strip_prefix(": ")?.split_once(": ")?;
        Some(format!("{kind}: {rest}"))
    });
    valued.unwrap_or_else(|| message.to_owned())
}
