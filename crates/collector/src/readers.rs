//! What the readings of all instances share: the proc mount, the buffers, the budgets.

use crate::config::{Config, PssBudget};
use fgm_cgroup::ReadContext;
use fgm_kernfile::Descriptors;
use fgm_proc::{ProcReader, Pss, PssConfig, PssSkipped, ReadLimits};

/// Shared by all that is read.
pub(crate) struct Readers {
    pub(crate) cgroups: ReadContext,
    pub(crate) processes: ProcReader,
    pub(crate) pss: Pss,
    /// Processes found too large to scan, of the instance read last.
    pub(crate) skipped: Vec<PssSkipped>,
}

impl Readers {
    /// As configured.
    ///
    /// # Errors
    /// There is no `/proc` to read, or no thread for the proportional sets.
    pub(crate) fn open(config: &Config, descriptors: &Descriptors) -> anyhow::Result<Self> {
        let pss = match config.pss_budget {
            PssBudget(Some(budget_per_second)) => Pss::start(
                &config.proc_root,
                PssConfig {
                    budget_per_second,
                    ..PssConfig::default()
                },
            )?,
            PssBudget(None) => Pss::off(),
        };
        let limits = ReadLimits::default();
        Ok(Self {
            cgroups: ReadContext::new(descriptors.clone()),
            processes: ProcReader::open(&config.proc_root, descriptors.clone(), limits)?,
            pss,
            skipped: Vec::new(),
        })
    }
}
