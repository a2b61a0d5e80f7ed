//! The rights that the recorder asks for (`kind/base/rbac.yaml`): what its watch needs, no more.

#![expect(clippy::expect_used, reason = "a failed expectation fails the test")]

use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, Subject};
use serde_json::Value;

#[test]
fn pods_may_be_read_and_nothing_else() {
    let text = include_str!("../../../kind/base/rbac.yaml");
    let documents: Vec<Value> = serde_saphyr::from_multiple(text).expect("YAML");
    let [account, role, binding] = &documents[..] else {
        panic!("an account, a role and a binding: {documents:?}");
    };
    let account: ServiceAccount = parsed(account);
    let role: ClusterRole = parsed(role);
    let binding: ClusterRoleBinding = parsed(binding);

    let rules = role.rules.expect("rules");
    let [rule] = &rules[..] else {
        panic!("one rule: {rules:?}");
    };
    let texts = |texts: &[&str]| Some(texts.iter().map(|&text| text.to_owned()).collect());
    assert_eq!(rule.api_groups, texts(&[""]));
    assert_eq!(rule.resources, texts(&["pods"]));
    assert_eq!(Some(rule.verbs.clone()), texts(&["get", "list", "watch"]));
    assert_eq!(rule.non_resource_urls, None);
    assert_eq!(rule.resource_names, None);
    assert_eq!(role.aggregation_rule, None);

    assert_eq!(binding.role_ref.kind, "ClusterRole");
    assert_eq!(Some(binding.role_ref.name), role.metadata.name);
    let subject = Subject {
        kind: "ServiceAccount".to_owned(),
        name: account.metadata.name.expect("a name"),
        namespace: account.metadata.namespace,
        api_group: None,
    };
    assert_eq!(binding.subjects, Some(vec![subject]));
}

fn parsed<T: serde::de::DeserializeOwned>(document: &Value) -> T {
    serde_json::from_value(document.clone()).expect("of that kind")
}
