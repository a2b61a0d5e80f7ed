//! The tick thread: waits for the grid or for something to happen, reads, hands batches on.

use crate::clock;
use crate::events::EventMaker;
use crate::grid::{self, Grid, Step};
use crate::health::Health;
use crate::readings::Readings;
use crate::stop::Stopped;
use crate::writer::Batch;
use anyhow::Context;
use fgm_model::Event;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::AsFd;
use rustix::io::Errno;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender};
use std::time::Duration;

/// A tick that begins later than this share of the interval is an event.
const LATE_SHARE: i64 = 4;

/// The nice value of the tick thread, where we may set it.
const PRIORITY: i32 = -10;

/// The tick thread's state.
pub(crate) struct Sampler {
    pub(crate) interval: Duration,
    pub(crate) grid: Grid,
    pub(crate) readings: Readings,
    pub(crate) events: EventMaker,
    pub(crate) health: Arc<Health>,
    /// The time and clock epoch of the last batch.
    pub(crate) last: Option<(i64, i64)>,
}

impl Sampler {
    /// Records until the stop is requested, then hands on what is left.
    pub(crate) fn run(
        mut self,
        stopped: &Stopped,
        batches: &SyncSender<Batch>,
        used: &Receiver<Batch>,
    ) -> anyhow::Result<()> {
        // Timer slack of 50 us would be most of our lateness on an idle node.
        if let Err(error) = rustix::thread::set_current_timer_slack(std::num::NonZero::new(1)) {
            tracing::debug!("cannot lower the timer slack: {error}");
        }
        // On one whose CPUs are all busy it is the wait for a CPU, and such a node is the one to
        // be seen well. On Linux this is the priority of the calling thread alone.
        if let Err(error) = rustix::process::setpriority_process(None, PRIORITY) {
            tracing::debug!("cannot raise the priority of the tick thread: {error}");
        }
        loop {
            match self.grid.step(clock::now()) {
                Step::Wait(time) => {
                    if self.wait(time, stopped)? {
                        return self.drain(batches);
                    }
                }
                Step::Tick(tick) => {
                    let mut batch = used.try_recv().unwrap_or_default();
                    self.tick(tick, &mut batch);
                    batches
                        .send(batch)
                        .context("the writer thread has ended; see the log")?;
                }
            }
        }
    }

    /// Sleeps that long, reading what happens meanwhile; `true` when the stop was requested.
    fn wait(&mut self, time: Duration, stopped: &Stopped) -> anyhow::Result<bool> {
        let timeout = Timespec::try_from(time).unwrap_or(Timespec {
            tv_sec: 1,
            tv_nsec: 0,
        });
        // Without inotify the stop descriptor stands in its place: nothing happens there.
        let happened = self.readings.as_fd().unwrap_or(stopped.as_fd());
        let mut fds = [
            PollFd::new(stopped, PollFlags::IN),
            PollFd::new(&happened, PollFlags::IN),
        ];
        match poll(&mut fds, Some(&timeout)) {
            Ok(0) | Err(Errno::INTR) => return Ok(false),
            Ok(_) => {}
            Err(error) => return Err(error).context("cannot wait for the next tick"),
        }
        let [stop, happened] = fds.map(|fd| !fd.revents().is_empty());
        if stop {
            return Ok(true);
        }
        if happened {
            self.readings.look_between_ticks();
        }
        Ok(false)
    }

    fn tick(&mut self, tick: grid::Tick, batch: &mut Batch) {
        let now = clock::now();
        self.health.set_ticked(now.boot_us);
        self.events.set_tick(tick.time_ms, tick.clock_epoch);
        batch.events.clear();
        if self.last.is_none() {
            let started = self
                .events
                .recorder_started(now.wall_us / 1000, env!("CARGO_PKG_VERSION"));
            batch.events.push(started);
        }
        self.note_irregularities(tick, &mut batch.events);
        batch.tables.begin(tick.time_ms, tick.clock_epoch);
        self.readings
            .tick(&mut batch.tables, &self.events, &mut batch.events);
        self.last = Some((tick.time_ms, tick.clock_epoch));
    }

    fn note_irregularities(&self, tick: grid::Tick, events: &mut Vec<Event>) {
        self.health.ticks.inc();
        #[expect(clippy::cast_precision_loss, reason = "at most an interval")]
        self.health.lateness.observe(tick.late_us as f64 / 1e6);
        let interval_us = i64::try_from(self.interval.as_micros()).unwrap_or(i64::MAX);
        if tick.late_us > interval_us / LATE_SHARE {
            self.health.ticks_late.inc();
            events.push(self.events.tick_late(tick.time_ms, tick.late_us));
        }
        if tick.missed > 0 {
            self.health.ticks_missed.inc_by(tick.missed.unsigned_abs());
            events.push(self.events.tick_missed(tick.time_ms, tick.missed));
        }
        if let Some(step_us) = tick.clock_step_us {
            self.health.clock_steps.inc();
            tracing::warn!(step_us, "the wall clock was set: a new clock epoch begins");
            events.push(self.events.clock_step(tick.time_ms, step_us));
        }
    }

    /// The last batch: what was read since the last tick of instances that are gone. It belongs
    /// to the next instant, which a successor waits for before its own first tick.
    fn drain(mut self, batches: &SyncSender<Batch>) -> anyhow::Result<()> {
        let Some((last_ms, clock_epoch)) = self.last else {
            return Ok(());
        };
        self.readings.look_between_ticks();
        let next_ms = self.grid.next_time_ms().unwrap_or(last_ms);
        let time_ms = if self.readings.has_ended_rows() {
            next_ms
        } else {
            last_ms
        };
        self.events.set_tick(time_ms, clock_epoch);
        let mut batch = Batch::default();
        batch.tables.begin(time_ms, clock_epoch);
        self.readings
            .take_ended(&mut batch.tables, &self.events, &mut batch.events);
        let now_ms = clock::wall_us() / 1000;
        batch.events.push(self.events.recorder_stopped(now_ms));
        batches
            .send(batch)
            .context("the writer thread has ended; see the log")
    }
}
