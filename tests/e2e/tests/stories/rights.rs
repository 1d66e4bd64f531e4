//! What the operator's account may do: what it needs, and nothing else.

use std::collections::BTreeSet;

use futures_util::{StreamExt, stream};
use k8s_openapi::api::{
    authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec},
    core::v1::Pod,
};
use kube::{
    Api, Discovery, ResourceExt,
    api::PostParams,
    discovery::{ApiGroup, verbs},
};

use super::harness::{Scene, operator, story};

/// Resource (with its API group, a slash before a subresource), verbs.
const GRANTED: &[(&str, &str)] = &[
    ("messagepipelines.warren.dev", "get list watch patch"),
    ("messagepipelines.warren.dev/status", "patch update"),
    ("messagepipelines.warren.dev/finalizers", "patch update"),
    ("deployments.apps", "get list watch create patch delete"),
    ("deployments.apps/scale", "get patch"),
    ("configmaps", "get list watch create patch delete"),
    ("serviceaccounts", "get list watch create patch delete"),
    ("services", "get list watch create patch delete"),
    ("poddisruptionbudgets.policy", "get list watch create patch delete"),
    ("secrets", "get create patch delete"),
    ("pods", "list watch patch"),
    ("horizontalpodautoscalers.autoscaling", "list watch"),
    ("events.events.k8s.io", "create patch"),
];

/// Every verb that a role can give on a resource.
const VERBS: [&str; 11] = [
    verbs::GET,
    verbs::LIST,
    verbs::WATCH,
    verbs::CREATE,
    verbs::UPDATE,
    verbs::PATCH,
    verbs::DELETE,
    verbs::DELETE_COLLECTION,
    "bind",
    "escalate",
    "impersonate",
];

/// Something that somebody may do or may not.
struct Question {
    /// Where.
    namespace: String,
    /// As in [`GRANTED`].
    resource: String,
    /// One object of it alone.
    name: Option<&'static str>,
    verb: &'static str,
}

impl Question {
    fn new(namespace: &str, resource: &str, verb: &'static str) -> Self {
        let (namespace, resource) = (namespace.to_owned(), resource.to_owned());
        Self { namespace, resource, name: None, verb }
    }
}

/// Questions at once.
const AT_ONCE: usize = 8;

#[test]
fn the_operator_may_do_what_the_table_says_and_nothing_else() {
    story("rights", async |scene| {
        let account = account(scene).await;
        // What every account may do, such as asking what it may do.
        let nobody = format!("system:serviceaccount:{}:default", scene.namespace);
        for namespace in [&scene.namespace, operator::NAMESPACE] {
            let questions = questions(scene, namespace).await;
            assert!(questions.len() > 500, "only {} questions", questions.len());
            let operators = granted(scene, &account, &questions).await;
            let everybody = granted(scene, &nobody, &questions).await;
            let more: BTreeSet<_> = operators.difference(&everybody).cloned().collect();
            assert_eq!(more, table(), "granted in {namespace}, and in the table");
        }
        let cluster_id = Question {
            name: Some("kube-system"),
            ..Question::new(&scene.namespace, "namespaces", "get")
        };
        assert!(may(scene, &account, &cluster_id).await, "its UID is in every owner marker");
    });
}

async fn granted(scene: &Scene, account: &str, questions: &[Question]) -> BTreeSet<String> {
    let answers = stream::iter(questions).map(async |question| {
        let allowed = may(scene, account, question).await;
        allowed.then(|| format!("{} {}", question.verb, question.resource))
    });
    answers.buffer_unordered(AT_ONCE).filter_map(async |granted| granted).collect().await
}

#[test]
fn the_operator_may_not_list_secrets() {
    story("secrets", async |scene| {
        let account = account(scene).await;
        let as_account = format!("--as={account}");
        let question = ["auth", "can-i", "list", "secrets", "-A", &as_account];
        // The answer no is an exit code too.
        let answer = scene.cluster.try_kubectl(&question).await;
        assert!(answer.as_ref().is_err_and(|said| said.contains("no")), "{answer:?}");
    });
}

fn table() -> BTreeSet<String> {
    let rows = GRANTED.iter().flat_map(|(resource, verbs)| {
        verbs.split_whitespace().map(move |verb| format!("{verb} {resource}"))
    });
    rows.collect()
}

/// The account that the operator runs as.
async fn account(scene: &Scene) -> String {
    let pod: Pod = scene.operator.pod(std::time::Duration::from_secs(60)).await;
    let account = pod.spec.as_ref().and_then(|spec| spec.service_account_name.clone());
    let account = account.unwrap_or_else(|| panic!("{} runs as nobody", pod.name_any()));
    format!("system:serviceaccount:{}:{account}", operator::NAMESPACE)
}

/// Every verb on every resource that the API server has, and on the subresources of the table.
async fn questions(scene: &Scene, namespace: &str) -> Vec<Question> {
    let discovery = Discovery::new(scene.cluster.client.clone()).run().await.unwrap();
    let mut resources: BTreeSet<String> =
        GRANTED.iter().map(|(resource, _)| (*resource).to_owned()).collect();
    for (resource, capabilities) in discovery.groups().flat_map(ApiGroup::recommended_resources) {
        let group =
            if resource.group.is_empty() { String::new() } else { format!(".{}", resource.group) };
        resources.insert(format!("{}{group}", resource.plural));
        for (sub, _) in &capabilities.subresources {
            resources.insert(format!("{}{group}/{}", resource.plural, sub.plural));
        }
    }
    for extra in ["pods/exec", "pods/log", "pods/eviction", "serviceaccounts/token"] {
        resources.insert(extra.to_owned());
    }
    let all = |resource: &String| VERBS.map(|verb| Question::new(namespace, resource, verb));
    resources.iter().flat_map(all).collect()
}

/// Whether the account may do this, as `kubectl auth can-i` asks.
async fn may(scene: &Scene, account: &str, question: &Question) -> bool {
    let resource = question.resource.as_str();
    let (resource, subresource) = match resource.split_once('/') {
        Some((resource, subresource)) => (resource, Some(subresource.to_owned())),
        None => (resource, None),
    };
    let (resource, group) = resource.split_once('.').unwrap_or((resource, ""));
    let review = SubjectAccessReview {
        spec: SubjectAccessReviewSpec {
            user: Some(account.to_owned()),
            // As the API server gives them to every account.
            groups: Some(vec![
                "system:serviceaccounts".to_owned(),
                format!("system:serviceaccounts:{}", operator::NAMESPACE),
                "system:authenticated".to_owned(),
            ]),
            resource_attributes: Some(ResourceAttributes {
                namespace: Some(question.namespace.clone()),
                group: Some(group.to_owned()),
                resource: Some(resource.to_owned()),
                subresource,
                name: question.name.map(str::to_owned),
                verb: Some(question.verb.to_owned()),
                ..ResourceAttributes::default()
            }),
            ..SubjectAccessReviewSpec::default()
        },
        ..SubjectAccessReview::default()
    };
    let reviews: Api<SubjectAccessReview> = Api::all(scene.cluster.client.clone());
    let answer = reviews.create(&PostParams::default(), &review).await.unwrap();
    answer.status.is_some_and(|status| status.allowed)
}
