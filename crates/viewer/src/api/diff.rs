//! `/diff`: in what the containers differ from one range to another.
//!
//! Each metric of each container is compared by Cliff's delta over the means of some buckets of
//! either range: the share of pairs in which the later is larger, less that in which it is smaller
//! (N. Cliff, Dominance statistics, 1993). It asks for no distribution, and one spike moves it
//! little. What is at least a medium effect (0.33; J. Romano et al., 2006) is told, the most
//! telling first.

use super::scan::{self, Span, Who};
use super::{MOST_TOP, json};
use crate::params::Params;
use crate::problem::Problem;
use crate::reduce::Agg;
use crate::state::AppState;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use fgm_model::Signal;
use fgm_model::catalogue::Category;
use fgm_store::reader::{BucketQuery, Container, Grid, Keep, Reader};
use serde::Serialize;
use std::collections::HashMap;

const ROWS: usize = 20;

/// Metrics that are read at once: as many columns are in memory.
const AT_ONCE: usize = 8;

/// Buckets of a range, about.
const BUCKETS: i64 = 60;

/// With fewer of them on either side nothing is said.
const FEWEST: usize = 4;

/// A medium effect.
const LEAST_DELTA: f64 = 0.33;

/// Of the larger median: what moves by less is no news, however sure it is.
const LEAST_SHARE: f64 = 0.01;

/// Metrics of one container; what belongs together moves together.
const MOST_OF_ONE: usize = 3;

#[derive(Serialize)]
struct Differences {
    a: Span,
    b: Span,
    /// Containers that were in either range.
    matched: usize,
    /// Containers of `b` that were not in `a`.
    appeared: Vec<Named>,
    /// Containers of `a` that were not in `b`.
    vanished: Vec<Named>,
    rows: Vec<Row>,
}

#[derive(Serialize)]
struct Named {
    id: String,
    namespace: Option<String>,
    pod: Option<String>,
    name: String,
}

#[derive(Serialize)]
struct Row {
    #[serde(flatten)]
    who: Named,
    metric: &'static str,
    unit: &'static str,
    /// The median of `a`.
    before: f64,
    /// The median of `b`.
    after: f64,
    /// By how many percent; null when it was 0.
    change_percent: Option<f64>,
    /// Cliff's delta, -1 to 1.
    delta: f64,
}

/// `GET /api/v1/diff`
pub(crate) async fn diff(
    State(state): State<AppState>,
    params: Params,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let who = Who::of(&params)?;
    let n = params.number("n", &(1..=MOST_TOP))?.unwrap_or(ROWS);
    let (a, b) = (span(&params, "a")?, span(&params, "b")?);
    json(
        &state,
        "diff",
        &params,
        &headers,
        move |reader, keep_going| differences(reader, &who, (a, b), n, keep_going),
    )
    .await
}

fn span(params: &Params, key: &str) -> Result<(i64, i64), Problem> {
    let range = params.get(key).and_then(scan::range);
    range.ok_or_else(|| {
        Problem::bad_request(
            format!("{key} is not a range"),
            "write it as <start ms>..<end ms>",
        )
    })
}

fn differences(
    reader: &Reader,
    who: &Who,
    (a, b): ((i64, i64), (i64, i64)),
    n: usize,
    keep_going: &dyn Fn() -> bool,
) -> Result<Differences, Problem> {
    let status = reader.status()?;
    let interval_ms = scan::interval_ms(&status);
    let cut = |range| scan::until_newest(range, &status);
    let sides = [
        Side::new(cut(a), interval_ms),
        Side::new(cut(b), interval_ms),
    ];
    let mut containers = who.containers(reader, (a.0.min(b.0), a.1.max(b.1)))?;
    containers.retain(|one| sides.iter().any(|side| side.had(one)));
    for side in &sides {
        scan::check_cells(side.grid.buckets.saturating_mul(containers.len() * AT_ONCE))?;
    }

    let mut found = Vec::new();
    let signals = compared();
    for signals in signals.chunks(AT_ONCE) {
        let [before, after] = &sides;
        let before = before.means(reader, who, signals, &containers, keep_going)?;
        let after = after.means(reader, who, signals, &containers, keep_going)?;
        for (at, signal) in signals.iter().enumerate() {
            let both = before.iter().zip(&after).enumerate();
            let moves = both.filter_map(|(place, (before, after))| {
                Some((place, Move::of(before.get(at)?, after.get(at)?)?))
            });
            found.extend(weighed(*signal, moves.collect()));
        }
    }
    found.sort_by(|one, other| other.weight.total_cmp(&one.weight));
    let mut told: HashMap<usize, usize> = HashMap::new();
    found.retain(|one| {
        let of_one = told.entry(one.container).or_default();
        *of_one += 1;
        *of_one <= MOST_OF_ONE
    });
    let rows = found.iter().take(n);
    let only = |here: &Side, there: &Side| {
        let those = containers
            .iter()
            .filter(|one| here.had(one) && !there.had(one));
        those.take(n).map(named).collect()
    };
    let [before, after] = &sides;
    Ok(Differences {
        a: before.range,
        b: after.range,
        matched: containers.len(),
        appeared: only(after, before),
        vanished: only(before, after),
        rows: rows.filter_map(|one| one.row(&containers)).collect(),
    })
}

