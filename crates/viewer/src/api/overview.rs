//! `/overview`: one metric over everything stored, as the extremes and the mean of all containers.

use super::scan::{self, Scope};
use super::{MOST_PX, frames};
use crate::fgmf::{self, FrameHead, FrameSeries, Shape, Summary};
use crate::params::Params;
use crate::problem::Problem;
use crate::reduce::Agg;
use crate::state::AppState;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use fgm_model::Resolution;
use fgm_store::reader::{BucketQuery, Grid, Keep, Reader, Status};

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
            let interval_ms = scan::interval_ms(status);
            let grid = Agg::MinMax.grid((first, last), interval_ms, px);
            let level = (grid, Agg::MinMax.resolution(grid, interval_ms));
            let all = envelope(reader, &scope, level, keep_going)?;
            Ok(fgmf::encode(
                &head(&scope, status, grid, all.containers),
                &all.series(),
            ))
        },
    )
    .await
}

/// Containers whose buckets are in memory at a time: over a long time there were many.
const BLOCK: usize = 256;

/// All containers as one.
struct Envelope {
    containers: usize,
    /// Of each slot the extremes, and the sum of the containers' means and how many those are.
    slots: Vec<(f64, f64, f64, u64)>,
}

fn envelope(
    reader: &Reader,
    scope: &Scope,
    (grid, resolution): (Grid, Resolution),
    keep_going: &dyn Fn() -> bool,
) -> Result<Envelope, Problem> {
    let containers = scope
        .who
        .containers(reader, (grid.start_ms, grid.end_ms()))?;
    let mut slots = vec![(f64::INFINITY, f64::NEG_INFINITY, 0.0, 0_u64); grid.buckets];
    let query = BucketQuery {
        table: scope.who.table,
        signals: vec![scope.signal],
        grid,
        resolution,
        keep: Keep {
            extremes: true,
            means: true,
            summary: None,
        },
    };
    for block in containers.chunks(BLOCK) {
        for series in reader.buckets(&query, block, keep_going)? {
            let Some(Some(buckets)) = series.signals.into_iter().next() else {
                continue;
            };
            let values = buckets.min.iter().zip(&buckets.max).zip(&buckets.mean);
            for (slot, ((min, max), mean)) in slots.iter_mut().zip(values) {
                if !mean.is_nan() {
                    slot.0 = slot.0.min(*min);
                    slot.1 = slot.1.max(*max);
                    slot.2 += mean;
                    slot.3 += 1;
                }
            }
        }
    }
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
    // It tells no quantile.
    let level = (grid, Resolution::Raw);
    FrameHead::new(scope.signal, status, level, matched, ("minmax", "all"))
}

fn empty(scope: &Scope, status: &Status) -> Vec<u8> {
    let grid = Grid {
        start_ms: 0,
        step_ms: 1000,
        buckets: 0,
    };
    fgmf::encode(&head(scope, status, grid, 0), &[])
}
