//! Who may do what, once the chart is installed.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{
    helm::{render, situations},
    object::{Objects, key, texts},
};

/// The operator's rights in a namespace: group, resource, verbs.
const OPERATOR: [(&str, &str, &str); 14] = [
    ("", "configmaps", "create delete get list patch watch"),
    ("", "pods", "list patch watch"),
    ("", "secrets", "create delete get patch"),
    ("", "serviceaccounts", "create delete get list patch watch"),
    ("", "services", "create delete get list patch watch"),
    ("apps", "deployments", "create delete get list patch watch"),
    ("apps", "deployments/scale", "get patch"),
    ("autoscaling", "horizontalpodautoscalers", "list watch"),
    ("events.k8s.io", "events", "create patch"),
    ("policy", "poddisruptionbudgets", "create delete get list patch watch"),
    ("warren.dev", "messagepipelines", "get list patch watch"),
    ("warren.dev", "messagepipelines/finalizers", "patch update"),
    ("warren.dev", "messagepipelines/status", "patch update"),
    // The last one is for the whole cluster alone.
    ("", "namespaces", "get"),
];

/// Group and resource to verbs, sorted.
type Rights = BTreeMap<(String, String), String>;

/// Group, resource and verbs of every rule.
fn granted(role: &Value) -> Vec<(&str, &str, Vec<&str>)> {
    let mut granted = Vec::new();
    for rule in role["rules"].as_array().unwrap() {
        for group in texts(&rule["apiGroups"]) {
            for resource in texts(&rule["resources"]) {
                granted.push((group, resource, texts(&rule["verbs"])));
            }
        }
    }
    granted
}

fn rights(role: &Value) -> Rights {
    let mut rights = Rights::new();
    for (group, resource, mut verbs) in granted(role) {
        verbs.sort_unstable();
        let before = rights.insert((group.to_owned(), resource.to_owned()), verbs.join(" "));
        assert_eq!(before, None, "{resource} is granted twice in {}", key(role));
    }
    rights
}

fn table(rows: &[(&str, &str, &str)]) -> Rights {
    let row = |&(group, resource, verbs): &(&str, &str, &str)| {
        ((group.to_owned(), resource.to_owned()), verbs.to_owned())
    };
    rows.iter().map(row).collect()
}

fn binds(binding: &Value, role: &Value) {
    assert_eq!(binding["roleRef"]["kind"], role["kind"]);
    assert_eq!(binding["roleRef"]["name"], role["metadata"]["name"]);
    assert_eq!(
        binding["subjects"],
        serde_json::json!([{
            "kind": "ServiceAccount", "name": "warren-operator", "namespace": "warren-system",
        }])
    );
}

/// What is left when `helm test` is not looked at.
fn installed<'a>(objects: &'a Objects, kind: &str) -> Vec<&'a Value> {
    let of_kind = objects.of(kind).into_iter();
    of_kind.filter(|object| !Objects::is_test(object)).collect()
}

#[test]
fn the_operator_has_the_rights_of_the_table_and_no_other() {
    let objects = render("{}");
    let role = objects.one("ClusterRole", "warren-operator");
    assert_eq!(rights(role), table(&OPERATOR));
    binds(objects.one("ClusterRoleBinding", "warren-operator"), role);
    assert_eq!(installed(&objects, "ClusterRoleBinding").len(), 1);
    assert!(installed(&objects, "Role").is_empty());
    assert!(installed(&objects, "RoleBinding").is_empty());
}

#[test]
fn of_namespaces_only_kube_system_is_read_and_only_for_its_uid() {
    let objects = render("{}");
    let rules = objects.one("ClusterRole", "warren-operator")["rules"].as_array().unwrap();
    let rule = rules.iter().find(|rule| texts(&rule["resources"]) == ["namespaces"]).unwrap();
    assert_eq!(texts(&rule["resourceNames"]), ["kube-system"]);

    let objects = render("{clusterId: europe-1}");
    let role = objects.one("ClusterRole", "warren-operator");
    assert_eq!(rights(role), table(&OPERATOR[..13]));
}

