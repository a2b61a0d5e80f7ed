//! The memory of one container: parts that add up, a limit that reclaims and kills.

use super::load::Spike;
use super::profile::{MIB, Profile};
use super::random::Random;
use fgm_model::{Metric, Values};

/// Every number of memory.stat is whole pages.
pub(super) const PAGE: i64 = 4096;

/// The state of one life.
#[derive(Debug, Clone, Default)]
pub(super) struct Memory {
    anon: i64,
    file: i64,
    shmem: i64,
    garbage: f64,
    leaked: f64,
    inactive_anon: f64,
    active_file: f64,
    dirty: i64,
    sock: i64,
    kernel_stack: i64,
    pagetables: i64,
    slab_reclaimable: i64,
    slab_unreclaimable: i64,
    current: i64,
    peak: i64,
    pgfault: i64,
    pgmajfault: i64,
    pgscan: i64,
    pgsteal: i64,
    refault_file: i64,
    events_max: i64,
    pub(super) oom: i64,
    pub(super) oom_kill: i64,
    pub(super) oom_group_kill: i64,
    psi_some_usec: i64,
    psi_full_usec: i64,
    /// Proportional set as it was last scanned, and when.
    pss: Option<(i64, i64, i64)>,
    scanned_us: i64,
}

/// What a step did.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Grown {
    pub(super) spike: Option<Spike>,
    /// The moment at which an allocation failed at the limit.
    pub(super) out_of_memory_us: Option<i64>,
}

fn pages(bytes: f64) -> i64 {
    (bytes / PAGE as f64).round() as i64 * PAGE
}

impl Memory {
    /// As a container has it that has run for a while, or has just been born.
    pub(super) fn new(random: &mut Random, profile: &Profile, fresh: bool) -> Self {
        let part = if fresh { 0.3 } else { 1.0 };
        let mut memory = Self {
            anon: pages(profile.anon * part),
            file: pages(profile.file * part * 0.8),
            shmem: pages(profile.shmem),
            inactive_anon: random.between(0.05, 0.3),
            active_file: random.between(0.2, 0.7),
            slab_unreclaimable: pages(random.log_between(0.2, 3.0) * MIB),
            leaked: if fresh {
                0.0
            } else {
                profile.leak * random.between(0.0, 600.0)
            },
            ..Self::default()
        };
        memory.settle(profile);
        memory
    }

    /// What an allocation at the limit counts.
    pub(super) const fn current(&self) -> i64 {
        self.current
    }

    pub(super) const fn peak(&self) -> i64 {
        self.peak
    }

    /// Lets the time [from, to) pass; `used_usec` of CPU and `disk_bytes` went with it.
    pub(super) fn step(
        &mut self,
        random: &mut Random,
        profile: &mut Profile,
        (from_us, to_us): (i64, i64),
        (used_usec, disk_bytes): (i64, i64),
    ) -> Grown {
        let seconds = (to_us - from_us).max(0) as f64 / 1e6;
        let before = self.current;
        let moves = random.chance(1.0 - (1.0 - profile.activity).powf(seconds.max(0.01)));
        self.leaked += profile.leak * seconds * random.between(0.7, 1.3);
        if profile.garbage.1 > 0.0 {
            self.garbage += profile.garbage.0 * seconds * random.between(0.8, 1.2);
            if self.garbage > profile.garbage.1 {
                self.garbage = 0.0;
            }
        }
        // A young process grows to its size; a grown one breathes around it.
        let target = profile.anon + self.leaked + self.garbage;
        let grows = (target - self.anon as f64).clamp(0.0, 40.0 * MIB * seconds);
        if moves || grows > 64.0 * PAGE as f64 || self.leaked > 0.0 || self.garbage > 0.0 {
            let breath = if moves {
                0.002 * profile.anon * random.normal()
            } else {
                0.0
            };
            let shrinks = (target - self.anon as f64).min(0.0);
            self.anon =
                pages((self.anon as f64 + grows + shrinks + breath).max(16.0 * PAGE as f64));
        }
        if moves {
            let filled = (profile.file - self.file as f64).clamp(0.0, disk_bytes as f64);
            let dropped = if random.chance(0.01) {
                0.02 * self.file as f64
            } else {
                0.0
            };
            self.file = pages(self.file as f64 + filled - dropped);
            self.active_file = (self.active_file + 0.004 * random.normal()).clamp(0.1, 0.9);
            self.inactive_anon = (self.inactive_anon + 0.002 * random.normal()).clamp(0.02, 0.4);
            self.dirty =
                pages((disk_bytes as f64 * random.between(0.0, 2.0)).min(self.file as f64 * 0.1));
            self.sock = pages(used_usec as f64 / 1e6 * random.between(0.0, 400_000.0));
        }
        self.settle(profile);
        let found = profile.memory_spikes.within(random, from_us, to_us);
        let spike = found.map_or(0, |(spike, _)| spike.size);
        let faults = (self.current - before).max(0) / PAGE + spike / PAGE;
        self.pgfault += faults + (used_usec as f64 * random.between(0.005, 0.02)) as i64;
        if disk_bytes > 0 && random.chance(0.1 * seconds) {
            self.pgmajfault += random.whole(1, 4);
        }
        let grown_us = self.press(random, profile, (from_us, to_us), before);
        let most = profile.memory_limit.unwrap_or(i64::MAX);
        self.peak = self.peak.max((self.current + spike).min(most));
        self.scan(random, profile, to_us);
        Grown {
            spike: found.filter(|(_, begins)| *begins).map(|(spike, _)| spike),
            out_of_memory_us: grown_us,
        }
    }