/// Every signal that says something of its own: not what a pod asks for, and not what another
/// signal tells in a unit that reads better.
fn compared() -> Vec<Signal> {
    let derived = Signal::all().filter(|signal| signal.info().derived);
    let told: Vec<_> = derived
        .map(Signal::inputs)
        .filter(|inputs| inputs.len() == 1)
        .flatten()
        .collect();
    let says_something = |signal: &Signal| match signal {
        Signal::Stored(def, metric) => def.category != Category::Requests && !told.contains(metric),
        Signal::Derived(_) => true,
    };
    Signal::all().filter(says_something).collect()
}

/// One of the two ranges.
struct Side {
    range: Span,
    grid: Grid,
    interval_ms: i64,
}

impl Side {
    fn new((start_ms, end_ms): (i64, i64), interval_ms: i64) -> Self {
        let step_ms = Grid::step_for(start_ms, end_ms, interval_ms, BUCKETS);
        // Whole buckets alone: a part of one would hold samples of the other range.
        let first_ms = start_ms.saturating_add(step_ms - 1).div_euclid(step_ms) * step_ms;
        let last_ms = end_ms.saturating_add(1).div_euclid(step_ms) * step_ms - 1;
        let mut grid = Grid::covering(first_ms, last_ms.max(first_ms), step_ms);
        if last_ms < first_ms {
            grid.buckets = 0;
        }
        Self {
            range: Span { start_ms, end_ms },
            grid,
            interval_ms,
        }
    }

    /// Whether a container was there in it.
    fn had(&self, container: &Container) -> bool {
        let Span { start_ms, end_ms } = self.range;
        let mut lives = container.instances.iter();
        lives.any(|life| life.first_ms <= end_ms && start_ms <= life.last_ms)
    }

    /// For each container and each signal its means, in order of size.
    fn means(
        &self,
        reader: &Reader,
        who: &Who,
        signals: &[Signal],
        containers: &[Container],
        keep_going: &dyn Fn() -> bool,
    ) -> Result<Vec<Vec<Vec<f64>>>, Problem> {
        let query = BucketQuery {
            table: who.table,
            signals: signals.to_vec(),
            grid: self.grid,
            resolution: Agg::Avg.resolution(self.grid, self.interval_ms),
            keep: Keep {
                means: true,
                ..Keep::default()
            },
        };
        let all = reader.buckets(&query, containers, keep_going)?;
        let sorted = all.into_iter().map(|series| {
            let signals = series.signals.into_iter().map(|buckets| {
                let mut means = buckets.map(|buckets| buckets.mean).unwrap_or_default();
                means.retain(|mean| mean.is_finite());
                means.sort_unstable_by(f64::total_cmp);
                means
            });
            signals.collect()
        });
        Ok(sorted.collect())
    }
}

/// How one metric of one container moved.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Move {
    before: f64,
    after: f64,
    delta: f64,
}

impl Move {
    /// Of values in order of size; `None` when there are too few, or they hardly differ.
    fn of(before: &[f64], after: &[f64]) -> Option<Self> {
        if before.len().min(after.len()) < FEWEST {
            return None;
        }
        let delta = cliffs_delta(before, after);
        let moved = Self {
            before: median(before)?,
            after: median(after)?,
            delta,
        };
        (delta.abs() >= LEAST_DELTA && moved.share() >= LEAST_SHARE).then_some(moved)
    }

    fn size(&self) -> f64 {
        (self.after - self.before).abs()
    }

    /// How large it is beside the larger of what was and what is; NaN where both are 0.
    fn share(&self) -> f64 {
        self.size() / self.before.abs().max(self.after.abs())
    }
}

/// A move of a container, and how much it tells.
struct Weighed {
    container: usize,
    signal: Signal,
    moved: Move,
    weight: f64,
}

impl Weighed {
    fn row(&self, containers: &[Container]) -> Option<Row> {
        let info = self.signal.info();
        let Move {
            before,
            after,
            delta,
        } = self.moved;
        Some(Row {
            who: named(containers.get(self.container)?),
            metric: info.id,
            unit: info.unit.as_str(),
            before,
            after,
            change_percent: (before != 0.0).then(|| (after / before - 1.0) * 100.0),
            delta,
        })
    }
}

/// A move tells more the surer it is, the larger beside what was there, and the larger beside the
/// largest of that metric: a few bytes more on an idle container are no news.
fn weighed(signal: Signal, moves: Vec<(usize, Move)>) -> impl Iterator<Item = Weighed> {
    let largest = moves
        .iter()
        .map(|(_, moved)| moved.size())
        .fold(0.0, f64::max);
    moves.into_iter().map(move |(container, moved)| Weighed {
        container,
        signal,
        moved,
        weight: moved.delta.abs() * moved.share() * (moved.size() / largest).sqrt(),
    })
}

