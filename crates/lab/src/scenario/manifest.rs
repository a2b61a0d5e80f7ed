//! `deploy.yaml`: the part of Kubernetes that scenarios are made of.

use anyhow::{Context, bail, ensure};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Pod, PodSpec, Secret, Service, ServiceSpec};
use rustix::rand::{GetRandomFlags, getrandom};
use serde_json::Value;
use std::collections::BTreeMap;

/// What a `deploy.yaml` asks for, as pods.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Manifest {
    /// Pods as they stand there, and those that a Deployment makes.
    pub(crate) pods: Vec<Planned>,
    /// Services by name.
    pub(crate) services: BTreeMap<String, ServiceSpec>,
    /// The values of Secrets by their keys, by name.
    pub(crate) secrets: BTreeMap<String, BTreeMap<String, String>>,
    /// The objects as they are written.
    pub(crate) documents: Vec<Value>,
}

/// A pod that is to run.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Planned {
    pub(crate) name: String,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) spec: PodSpec,
}

impl Manifest {
    /// # Errors
    /// What is not understood, with the kind and name of the object.
    pub(crate) fn parse(yaml: &str) -> anyhow::Result<Self> {
        let documents: Vec<Value> =
            serde_saphyr::from_multiple(yaml).context("deploy.yaml is no YAML")?;
        let mut manifest = Self {
            pods: Vec::new(),
            services: BTreeMap::new(),
            secrets: BTreeMap::new(),
            documents: documents.into_iter().filter(|one| !one.is_null()).collect(),
        };
        for document in manifest.documents.clone() {
            let text = |value: &Value| value.as_str().unwrap_or("?").to_owned();
            let kind = text(&document["kind"]);
            let name = text(&document["metadata"]["name"]);
            manifest
                .add(&kind, document)
                .with_context(|| format!("deploy.yaml: {kind} {name}"))?;
        }
        ensure!(!manifest.pods.is_empty(), "deploy.yaml has no pods");
        Ok(manifest)
    }

    /// The images that are named without tag or digest, so that one can be put in.
    pub(crate) fn untagged_images(&mut self) -> Vec<&mut String> {
        let mut images = Vec::new();
        for document in &mut self.documents {
            let spec = match document["kind"].as_str() {
                Some("Deployment") => document.pointer_mut("/spec/template/spec"),
                _ => document.get_mut("spec"),
            };
            let containers = spec.and_then(|spec| spec.get_mut("containers"));
            for container in containers
                .and_then(Value::as_array_mut)
                .into_iter()
                .flatten()
            {
                if let Some(Value::String(image)) = container.get_mut("image") {
                    images.push(image);
                }
            }
        }
        images.retain(|image| {
            let name = image.rsplit('/').next();
            !name.is_some_and(|name| name.contains([':', '@']))
        });
        images
    }

    fn add(&mut self, kind: &str, document: Value) -> anyhow::Result<()> {
        match kind {
            "Pod" => {
                let pod: Pod = serde_json::from_value(document)?;
                self.pods.push(Planned {
                    name: pod.metadata.name.context("it has no name")?,
                    labels: pod.metadata.labels.unwrap_or_default(),
                    spec: pod.spec.context("it has no spec")?,
                });
            }
            "Deployment" => {
                let deployment: Deployment = serde_json::from_value(document)?;
                let name = deployment.metadata.name.context("it has no name")?;
                let spec = deployment.spec.context("it has no spec")?;
                let labels = spec.template.metadata.and_then(|meta| meta.labels);
                let pod = spec.template.spec.context("its template has no spec")?;
                for number in 0..spec.replicas.unwrap_or(1) {
                    self.pods.push(Planned {
                        name: format!("{name}-{number}"),
                        labels: labels.clone().unwrap_or_default(),
                        spec: pod.clone(),
                    });
                }
            }
            "Service" => {
                let service: Service = serde_json::from_value(document)?;
                let name = service.metadata.name.context("it has no name")?;
                let spec = service.spec.unwrap_or_default();
                ensure!(spec.selector.is_some(), "it has no selector");
                self.services.insert(name, spec);
            }
            "Secret" => {
                let secret: Secret = serde_json::from_value(document)?;
                let name = secret.metadata.name.context("it has no name")?;
                let values = secret.string_data.context("it has no stringData")?;
                self.secrets.insert(name, values);
            }
            _ => bail!("only Pod, Deployment, Service and Secret are understood"),
        }
        Ok(())
    }

