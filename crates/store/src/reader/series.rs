//! Whole series, for those who want them in one piece.

use super::{Container, ReadError, Reader, SeriesQuery};
use fgm_model::{Instance, SeriesId};
use std::collections::BTreeMap;
use std::sync::Arc;

/// One series over the asked range.
#[derive(Debug, Clone)]
pub struct SeriesData {
    /// The series id.
    pub id: SeriesId,
    /// The latest identity.
    pub identity: Arc<Instance>,
    /// The largest tick interval in the range.
    pub interval_ms: i64,
    /// The rows' times, milliseconds UTC: instance after instance, and within one rising but
    /// where the clock was set.
    pub times_ms: Vec<i64>,
    /// For each signal a value per row, NaN = no data.
    pub values: Vec<Vec<f64>>,
    /// The rows that begin another life or another clock epoch: the line is not joined there.
    pub breaks: Vec<usize>,
}

#[derive(Default)]
struct Part {
    times_ms: Vec<i64>,
    values: Vec<Vec<f64>>,
}

impl Reader {
    /// The series in the range, in the order of [`Reader::containers`]; those without a row in
    /// it are left out.
    ///
    /// # Errors
    /// When the data directory cannot be listed.
    pub fn series(&self, query: &SeriesQuery) -> Result<Vec<SeriesData>, ReadError> {
        let ids = query.series.as_deref();
        let containers = self.containers_among(query.table, ids, query.start_ms, query.end_ms)?;
        let mut parts: Vec<BTreeMap<(usize, i64), Part>> = Vec::new();
        parts.resize_with(containers.len(), BTreeMap::new);
        let mut intervals = vec![0; containers.len()];
        self.scan(query, &containers, &|| true, |chunk| {
            let (Some(parts), Some(interval)) =
                (parts.get_mut(chunk.series), intervals.get_mut(chunk.series))
            else {
                return;
            };
            *interval = chunk.interval_ms.max(*interval);
            let part = parts
                .entry((chunk.instance, chunk.clock_epoch))
                .or_default();
            part.times_ms.extend_from_slice(chunk.times_ms);
            part.values.resize_with(chunk.values.len(), Vec::new);
            for (all, more) in part.values.iter_mut().zip(chunk.values) {
                all.extend_from_slice(more);
            }
        })?;
        let signals = query.signals.len();
        Ok(containers
            .into_iter()
            .zip(parts)
            .zip(intervals)
            .filter(|((_, parts), _)| !parts.is_empty())
            .map(|((container, parts), interval_ms)| {
                join(container, parts.into_values(), interval_ms, signals)
            })
            .collect())
    }
}

fn join(
    container: Container,
    parts: impl Iterator<Item = Part>,
    interval_ms: i64,
    signals: usize,
) -> SeriesData {
    let mut data = SeriesData {
        id: container.id,
        identity: container.identity,
        interval_ms,
        times_ms: Vec::new(),
        values: vec![Vec::new(); signals],
        breaks: Vec::new(),
    };
    for part in parts {
        if !data.times_ms.is_empty() {
            data.breaks.push(data.times_ms.len());
        }
        data.times_ms.extend_from_slice(&part.times_ms);
        for (all, more) in data.values.iter_mut().zip(&part.values) {
            all.extend_from_slice(more);
        }
    }
    data
}
