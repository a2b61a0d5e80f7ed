//! The newest stored row of each instance: where counters stood when the recorder ended.
//!
//! After a restart the first tick is later than the last written `time`, accumulated sums go on
//! from here, and an OOM kill while `fgm` was away is seen as a move of the counter.

use crate::StoreError;
use crate::footer::parquet_error;
use crate::layout::{DataDir, hour_of};
use crate::listing::{FileInfo, Lister, Selection};
use crate::stream::{Columns, SpoolStream};
use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Int64Type, TimestampMillisecondType};
use fgm_model::schema::column;
use fgm_model::{Metric, Table, Values};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReaderBuilder, RowSelection};
use std::collections::HashMap;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

/// The newest row of each instance.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct LastRows {
    /// The last `time` written, in the highest clock epoch; `None` when nothing is stored.
    pub last_time_ms: Option<i64>,
    /// That clock epoch.
    pub clock_epoch: i64,
    /// By `container_id` and `life`.
    pub rows: HashMap<(String, String), Values>,
}

impl LastRows {
    /// Takes those of another table as well: the last time is the later one of both. Of an
    /// instance that is in both tables (where the machine itself is a row of `metrics`) the rows
    /// so far stay.
    pub fn join(&mut self, other: Self) {
        let moment = |rows: &Self| rows.last_time_ms.map(|time_ms| (rows.clock_epoch, time_ms));
        if moment(&other) > moment(self) {
            (self.clock_epoch, self.last_time_ms) = (other.clock_epoch, other.last_time_ms);
        }
        for (key, values) in other.rows {
            self.rows.entry(key).or_insert(values);
        }
    }
}

/// A consolidator replaces files a few times an hour.
const MOST_ATTEMPTS: usize = 100;

/// Reads the newest rows of a table: from the newest hour's files and from what is in spools.
///
/// # Errors
/// When files cannot be read; run [`crate::recover()`] first.
pub fn last_rows(dir: &DataDir, table: Table) -> Result<LastRows, StoreError> {
    let mut lister = Lister::new(dir.clone());
    for _ in 0..MOST_ATTEMPTS {
        match read(&mut lister, table) {
            // "A file gone at open means: list again."
            Err(error) if error.is_not_found() => {}
            result => return result,
        }
    }
    Err(StoreError::Unsettled(dir.root().to_owned()))
}

fn read(lister: &mut Lister, table: Table) -> Result<LastRows, StoreError> {
    let listing = lister.list(&Selection {
        tables: vec![table],
        range_ms: None,
    })?;
    let mut found = Found::default();
    for stream in &listing.streams {
        found.add_stream(&stream.path)?;
    }
    // After a clock step the newest rows need not have the latest times.
    let newest = |file: &Arc<FileInfo>| (file.clock_epoch, hour_of(file.name.end_ms));
    let newest_hour = listing.files.iter().map(newest).max();
    let mut files: Vec<_> = listing
        .files
        .iter()
        .filter(|file| Some(newest(file)) == newest_hour)
        .collect();
    files.sort_by_key(|file| std::cmp::Reverse(file.name.end_ms));
    for file in files {
        found.add_file(file)?;
    }
    Ok(found.into_last_rows())
}

/// (clock epoch, time): the order of rows of one instance.
type Moment = (i64, i64);

#[derive(Default)]
struct Found {
    rows: HashMap<(String, String), (Moment, Values)>,
    last: Option<Moment>,
}

impl Found {
    fn add_stream(&mut self, path: &Path) -> Result<(), StoreError> {
        let Some(mut stream) = SpoolStream::open(path, Columns::All)? else {
            return Ok(());
        };
        while let Some(batch) = stream.next_batch()? {
            let rows = Rows::of(&batch);
            for row in 0..batch.num_rows() {
                let key = (
                    rows.text(column::CONTAINER_ID, row),
                    rows.text(column::LIFE, row),
                );
                if let (Some(container_id), Some(life)) = key {
                    self.add((container_id, life), rows.moment(row), || rows.values(row));
                }
            }
        }
        Ok(())
    }

