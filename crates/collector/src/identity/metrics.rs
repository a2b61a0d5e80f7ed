//! How identity itself is doing.

use crate::identity::Staleness;
use fgm_service::registry::{measured, new};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};

/// Why the source of names failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Trouble {
    /// The API server does not answer.
    Unreachable,
    /// It does not know our token.
    Unauthorized,
    /// It knows us, and does not let us.
    Forbidden,
    /// It does not remember what we saw last.
    Expired,
    /// It answers otherwise than expected.
    Refused,
    /// The kubeconfig or the service account cannot be used.
    Settings,
    /// The directory of Pod objects cannot be read.
    Directory,
    /// A file in it is no Pod object.
    File,
}

impl Trouble {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::Expired => "expired",
            Self::Refused => "refused",
            Self::Settings => "settings",
            Self::Directory => "directory",
            Self::File => "file",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct TroubleLabel {
    trouble: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct ErrorLabel {
    error: String,
}

/// The self-metrics of identity. A clone shows the same.
#[derive(Debug, Clone)]
pub struct IdentityMetrics {
    pods: Gauge,
    unnamed: Gauge,
    stale: Gauge,
    cpu: Counter<f64, AtomicU64>,
    pub(crate) relists: Counter,
    errors: Family<TroubleLabel, Counter>,
    last_error: Family<ErrorLabel, Gauge>,
    notice: Arc<Mutex<Option<String>>>,
}

impl IdentityMetrics {
    /// Registers them.
    pub(crate) fn new(to: &mut Registry) -> Self {
        Self {
            pods: new(to, "identity_pods", "Pods of this node that are known"),
            unnamed: new(
                to,
                "identity_unnamed",
                "Instances, also lately ended ones, whose name is not known yet",
            ),
            stale: measured(
                to,
                "identity_stale",
                "Time since the source of names was last in step; 0 while it is",
                Unit::Seconds,
            ),
            cpu: measured(
                to,
                "identity_cpu",
                "CPU time of learning names",
                Unit::Seconds,
            ),
            relists: new(
                to,
                "identity_relists",
                "Times that all pods of this node were listed",
            ),
            errors: new(
                to,
                "identity_errors",
                "Failures of the source of names, by kind",
            ),
            last_error: new(
                to,
                "identity_last_error_timestamp",
                "When the source of names failed last, seconds UTC, and how",
            ),
            notice: Arc::default(),
        }
    }

    /// What [`crate::identity::Pods`] tells of itself.
    pub(crate) fn set_staleness(&self, staleness: Staleness) {
        let gauge = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        self.pods.set(gauge(staleness.pods));
        self.unnamed.set(gauge(staleness.unnamed));
        self.stale
            .set(i64::try_from(staleness.stale.as_secs()).unwrap_or(i64::MAX));
    }

    /// The CPU time of the identity thread so far.
    pub(crate) fn set_cpu(&self, spent: std::time::Duration) {
        let more = spent.as_secs_f64() - self.cpu.get();
        self.cpu.inc_by(more.max(0.0));
    }

    /// The source failed.
    pub(crate) fn failed(&self, trouble: Trouble, message: &str, wall_ms: i64) {
        let label = TroubleLabel {
            trouble: trouble.as_str(),
        };
        self.errors.get_or_create(&label).inc();
        // One series at a time: messages are many.
        self.last_error.clear();
        let error = ErrorLabel {
            error: message.to_owned(),
        };
        self.last_error.get_or_create(&error).set(wall_ms / 1000);
    }

    /// What a person should know of missing names.
    pub(crate) fn set_notice(&self, notice: Option<String>) {
        *self.notice.lock().unwrap_or_else(PoisonError::into_inner) = notice;
    }

    pub(crate) fn notice(&self) -> Option<String> {
        let notice = self.notice.lock();
        notice.unwrap_or_else(PoisonError::into_inner).clone()
    }
}