    /// The same with random values in its Secrets: those in a file that many have are none.
    ///
    /// # Errors
    /// When the kernel gives no random bytes.
    pub(crate) fn with_fresh_secrets(mut self) -> anyhow::Result<Self> {
        for (name, values) in &mut self.secrets {
            for value in values.values_mut() {
                *value = random_word()?;
            }
            let of = |one: &&mut Value| {
                one["kind"] == "Secret" && one["metadata"]["name"].as_str() == Some(name)
            };
            for document in self.documents.iter_mut().filter(of) {
                document["stringData"] = serde_json::to_value(&*values)?;
            }
        }
        Ok(self)
    }
}

/// 128 random bits in letters that mean nothing in any URL or shell.
fn random_word() -> anyhow::Result<String> {
    let mut bytes = [0; 16];
    let got = getrandom(&mut bytes, GetRandomFlags::empty()).context("no random bytes")?;
    ensure!(got == bytes.len(), "too few random bytes");
    Ok(format!("{:032x}", u128::from_ne_bytes(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deployment_makes_its_replicas() {
        let manifest = Manifest::parse(
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec:\n  replicas: 2\n  \
             selector: {matchLabels: {app: web}}\n  template:\n    metadata: {labels: {app: web}}\n    \
             spec: {containers: [{name: main, image: localhost/fgm-workload}]}\n---\n\
             apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {selector: {app: web}}\n",
        )
        .expect("understood");
        let names: Vec<_> = manifest.pods.iter().map(|pod| pod.name.as_str()).collect();
        assert_eq!(names, ["web-0", "web-1"]);
        assert_eq!(manifest.pods[1].labels["app"], "web");
        let selector = manifest.services["web"].selector.as_ref();
        assert_eq!(selector.expect("a selector")["app"], "web");
    }

    #[test]
    fn a_run_has_secrets_of_its_own() {
        let yaml = "apiVersion: v1\nkind: Secret\nmetadata: {name: db}\nstringData: {password: public}\n\
                    ---\napiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {containers: []}\n";
        let fresh = || Manifest::parse(yaml)?.with_fresh_secrets();
        let (one, other) = (fresh().expect("one"), fresh().expect("other"));
        let password = &one.secrets["db"]["password"];
        assert_eq!(password.len(), 32);
        assert_ne!(password, &other.secrets["db"]["password"]);
        assert_eq!(one.documents[0]["stringData"]["password"], **password);
    }

    #[test]
    fn images_without_a_tag_are_found() {
        let mut manifest = Manifest::parse(
            "kind: Pod\nmetadata: {name: a}\nspec: {containers: [{name: m, image: localhost:5000/a}, \
             {name: q, image: b:1}, {name: o, image: b@sha256:1}]}\n---\nkind: Deployment\n\
             metadata: {name: c}\nspec: {selector: {}, template: {metadata: {}, spec: {containers: [{name: m, image: c}]}}}",
        )
        .expect("understood");
        let images = manifest.untagged_images();
        assert_eq!(images, ["localhost:5000/a", "c"]);
        for image in images {
            image.push_str(":2");
        }
        let pod = &manifest.documents[0]["spec"]["containers"];
        assert_eq!(pod[0]["image"], "localhost:5000/a:2");
        assert!(manifest.untagged_images().is_empty());
    }

    #[test]
    fn what_is_not_understood_is_named() {
        let refused = |yaml: &str| format!("{:#}", Manifest::parse(yaml).expect_err("refused"));
        let error = refused("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: s}\n");
        assert!(
            error.contains("ConfigMap s") && error.contains("only Pod"),
            "{error}"
        );
        assert!(refused("").contains("no pods"));
        assert!(refused("kind: [").contains("YAML"));
        assert!(refused("kind: Pod\nmetadata: {name: p}\n").contains("no spec"));
    }
}
