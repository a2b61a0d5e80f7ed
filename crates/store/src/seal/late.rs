//! Names that became known only after the last row of an instance: told when its spool is
//! sealed.
//!
//! A container that lived 200 ms has one row, long before its pod's status is there; no later
//! row of the same spool could complete it.

use crate::encode::instance_text;
use crate::footer::InstanceRange;
use crate::table_file::column::{Column, NULL, Values, rows_of};
use fgm_model::Instance;
use fgm_model::schema::column;
use std::collections::HashMap;

/// Tells what is known of an instance by its container ID and life; `None` for nothing new.
pub type Names<'a> = &'a dyn Fn(&str, &str) -> Option<Instance>;

/// What was told of the instances of one stream.
#[derive(Debug, Default)]
pub(crate) struct Late(HashMap<(String, String), Instance>);

impl Late {
    /// Asks for each instance.
    pub(crate) fn of(instances: &[InstanceRange], names: Names<'_>) -> Self {
        let keys = instances
            .iter()
            .filter_map(|range| range.container_id.as_deref().zip(range.life.as_deref()));
        Self(
            keys.filter_map(|(container_id, life)| {
                let key = (container_id.to_owned(), life.to_owned());
                Some((key, names(container_id, life)?))
            })
            .collect(),
        )
    }

    /// Fills in what no row of an instance knows.
    pub(crate) fn fill(&self, column: &mut Column, instances: &[InstanceRange]) {
        if self.0.is_empty() {
            return;
        }
        for range in instances {
            let key = range.container_id.clone().zip(range.life.clone());
            let Some(instance) = key.and_then(|key| self.0.get(&key)) else {
                continue;
            };
            let rows = rows_of(range);
            match &mut column.values {
                Values::Text { keys, words } => {
                    let Some(text) = instance_text(instance, &column.name) else {
                        continue;
                    };
                    let key = words.key_of(text);
                    for row in &mut keys[rows] {
                        if *row == NULL {
                            *row = key;
                        }
                    }
                }
                Values::Int(values) if column.name == column::RESTART_COUNT => {
                    let Some(count) = instance.restart_count else {
                        continue;
                    };
                    for row in rows {
                        if !column.valid[row] {
                            values[row] = count;
                            column.valid[row] = true;
                        }
                    }
                }
                _ => {}
            }
        }
    }
}