    /// Decodes only the last row of each instance that is not known newer.
    fn add_file(&mut self, file: &FileInfo) -> Result<(), StoreError> {
        let epoch = file.clock_epoch.unwrap_or_default();
        let wanted: Vec<_> = file
            .footer
            .instances
            .iter()
            .filter_map(|range| {
                let key = (range.container_id.clone()?, range.life.clone()?);
                let newer = self.rows.get(&key).map(|(moment, _)| *moment);
                let last = usize::try_from(range.first_row + range.rows)
                    .ok()?
                    .checked_sub(1)?;
                (newer < Some((epoch, range.last_ms))).then_some((key, last))
            })
            .collect();
        if wanted.is_empty() {
            return Ok(());
        }
        let failed = |error| parquet_error(error, &file.path);
        let input = File::open(&file.path).map_err(StoreError::io("open", &file.path))?;
        let builder = ParquetRecordBatchReaderBuilder::try_new(input).map_err(failed)?;
        let names = [column::TIME, column::CLOCK_EPOCH]
            .into_iter()
            .chain(file.table.metrics().map(Metric::name));
        let mask = ProjectionMask::columns(builder.parquet_schema(), names);
        let total = usize::try_from(file.rows).unwrap_or_default();
        let ranges = wanted.iter().map(|(_, last)| *last..*last + 1);
        let reader = builder
            .with_projection(mask)
            .with_row_selection(RowSelection::from_consecutive_ranges(ranges, total))
            .build()
            .map_err(failed)?;
        let mut keys = wanted.into_iter().map(|(key, _)| key);
        for batch in reader {
            let batch = batch.map_err(|error| StoreError::parse(&file.path, "segment", error))?;
            let rows = Rows::of(&batch);
            for (row, key) in (0..batch.num_rows()).zip(keys.by_ref()) {
                self.add(key, rows.moment(row), || rows.values(row));
            }
        }
        Ok(())
    }

    fn add(&mut self, key: (String, String), moment: Moment, values: impl FnOnce() -> Values) {
        self.last = self.last.max(Some(moment));
        let newer = self
            .rows
            .get(&key)
            .is_some_and(|(known, _)| *known > moment);
        if !newer {
            self.rows.insert(key, (moment, values()));
        }
    }

    fn into_last_rows(self) -> LastRows {
        LastRows {
            last_time_ms: self.last.map(|(_, time_ms)| time_ms),
            clock_epoch: self.last.map_or(0, |(clock_epoch, _)| clock_epoch),
            rows: self
                .rows
                .into_iter()
                .map(|(key, (_, values))| (key, values))
                .collect(),
        }
    }
}

/// A batch's columns by what they mean.
struct Rows<'a> {
    batch: &'a RecordBatch,
    metrics: Vec<(Metric, usize)>,
}

impl<'a> Rows<'a> {
    fn of(batch: &'a RecordBatch) -> Self {
        let metrics = batch
            .schema_ref()
            .fields()
            .iter()
            .enumerate()
            .filter_map(|(index, field)| Some((Metric::from_name(field.name())?, index)))
            .collect();
        Self { batch, metrics }
    }

    fn moment(&self, row: usize) -> Moment {
        let time_ms = self
            .batch
            .column_by_name(column::TIME)
            .and_then(|times| times.as_primitive_opt::<TimestampMillisecondType>())
            .map_or(0, |times| times.value(row));
        let clock_epoch = self
            .batch
            .column_by_name(column::CLOCK_EPOCH)
            .and_then(|epochs| epochs.as_primitive_opt::<Int64Type>())
            .map_or(0, |epochs| epochs.value(row));
        (clock_epoch, time_ms)
    }

    fn text(&self, name: &str, row: usize) -> Option<String> {
        let array = self.batch.column_by_name(name)?;
        crate::seal::text_at(array, row)?.map(str::to_owned)
    }

