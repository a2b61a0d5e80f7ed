//! `/overview`: one metric over everything stored, as the extremes and the mean of all containers.

use super::scan::{self, Scope};
use super::{MOST_PX, frames};
use crate::fgmf::{self, FrameHead, FrameSeries, Shape, Summary};
use crate::params::Params;
use crate::problem::Problem;
use crate::reduce::{Agg, Grid};
use crate::state::AppState;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use fgm_store::reader::{Reader, SeriesQuery, Status};

/// `GET /api/v1/overview`
pub(crate) async fn overview(
    State(state): State<AppState>,
    params: Params,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let scope = Scope::of(&params)?;
    let px = params.number("px", &(1..=MOST_PX))?.unwrap_or(1024);
    frames(
        &state,
        "overview",
        &params,
        &headers,
        i64::MAX,
        move |reader, status, keep_going| {
            let (Some(first), Some(last)) = (status.first_ms, status.last_ms) else {
                return Ok(empty(&scope, status));
            };
            let grid = Grid::of(first, last, scan::interval_ms(status), px, Agg::MinMax);
            let all = envelope(reader, &scope, grid, keep_going)?;
            Ok(fgmf::encode(
                &head(&scope, status, grid, all.containers),
                &all.series(),
            ))
        },
    )
    .await
}

/// The extremes and the mean of every slot.
struct Envelope {
    containers: usize,
    slots: Vec<(f64, f64, f64, u64)>,
}

fn envelope(
    reader: &Reader,
    scope: &Scope,
    grid: Grid,
    keep_going: &dyn Fn() -> bool,
) -> Result<Envelope, Problem> {
    let containers = scope.containers(reader, grid)?;
    let mut slots = vec![(f64::INFINITY, f64::NEG_INFINITY, 0.0, 0_u64); grid.n];
    let query = SeriesQuery {
        table: scope.table,
        signals: vec![scope.signal],
        start_ms: grid.t0,
        end_ms: grid.end_ms(),
        series: None,
    };
    reader.scan(&query, &containers, keep_going, |chunk| {
        let values = chunk.values.first().map_or(&[][..], Vec::as_slice);
        for (time_ms, value) in chunk.times_ms.iter().zip(values) {
            let slot = grid.slot(*time_ms).and_then(|slot| slots.get_mut(slot));
            if let Some((min, max, sum, count)) = slot
                && !value.is_nan()
            {
                *min = min.min(*value);
                *max = max.max(*value);
                *sum += value;
                *count += 1;
            }
        }
    })?;
    Ok(Envelope {
        containers: containers.len(),
        slots,
    })
}

impl Envelope {
    /// `range`, the extremes, and `mean`; nothing where nothing was stored.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        reason = "a screen needs no more"
    )]
    fn series(&self) -> Vec<FrameSeries> {
        let plane = |of: fn(&(f64, f64, f64, u64)) -> f64| {
            let values = self.slots.iter();
            values
                .map(|slot| {
                    if slot.3 == 0 {
                        f32::NAN
                    } else {
                        of(slot) as f32
                    }
                })
                .collect::<Vec<_>>()
        };
        let filled = self.slots.iter().filter(|slot| slot.3 > 0);
        let (min, max) = filled
            .clone()
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), slot| {
                (a.min(slot.0), b.max(slot.1))
            });
        let (sum, count) = filled.fold((0.0, 0), |(sum, n), slot| (sum + slot.2, n + slot.3));
        if count == 0 {
            return Vec::new();
        }
        let summary = Summary {
            min: Some(min),
            max: Some(max),
            avg: Some(sum / count as f64),
            p99: None,
            last: None,
        };
        let one = |id: &str, shape| FrameSeries {
            id: id.to_owned(),
            shape,
            breaks: Vec::new(),
            summary,
        };
        vec![
            one(
                "range",
                Shape::Envelope {
                    min: plane(|slot| slot.0),
                    max: plane(|slot| slot.1),
                },
            ),
            one("mean", Shape::Display(plane(|slot| slot.2 / slot.3 as f64))),
        ]
    }
}

fn head(scope: &Scope, status: &Status, grid: Grid, matched: usize) -> FrameHead {
    FrameHead::new(scope.signal, status, grid, matched, ("minmax", "all"))
}

fn empty(scope: &Scope, status: &Status) -> Vec<u8> {
    let grid = Grid {
        t0: 0,
        step: 1000,
        n: 0,
    };
    fgmf::encode(&head(scope, status, grid, 0), &[])
}
