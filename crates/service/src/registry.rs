//! A program's own metrics: what it takes to register one.

use prometheus_client::registry::{Metric, Registry, Unit};

/// A metric that the registry shows under that name.
pub fn new<M: Metric + Clone + Default>(to: &mut Registry, name: &str, help: &str) -> M {
    let metric = M::default();
    to.register(name, help, metric.clone());
    metric
}

/// The same with a unit, which the name then ends with.
pub fn measured<M: Metric + Clone + Default>(
    to: &mut Registry,
    name: &str,
    help: &str,
    unit: Unit,
) -> M {
    let metric = M::default();
    to.register_with_unit(name, help, unit, metric.clone());
    metric
}
