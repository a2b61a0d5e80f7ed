//! The `procfs` crate reads the same of this machine's processes as we do.
//!
//! Numbers that rise are bracketed: theirs, ours, theirs again.

use fgm_kernfile::Descriptors;
use fgm_model::{Metric, Values};
use fgm_proc::io::IoLayout;
use fgm_proc::smaps_rollup::SmapsRollupLayout;
use fgm_proc::{BootTime, Listed, ProcReader, Processes, ReadLimits, stat, statm, status};
use procfs::process::Process;
use std::fs;
use std::ops::RangeInclusive;

/// What both sides gave, `None` where the process ended meanwhile.
fn bracketed<T, Ours>(
    theirs: impl Fn() -> Option<T>,
    ours: impl FnOnce() -> Option<Ours>,
) -> Option<(T, Ours, T)> {
    Some((theirs()?, ours()?, theirs()?))
}

/// Numbers that go up and down (and change with whoever shares the pages): where theirs are the
/// same before and after ours, ours must be the same too. A change and its reverse may fall in
/// between, so of many quiet moments one must agree. 1 if one did; 0 if the process ended, or
/// never held still (a compiler at work).
fn agree_when_quiet<T: PartialEq + std::fmt::Debug>(
    theirs: impl Fn() -> Option<T>,
    mut ours: impl FnMut() -> Option<T>,
) -> u32 {
    let mut differed = None;
    for _ in 0..50 {
        match bracketed(&theirs, &mut ours) {
            None => return 0,
            Some((before, ours, after)) if before == after => {
                if ours == before {
                    return 1;
                }
                differed = Some((before, ours));
            }
            Some(_) => {}
        }
    }
    assert!(differed.is_none(), "theirs and ours: {differed:?}");
    0
}

fn between(before: u64, after: u64) -> RangeInclusive<u64> {
    before..=after
}

#[test]
fn every_file_of_every_process_agrees_with_procfs() {
    let (mut stats, mut memory, mut ios, mut statuses, mut rollups) = (0, 0, 0, 0, 0);
    let mut io_layout = IoLayout::default();
    let mut smaps_layout = SmapsRollupLayout::default();
    for process in procfs::process::all_processes().unwrap().flatten() {
        let pid = process.pid;
        let read = |name: &str| fs::read(format!("/proc/{pid}/{name}")).ok();

        let pair = bracketed(|| process.stat().ok(), || stat::parse(&read("stat")?));
        if let Some((before, ours, after)) = pair {
            assert_eq!(ours.start_ticks, before.starttime);
            assert!(between(before.minflt, after.minflt).contains(&ours.minor_faults));
            assert!(between(before.majflt, after.majflt).contains(&ours.major_faults));
            if before.num_threads == after.num_threads {
                assert_eq!(ours.threads.cast_signed(), before.num_threads);
            }
            stats += 1;
        }
        memory += agree_when_quiet(
            || {
                process
                    .statm()
                    .ok()
                    .map(|theirs| (theirs.size, theirs.resident))
            },
            || statm::parse(&read("statm")?).map(|ours| (ours.size_pages, ours.resident_pages)),
        );
        let pair = bracketed(|| process.io().ok(), || io_layout.parse(&read("io")?));
        if let Some((before, ours, after)) = pair {
            assert!(between(before.rchar, after.rchar).contains(&ours.rchar));
            assert!(between(before.wchar, after.wchar).contains(&ours.wchar));
            ios += 1;
        }
        let pair = bracketed(|| process.status().ok(), || status::parse(&read("status")?));
        if let Some((before, ours, after)) = pair {
            let voluntary = |status: &procfs::process::Status| status.voluntary_ctxt_switches;
            let (before, after) = (voluntary(&before), voluntary(&after));
            assert!(between(before.unwrap(), after.unwrap()).contains(&ours.voluntary));
            statuses += 1;
        }
        rollups += agree_when_quiet(
            || rollup_bytes(&process),
            || {
                let ours = smaps_layout.parse(&read("smaps_rollup")?)?;
                Some([ours.rss_bytes, ours.pss_bytes, ours.swap_pss_bytes?])
            },
        );
    }
    for compared in [stats, memory, ios, statuses, rollups] {
        assert!(compared > 0, "nothing was compared");
    }
}

fn rollup_bytes(process: &Process) -> Option<[u64; 3]> {
    let rollup = process.smaps_rollup().ok()?.memory_map_rollup;
    let map = &rollup.iter().next()?.extension.map;
    Some([*map.get("Rss")?, *map.get("Pss")?, *map.get("SwapPss")?])
}

#[test]
fn the_sums_agree_with_procfs() {
    let me = Process::myself().unwrap();
    let mut reader = ProcReader::open(
        "/proc".as_ref(),
        Descriptors::new(100),
        ReadLimits::default(),
    )
    .unwrap();
    let mut processes = Processes::found();
    let mut values = Values::default();
    let mut read = |values: &mut Values| {
        reader.start_tick(BootTime::now());
        processes.read(
            Listed::new(&[me.pid as u32]),
            &mut reader,
            BootTime::now(),
            values,
        );
    };
    read(&mut values);
    assert_eq!(values.get(Metric::IoRchar), Some(0));
    let before = me.io().unwrap();
    read(&mut values);
    let first = values.get(Metric::IoRchar).unwrap();
    fs::read("/proc/self/status").unwrap();
    let middle = me.io().unwrap();
    read(&mut values);
    let increase = values.get(Metric::IoRchar).unwrap() - first;
    let after = me.io().unwrap();
    assert!(increase > 0 && increase.cast_unsigned() <= after.rchar - before.rchar);
    assert!(middle.rchar <= after.rchar);
    let rss = values.get(Metric::MemoryRss).unwrap().cast_unsigned();
    assert_eq!(rss % procfs::page_size(), 0);
    assert!(rss > 0);
    assert!(values.get(Metric::ThreadCount).unwrap() >= 2);
}