    fn values(&self, row: usize) -> Values {
        let mut values = Values::default();
        for (metric, index) in &self.metrics {
            let column = self.batch.column(*index);
            let known = column
                .as_primitive_opt::<Int64Type>()
                .filter(|column| column.is_valid(row));
            values.set(*metric, known.map(|column| column.value(row)));
        }
        values
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{Bed, HOUR, instance, tick_of};
    use crate::seal;

    #[test]
    fn an_empty_directory_has_no_last_row() {
        let bed = Bed::new();
        assert_eq!(
            last_rows(&bed.dir, Table::Metrics).unwrap(),
            LastRows::default()
        );
    }

    /// DATA.md section 2: "After a restart the first tick is later than the last written
    /// `time`", whether that lies in a file or still in a spool.
    #[test]
    fn the_newest_row_of_each_instance_is_found() {
        let bed = Bed::new();
        let [a, b, c] = [1, 2, 3].map(instance);
        bed.segment(&[tick_of(HOUR, 0, &[(&a, 1), (&b, 1)])]);
        bed.segment(&[
            tick_of(HOUR + 1000, 0, &[(&a, 2), (&b, 2)]),
            tick_of(HOUR + 2000, 0, &[(&a, 3)]),
        ]);
        bed.spool(&[tick_of(HOUR + 3000, 0, &[(&a, 4), (&c, 9)])]);
        let last = last_rows(&bed.dir, Table::Metrics).unwrap();
        assert_eq!(last.last_time_ms, Some(HOUR + 3000));
        let current = |instance: &fgm_model::Instance| {
            let key = (instance.container_id.clone(), instance.life.clone());
            last.rows[&key].get(Metric::MemoryCurrent)
        };
        assert_eq!(
            [&a, &b, &c].map(|i| current(i)),
            [Some(4), Some(2), Some(9)]
        );
    }

    /// A machine may have no container: then the node's rows tell the last time.
    #[test]
    fn the_last_time_is_that_of_any_table() {
        let bed = Bed::new();
        let [a, b] = [1, 2].map(instance);
        bed.segment(&[tick_of(HOUR, 0, &[(&a, 1), (&b, 1)])]);
        let metrics = last_rows(&bed.dir, Table::Metrics).unwrap();
        let key =
            |instance: &fgm_model::Instance| (instance.container_id.clone(), instance.life.clone());
        let mut values = Values::default();
        values.set(Metric::MemoryCurrent, Some(9));
        let node = LastRows {
            last_time_ms: Some(HOUR + 1000),
            clock_epoch: 0,
            rows: HashMap::from([(key(&b), values.clone()), (key(&instance(3)), values)]),
        };
        let current = |rows: &LastRows, number| {
            let values = &rows.rows[&key(&instance(number))];
            values.get(Metric::MemoryCurrent)
        };
        for (mut rows, other) in [(metrics.clone(), node.clone()), (node, metrics)] {
            let of_both = current(&rows, 2);
            rows.join(other);
            assert_eq!(rows.last_time_ms, Some(HOUR + 1000));
            assert_eq!(
                [1, 3].map(|number| current(&rows, number)),
                [Some(1), Some(9)]
            );
            assert_eq!(current(&rows, 2), of_both);
        }
        let mut later_epoch = LastRows {
            last_time_ms: Some(HOUR),
            clock_epoch: 1,
            rows: HashMap::new(),
        };
        let nothing = LastRows::default();
        later_epoch.join(nothing.clone());
        assert_eq!(
            (later_epoch.clock_epoch, later_epoch.last_time_ms),
            (1, Some(HOUR))
        );
        let mut rows = nothing;
        rows.join(later_epoch.clone());
        assert_eq!(rows, later_epoch);
    }

    /// "forward beyond the grid: go on with `clock_epoch` + 1": the highest epoch is the last.
    #[test]
    fn after_a_clock_step_the_highest_epoch_counts() {
        let bed = Bed::new();
        let a = instance(1);
        bed.segment(&[tick_of(HOUR * 2, 0, &[(&a, 1)])]);
        let ulid = bed.spool(&[tick_of(HOUR, 1, &[(&a, 2)])]);
        for _ in 0..2 {
            let last = last_rows(&bed.dir, Table::Metrics).unwrap();
            assert_eq!((last.clock_epoch, last.last_time_ms), (1, Some(HOUR)));
            let values = last.rows.values().next().unwrap();
            assert_eq!(values.get(Metric::MemoryCurrent), Some(2));
            seal(&bed.dir, ulid).unwrap();
        }
    }
}
