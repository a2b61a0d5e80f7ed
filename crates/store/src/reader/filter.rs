//! Which containers are asked for.

use super::Container;
use fgm_model::{Instance, QosClass};

/// What must hold of a container; what is `None` restricts nothing. Letters count alike, large
/// or small, but in labels.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Its namespace.
    pub namespace: Option<String>,
    /// Its pod's class.
    pub qos: Option<QosClass>,
    /// A part of its pod's name.
    pub pod: Option<String>,
    /// A part of its own name.
    pub name: Option<String>,
    /// A label of its pod: `key` or `key=value`.
    pub label: Option<String>,
    /// A part of `namespace/pod/name`, or what the id of its series or of one of its instances
    /// begins with.
    pub text: Option<String>,
}

impl Filter {
    /// Whether a container is asked for.
    #[must_use]
    pub fn matches(&self, container: &Container) -> bool {
        let who = &container.identity;
        let lower = |text: Option<&str>| text.unwrap_or_default().to_lowercase();
        let has = |part: &Option<String>, whole: Option<&str>| {
            let part = part.as_ref().map(|part| part.to_lowercase());
            part.is_none_or(|part| lower(whole).contains(&part))
        };
        let is_in =
            |namespace: &String| lower(who.namespace.as_deref()) == namespace.to_lowercase();
        self.namespace.as_ref().is_none_or(is_in)
            && self.qos.is_none_or(|qos| who.qos_class == Some(qos))
            && has(&self.pod, who.pod_name.as_deref())
            && has(&self.name, Some(who.display_name()))
            && self
                .label
                .as_ref()
                .is_none_or(|label| has_label(who, label))
            && self
                .text
                .as_ref()
                .is_none_or(|text| means(container, &text.to_lowercase()))
    }
}

fn has_label(who: &Instance, wanted: &str) -> bool {
    let labels = who.pod_labels.as_deref().unwrap_or_default();
    let Ok(serde_json::Value::Object(labels)) = serde_json::from_str(labels) else {
        return false;
    };
    match wanted.split_once('=') {
        None => labels.contains_key(wanted),
        Some((key, value)) => labels.get(key).and_then(|text| text.as_str()) == Some(value),
    }
}

fn means(container: &Container, text: &str) -> bool {
    let who = &container.identity;
    let name = [
        who.namespace.as_deref().unwrap_or_default(),
        who.pod_name.as_deref().unwrap_or_default(),
        who.display_name(),
    ];
    let mut lives = container.instances.iter();
    name.join("/").to_lowercase().contains(text)
        || container.id.as_str().starts_with(text)
        || lives.any(|life| life.instance.container_id.starts_with(text))
}

#[cfg(test)]
mod tests {
    use super::super::InstanceSpan;
    use super::*;
    use fgm_model::SeriesId;
    use std::sync::Arc;

    fn container() -> Container {
        let identity = Arc::new(Instance {
            container_id: "c0ffee".into(),
            container_name: Some("Cart".into()),
            pod_name: Some("cart-0".into()),
            namespace: Some("shop".into()),
            qos_class: Some(QosClass::Burstable),
            pod_labels: Some(r#"{"app":"cart","tier":"web"}"#.into()),
            ..Instance::default()
        });
        Container {
            id: identity.series("node-1"),
            node: "node-1".into(),
            first_ms: 0,
            last_ms: 0,
            instances: vec![InstanceSpan {
                instance: Arc::clone(&identity),
                first_ms: 0,
                last_ms: 0,
                nameless: SeriesId::of("node-1", &identity.container_id, ""),
            }],
            identity,
        }
    }

    #[test]
    fn every_field_restricts() {
        let container = container();
        let id = container.id.to_string();
        let text = |text: &str| Some(text.to_owned());
        let none = Filter::default();
        let yes = [
            none.clone(),
            Filter {
                namespace: text("Shop"),
                ..none.clone()
            },
            Filter {
                qos: Some(QosClass::Burstable),
                ..none.clone()
            },
            Filter {
                pod: text("RT-0"),
                ..none.clone()
            },
            Filter {
                name: text("car"),
                ..none.clone()
            },
            Filter {
                label: text("app"),
                ..none.clone()
            },
            Filter {
                label: text("app=cart"),
                ..none.clone()
            },
            Filter {
                text: text("shop/cart"),
                ..none.clone()
            },
            Filter {
                text: text("c0f"),
                ..none.clone()
            },
            Filter {
                text: text(&id),
                pod: text("cart"),
                ..none.clone()
            },
        ];
        for filter in yes {
            assert!(filter.matches(&container), "{filter:?}");
        }
        let no = [
            Filter {
                namespace: text("sho"),
                ..none.clone()
            },
            Filter {
                qos: Some(QosClass::Guaranteed),
                ..none.clone()
            },
            Filter {
                pod: text("x"),
                ..none.clone()
            },
            Filter {
                name: text("cart-0"),
                ..none.clone()
            },
            Filter {
                label: text("ap"),
                ..none.clone()
            },
            Filter {
                label: text("app=car"),
                ..none.clone()
            },
            Filter {
                text: text("x"),
                namespace: text("shop"),
                ..none
            },
        ];
        for filter in no {
            assert!(!filter.matches(&container), "{filter:?}");
        }
    }
}
