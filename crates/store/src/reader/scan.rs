//! Values of many instances over any range, some instances and an hour at a time, so that memory
//! stays bounded.

use super::files::Gone;
use super::index::Index;
use super::rows::{Carry, Inputs, Rows, Run, evaluate};
use super::window::{Window, clamp};
use super::{Container, ReadError, Reader, SeriesQuery, columns};
use crate::listing::FileInfo;
use arrow::array::RecordBatch;
use fgm_model::Instance;
use fgm_model::rate::max_gap_ms;
use fgm_model::schema::column;

/// The longest tick interval; longer ones in a file's metadata are a mistake.
const LONGEST_INTERVAL_MS: i64 = 60_000;

/// Instances whose rows of an hour are in memory at once: some 100 MB at eight columns.
const GROUP: usize = 256;

/// Values of one instance in one clock epoch, in time order.
#[derive(Debug)]
pub struct Chunk<'a> {
    /// The place of its series among the containers asked for.
    pub series: usize,
    /// The place of its instance within the container.
    pub instance: usize,
    /// The clock epoch.
    pub clock_epoch: i64,
    /// The tick interval.
    pub interval_ms: i64,
    /// The rows' times, milliseconds UTC.
    pub times_ms: &'a [i64],
    /// For each signal a value per row, NaN = no data.
    pub values: &'a [Vec<f64>],
}

impl Reader {
    /// Hands the values of these containers to `sink`: of each instance hour after hour, the
    /// instances in groups.
    ///
    /// [`SeriesQuery::series`] does not count here: the containers are those given.
    /// `keep_going` is asked before each file.
    ///
    /// # Errors
    /// When the data directory cannot be listed, or `keep_going` said no.
    pub fn scan(
        &self,
        query: &SeriesQuery,
        containers: &[Container],
        keep_going: &dyn Fn() -> bool,
        mut sink: impl FnMut(Chunk<'_>),
    ) -> Result<(), ReadError> {
        let mut wanted: Vec<_> = containers
            .iter()
            .enumerate()
            .flat_map(|(series, container)| {
                let lives = container.instances.iter().enumerate();
                lives.map(move |(place, span)| (&*span.instance, (series, place)))
            })
            .collect();
        // As the rows of a file lie, so that no page belongs to many groups.
        wanted.sort_by_key(|(who, _)| (&who.container_id, &who.life));
        for group in wanted.chunks(GROUP) {
            self.scan_group(query, group, keep_going, &mut sink)?;
        }
        Ok(())
    }

    fn scan_group(
        &self,
        query: &SeriesQuery,
        group: &[(&Instance, (usize, usize))],
        keep_going: &dyn Fn() -> bool,
        sink: &mut dyn FnMut(Chunk<'_>),
    ) -> Result<(), ReadError> {
        let mut wanted = Index::default();
        for (who, _) in group {
            wanted.insert(&who.container_id, &who.life);
        }
        let inputs = Inputs::of(&query.signals);
        let start_ms = clamp(query.start_ms);
        // The row before the range is read as well, for the first rate in it.
        let span = (
            clamp(start_ms - max_gap_ms(LONGEST_INTERVAL_MS)),
            clamp(query.end_ms),
        );
        let mut carry = Carry::new();
        for hour in self.hours(query.table, span)? {
            let of_hour = Gather {
                inputs: &inputs,
                wanted: &wanted,
                span: hour,
                start_ms,
                keep_going,
            };
            let rows =
                self.with_window(query.table, hour, |window| self.gather(window, &of_hour))?;
            if !keep_going() {
                return Err(ReadError::Stopped);
            }
            evaluate(rows, &inputs, start_ms, &mut carry, |run: Run| {
                if let Some((_, (series, instance))) = group.get(run.instance) {
                    sink(Chunk {
                        series: *series,
                        instance: *instance,
                        clock_epoch: run.clock_epoch,
                        interval_ms: run.interval_ms,
                        times_ms: &run.times_ms,
                        values: &run.values,
                    });
                }
            });
        }
        Ok(())
    }

    fn gather(&self, window: &Window, query: &Gather<'_>) -> Result<Rows, Gone> {
        let mut rows = Rows::new(query.wanted.len());
        for file in &window.files {
            if !(query.keep_going)() {
                break;
            }
            let interval_ms = file.footer.origin.as_ref().map_or(1000, |o| o.interval_ms);
            if file.name.end_ms >= query.first_needed(interval_ms) {
                self.gather_file(file, query, sane(interval_ms), &mut rows)?;
            }
        }
        for ticks in &window.ticks {
            let interval_ms = sane(ticks.info.origin.interval_ms);
            let within = query.first_needed(interval_ms)..=query.span.1;
            for batch in &ticks.batches {
                let place = query.places(batch);
                rows.add(batch, query.inputs, interval_ms, &within, place);
            }
        }
        Ok(rows)
    }

    fn gather_file(
        &self,
        file: &FileInfo,
        query: &Gather<'_>,
        interval_ms: i64,
        rows: &mut Rows,
    ) -> Result<(), Gone> {
        let within = query.first_needed(interval_ms)..=query.span.1;
        let instances = self.files.instances(file, &self.trouble)?;
        let mut ranges = Vec::new();
        let mut places = Vec::new();
        for range in instances.iter() {
            if range.last_ms < *within.start() || *within.end() < range.first_ms {
                continue;
            }
            let id = range.container_id.as_deref().unwrap_or_default();
            let life = range.life.as_deref().unwrap_or_default();
            let (Some(place), Ok(first), Ok(count)) = (
                query.wanted.get(id, life),
                usize::try_from(range.first_row),
                usize::try_from(range.rows),
            ) else {
                continue;
            };
            ranges.push(first..first.saturating_add(count));
            places.resize(places.len().saturating_add(count), place);
        }
        if ranges.is_empty() {
            return Ok(());
        }
        let mut names = vec![column::TIME, column::READ_OFFSET_US, column::CLOCK_EPOCH];
        names.extend(&query.inputs.names);
        let mut before = 0;
        for batch in self
            .files
            .read(file, &names, Some(&ranges), &self.trouble)?
        {
            rows.add(&batch, query.inputs, interval_ms, &within, |row| {
                places.get(before + row).copied()
            });
            before += batch.num_rows();
        }
        Ok(())
    }
}

/// What is asked of one hour.
struct Gather<'a> {
    inputs: &'a Inputs,
    wanted: &'a Index,
    span: (i64, i64),
    start_ms: i64,
    keep_going: &'a dyn Fn() -> bool,
}

impl Gather<'_> {
    /// The first time whose row can matter at that interval.
    fn first_needed(&self, interval_ms: i64) -> i64 {
        let before = clamp(self.start_ms - max_gap_ms(sane(interval_ms)));
        self.span.0.max(before)
    }

    /// Finds the instance of a spooled row.
    fn places<'b>(&'b self, batch: &'b RecordBatch) -> impl FnMut(usize) -> Option<usize> + 'b {
        let ids = columns::any(batch, column::CONTAINER_ID);
        let lives = columns::any(batch, column::LIFE);
        move |row| {
            self.wanted.get(
                columns::text(ids, row).unwrap_or_default(),
                columns::text(lives, row).unwrap_or_default(),
            )
        }
    }
}

fn sane(interval_ms: i64) -> i64 {
    interval_ms.clamp(1, LONGEST_INTERVAL_MS)
}
