use super::*;
use fgm_model::{Event, EventKind};

#[test]
fn a_directory_that_is_empty_or_not_there_holds_nothing() {
    let data = Data::new();
    for reader in [data.reader(), Reader::open(data.path().join("nowhere"))] {
        assert!(reader.containers(i64::MIN, i64::MAX).unwrap().is_empty());
        assert!(
            reader
                .series(&query(i64::MIN, i64::MAX))
                .unwrap()
                .is_empty()
        );
        assert!(reader.events(i64::MIN, i64::MAX).unwrap().is_empty());
        let status = reader.status().unwrap();
        assert_eq!((status.first_ms, status.sealed_until_ms), (None, None));
    }
}

/// DATA.md section 2: "the rate belongs to the later sample".
#[test]
fn the_row_before_the_range_gives_the_first_rate_even_over_an_hour() {
    let data = Data::new();
    let app = instance("c1", "l1", Some("app"));
    data.sealed(&[tick(HOUR - SECOND, vec![row(&app, 1, 100)])]);
    data.sealed(&[tick(HOUR, vec![row(&app, 2, 350)])]);
    data.spooled(&[tick(HOUR + SECOND, vec![row(&app, 3, 400)])]);
    let series = data.reader().series(&query(HOUR, HOUR + SECOND)).unwrap();
    assert_eq!(series.len(), 1);
    assert_eq!(series[0].times_ms, [HOUR, HOUR + SECOND]);
    assert_eq!(series[0].values, [[2.0, 3.0], [250.0, 50.0]]);
    assert!(series[0].breaks.is_empty());
}

#[test]
fn gaps_and_resets_give_no_rate() {
    let data = Data::new();
    let app = instance("c1", "l1", Some("app"));
    data.sealed(&[
        tick(HOUR, vec![row(&app, 1, 100)]),
        tick(HOUR + 4 * SECOND, vec![row(&app, 1, 200)]),
        tick(HOUR + 5 * SECOND, vec![row(&app, 1, 50)]),
        tick(HOUR + 6 * SECOND, vec![row(&app, 1, 60)]),
    ]);
    let series = data
        .reader()
        .series(&query(HOUR, HOUR + 6 * SECOND))
        .unwrap();
    assert_eq!(bits(&series[0].values[1]), bits(&[NAN, NAN, NAN, 10.0]));
}

/// DATA.md section 2: "Restarts are instances within it: the line breaks".
#[test]
fn a_restart_is_a_break_within_one_series() {
    let data = Data::new();
    let first = instance("c1", "l1", Some("app"));
    let second = instance("c2", "l2", Some("app"));
    let other = instance("c3", "l3", Some("db"));
    data.sealed(&[
        tick(HOUR, vec![row(&first, 1, 10), row(&other, 7, 0)]),
        tick(HOUR + SECOND, vec![row(&first, 2, 20)]),
    ]);
    data.spooled(&[
        tick(HOUR + 2 * SECOND, vec![row(&second, 3, 500)]),
        tick(HOUR + 3 * SECOND, vec![row(&second, 4, 600)]),
    ]);
    let reader = data.reader();
    let containers = reader.containers(HOUR, HOUR + 9 * SECOND).unwrap();
    let lives: Vec<_> = containers.iter().map(|one| one.instances.len()).collect();
    assert_eq!(lives, [2, 1]);
    assert_eq!(containers[0].identity.container_id, "c2");

    let id = SeriesId::of("node-1", "uid-app", "app");
    let asked = SeriesQuery {
        series: Some(vec![id.clone()]),
        ..query(HOUR, HOUR + 9 * SECOND)
    };
    let series = reader.series(&asked).unwrap();
    assert_eq!(series.len(), 1);
    assert_eq!((&series[0].id, &series[0].breaks), (&id, &vec![2]));
    assert_eq!(bits(&series[0].values[1]), bits(&[NAN, 10.0, NAN, 100.0]));
}

/// DATA.md section 2: "until a name is known it is hash(node, container_id), kept as an alias".
#[test]
fn the_latest_identity_makes_the_series_and_the_old_id_still_finds_it() {
    let data = Data::new();
    let (early, late) = (
        instance("c1", "l1", None),
        instance("c1", "l1", Some("app")),
    );
    data.sealed(&[tick(HOUR, vec![row(&early, 1, 0)])]);
    data.spooled(&[tick(HOUR + SECOND, vec![row(&late, 2, 0)])]);
    let reader = data.reader();
    let id = SeriesId::of("node-1", "uid-app", "app");
    for asked in [id.clone(), SeriesId::of("node-1", "c1", "")] {
        let asked = SeriesQuery {
            series: Some(vec![asked]),
            ..query(HOUR, HOUR + SECOND)
        };
        let series = reader.series(&asked).unwrap();
        assert_eq!(series.len(), 1);
        assert_eq!((&series[0].id, series[0].times_ms.len()), (&id, 2));
    }
    // Known from here on, also where only the nameless row is asked for.
    assert_eq!(reader.containers(HOUR, HOUR).unwrap()[0].id, id);
}

