//! The last rows of the hour before: "The rate across an hour's border uses the previous hour's
//! last row of the instance".

use crate::StoreError;
use crate::footer::InstanceRange;
use crate::listing::FileInfo;
use crate::table_file::column::{Column, Values, rows_of};
use crate::table_file::read::{ColumnStream, TableFile};
use arrow::datatypes::{DataType, Field};
use fgm_model::rate::ReadAt;
use fgm_model::schema::{column, time_type};
use fgm_model::{Metric, Values as Row};
use std::collections::{HashMap, HashSet};

type Key = (String, String);

/// The last row of an instance.
#[derive(Debug, Clone)]
pub(super) struct LastRow {
    /// When it was read.
    pub(super) at: ReadAt,
    /// Its clock epoch.
    pub(super) clock_epoch: i64,
    /// Its cumulative metrics.
    values: Row,
}

/// The last row of each instance that goes on.
#[derive(Debug, Default)]
pub(super) struct Border {
    rows: HashMap<Key, LastRow>,
}

impl Border {
    /// Reads the last rows of these instances from the files of the hour before.
    pub(super) fn read(
        files: &[FileInfo],
        instances: &[InstanceRange],
    ) -> Result<Self, StoreError> {
        let mut border = Self::default();
        let goes_on: HashSet<_> = instances
            .iter()
            .map(|range| (&range.container_id, &range.life))
            .collect();
        for info in files {
            let wanted: Vec<(Key, usize)> = info
                .footer
                .instances
                .iter()
                .filter(|range| goes_on.contains(&(&range.container_id, &range.life)))
                .filter_map(|range| {
                    let key = (range.container_id.clone()?, range.life.clone()?);
                    Some((key, rows_of(range).last()?))
                })
                .collect();
            if !wanted.is_empty() {
                border.add(&TableFile::open(&info.path)?, &wanted)?;
            }
        }
        Ok(border)
    }

    fn add(&mut self, file: &TableFile, wanted: &[(Key, usize)]) -> Result<(), StoreError> {
        let int = |name: &str| Field::new(name, DataType::Int64, true);
        let times = values_at(file, &Field::new(column::TIME, time_type(), true), wanted)?;
        let offsets = values_at(file, &int(column::READ_OFFSET_US), wanted)?;
        let epochs = values_at(file, &int(column::CLOCK_EPOCH), wanted)?;
        let mut rows: Vec<Option<LastRow>> = times
            .into_iter()
            .zip(offsets)
            .zip(epochs)
            .map(|((time_ms, offset_us), clock_epoch)| {
                Some(LastRow {
                    at: ReadAt {
                        time_ms: time_ms?,
                        offset_us: offset_us.unwrap_or_default(),
                    },
                    clock_epoch: clock_epoch.unwrap_or_default(),
                    values: Row::default(),
                })
            })
            .collect();
        let cumulative = Metric::ALL
            .into_iter()
            .filter(|metric| metric.def().kind.is_cumulative());
        for metric in cumulative {
            let values = values_at(file, &int(metric.name()), wanted)?;
            for (row, value) in rows.iter_mut().zip(values) {
                if let Some(row) = row {
                    row.values.set(metric, value);
                }
            }
        }
        for (row, (key, _)) in rows.into_iter().zip(wanted) {
            let Some(row) = row else {
                continue;
            };
            let moment = |row: &LastRow| (row.at.time_ms, row.clock_epoch);
            match self.rows.get(key) {
                Some(known) if moment(known) > moment(&row) => {}
                _ => {
                    self.rows.insert(key.clone(), row);
                }
            }
        }
        Ok(())
    }

    /// The last row of an instance.
    pub(super) fn of(&self, identity: &InstanceRange) -> Option<&LastRow> {
        let key = (identity.container_id.clone()?, identity.life.clone()?);
        self.rows.get(&key)
    }

    /// Its values of these metrics.
    pub(super) fn values(
        &self,
        identity: &InstanceRange,
        metrics: &[Metric],
    ) -> Option<Vec<Option<i64>>> {
        let row = self.of(identity)?;
        Some(
            metrics
                .iter()
                .map(|metric| row.values.get(*metric))
                .collect(),
        )
    }
}

/// A column's values at some rows, ascending; null where the file lacks the column.
fn values_at(
    file: &TableFile,
    field: &Field,
    wanted: &[(Key, usize)],
) -> Result<Vec<Option<i64>>, StoreError> {
    let mut values = Vec::with_capacity(wanted.len());
    let mut stream: Option<ColumnStream<'_>> = file.column(field.name());
    let mut one = Column::new(field, 1);
    for (_, row) in wanted {
        if let Some(stream) = &mut stream {
            stream.skip_to(*row)?;
            stream.read(&mut one, 0, 1)?;
        }
        values.push(match &one.values {
            Values::Int(values) if one.valid[0] => Some(values[0]),
            _ => None,
        });
    }
    Ok(values)
}
