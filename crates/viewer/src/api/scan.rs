//! What heat map, ranking and overview share: the samples of one signal, container by container.

use super::{MOST_CELLS, MOST_TOP};
use crate::params::Params;
use crate::problem::Problem;
use crate::reduce::{Agg, Grid, Reducer};
use crate::sel::Selection;
use fgm_model::{SeriesId, Signal, Table};
use fgm_store::reader::{Container, Reader, SeriesQuery, Status};
use std::collections::HashSet;

/// Whose samples are asked for, and of which signal.
#[derive(Debug)]
pub(super) struct Scope {
    pub(super) table: Table,
    pub(super) signal: Signal,
    selection: Selection,
    ids: Option<Vec<SeriesId>>,
}

impl Scope {
    pub(super) fn of(params: &Params) -> Result<Self, Problem> {
        Ok(Self {
            table: params.table()?,
            signal: signal(params.get("metric"))?,
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
        grid: Grid,
    ) -> Result<Vec<Container>, Problem> {
        let mut containers = reader.containers_of(self.table, grid.t0, grid.end_ms())?;
        containers.retain(|container| self.wants(container));
        if self.ids.is_none() {
            retain_by_events(
                reader,
                &self.selection,
                grid.t0,
                grid.end_ms(),
                &mut containers,
            )?;
        }
        Ok(containers)
    }

    /// The containers that have samples on the grid, each with what they add up to.
    pub(super) fn reduce(
        &self,
        reader: &Reader,
        grid: Grid,
        agg: Agg,
        keep_going: &dyn Fn() -> bool,
    ) -> Result<Vec<(Container, Reducer)>, Problem> {
        let containers = self.containers(reader, grid)?;
        check_cells(grid.n.saturating_mul(containers.len()))?;
        let mut reducers: Vec<Option<Reducer>> = vec![None; containers.len()];
        let query = SeriesQuery {
            table: self.table,
            signals: vec![self.signal],
            start_ms: grid.t0,
            end_ms: grid.end_ms(),
            series: None,
        };
        reader.scan(&query, &containers, keep_going, |chunk| {
            if let (Some(slot), Some(values)) =
                (reducers.get_mut(chunk.series), chunk.values.first())
            {
                slot.get_or_insert_with(|| Reducer::new(grid, agg))
                    .add(chunk.times_ms, values);
            }
        })?;
        Ok(containers
            .into_iter()
            .zip(reducers)
            .filter_map(|(container, reducer)| Some((container, reducer?)))
            .collect())
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
