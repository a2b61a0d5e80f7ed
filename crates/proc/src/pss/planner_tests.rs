use super::*;
use proptest::prelude::*;

const MS: Duration = Duration::from_millis(1);
const CONFIG: PlannerConfig = PlannerConfig {
    budget_per_second: Duration::from_millis(5),
    capacity: Duration::from_millis(150),
    largest: Some(Duration::from_millis(50)),
};

fn at(millis: u64) -> BootTime {
    BootTime::after_boot(Duration::from_secs(1000) + Duration::from_millis(millis))
}

fn key(pid: u32) -> ProcessKey {
    ProcessKey {
        pid,
        start_ticks: 1,
    }
}

fn footprint(resident_pages: u64, faults: u64) -> Footprint {
    Footprint {
        size_pages: resident_pages * 2,
        resident_pages,
        shared_pages: 0,
        faults,
    }
}

#[test]
fn a_new_process_comes_at_once_and_again_when_it_changes() {
    let mut planner = Planner::new(CONFIG, at(0));
    assert_eq!(planner.next(at(0)), Step::Idle);
    planner.observe(key(1), footprint(100, 1), at(0));
    assert_eq!(planner.next(at(0)), Step::Scan(key(1)));
    planner.scanned(key(1), true, MS / 10, at(1));
    // Nothing changed: once a minute.
    assert_eq!(planner.next(at(1)), Step::Wait(Duration::from_secs(60)));
    planner.observe(key(1), footprint(101, 2), at(100));
    // It did: at most once a second.
    assert_eq!(planner.next(at(101)), Step::Wait(MS * 900));
    assert_eq!(planner.next(at(1001)), Step::Scan(key(1)));
    planner.scanned(key(1), true, MS / 10, at(1001));
    planner.forget(key(1));
    assert_eq!(planner.next(at(100_000)), Step::Idle);
}

#[test]
fn a_large_process_is_left_out_and_told_once_unless_asked_for() {
    let large = footprint(8 << 18, 1);
    let mut planner = Planner::new(CONFIG, at(0));
    for faults in 1..4 {
        planner.observe(key(1), footprint(8 << 18, faults), at(faults));
    }
    assert_eq!(planner.next(at(10)), Step::Idle);
    let skipped: Vec<_> = planner.drain_skipped().collect();
    assert_eq!(skipped.len(), 1);
    assert!(skipped[0].0 == key(1) && skipped[0].1 > MS * 50);
    // It shrank.
    planner.observe(key(1), footprint(100, 9), at(20));
    assert_eq!(planner.next(at(20)), Step::Scan(key(1)));

    let asked_for = PlannerConfig {
        largest: None,
        ..CONFIG
    };
    let mut planner = Planner::new(asked_for, at(0));
    planner.observe(key(1), large, at(0));
    assert_eq!(planner.next(at(0)), Step::Scan(key(1)));
    planner.scanned(key(1), true, MS * 200, at(200));
    planner.observe(key(1), footprint(8 << 18, 2), at(300));
    // 50 ms of debt and the bucket's 150 ms, at 5 ms per second.
    let Step::Wait(wait) = planner.next(at(39_000)) else {
        panic!("the debt was not waited for");
    };
    assert!(wait > Duration::ZERO);
    assert_eq!(planner.drain_skipped().count(), 0);
}

#[test]
fn a_growing_process_is_scanned_more_often_than_a_steady_one() {
    let mut planner = Planner::new(CONFIG, at(0));
    let mut scans = [0_u32; 3];
    for second in 0..600 {
        let now = at(second * 1000);
        // Together they would cost 8 times the budget.
        planner.observe(key(0), footprint(100_000 + second * 100, second), now);
        planner.observe(key(1), footprint(100_000 + second % 2, second), now);
        planner.observe(key(2), footprint(100_000 + second % 2, second), now);
        while let Step::Scan(key) = planner.next(now) {
            scans[key.pid as usize] += 1;
            planner.scanned(key, true, MS * 13, now);
        }
    }
    assert!(scans[0] > 3 * scans[1].max(scans[2]), "{scans:?}");
    assert!(scans[1] > 3 && scans[2] > 3, "{scans:?}");
}

#[test]
fn failures_pause_and_do_not_block_others() {
    let mut planner = Planner::new(CONFIG, at(0));
    planner.observe(key(1), footprint(1, 0), at(0));
    let mut now = at(0);
    for _ in 0..20 {
        while let Step::Wait(wait) = planner.next(now) {
            assert!(wait <= Duration::from_secs(60));
            now = now.plus(wait);
        }
        planner.scanned(key(1), false, Duration::from_micros(20), now);
        planner.observe(key(1), footprint(2, 0), now);
        assert!(matches!(planner.next(now), Step::Wait(_)));
    }
    planner.observe(key(2), footprint(1, 0), now);
    assert_eq!(planner.next(now), Step::Scan(key(2)));
}

