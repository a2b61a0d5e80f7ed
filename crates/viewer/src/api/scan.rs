//! What questions about many containers share: whose data are asked for, and of which signal.

use super::{MOST_CELLS, MOST_TOP};
use crate::params::{Params, TIMES};
use crate::problem::Problem;
use crate::sel::Selection;
use fgm_model::{Resolution, SeriesId, Signal, Table};
use fgm_store::reader::{
    BucketQuery, BucketSeries, Buckets, Container, Grid, Keep, Reader, Status,
};
use serde::Serialize;
use std::collections::HashSet;

/// A range as answers have it, both ends inclusive.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Span {
    pub(super) start_ms: i64,
    pub(super) end_ms: i64,
}

/// Whose data are asked for.
#[derive(Debug)]
pub(super) struct Who {
    pub(super) table: Table,
    selection: Selection,
    ids: Option<Vec<SeriesId>>,
}

/// The same, and of which signal.
#[derive(Debug)]
pub(super) struct Scope {
    pub(super) who: Who,
    pub(super) signal: Signal,
}

impl Who {
    pub(super) fn of(params: &Params) -> Result<Self, Problem> {
        Ok(Self {
            table: params.table()?,
            selection: params.selection()?,
            ids: params.get("ids").map(ids).transpose()?,
        })
    }

    fn wants(&self, container: &Container) -> bool {
        match &self.ids {
            Some(ids) => ids.iter().any(|id| container.answers_to(id)),
            None => self.selection.matches(&container.node, &container.identity),
        }
    }

    /// The containers that were there.
    pub(super) fn containers(
        &self,
        reader: &Reader,
        (start_ms, end_ms): (i64, i64),
    ) -> Result<Vec<Container>, Problem> {
        let mut containers = reader.containers_of(self.table, start_ms, end_ms)?;
        containers.retain(|container| self.wants(container));
        if self.ids.is_none() {
            retain_by_events(reader, &self.selection, start_ms, end_ms, &mut containers)?;
        }
        Ok(containers)
    }
}

impl Scope {
    pub(super) fn of(params: &Params) -> Result<Self, Problem> {
        Ok(Self {
            who: Who::of(params)?,
            signal: signal(params.get("metric"))?,
        })
    }

    /// The containers that have data on the grid, each with its buckets; and what their quantiles
    /// are made of.
    pub(super) fn buckets(
        &self,
        reader: &Reader,
        (grid, resolution): (Grid, Resolution),
        keep: Keep,
        keep_going: &dyn Fn() -> bool,
    ) -> Result<(Resolution, Vec<(Container, Buckets)>), Problem> {
        let containers = self
            .who
            .containers(reader, (grid.start_ms, grid.end_ms()))?;
        check_cells(grid.buckets.saturating_mul(containers.len()))?;
        let query = BucketQuery {
            table: self.who.table,
            signals: vec![self.signal],
            grid,
            resolution,
            keep,
        };
        let all = reader.buckets(&query, &containers, keep_going)?;
        let level = BucketSeries::level(&all, resolution);
        let containers = containers.into_iter().zip(all);
        let with_data = containers
            .filter_map(|(container, mut series)| Some((container, series.signals.pop()??)));
        Ok((level, with_data.collect()))
    }
}

/// Keeps those to whom happened what `has:` asks for.
pub(super) fn retain_by_events(
    reader: &Reader,
    selection: &Selection,
    start_ms: i64,
    end_ms: i64,
    containers: &mut Vec<Container>,
) -> Result<(), Problem> {
    let asked = selection.has();
    if asked.is_empty() {
        return Ok(());
    }
    let events = reader.events(start_ms, end_ms)?;
    for kinds in asked {
        let happened: HashSet<_> = events
            .iter()
            .filter(|event| kinds.iter().any(|kind| event.kind == kind.as_str()))
            .filter_map(|event| event.series.as_ref())
            .collect();
        containers.retain(|one| happened.iter().any(|id| one.answers_to(id)));
    }
    Ok(())
}

/// The tick interval, as far as it makes sense.
pub(super) fn interval_ms(status: &Status) -> i64 {
    status.interval_ms.unwrap_or(1000).clamp(1, 60_000)
}

/// A range cut off behind the newest row: beyond it there is nothing.
pub(super) fn until_newest((start_ms, end_ms): (i64, i64), status: &Status) -> (i64, i64) {
    let newest = status.last_ms.unwrap_or(start_ms);
    let newest = newest.saturating_add(interval_ms(status));
    (start_ms, end_ms.min(newest.max(start_ms)))
}

fn signal(text: Option<&str>) -> Result<Signal, Problem> {
    let known = text.and_then(Signal::from_id);
    known.ok_or_else(|| Problem::bad_request("metric names one metric", "GET metrics lists them"))
}

/// A range `a..b`, both inclusive, milliseconds UTC.
pub(super) fn range(text: &str) -> Option<(i64, i64)> {
    let (start, end) = text.split_once("..")?;
    let (start, end) = (start.parse().ok()?, end.parse().ok()?);
    let known = TIMES.contains(&start) && TIMES.contains(&end);
    (known && start <= end).then_some((start, end))
}

/// Series ids separated by commas.
pub(super) fn ids(text: &str) -> Result<Vec<SeriesId>, Problem> {
    let ids: Result<Vec<_>, _> = text.split(',').map(SeriesId::parse).collect();
    let ids = ids.map_err(|_| {
        Problem::bad_request(
            "ids are 12 lowercase hex digits each, separated by commas",
            "GET containers lists them",
        )
    })?;
    if ids.len() > MOST_TOP {
        return Err(Problem::too_much(
            format!("more than {MOST_TOP} ids"),
            "name fewer, or use sel",
        ));
    }
    Ok(ids)
}

/// Refuses what would not fit in memory.
pub(super) fn check_cells(cells: usize) -> Result<(), Problem> {
    if cells <= MOST_CELLS {
        return Ok(());
    }
    Err(Problem::too_much(
        format!("{cells} values were asked for, {MOST_CELLS} is the limit"),
        "ask for a shorter range, fewer containers, or agg=minmax",
    ))
}
