//! `fgm-lab cluster verify`: what only a real cluster can tell.

use super::tools::{Failure, Kubectl};
use super::{NAMESPACE, VIEWER_LABELS, connect, say};
use anyhow::bail;
use serde_json::Value;

pub(super) fn run() -> anyhow::Result<()> {
    let kubectl = connect()?;
    let nodes = kubectl.ask_json(&["get", "nodes"])?;
    let pods = kubectl.ask_json(&["get", "pods", "-l", VIEWER_LABELS])?;
    let mut findings = recorders(&nodes, &pods);
    findings.push(pod_security(&kubectl)?);
    findings.push(network_policies(&kubectl, &nodes, &pods));
    let failed = findings.iter().filter(|finding| finding.is_err()).count();
    for finding in &findings {
        match finding {
            Ok(line) => say(&format!("ok      {line}")),
            Err(line) => say(&format!("FAILED  {line}")),
        }
    }
    if failed > 0 {
        bail!("{failed} of {} checks failed", findings.len());
    }
    Ok(())
}

/// What holds, or what does not.
type Finding = Result<String, String>;

fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list["items"].as_array().into_iter().flatten()
}

fn name(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap_or_default()
}

/// On each node a recorder that says itself that it records.
fn recorders(nodes: &Value, pods: &Value) -> Vec<Finding> {
    let mut findings: Vec<_> = items(nodes)
        .map(|node| {
            let node = name(node);
            let ready = items(pods)
                .filter(|pod| pod["spec"]["nodeName"] == node)
                .flat_map(|pod| pod["status"]["containerStatuses"].as_array())
                .flatten()
                .any(|one| one["name"] == "fgm" && one["ready"] == true);
            if ready {
                Ok(format!("{node} is recorded"))
            } else {
                Err(format!("{node} has no recorder that is ready"))
            }
        })
        .collect();
    if findings.is_empty() {
        findings.push(Err("there is no node".to_owned()));
    }
    findings
}

/// Ours is a namespace for privileged pods because it says so: admission would have refused them
/// in a restricted one. Nothing is changed.
fn pod_security(kubectl: &Kubectl) -> anyhow::Result<Finding> {
    let restricted = "pod-security.kubernetes.io/enforce=restricted";
    let said = kubectl.warnings(&[
        "label",
        "--dry-run=server",
        "--overwrite",
        "namespace",
        NAMESPACE,
        restricted,
    ])?;
    Ok(if said.contains("PodSecurity") {
        Ok("Pod Security admission is at work".to_owned())
    } else {
        Err("Pod Security admission is not at work: labels of namespaces mean nothing".to_owned())
    })
}

/// The API server asks from the control plane's node, which is no client of viewers: from there
/// a viewer on another node must not answer.
fn network_policies(kubectl: &Kubectl, nodes: &Value, pods: &Value) -> Finding {
    let label = "node-role.kubernetes.io/control-plane";
    let is_worker = |node: &&Value| node["metadata"]["labels"].get(label).is_none();
    let workers: Vec<_> = items(nodes).filter(is_worker).map(name).collect();
    let viewer = items(pods).find(|pod| {
        let node = pod["spec"]["nodeName"].as_str().unwrap_or_default();
        workers.contains(&node)
    });
    let Some(viewer) = viewer.map(name) else {
        return Err("no viewer on a worker node to try the policies on".to_owned());
    };
    let path = format!("/api/v1/namespaces/{NAMESPACE}/pods/{viewer}:8050/proxy/healthz");
    match kubectl.ask(&["get", "--raw", &path, "--request-timeout=10s"]) {
        Ok(_) => Err(format!(
            "NetworkPolicies are not enforced: {viewer} answered a stranger"
        )),
        Err(Failure::Ended { said, .. }) if cannot_be_reached(&said) => {
            Ok("NetworkPolicies are enforced: a viewer did not answer a stranger".to_owned())
        }
        Err(failure) => Err(format!("the policies could not be tried: {failure}")),
    }
}

/// Packets that a policy drops end in a timeout of the one or the other side.
fn cannot_be_reached(said: &str) -> bool {
    ["imeout", "timed out", "deadline exceeded"]
        .iter()
        .any(|sign| said.contains(sign))
}
