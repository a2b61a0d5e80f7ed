//! Which signals there are in a range.

use super::cursor::{Cursor, Values};
use super::error::ReadError;
use super::pages::Pages;
use super::refusal::{Gone, Refusal};
use super::source::Source;
use super::table::guarded;
use super::window::clamp;
use super::{Reader, columns};
use arrow::array::Array;
use fgm_model::rollup::{Statistic, column_name};
use fgm_model::{Metric, Resolution, Signal, Table};
use parquet::basic::Type;
use parquet::data_type::{DataType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use std::sync::Arc;

/// Rows that are decoded at a time: most columns have a value in the first of them.
const BLOCK_ROWS: usize = 4096;

/// Looks that may find a file gone before it is an error.
const MOST_ATTEMPTS: usize = 50;

/// Metrics, one bit each.
type Mask = u128;

const fn bit(metric: Metric) -> Mask {
    1 << metric.index()
}

impl Reader {
    /// The signals of a table of which some row in the range (whole hours) has a value: stored
    /// metrics in column order, then those that are derived from them.
    ///
    /// # Errors
    /// When the data directory cannot be listed.
    pub fn signals(
        &self,
        table: Table,
        start_ms: i64,
        end_ms: i64,
    ) -> Result<Vec<Signal>, ReadError> {
        let memory = self.memory();
        let span = (clamp(start_ms), clamp(end_ms));
        for _ in 0..MOST_ATTEMPTS {
            let window = self.window(&memory, (table, Resolution::Raw), span)?;
            let Ok(older) = self.only_rolled_up(&memory, table, span) else {
                continue;
            };
            let mut found = 0;
            for tick in window.ticks.iter().flat_map(|ticks| &ticks.batches) {
                for metric in table.metrics() {
                    if found & bit(metric) != 0 {
                        continue;
                    }
                    let column = columns::ints(&tick.rows, metric.name());
                    if column.is_some_and(|column| column.null_count() < column.len()) {
                        found |= bit(metric);
                    }
                }
            }
            let raw = window.hours.iter().rev().flat_map(|hour| &hour.raw);
            let name = |metric: Metric| metric.name().to_owned();
            let of_raw = self.add_all(raw, table, name, &mut found);
            let name =
                |metric: Metric| column_name(Signal::Stored(metric.def(), metric), Statistic::Max);
            if of_raw
                .and_then(|()| self.add_all(older.iter(), table, name, &mut found))
                .is_ok()
            {
                let has = |signal: &Signal| signal.inputs().iter().all(|m| found & bit(*m) != 0);
                return Ok(Signal::all().filter(has).collect());
            }
        }
        Err(ReadError::Unsettled)
    }

    fn add_all<'a>(
        &self,
        sources: impl Iterator<Item = &'a Arc<Source>>,
        table: Table,
        name: impl Fn(Metric) -> String,
        found: &mut Mask,
    ) -> Result<(), Gone> {
        for source in sources {
            let missing: Vec<_> = table.metrics().filter(|m| *found & bit(*m) == 0).collect();
            let places: Vec<_> = missing
                .iter()
                .filter_map(|metric| Some((*metric, source.schema.place(&name(*metric))?)))
                .collect();
            if places.is_empty() {
                continue;
            }
            let read = guarded(|| present(source, &places));
            *found |= self.trouble.or_nothing(&source.path, read)?;
        }
        Ok(())
    }
}

/// Which of these columns have a value.
fn present(source: &Source, places: &[(Metric, usize)]) -> Result<Mask, Refusal> {
    let mut found = 0;
    let head = 0..source.rows.min(BLOCK_ROWS);
    // A column without any value is so small that reading all of it costs nothing.
    for rows in [head, 0..source.rows] {
        let rest: Vec<_> = places
            .iter()
            .filter(|(metric, _)| found & bit(*metric) == 0)
            .collect();
        let columns: Vec<_> = rest.iter().map(|(_, place)| *place).collect();
        let pages = Arc::new(Pages::of_rows(
            source,
            &columns,
            std::slice::from_ref(&rows),
        )?);
        for (metric, place) in rest {
            let has_value = match source.schema.column(*place).physical_type() {
                Type::INT64 => has_value::<Int64Type>(source, &pages, *place, rows.end),
                Type::DOUBLE => has_value::<DoubleType>(source, &pages, *place, rows.end),
                _ => Ok(false),
            };
            if has_value.map_err(|error| Refusal::Damaged(error.to_string()))? {
                found |= bit(*metric);
            }
        }
    }
    Ok(found)
}

fn has_value<T: DataType>(
    source: &Source,
    pages: &Arc<Pages>,
    place: usize,
    rows: usize,
) -> Result<bool, ParquetError>
where
    T::T: Copy + Default,
{
    let mut cursor = Cursor::<T>::new(source, pages, place);
    let mut values = Values::default();
    for from in (0..rows).step_by(BLOCK_ROWS) {
        values.clear();
        cursor.read(&(from..rows.min(from + BLOCK_ROWS)), &mut values)?;
        if values
            .valid
            .as_ref()
            .is_none_or(|valid| valid.contains(&true))
        {
            return Ok(!values.values.is_empty());
        }
    }
    Ok(false)
}
