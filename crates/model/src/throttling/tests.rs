use super::*;
use proptest::prelude::*;

fn second(periods: i64, throttled: i64) -> Periods {
    Periods {
        periods,
        throttled,
        throttled_usec: throttled * 1000,
    }
}

/// Feeds one reading a second; `None` is a second without one.
fn tell(machine: &mut Throttling, from_s: i64, readings: &[Option<Periods>]) -> Vec<Change> {
    let mut told = Vec::new();
    for (at_s, reading) in (from_s..).zip(readings) {
        if let Some(increase) = reading {
            machine.add((at_s - 1) * 1000, at_s * 1000, *increase, &mut |change| {
                told.push(change);
            });
        }
    }
    told
}

fn spells(readings: &[Option<Periods>]) -> Vec<(i64, i64, Periods)> {
    let mut machine = Throttling::default();
    let mut told = tell(&mut machine, 1, readings);
    machine.finish(&mut |change| told.push(change));
    let mut starts = Vec::new();
    let mut spells = Vec::new();
    for change in told {
        match change {
            Change::Started { time_ms, window } => {
                assert!(window.is_throttling());
                starts.push(time_ms);
            }
            Change::Ended {
                started_ms,
                time_ms,
                total,
            } => {
                assert_eq!(starts.pop(), Some(started_ms), "started before it ended");
                let total = total.expect("the beginning was seen");
                spells.push((started_ms / 1000, time_ms / 1000, total));
            }
        }
    }
    assert!(starts.is_empty(), "every spell has ended");
    spells
}

/// The definition, word by word, over everything at once.
fn by_definition(readings: &[Option<Periods>]) -> Vec<(i64, i64, Periods)> {
    let at = |second: i64| {
        usize::try_from(second - 1)
            .ok()
            .and_then(|i| readings.get(i))
    };
    let sum = |from: i64, to: i64| {
        (from..=to)
            .filter_map(|s| at(s).copied().flatten())
            .fold(Periods::default(), Periods::plus)
    };
    let throttled = |s: &i64| at(*s).copied().flatten().is_some_and(|p| p.throttled > 0);
    let mut found: Vec<(i64, i64)> = Vec::new();
    for end in 1..=i64::try_from(readings.len()).unwrap() {
        let window = end - 59..=end;
        let whole = window.clone().all(|s| at(s).is_some_and(Option::is_some));
        if !whole || !sum(end - 59, end).is_throttling() {
            continue;
        }
        let first = window.clone().find(throttled).unwrap();
        let last = window.rev().find(throttled).unwrap();
        match found.last_mut() {
            Some((_, before)) if first - *before < MERGE_S => *before = last,
            _ => found.push((first, last)),
        }
    }
    found
        .into_iter()
        .map(|(first, last)| (first, last, sum(first, last)))
        .collect()
}

#[test]
fn a_spell_begins_and_ends_with_a_throttled_second() {
    let mut readings = vec![Some(second(10, 0)); 100];
    readings.extend(vec![Some(second(10, 8)); 40]);
    readings.extend(vec![Some(second(10, 0)); 200]);
    assert_eq!(spells(&readings), [(101, 140, second(400, 320))]);
}

#[test]
fn it_is_told_as_soon_as_it_is_known() {
    let mut machine = Throttling::default();
    assert_eq!(tell(&mut machine, 1, &[Some(second(10, 5)); 59]), []);
    let told = tell(&mut machine, 60, &[Some(second(10, 5))]);
    assert_eq!(
        told,
        [Change::Started {
            time_ms: 1000,
            window: second(600, 300)
        }]
    );
    // The window drops below 10 % after 54 s, and holds no throttled second after 59.
    assert_eq!(tell(&mut machine, 61, &[Some(second(10, 0)); 58]), []);
    assert!(machine.is_throttled());
    let told = tell(&mut machine, 119, &[Some(second(10, 0))]);
    assert_eq!(
        told,
        [Change::Ended {
            started_ms: 1000,
            time_ms: 60_000,
            total: Some(second(600, 300))
        }]
    );
}