#[test]
fn in_chosen_namespaces_there_is_no_cluster_role_at_all() {
    let objects = render("{watch: {namespaces: [shop, billing]}, clusterId: europe-1}");
    assert!(objects.of("ClusterRole").is_empty());
    assert!(objects.of("ClusterRoleBinding").is_empty());
    let roles = installed(&objects, "Role");
    let namespaces: Vec<_> = roles.iter().map(|role| &role["metadata"]["namespace"]).collect();
    assert_eq!(namespaces, ["shop", "billing"]);
    let bindings = installed(&objects, "RoleBinding");
    assert_eq!(bindings.len(), roles.len());
    for (role, binding) in roles.into_iter().zip(bindings) {
        assert_eq!(rights(role), table(&OPERATOR[..13]));
        assert_eq!(binding["metadata"]["namespace"], role["metadata"]["namespace"]);
        binds(binding, role);
    }
}

#[test]
fn nobody_is_granted_a_way_to_more_rights() {
    let mut roles = 0;
    for (name, values) in situations() {
        let objects = render(&values);
        for role in objects.all().iter().filter(|object| object["rules"].is_array()) {
            roles += 1;
            for (group, resource, verbs) in granted(role) {
                let granted = format!("{name}, {}: {group}/{resource} {verbs:?}", key(role));
                for word in ["*", "bind", "escalate", "impersonate"] {
                    assert!(!verbs.contains(&word), "{granted}");
                    assert!(group != word && resource != word, "{granted}");
                }
                assert_ne!(group, "rbac.authorization.k8s.io", "{granted}");
                assert_ne!(resource, "pods/exec", "{granted}");
                let all = verbs.contains(&"list") || verbs.contains(&"watch");
                assert!(resource != "secrets" || !all, "{granted}");
            }
        }
    }
    assert!(roles >= 8, "only {roles} roles were judged");
}

#[test]
fn people_get_pipelines_with_the_roles_that_they_have() {
    let objects = render("{}");
    let labels = |name: &str| objects.one("ClusterRole", name)["metadata"]["labels"].clone();
    let joins = |name: &str, role: &str| {
        labels(name)[format!("rbac.authorization.k8s.io/aggregate-to-{role}")] == "true"
    };
    for (name, view, edit, admin) in
        [("warren-view", true, true, true), ("warren-edit", false, true, true)]
    {
        let joined = ["view", "edit", "admin"].map(|role| joins(name, role));
        assert_eq!(joined, [view, edit, admin], "{name}");
    }
    let view = table(&[
        ("warren.dev", "messagepipelines", "get list watch"),
        ("warren.dev", "messagepipelines/status", "get list watch"),
    ]);
    assert_eq!(rights(objects.one("ClusterRole", "warren-view")), view);
    let edit =
        table(&[("warren.dev", "messagepipelines", "create delete deletecollection patch update")]);
    assert_eq!(rights(objects.one("ClusterRole", "warren-edit")), edit);
}

#[test]
fn the_smoke_test_may_touch_its_own_pipeline_and_nothing_else() {
    for (values, namespace) in [
        ("{}", "warren-system"),
        ("{watch: {namespaces: [shop, billing]}, clusterId: europe-1}", "shop"),
    ] {
        let objects = render(values);
        let role = objects.one("Role", "warren-smoke");
        assert_eq!(role["metadata"]["namespace"], namespace);
        for rule in role["rules"].as_array().unwrap() {
            assert_eq!(texts(&rule["resources"]), ["messagepipelines"]);
            match rule.get("resourceNames") {
                Some(names) => assert_eq!(texts(names), ["warren-smoke"]),
                // What is to be created has no name yet that a rule could hold.
                None => assert_eq!(texts(&rule["verbs"]), ["create"]),
            }
        }
    }
}
