//! Who an instance is: its latest identity, from rows and from events.

use super::columns::{any, int, ints, text};
use super::lives::Life;
use arrow::array::RecordBatch;
use fgm_model::schema::column;
use fgm_model::{Instance, QosClass, SeriesId};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The columns of an identity.
pub(super) fn columns() -> Vec<&'static str> {
    let mut names = column::IDENTITY_TEXT.to_vec();
    names.push(column::RESTART_COUNT);
    names
}

/// An identity and where it was recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Known {
    /// When it was true, milliseconds UTC.
    pub(super) as_of_ms: i64,
    /// The node's name.
    pub(super) node: Arc<str>,
    /// Who it is.
    pub(super) instance: Arc<Instance>,
    /// The series that it belongs to.
    pub(super) series: SeriesId,
    /// The one that it belonged to before its name was known.
    pub(super) nameless: SeriesId,
}

impl Known {
    pub(super) fn new(as_of_ms: i64, node: Arc<str>, instance: Arc<Instance>) -> Self {
        Self {
            series: instance.series(&node),
            nameless: SeriesId::of(&node, &instance.container_id, ""),
            as_of_ms,
            node,
            instance,
        }
    }
}

/// The latest identity of every instance seen so far.
#[derive(Debug, Default)]
pub(super) struct Book {
    known: Mutex<HashMap<Life, Arc<Known>>>,
}

impl Book {
    /// What is known of an instance.
    pub(super) fn get(&self, life: Life) -> Option<Arc<Known>> {
        self.lock().get(&life).cloned()
    }

    /// Whether its identity at that time or a later one is known.
    pub(super) fn has(&self, life: Life, as_of_ms: i64) -> bool {
        let known = self.lock();
        known
            .get(&life)
            .is_some_and(|known| known.as_of_ms >= as_of_ms)
    }

    /// Learns a row's identity; names once known are not forgotten for a row without them.
    pub(super) fn learn(&self, life: Life, row: &Known) {
        let mut known = self.lock();
        match known.get_mut(&life) {
            None => {
                known.insert(life, Arc::new(row.clone()));
            }
            Some(old) => {
                let newer = row.as_of_ms >= old.as_of_ms;
                let (late, early): (&Known, &Known) = if newer { (row, old) } else { (old, row) };
                let merged = merge(&late.instance, &early.instance);
                *old = Arc::new(if merged == old.instance && late.node == old.node {
                    Known {
                        as_of_ms: late.as_of_ms,
                        ..Known::clone(old)
                    }
                } else {
                    Known::new(late.as_of_ms, Arc::clone(&late.node), merged)
                });
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Life, Arc<Known>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The later identity, completed from the earlier where it does not say.
fn merge(late: &Arc<Instance>, early: &Instance) -> Arc<Instance> {
    let mut merged = Instance::clone(late);
    let or = |late: &mut Option<String>, early: &Option<String>| {
        if late.is_none() {
            late.clone_from(early);
        }
    };
    or(&mut merged.pod_uid, &early.pod_uid);
    or(&mut merged.container_name, &early.container_name);
    or(&mut merged.namespace, &early.namespace);
    or(&mut merged.pod_name, &early.pod_name);
    or(&mut merged.image, &early.image);
    or(&mut merged.pod_labels, &early.pod_labels);
    merged.qos_class = merged.qos_class.or(early.qos_class);
    merged.restart_count = merged.restart_count.or(early.restart_count);
    if merged == **late {
        Arc::clone(late)
    } else {
        Arc::new(merged)
    }
}

/// The identity in a row; `None` where the row names no instance (an event of the node).
pub(super) fn of_row(batch: &RecordBatch, row: usize) -> Option<(Arc<str>, Instance)> {
    let get = |name| text(any(batch, name), row);
    let own = |name| get(name).map(str::to_owned);
    let container_id = own(column::CONTAINER_ID)?;
    let qos = get(column::QOS_CLASS).and_then(|name| {
        [
            QosClass::Guaranteed,
            QosClass::Burstable,
            QosClass::BestEffort,
        ]
        .into_iter()
        .find(|class| class.as_str() == name)
    });
    let instance = Instance {
        container_id,
        life: own(column::LIFE).unwrap_or_default(),
        cgroup_path: own(column::CGROUP_PATH).unwrap_or_default(),
        pod_uid: own(column::POD_UID),
        qos_class: qos,
        container_name: own(column::CONTAINER_NAME),
        namespace: own(column::NAMESPACE),
        pod_name: own(column::POD_NAME),
        image: own(column::IMAGE),
        restart_count: int(ints(batch, column::RESTART_COUNT).as_ref(), row),
        pod_labels: own(column::POD_LABELS),
    };
    Some((get(column::NODE).unwrap_or_default().into(), instance))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(as_of_ms: i64, name: Option<&str>) -> Known {
        let instance = Instance {
            container_id: "c".into(),
            life: "l".into(),
            container_name: name.map(str::to_owned),
            ..Instance::default()
        };
        Known::new(as_of_ms, "n".into(), Arc::new(instance))
    }

    #[test]
    fn the_latest_identity_counts_in_whatever_order_rows_are_read() {
        let rows = [known(1, None), known(3, Some("new")), known(2, Some("old"))];
        for order in [
            [0, 1, 2],
            [0, 2, 1],
            [1, 0, 2],
            [1, 2, 0],
            [2, 0, 1],
            [2, 1, 0],
        ] {
            let book = Book::default();
            for place in order {
                book.learn(0, &rows[place]);
            }
            let name = book.get(0).unwrap().instance.container_name.clone();
            assert_eq!(name.as_deref(), Some("new"), "{order:?}");
            assert!(book.has(0, 3) && !book.has(0, 4));
        }
    }

    #[test]
    fn a_name_once_known_stays() {
        let book = Book::default();
        book.learn(0, &known(1, Some("app")));
        book.learn(0, &known(2, None));
        assert_eq!(*book.get(0).unwrap(), known(2, Some("app")));
    }
}