/// What happens to the planner in a simulated run.
#[derive(Debug, Clone)]
enum Happening {
    Observe { pid: u32, resident_pages: u64 },
    Forget { pid: u32 },
}

fn happenings() -> impl Strategy<Value = Vec<(u64, Happening)>> {
    let observe =
        (0..12_u32, 1..900_000_u64).prop_map(|(pid, resident_pages)| Happening::Observe {
            pid,
            resident_pages,
        });
    let forget = (0..12_u32).prop_map(|pid| Happening::Forget { pid });
    proptest::collection::vec((0..3000_u64, prop_oneof![6 => observe, 1 => forget]), 1..80)
}

proptest! {
    /// Over any window the CPU time is at most budget x window + capacity, plus by how much
    /// its last scan cost more than predicted.
    #[test]
    fn cpu_spent_over_any_window_stays_within_the_budget(
        happenings in happenings(),
        costs in proptest::collection::vec(0.0..1.5_f64, 1..40),
    ) {
        let mut planner = Planner::new(CONFIG, at(0));
        let mut spent: Vec<(BootTime, f64, f64)> = Vec::new();
        let mut now = at(0);
        for (faults, (pause, happening)) in happenings.into_iter().enumerate() {
            let until = now.plus(Duration::from_millis(pause));
            loop {
                match planner.next(now) {
                    Step::Scan(key) => {
                        let predicted = planner.plans[&key].predicted_cost();
                        prop_assert!(predicted <= MS * 50);
                        let cost = predicted.mul_f64(costs[spent.len() % costs.len()]);
                        planner.scanned(key, true, cost, now);
                        let over = cost.saturating_sub(predicted).as_secs_f64();
                        spent.push((now, cost.as_secs_f64(), over));
                    }
                    Step::Wait(wait) if now.plus(wait) <= until => now = now.plus(wait),
                    Step::Wait(_) | Step::Idle => break,
                }
            }
            now = until;
            match happening {
                Happening::Observe { pid, resident_pages } => {
                    planner.observe(key(pid), footprint(resident_pages, faults as u64), now);
                }
                Happening::Forget { pid } => planner.forget(key(pid)),
            }
        }
        for first in 0..spent.len() {
            let mut sum = 0.0;
            for &(end, cost, over) in &spent[first..] {
                sum += cost;
                let window = end.since(spent[first].0).as_secs_f64();
                prop_assert!(sum <= 0.005 * window + 0.150 + over + 1e-6, "{sum} s in {window} s");
            }
        }
    }

    /// A process that is left out is never scanned.
    #[test]
    fn what_is_left_out_is_never_scanned(happenings in happenings()) {
        let mut planner = Planner::new(CONFIG, at(0));
        for (faults, (pause, happening)) in happenings.into_iter().enumerate() {
            let now = at(pause * 100 + faults as u64 * 300_000);
            match happening {
                Happening::Observe { pid, resident_pages } => {
                    planner.observe(key(pid), footprint(resident_pages, faults as u64), now);
                }
                Happening::Forget { pid } => planner.forget(key(pid)),
            }
            while let Step::Scan(key) = planner.next(now) {
                let plan = &planner.plans[&key];
                prop_assert!(plan.predicted_cost() <= MS * 50);
                planner.scanned(key, true, MS, now);
            }
        }
        prop_assert!(planner.queue.len() <= 64 + 4 * planner.plans.len().max(1));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// However many processes change and are born, each one that is not too large is scanned.
    #[test]
    fn none_starves(
        pages in proptest::collection::vec(1..400_000_u64, 1..30),
        births_per_second in 0..4_u32,
        growth in 0..1000_u64,
    ) {
        let mut planner = Planner::new(CONFIG, at(0));
        let mut scans = vec![0_u32; pages.len()];
        let mut born = pages.len() as u32;
        for second in 0..4000 {
            let now = at(second * 1000);
            for (pid, &pages) in pages.iter().enumerate() {
                planner.observe(key(pid as u32), footprint(pages + second % (growth + 1), second), now);
            }
            for _ in 0..births_per_second {
                planner.observe(key(born), footprint(1000, 0), now);
                born += 1;
            }
            while let Step::Scan(key) = planner.next(now) {
                if let Some(scans) = scans.get_mut(key.pid as usize) {
                    *scans += 1;
                }
                let cost = planner.plans[&key].predicted_cost();
                planner.scanned(key, true, cost.mul_f64(0.8), now);
                if key.pid as usize >= pages.len() {
                    planner.forget(key);
                }
            }
        }
        let large: Vec<_> = planner.drain_skipped().map(|(key, _)| key.pid as usize).collect();
        for (pid, &scans) in scans.iter().enumerate() {
            prop_assert!(scans >= 2 || large.contains(&pid), "{pid}: {scans}, {large:?}");
        }
    }
}
