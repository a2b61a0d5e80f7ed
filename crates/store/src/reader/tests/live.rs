use super::*;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

#[test]
fn what_is_appended_is_in_the_next_answer() {
    let data = Data::new();
    let app = instance("c1", "l1", Some("app"));
    let reader = data.reader();
    let mut spool = data.spool();
    for second in 0..5 {
        let time_ms = HOUR + second * SECOND;
        spool
            .append_tick(
                Table::Metrics,
                &tick(time_ms, vec![row(&app, second, 7 * second)]),
            )
            .unwrap();
        let series = reader.series(&query(time_ms, time_ms)).unwrap();
        assert_eq!(series[0].values[0], [second as f64]);
        if second > 0 {
            assert_eq!(series[0].values[1], [7.0]);
        }
        assert_eq!(reader.status().unwrap().live_until_ms, Some(time_ms));
    }
}

/// DATA.md section 3: "Readers list `_spool` first, then the tables, and repeat until two
/// listings agree; a file gone at open means: list again".
#[test]
fn a_reader_beside_a_sealing_writer_misses_nothing_and_doubles_nothing() {
    let data = Data::new();
    let app = instance("c1", "l1", Some("app"));
    let written = AtomicI64::new(0);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for part in 0..12 {
                let mut spool = data.spool();
                for second in part * 5..part * 5 + 5 {
                    let time_ms = HOUR + second * SECOND;
                    let tick = tick(time_ms, vec![row(&app, second, 0)]);
                    spool.append_tick(Table::Metrics, &tick).unwrap();
                    written.store(second + 1, Ordering::SeqCst);
                }
                seal(&data.dir, spool.close().unwrap().ulid).unwrap();
            }
            done.store(true, Ordering::SeqCst);
        });
        let reader = data.reader();
        let mut compared = 0;
        while !done.load(Ordering::SeqCst) || compared == 0 {
            let at_least = written.load(Ordering::SeqCst);
            let series = reader.series(&query(HOUR, HOUR + 600 * SECOND)).unwrap();
            let Some(series) = series.first() else {
                assert_eq!(at_least, 0);
                continue;
            };
            let seconds = i64::try_from(series.times_ms.len()).unwrap();
            assert!(seconds >= at_least, "{seconds} < {at_least}");
            let want: Vec<_> = (0..seconds).map(|second| HOUR + second * SECOND).collect();
            assert_eq!(series.times_ms, want);
            compared += 1;
        }
    });
    assert!(data.reader().status().unwrap().skipped.is_empty());
}