    /// Makes the parts fit one another.
    fn settle(&mut self, profile: &Profile) {
        let threads = profile.processes * profile.threads;
        self.kernel_stack = threads * 16 * 1024;
        self.pagetables = pages(self.anon as f64 / 480.0 + profile.processes as f64 * 90_000.0);
        self.slab_reclaimable = pages(self.file as f64 / 30.0);
        self.current = self.total();
        self.peak = self
            .peak
            .max(self.current.min(profile.memory_limit.unwrap_or(i64::MAX)));
    }

    const fn kernel(&self) -> i64 {
        self.kernel_stack + self.pagetables + self.slab_reclaimable + self.slab_unreclaimable
    }

    const fn total(&self) -> i64 {
        // `file` holds shared memory too, as in the kernel's own list.
        self.anon + self.file + self.shmem + self.kernel() + self.sock
    }

    /// At the limit the page cache goes first; when there is none left, an allocation fails.
    fn press(
        &mut self,
        random: &mut Random,
        profile: &Profile,
        (from_us, to_us): (i64, i64),
        before: i64,
    ) -> Option<i64> {
        let limit = profile.memory_limit?;
        let over = self.current - limit;
        let window_us = (to_us - from_us).max(1);
        if over > 0 {
            let floor = pages((0.3 * MIB).min(self.file as f64));
            let reclaimed = pages(over as f64 * 1.02 + 64.0 * PAGE as f64).min(self.file - floor);
            self.file -= reclaimed;
            self.pgsteal += reclaimed / PAGE;
            self.pgscan += (reclaimed / PAGE) * random.whole(1, 4) + random.whole(0, 64);
            self.refault_file += (reclaimed / PAGE) / 10;
            self.events_max += random.whole(1, 40);
            self.settle(profile);
        }
        // One that is killed lives for a part of the window only.
        let lived = (self.current > limit).then(|| {
            let grew = (self.current - before).max(1) as f64;
            ((limit - before).max(0) as f64 / grew).clamp(0.05, 0.95)
        });
        let lived_us = window_us as f64 * lived.unwrap_or(1.0);
        // The nearer to the limit with little cache left, the more everybody waits for memory.
        let room = (limit - self.current + self.file).max(0) as f64 / limit as f64;
        if room < 0.04 {
            let share = ((0.04 - room) / 0.04 * random.between(0.2, 1.0)).clamp(0.0, 1.0);
            let some = (lived_us * share * 0.8) as i64;
            self.psi_some_usec += some;
            self.psi_full_usec += (some as f64 * random.between(0.6, 0.95)) as i64;
            self.refault_file += random.whole(0, 200);
            self.pgscan += random.whole(0, 500);
        }
        lived?;
        let cut = self.current - limit;
        self.anon -= pages(cut as f64 + PAGE as f64);
        self.settle(profile);
        Some(from_us + lived_us as i64)
    }

    /// The OOM killer took a process that held `share` of what leaked.
    pub(super) fn kill_worker(&mut self, share: f64) {
        self.oom += 1;
        self.oom_kill += 1;
        self.leaked *= 1.0 - share;
    }

    /// The OOM killer ends the container.
    pub(super) const fn kill(&mut self, processes: i64, group: bool) {
        self.oom += 1;
        if group {
            self.oom_kill += processes;
            self.oom_group_kill += 1;
        } else {
            self.oom_kill += 1;
        }
    }

    /// The proportional set is read when it is its turn.
    fn scan(&mut self, random: &mut Random, profile: &Profile, now_us: i64) {
        let large = self.anon as f64 / (64.0 * MIB);
        let turn = (0.15 + profile.activity * 0.4) / (1.0 + large);
        if self.pss.is_none() || random.chance(turn) {
            let mapped = self.mapped();
            self.pss = Some((self.anon, mapped / 2, self.shmem));
            self.scanned_us = now_us;
        }
    }

    const fn mapped(&self) -> i64 {
        self.file / 3 / PAGE * PAGE
    }

