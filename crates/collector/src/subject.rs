//! One instance between its first and its last row: what was read, and the row it makes.
//!
//! DATA.md section 2, "time": a read between ticks (birth, last read) is written with the next
//! tick, with a negative offset, unless that tick reads the instance itself; of several reads
//! the latest wins, and what it lacks is filled in from the earlier.

use crate::identity::Resources;
use fgm_model::rate::{ReadAt, increase, millicores, step_us};
use fgm_model::{Instance, Metric, Row, Values};
use std::sync::Arc;

/// The state of one instance.
#[derive(Debug)]
pub(crate) struct Subject {
    pub(crate) instance: Arc<Instance>,
    /// What was read since the last row, and when (microseconds UTC); `None` for no read.
    read_at_us: Option<i64>,
    pub(crate) values: Values,
    pub(crate) limits_known: bool,
    /// Requests of the pod's specification.
    pub(crate) resources: Resources,
    last: Option<Last>,
}

#[derive(Debug, Clone, Copy)]
struct Last {
    at: ReadAt,
    clock_epoch: i64,
    usage_usec: i64,
}

impl Subject {
    pub(crate) fn new(instance: Arc<Instance>) -> Self {
        Self {
            instance,
            read_at_us: None,
            values: Values::default(),
            limits_known: false,
            resources: Resources::default(),
            last: None,
        }
    }

    /// Reads the instance: `read` fills fresh values and says whether there was anything; what
    /// they lack is taken from an earlier read since the last row.
    pub(crate) fn read(&mut self, at_us: i64, read: impl FnOnce(&mut Values) -> bool) -> bool {
        let earlier = self.read_at_us.map(|_| self.values.clone());
        self.values.clear();
        let found = read(&mut self.values);
        match earlier {
            Some(earlier) if found => self.values.fill_from(&earlier),
            Some(earlier) => self.values = earlier,
            None => {}
        }
        if found {
            self.read_at_us = Some(at_us);
        }
        found
    }

    /// The row of this tick; `None` when nothing was read since the last one.
    pub(crate) fn row(&mut self, time_ms: i64, clock_epoch: i64, interval_ms: i64) -> Option<Row> {
        let read_at_us = self.read_at_us.take()?;
        let at = ReadAt {
            time_ms,
            offset_us: read_at_us - time_ms * 1000,
        };
        let usage_usec = self
            .values
            .get(Metric::CpuUserUsec)
            .zip(self.values.get(Metric::CpuSystemUsec))
            .and_then(|(user, system)| user.checked_add(system));
        let millicores = usage_usec.and_then(|usage_usec| {
            let last = self.last.filter(|last| last.clock_epoch == clock_epoch)?;
            let step_us = step_us(last.at, at, interval_ms)?;
            let used_usec = increase(last.usage_usec, usage_usec)?;
            Some(millicores(used_usec, step_us))
        });
        let Resources {
            cpu_request_millicores,
            memory_request_bytes,
            ..
        } = self.resources;
        self.values.set(Metric::CpuUsageMillicores, millicores);
        self.values
            .set(Metric::CpuRequestMillicores, cpu_request_millicores);
        self.values.set(Metric::MemoryRequest, memory_request_bytes);
        self.last = usage_usec.map(|usage_usec| Last {
            at,
            clock_epoch,
            usage_usec,
        });
        Some(Row {
            instance: Arc::clone(&self.instance),
            read_offset_us: at.offset_us,
            limits_known: self.limits_known,
            values: self.values.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject() -> Subject {
        Subject::new(Arc::default())
    }

    fn cpu(usage_usec: i64) -> impl FnOnce(&mut Values) -> bool {
        move |values| {
            values.set(Metric::CpuUserUsec, Some(usage_usec));
            values.set(Metric::CpuSystemUsec, Some(0));
            true
        }
    }

    fn memory(metric: Metric, bytes: i64) -> impl FnOnce(&mut Values) -> bool {
        move |values| {
            values.set(metric, Some(bytes));
            true
        }
    }

    #[test]
    fn no_read_no_row() {
        assert_eq!(subject().row(0, 0, 1000), None);
        let mut subject = subject();
        subject.read(0, |_| false);
        assert_eq!(subject.row(0, 0, 1000), None);
    }

    #[test]
    fn a_read_between_ticks_is_written_with_the_next_tick() {
        let mut subject = subject();
        subject.read(9_400_000, cpu(5));
        let row = subject.row(10_000, 0, 1000).expect("a row");
        assert_eq!(row.read_offset_us, -600_000);
        assert_eq!(subject.row(11_000, 0, 1000), None, "one row for one read");
    }

    #[test]
    fn of_several_reads_the_latest_wins_and_the_earlier_fills() {
        let mut subject = subject();
        subject.read(9_400_000, |values| {
            values.set(Metric::MemoryPeak, Some(7));
            values.set(Metric::MemoryCurrent, Some(7));
            true
        });
        subject.read(10_000_100, memory(Metric::MemoryCurrent, 3));
        let row = subject.row(10_000, 0, 1000).expect("a row");
        assert_eq!(row.read_offset_us, 100);
        assert_eq!(row.values.get(Metric::MemoryCurrent), Some(3));
        assert_eq!(row.values.get(Metric::MemoryPeak), Some(7));
    }

    #[test]
    fn a_read_that_found_nothing_leaves_the_earlier_one() {
        let mut subject = subject();
        subject.read(9_400_000, cpu(5));
        subject.read(10_000_100, |_| false);
        let row = subject.row(10_000, 0, 1000).expect("a row");
        assert_eq!(row.read_offset_us, -600_000);
        assert_eq!(row.values.get(Metric::CpuUserUsec), Some(5));
    }

    #[test]
    fn values_of_an_earlier_row_do_not_leak_into_the_next() {
        let mut subject = subject();
        subject.read(0, memory(Metric::MemoryPeak, 7));
        subject.row(0, 0, 1000).expect("a row");
        subject.read(1_000_000, cpu(1));
        let row = subject.row(1000, 0, 1000).expect("a row");
        assert_eq!(row.values.get(Metric::MemoryPeak), None);
    }

    #[test]
    fn cpu_usage_is_made_of_real_read_times() {
        let mut subject = subject();
        let mut usage = |at_us: i64, usage_usec, epoch| {
            subject.read(at_us, cpu(usage_usec));
            let row = subject
                .row(at_us / 1_000_000 * 1000, epoch, 1000)
                .expect("a row");
            row.values.get(Metric::CpuUsageMillicores)
        };
        assert_eq!(usage(0, 0, 0), None);
        assert_eq!(usage(1_500_000, 300_000, 0), Some(200));
        assert_eq!(usage(2_000_000, 100_000, 0), None, "a counter that fell");
        assert_eq!(usage(3_000_000, 200_000, 0), Some(100));
        assert_eq!(usage(4_000_000, 300_000, 1), None, "another clock epoch");
        assert_eq!(usage(9_000_000, 400_000, 1), None, "a gap");
    }
}
