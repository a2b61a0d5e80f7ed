//! The other questions: ranks, signals, filters, and what is new, gone or foreign.

use super::*;
use crate::layout::HOUR_MS;
use std::fs;

fn minutes(values: &[(&Arc<Instance>, i64)], from: i64) -> Vec<Tick> {
    (from..from + 60)
        .map(|s| {
            let rows = values
                .iter()
                .map(|(who, value)| row(who, value + s % 2, s * value));
            tick(HOUR + s * SECOND, rows.collect())
        })
        .collect()
}

#[test]
fn a_ranking_compares_with_its_base() {
    let data = Data::new();
    let (app, db) = (
        instance("c1", "l1", Some("app")),
        instance("c2", "l2", Some("db")),
    );
    data.sealed(&minutes(&[(&app, 100), (&db, 500)], 0));
    data.spooled(&minutes(&[(&app, 400), (&db, 550)], 60));
    let reader = data.reader();
    let containers = reader.containers(HOUR, HOUR + 120 * SECOND).unwrap();
    let query = |by| RankQuery {
        table: Table::Metrics,
        signal: Signal::from_id("memory_current").unwrap(),
        start_ms: HOUR + 60 * SECOND,
        end_ms: HOUR + 120 * SECOND - 1,
        base_ms: Some((HOUR, HOUR + 60 * SECOND - 1)),
        by,
    };
    let rank = |by| reader.rank(&query(by), &containers, &|| true).unwrap();
    let names = |by| {
        let ranking = rank(by);
        assert_eq!(ranking.resolution, fgm_model::Resolution::Raw);
        let name = |row: &Ranked| containers[row.series].identity.display_name().to_owned();
        ranking.rows.iter().map(name).collect::<Vec<_>>()
    };
    for by in [
        RankBy::Mean,
        RankBy::P50,
        RankBy::P95,
        RankBy::P99,
        RankBy::Max,
        RankBy::Min,
        RankBy::Last,
    ] {
        assert_eq!(names(by), ["db", "app"], "{by:?}");
    }
    assert_eq!(names(RankBy::Change), ["app", "db"]);
    let row = rank(RankBy::Change).rows[0];
    let want = Summary {
        min: 400.0,
        max: 401.0,
        mean: 400.5,
        p50: 400.0,
        p95: 401.0,
        p99: 401.0,
        last: 401.0,
    };
    assert_eq!((row.now, row.change()), (want, Some(300.0)));
    // Nothing was there before: no change, and last in its order.
    let first = RankQuery {
        base_ms: Some((HOUR - HOUR_MS, HOUR - 1)),
        ..query(RankBy::Change)
    };
    let ranking = reader.rank(&first, &containers, &|| true).unwrap();
    assert!(
        ranking
            .rows
            .iter()
            .all(|row| row.before.is_none() && row.change().is_none())
    );
}

#[test]
fn only_signals_with_values_are_present() {
    let data = Data::new();
    let app = instance("c1", "l1", Some("app"));
    let mut sealed = row(&app, 1, 2);
    sealed.values.set(Metric::CpuNrPeriods, Some(1));
    data.sealed(&[tick(HOUR, vec![sealed])]);
    let mut spooled = row(&app, 1, 2);
    spooled.values.set(Metric::CpuNrThrottled, Some(0));
    data.spooled(&[tick(HOUR + SECOND, vec![spooled])]);
    let signals = data
        .reader()
        .signals(Table::Metrics, HOUR, HOUR + SECOND)
        .unwrap();
    let ids: Vec<_> = signals.into_iter().map(Signal::id).collect();
    assert_eq!(
        ids,
        [
            "cpu_nr_periods",
            "cpu_nr_throttled",
            "memory_current",
            "io_read_bytes",
            "cpu_throttled_percent"
        ]
    );
    let nothing = data
        .reader()
        .signals(Table::Pods, HOUR, HOUR + SECOND)
        .unwrap();
    assert!(nothing.is_empty());
}

#[test]
fn a_filter_selects_containers() {
    let data = Data::new();
    let (app, db) = (
        instance("c1", "l1", Some("app")),
        instance("c2", "l2", Some("db")),
    );
    data.sealed(&minutes(&[(&app, 1), (&db, 2)], 0));
    let filter = Filter {
        pod: Some("db-".into()),
        ..Filter::default()
    };
    let found = data
        .reader()
        .find(Table::Metrics, &filter, HOUR, HOUR + SECOND)
        .unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(&*found[0].identity, &*db);
}

#[test]
fn pods_and_node_are_read_alike() {
    let data = Data::new();
    let pod = Arc::new(Instance {
        container_id: "pod-1".into(),
        life: "l1".into(),
        pod_uid: Some("uid-1".into()),
        pod_name: Some("app-0".into()),
        ..Instance::default()
    });
    let mut spool = data.spool();
    for table in [Table::Pods, Table::Node] {
        for second in 0..3 {
            let mut row = row(&pod, 5, 0);
            row.values.set(Metric::NetworkRxBytes, Some(second * 1000));
            let tick = tick(HOUR + second * SECOND, vec![row]);
            spool.append_tick(table, &tick).unwrap();
        }
    }
    seal(&data.dir, spool.close().unwrap().ulid).unwrap();
    for table in [Table::Pods, Table::Node] {
        let query = SeriesQuery {
            table,
            signals: vec![Signal::from_id("network_rx_bytes").unwrap()],
            ..query(HOUR, HOUR + 9 * SECOND)
        };
        let series = data.reader().series(&query).unwrap();
        assert_eq!(bits(&series[0].values[0]), bits(&[NAN, 1000.0, 1000.0]));
    }
    assert!(
        data.reader()
            .containers(HOUR, HOUR + 9 * SECOND)
            .unwrap()
            .is_empty()
    );
}