    /// Fills in what the memory files say, and the sums over the processes.
    pub(super) fn write(&self, values: &mut Values, profile: &Profile, now_us: i64) {
        let inactive_anon = pages(self.anon as f64 * self.inactive_anon);
        let active_file = pages(self.file as f64 * self.active_file);
        // Shared memory is file-backed to memory.stat and lies on the anonymous lists.
        let file = self.file + self.shmem;
        let resident = self.anon + self.mapped() + self.shmem * profile.processes.clamp(1, 400);
        for (metric, value) in [
            (Metric::MemoryCurrent, self.current),
            (Metric::MemoryPeak, self.peak),
            (Metric::MemorySwapCurrent, 0),
            (Metric::MemoryZswapCurrent, 0),
            (Metric::MemoryAnon, self.anon),
            (Metric::MemoryFile, file),
            (Metric::MemoryKernel, self.kernel()),
            (Metric::MemoryKernelStack, self.kernel_stack),
            (Metric::MemoryPagetables, self.pagetables),
            (Metric::MemorySock, self.sock),
            (Metric::MemoryShmem, self.shmem),
            (Metric::MemoryFileMapped, self.mapped()),
            (Metric::MemoryFileDirty, self.dirty),
            (Metric::MemoryFileWriteback, 0),
            (Metric::MemoryAnonThp, self.anon / (8 << 21) * (1 << 21)),
            (Metric::MemoryInactiveAnon, inactive_anon + self.shmem),
            (Metric::MemoryActiveAnon, self.anon - inactive_anon),
            (Metric::MemoryInactiveFile, self.file - active_file),
            (Metric::MemoryActiveFile, active_file),
            (Metric::MemorySlabReclaimable, self.slab_reclaimable),
            (Metric::MemorySlabUnreclaimable, self.slab_unreclaimable),
            (Metric::MemoryPgfault, self.pgfault),
            (Metric::MemoryPgmajfault, self.pgmajfault),
            (Metric::MemoryPgscan, self.pgscan),
            (Metric::MemoryPgsteal, self.pgsteal),
            (Metric::MemoryWorkingsetRefaultAnon, 0),
            (Metric::MemoryWorkingsetRefaultFile, self.refault_file),
            (Metric::MemoryEventsLow, 0),
            (Metric::MemoryEventsHigh, 0),
            (Metric::MemoryEventsMax, self.events_max),
            (Metric::MemoryEventsOom, self.oom),
            (Metric::MemoryEventsOomKill, self.oom_kill),
            (Metric::MemoryEventsOomGroupKill, self.oom_group_kill),
            (Metric::MemoryPsiSomeUsec, self.psi_some_usec),
            (Metric::MemoryPsiFullUsec, self.psi_full_usec),
            (Metric::MemoryRss, resident),
        ] {
            values.set(metric, Some(value));
        }
        let pss = self.pss;
        values.set(
            Metric::MemoryPss,
            pss.map(|(anon, file, shmem)| anon + file + shmem),
        );
        values.set(Metric::MemoryPssAnon, pss.map(|(anon, _, _)| anon));
        values.set(Metric::MemoryPssFile, pss.map(|(_, file, _)| file));
        values.set(Metric::MemoryPssShmem, pss.map(|(_, _, shmem)| shmem));
        values.set(Metric::MemorySwapPss, pss.map(|_| 0));
        let age_ms = (now_us - self.scanned_us).max(0) / 1000;
        values.set(Metric::MemoryPssAgeMs, pss.map(|_| age_ms));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generator::profile::{Class, Trouble};
    use crate::generator::scenario::Scenario;

    #[test]
    fn the_parts_of_memory_stat_add_up() {
        let mut random = Random::of(5, 5);
        for trouble in [Trouble::None, Trouble::Leaks, Trouble::GarbageSaw] {
            let mut profile =
                Profile::draw(&mut random, Scenario::Multiproc, Class::Light, trouble);
            let mut memory = Memory::new(&mut random, &profile, true);
            for second in 0..2000 {
                let span = (second * 1_000_000, (second + 1) * 1_000_000);
                memory.step(&mut random, &mut profile, span, (50_000, 8192));
                let mut values = Values::default();
                memory.write(&mut values, &profile, span.1);
                let get = |metric| values.get(metric).expect("known");
                let (anon, file) = (get(Metric::MemoryAnon), get(Metric::MemoryFile));
                let (kernel, sock) = (get(Metric::MemoryKernel), get(Metric::MemorySock));
                assert_eq!(get(Metric::MemoryCurrent), anon + file + kernel + sock);
                let lists = get(Metric::MemoryInactiveAnon) + get(Metric::MemoryActiveAnon);
                assert_eq!(lists, anon + get(Metric::MemoryShmem));
                let lists = get(Metric::MemoryInactiveFile) + get(Metric::MemoryActiveFile);
                assert_eq!(lists, file - get(Metric::MemoryShmem));
                assert!(get(Metric::MemoryPeak) >= get(Metric::MemoryCurrent));
                if let Some(limit) = profile.memory_limit {
                    assert!(get(Metric::MemoryCurrent) <= limit, "second {second}");
                }
            }
        }
    }
}
