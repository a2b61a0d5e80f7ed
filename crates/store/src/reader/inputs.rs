//! The columns that a set of signals needs.

use fgm_model::Signal;
use std::ops::Range;

/// The columns that a set of signals needs, each once.
#[derive(Debug)]
pub(super) struct Inputs {
    /// Names of the metric columns.
    pub(super) names: Vec<&'static str>,
    pub(super) signals: Vec<Input>,
    /// Whether a value is made of two rows.
    pub(super) has_rates: bool,
    /// For each item of the flat list the column.
    pub(super) columns: Vec<usize>,
}

/// A signal, and where its inputs lie in a row's flat list.
#[derive(Debug)]
pub(super) struct Input {
    pub(super) signal: Signal,
    pub(super) places: Range<usize>,
}

impl Inputs {
    pub(super) fn of(signals: &[Signal]) -> Self {
        let mut inputs = Self {
            names: Vec::new(),
            signals: Vec::new(),
            has_rates: signals.iter().any(|signal| signal.needs_earlier()),
            columns: Vec::new(),
        };
        for signal in signals {
            let from = inputs.columns.len();
            for metric in signal.inputs() {
                let name = metric.name();
                let known = inputs.names.iter().position(|known| *known == name);
                let place = known.unwrap_or_else(|| {
                    inputs.names.push(name);
                    inputs.names.len() - 1
                });
                inputs.columns.push(place);
            }
            inputs.signals.push(Input {
                signal: *signal,
                places: from..inputs.columns.len(),
            });
        }
        inputs
    }
}