/// The directory's own time does not tell of a change within its grain.
#[test]
fn a_new_file_is_in_the_next_answer() {
    let data = Data::new();
    let app = instance("c1", "l1", Some("app"));
    let reader = data.reader();
    for minute in 0..20 {
        data.sealed(&minutes(&[(&app, 1)], minute * 60));
        let series = reader.series(&query(HOUR, HOUR + HOUR_MS)).unwrap();
        assert_eq!(
            series[0].times_ms.len(),
            usize::try_from(minute + 1).unwrap() * 60
        );
    }
}

#[test]
fn a_deleted_file_is_gone_from_the_next_answer() {
    let data = Data::new();
    let app = instance("c1", "l1", Some("app"));
    let reader = data.reader();
    let first = data.sealed(&minutes(&[(&app, 1)], 0));
    data.sealed(&minutes(&[(&app, 1)], 60));
    let rows = || {
        reader.series(&query(HOUR, HOUR + HOUR_MS)).unwrap()[0]
            .times_ms
            .len()
    };
    assert_eq!(rows(), 120);
    fs::remove_file(first).unwrap();
    assert_eq!(rows(), 60);
    assert!(reader.status().unwrap().skipped.is_empty());
}

/// DATA.md section 4: "a newer format version is left in place and supersedes nothing".
#[test]
fn a_file_of_a_newer_format_is_left_out_and_named() {
    let data = Data::new();
    let app = instance("c1", "l1", Some("app"));
    let good = data.sealed(&minutes(&[(&app, 1)], 0));
    // The key's value is one digit in the footer's bytes.
    let mut bytes = fs::read(&good).unwrap();
    let key = b"fgm.format_version";
    let at = bytes
        .windows(key.len())
        .position(|window| window == key)
        .unwrap()
        + key.len();
    let digit = at + bytes[at..].iter().position(|byte| *byte == b'1').unwrap();
    bytes[digit] = b'9';
    let name = good.file_name().unwrap().to_str().unwrap();
    let newer = good.with_file_name(name.replace("T080000.000Z", "T080001.000Z"));
    fs::write(&newer, bytes).unwrap();
    let reader = data.reader();
    let series = reader.series(&query(HOUR, HOUR + HOUR_MS)).unwrap();
    assert_eq!(series[0].times_ms.len(), 60);
    let skipped = reader.status().unwrap().skipped;
    assert_eq!(skipped.len(), 1);
    assert_eq!(skipped[0].path, newer);
    assert!(
        skipped[0].reason.contains("use a newer fgm"),
        "{}",
        skipped[0].reason
    );
}

/// Other writers: rows in the order of time, several row groups, dictionaries, no list of
/// instances, no statistics, columns that may not be null.
#[test]
fn a_file_without_a_list_in_any_order_is_read_the_same() {
    use parquet::arrow::ArrowWriter;
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
    use parquet::file::properties::{EnabledStatistics, WriterProperties};
    let data = Data::new();
    let (app, db) = (
        instance("c1", "l1", Some("app")),
        instance("c2", "l2", Some("db")),
    );
    let path = data.sealed(&minutes(&[(&db, 2), (&app, 1)], 0));
    let want = data.reader().series(&query(HOUR, HOUR + HOUR_MS)).unwrap();
    let file = fs::File::open(&path).unwrap();
    let mut batches = ParquetRecordBatchReaderBuilder::try_new(file)
        .unwrap()
        .build()
        .unwrap();
    let all = batches.next().unwrap().unwrap();
    let by_time = arrow::compute::sort_to_indices(all.column(0), None, None).unwrap();
    let all = arrow::compute::take_record_batch(&all, &by_time).unwrap();
    for (group, page) in [(1000, 1000), (50, 7), (33, 1)] {
        let properties = WriterProperties::builder()
            .set_max_row_group_row_count(Some(group))
            .set_data_page_row_count_limit(page)
            .set_write_batch_size(page)
            .set_statistics_enabled(EnabledStatistics::None)
            .build();
        let file = fs::File::create(&path).unwrap();
        let mut writer = ArrowWriter::try_new(file, all.schema(), Some(properties)).unwrap();
        writer.write(&all).unwrap();
        writer.close().unwrap();
        let reader = data.reader();
        let got = reader.series(&query(HOUR, HOUR + HOUR_MS)).unwrap();
        assert!(reader.status().unwrap().skipped.is_empty());
        assert_eq!(got.len(), want.len());
        for (got, want) in got.iter().zip(&want) {
            assert_eq!((&got.id, &got.times_ms), (&want.id, &want.times_ms));
            for (got, want) in got.values.iter().zip(&want.values) {
                assert_eq!(bits(got), bits(want));
            }
        }
    }
}