/// Of values in order of size.
#[expect(clippy::cast_precision_loss, reason = "a few thousand pairs")]
fn cliffs_delta(before: &[f64], after: &[f64]) -> f64 {
    let balance: i64 = after
        .iter()
        .map(|value| {
            let smaller = before.partition_point(|other| other < value);
            let not_larger = before.partition_point(|other| other <= value);
            smaller as i64 - (before.len() - not_larger) as i64
        })
        .sum();
    balance as f64 / (before.len() as f64 * after.len() as f64)
}

/// Of values in order of size.
fn median(values: &[f64]) -> Option<f64> {
    let low = values.get(values.len().checked_sub(1)? / 2)?;
    let high = values.get(values.len() / 2)?;
    Some(low / 2.0 + high / 2.0)
}

fn named(who: &Container) -> Named {
    Named {
        id: who.id.to_string(),
        namespace: who.identity.namespace.clone(),
        pod: who.identity.pod_name.clone(),
        name: who.identity.display_name().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const T: i64 = 1_795_420_800_000;

    fn sorted(mut values: Vec<f64>) -> Vec<f64> {
        values.sort_unstable_by(f64::total_cmp);
        values
    }

    #[test]
    fn buckets_lie_within_their_range() {
        let side = |start_s: i64, end_s: i64| {
            Side::new((T + start_s * 1000, T + end_s * 1000 - 1), 1000).grid
        };
        let minute = side(0, 60);
        assert_eq!(
            (minute.start_ms, minute.step_ms, minute.buckets),
            (T, 1000, 60)
        );
        let odd = side(7, 3607);
        assert_eq!(odd.step_ms, 60_000);
        assert_eq!((odd.start_ms, odd.buckets), (T + 60_000, 59));
        let nothing = Side::new((T + 1, T + 2), 1000).grid;
        assert_eq!(nothing.buckets, 0);
    }

    #[test]
    fn a_counter_is_left_out_where_a_derived_signal_tells_it() {
        let ids: Vec<_> = compared().into_iter().map(Signal::id).collect();
        let has = |id: &str| ids.contains(&id);
        assert!(has("memory_current") && has("memory_percent_of_limit"));
        assert!(has("memory_psi_some_percent") && !has("memory_psi_some_usec"));
        assert!(!has("memory_request"));
    }

    #[test]
    fn little_or_few_is_no_difference() {
        let calm = [1.0, 1.0, 1.0, 2.0];
        assert_eq!(Move::of(&calm, &calm), None);
        assert_eq!(Move::of(&calm[..3], &[5.0; 60]), None);
        assert_eq!(Move::of(&[0.0; 4], &[0.0; 4]), None);
        assert_eq!(Move::of(&[1000.0; 4], &[1001.0; 4]), None);
        // One spike of many.
        assert_eq!(
            Move::of(&[1.0; 10], &sorted(vec![1.0, 1.0, 1.0, 1.0, 900.0])),
            None
        );
        let moved = Move::of(&[1.0; 4], &[3.0; 4]).unwrap();
        assert_eq!((moved.before, moved.after, moved.delta), (1.0, 3.0, 1.0));
    }

    #[test]
    fn a_doubling_of_much_tells_more_than_one_of_little() {
        let signal = Signal::from_id("memory_current").unwrap();
        let moved = |before: f64, after: f64| Move::of(&[before; 4], &[after; 4]).unwrap();
        let moves = vec![
            (0, moved(1.0, 2.0)),
            (1, moved(1e6, 2e6)),
            (2, moved(9e6, 9.5e6)),
        ];
        let weights: Vec<_> = weighed(signal, moves).map(|one| one.weight).collect();
        assert!(
            weights[1] > weights[0] && weights[1] > weights[2],
            "{weights:?}"
        );
    }

    proptest! {
        #[test]
        fn delta_is_the_balance_of_all_pairs(
            before in prop::collection::vec(0..9_i32, 1..30),
            after in prop::collection::vec(0..9_i32, 1..30),
        ) {
            let floats = |values: &[i32]| sorted(values.iter().map(|v| f64::from(*v)).collect());
            let (before, after) = (floats(&before), floats(&after));
            let pairs = before.iter().flat_map(|b| after.iter().map(move |a| (*b, *a)));
            let sum: f64 = pairs.map(|(b, a)| if a > b { 1.0 } else if a < b { -1.0 } else { 0.0 }).sum();
            let expected = sum / (before.len() * after.len()) as f64;
            prop_assert!((cliffs_delta(&before, &after) - expected).abs() < 1e-12);
            prop_assert_eq!(cliffs_delta(&before, &after), -cliffs_delta(&after, &before));
        }
    }
}