fn event(revision: i64, recorded_at_ms: i64, who: Option<&Arc<Instance>>) -> Event {
    Event {
        event_id: "e1".into(),
        revision,
        kind: EventKind::Started,
        time_ms: HOUR,
        recorded_at_ms,
        clock_epoch: 0,
        instance: who.cloned(),
        detail: serde_json::json!({ "revision": revision }),
    }
}

/// DATA.md section 5: "readers take the highest", "a new revision of `started` carries the
/// identity".
#[test]
fn the_highest_revision_counts_and_names_who_ended_nameless() {
    let data = Data::new();
    let (early, late) = (
        instance("c1", "l1", None),
        instance("c1", "l1", Some("app")),
    );
    let mut spool = data.spool();
    spool
        .append_tick(Table::Metrics, &tick(HOUR, vec![row(&early, 1, 0)]))
        .unwrap();
    spool
        .append_events(&[event(2, HOUR + 5 * SECOND, Some(&late))])
        .unwrap();
    seal(&data.dir, spool.close().unwrap().ulid).unwrap();
    let mut spool = data.spool();
    spool
        .append_events(&[event(1, HOUR + SECOND, Some(&early))])
        .unwrap();

    let reader = data.reader();
    let events = reader.events(HOUR, HOUR).unwrap();
    assert_eq!(events.len(), 1);
    assert_eq!(
        (events[0].revision, events[0].kind.as_str()),
        (2, "started")
    );
    assert_eq!(events[0].detail, serde_json::json!({ "revision": 2 }));
    let containers = reader.containers(HOUR, HOUR).unwrap();
    assert_eq!(
        containers[0].identity.container_name.as_deref(),
        Some("app")
    );
    assert_eq!(events[0].series.as_ref(), Some(&containers[0].id));
    assert!(
        reader
            .events(HOUR + 1, HOUR + 9 * SECOND)
            .unwrap()
            .is_empty()
    );
}

/// DATA.md section 2: rates are null over a clock step; times may repeat over it.
#[test]
fn a_clock_step_breaks_the_line() {
    let data = Data::new();
    let app = instance("c1", "l1", Some("app"));
    data.sealed(&[
        tick(HOUR, vec![row(&app, 1, 10)]),
        tick(HOUR + SECOND, vec![row(&app, 2, 20)]),
    ]);
    let step = |time_ms, memory, bytes| Tick {
        clock_epoch: 1,
        ..tick(time_ms, vec![row(&app, memory, bytes)])
    };
    data.sealed(&[step(HOUR, 3, 30), step(HOUR + SECOND, 4, 45)]);
    let series = data.reader().series(&query(HOUR, HOUR + SECOND)).unwrap();
    assert_eq!(
        series[0].times_ms,
        [HOUR, HOUR + SECOND, HOUR, HOUR + SECOND]
    );
    assert_eq!(series[0].breaks, [2]);
    assert_eq!(bits(&series[0].values[1]), bits(&[NAN, 10.0, NAN, 15.0]));
}

#[test]
fn status_tells_what_is_sealed_and_what_is_live() {
    let data = Data::new();
    let app = instance("c1", "l1", Some("app"));
    data.sealed(&[
        tick(HOUR, vec![row(&app, 1, 0)]),
        tick(HOUR + SECOND, vec![row(&app, 1, 0)]),
    ]);
    let reader = data.reader();
    let sealed = reader.status().unwrap();
    assert_eq!(sealed.sealed_until_ms, Some(HOUR + SECOND));
    assert_eq!((sealed.live_until_ms, sealed.files), (None, 1));

    let before = reader.pulse().unwrap();
    data.spooled(&[
        tick(HOUR + 60 * SECOND, vec![row(&app, 1, 0)]),
        tick(HOUR + 61 * SECOND, vec![row(&app, 1, 0)]),
    ]);
    assert_ne!(reader.pulse().unwrap(), before);
    let live = reader.status().unwrap();
    assert_eq!(live.sealed_until_ms, Some(HOUR + 60 * SECOND - 1));
    assert_eq!(live.live_until_ms, Some(HOUR + 61 * SECOND));
    assert_eq!(
        (live.first_ms, live.last_ms),
        (Some(HOUR), live.live_until_ms)
    );
    assert_eq!(live.generation, sealed.generation);
    assert_eq!(live.node.as_deref(), Some("node-1"));
    assert_eq!(live.interval_ms, Some(SECOND));
    assert!(live.bytes > sealed.bytes);
}