#[test]
fn few_periods_say_nothing() {
    assert_eq!(spells(&[Some(second(1, 1)); 300]), []);
}

#[test]
fn a_gap_breaks_the_window_but_not_a_spell_that_goes_on() {
    let mut readings = vec![Some(second(10, 5)); 70];
    readings.extend([None; 10]);
    readings.extend(vec![Some(second(10, 5)); 59]);
    assert_eq!(spells(&readings), [(1, 70, second(700, 350))]);
    readings.push(Some(second(10, 5)));
    assert_eq!(spells(&readings), [(1, 140, second(1300, 650))]);
}

#[test]
fn a_spell_of_an_earlier_machine_goes_on_or_ends_where_that_ended() {
    let mut machine = Throttling::resume(1_000, 70_000);
    assert_eq!(tell(&mut machine, 81, &[Some(second(10, 5)); 60]), []);
    assert!(machine.is_throttled());
    let mut machine = Throttling::resume(1_000, 70_000);
    let told = tell(&mut machine, 200, &[Some(second(10, 0))]);
    assert_eq!(
        told,
        [Change::Ended {
            started_ms: 1000,
            time_ms: 70_000,
            total: None
        }]
    );
}

#[test]
fn readings_a_minute_apart_are_judged_too() {
    let mut machine = Throttling::default();
    let mut told = Vec::new();
    for minute in 0..5 {
        let throttled = if minute < 2 { 300 } else { 0 };
        let (from_ms, to_ms) = (minute * 60_000, (minute + 1) * 60_000);
        machine.add(from_ms, to_ms, second(600, throttled), &mut |c| {
            told.push(c);
        });
    }
    assert_eq!(
        told,
        [
            Change::Started {
                time_ms: 1000,
                window: second(600, 300)
            },
            Change::Ended {
                started_ms: 1000,
                time_ms: 120_000,
                total: Some(second(1200, 600))
            }
        ]
    );
}

fn readings() -> impl Strategy<Value = Vec<Option<Periods>>> {
    let phase = prop_oneof![
        (1..90_usize).prop_map(|seconds| vec![Some(second(10, 0)); seconds]),
        (1..60_usize, 1..=10_i64).prop_map(|(s, t)| vec![Some(second(10, t)); s]),
        (1..40_usize, 0..=3_i64).prop_map(|(s, t)| vec![Some(second(3, t)); s]),
        (1..60_usize).prop_map(|seconds| vec![None; seconds]),
    ];
    prop::collection::vec(phase, 1..10).prop_map(|phases| phases.concat())
}

proptest! {
    /// DATA.md section 5: "Throttling: the definition of the finding".
    #[test]
    fn throttling_is_the_definition_of_the_finding(readings in readings()) {
        prop_assert_eq!(spells(&readings), by_definition(&readings));
    }

    /// Ten readings a second tell the same spells as one.
    #[test]
    fn the_interval_does_not_matter(readings in readings()) {
        let mut machine = Throttling::default();
        let mut told = Vec::new();
        for (at_s, reading) in (1_i64..).zip(&readings) {
            let Some(whole) = reading else { continue };
            for part in 0..10 {
                let from_ms = (at_s - 1) * 1000 + part * 100;
                let increase = if part == 3 { *whole } else { Periods::default() };
                machine.add(from_ms, from_ms + 100, increase, &mut |change| told.push(change));
            }
        }
        machine.finish(&mut |change| told.push(change));
        let ended: Vec<_> = told
            .into_iter()
            .filter_map(|change| match change {
                Change::Ended { started_ms, time_ms, total } => {
                    Some((started_ms / 1000, time_ms / 1000, total.unwrap_or_default()))
                }
                Change::Started { .. } => None,
            })
            .collect();
        prop_assert_eq!(ended, by_definition(&readings));
    }
}
