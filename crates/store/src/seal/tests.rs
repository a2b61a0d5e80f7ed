use super::*;
use crate::Spool;
use crate::fixture::{
    Bed, Cell, HOUR, any_ticks, column_index, event, file_rows, instance, recorder, rows_of,
    tick_of,
};
use crate::footer::read_metadata;
use fgm_model::schema::{column, table_schema};
use fgm_model::{Instance, Tick};
use parquet::file::metadata::ParquetMetaData;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::fs::File;
use std::sync::Arc;

/// What the file of these ticks must hold: of one key the later row, sorted, with identity
/// completed within each instance.
fn expected(ticks: &[Tick], table: Table) -> Vec<Vec<Cell>> {
    let [id, life, time, epoch] = [
        column::CONTAINER_ID,
        column::LIFE,
        column::TIME,
        column::CLOCK_EPOCH,
    ]
    .map(|name| column_index(table, name));
    let mut by_key = BTreeMap::new();
    for row in rows_of(ticks, table) {
        let key = [id, life, time, epoch].map(|column| row[column].clone());
        by_key.insert(key, row);
    }
    let mut rows: Vec<_> = by_key.into_values().collect();
    for name in [
        column::NAMESPACE,
        column::POD_NAME,
        column::POD_UID,
        column::CONTAINER_NAME,
        column::QOS_CLASS,
        column::IMAGE,
        column::POD_LABELS,
        column::RESTART_COUNT,
    ] {
        let name = column_index(table, name);
        let mut known: BTreeMap<_, Cell> = BTreeMap::new();
        for row in &rows {
            if row[name] != Cell::Null {
                known.insert((row[id].clone(), row[life].clone()), row[name].clone());
            }
        }
        for row in &mut rows {
            if let (Cell::Null, Some(value)) =
                (&row[name], known.get(&(row[id].clone(), row[life].clone())))
            {
                row[name] = value.clone();
            }
        }
    }
    rows
}

fn metadata(path: &Path) -> ParquetMetaData {
    read_metadata(&File::open(path).unwrap(), path).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// "rows sorted by (container_id, life, time)"; of equal keys "the latest wins".
    #[test]
    fn a_segment_is_the_sorted_spool(ticks in any_ticks(8), table in 0..3_usize) {
        let table = Table::ALL[table];
        let bed = Bed::new();
        let mut spool = Spool::create(&bed.dir, &recorder(), 1000).unwrap();
        for tick in &ticks {
            spool.append_tick(table, tick).unwrap();
        }
        let ulid = spool.close().unwrap().ulid;
        let report = seal(&bed.dir, ulid).unwrap();
        let rows = expected(&ticks, table);
        let Some(published) = report.published.first() else {
            prop_assert!(rows.is_empty());
            return Ok(());
        };
        prop_assert_eq!(&file_rows(&published.path), &rows);
        let sent: usize = ticks.iter().map(|tick| tick.rows.len()).sum();
        prop_assert_eq!(published.duplicates as usize, sent - rows.len());
        prop_assert!(!bed.dir.spool(ulid).exists());

        // "the table instance -> row range".
        let footer = Footer::of_file(&metadata(&published.path), &published.path).unwrap();
        let mut next = 0;
        let [id, life, time] = [column::CONTAINER_ID, column::LIFE, column::TIME]
            .map(|name| column_index(table, name));
        for range in &footer.instances {
            prop_assert_eq!(range.first_row, next);
            next += range.rows;
            let of = &rows[range.first_row as usize..next as usize];
            prop_assert!(of.iter().all(|row| row[id] == Cell::Text(range.container_id.clone().unwrap())));
            prop_assert!(of.iter().all(|row| row[life] == Cell::Text(range.life.clone().unwrap())));
            prop_assert_eq!(of[0][time].int(), range.first_ms);
            prop_assert_eq!(of[of.len() - 1][time].int(), range.last_ms);
        }
        prop_assert_eq!(next as usize, rows.len());
    }
}

/// DATA.md section 1: names, partition, footer.
#[test]
fn a_segment_lies_by_its_hour_and_says_what_it_is() {
    let bed = Bed::new();
    let a = instance(1);
    let ulid = bed.segment(&[
        tick_of(HOUR + 1000, 0, &[(&a, 1)]),
        tick_of(HOUR + 2500, 0, &[(&a, 2)]),
    ]);
    let path = bed.dir.root().join(format!(
        "metrics/dt=2027-01-15/pod=fgm-7xk2p/20270115T080001.000Z-20270115T080002.500Z-{ulid}.parquet"
    ));
    let footer = Footer::of_file(&metadata(&path), &path).unwrap();
    assert_eq!((footer.level, footer.generation), (Level::Segment, 0));
    assert_eq!(footer.spools, [ulid]);
    let origin = footer.origin.unwrap();
    assert_eq!((origin.recorder, origin.interval_ms), (recorder(), 1000));
    assert_eq!(names_in(&bed.dir.tmp(Role::Recorder)).unwrap(), [""; 0]);
}

/// The physical schema, encodings and statistics that other programs read.
#[test]
fn physical_schema() {
    for table in [Table::Metrics, Table::Events] {
        let bed = Bed::new();
        let mut spool = Spool::create(&bed.dir, &recorder(), 1000).unwrap();
        let a = instance(1);
        for second in 0..60 {
            let time_ms = HOUR + second * 1000;
            if table == Table::Events {
                spool
                    .append_events(&[event(time_ms, time_ms, Some(&a))])
                    .unwrap();
            } else {
                spool
                    .append_tick(table, &tick_of(time_ms, 0, &[(&a, second)]))
                    .unwrap();
            }
        }
        let report = seal(&bed.dir, spool.close().unwrap().ulid).unwrap();
        let metadata = metadata(&report.published[0].path);
        let keys = metadata.file_metadata().key_value_metadata().unwrap();
        assert!(keys.iter().all(|pair| pair.key != "ARROW:schema"));
        let group = metadata.row_group(0);
        let mut lines = vec![
            format!(
                "created by: {}",
                metadata.file_metadata().created_by().unwrap()
            ),
            format!("sorted by: {:?}", group.sorting_columns().unwrap()),
        ];
        // A metric is stored as every other: the catalogue may grow.
        let mut metrics = std::collections::BTreeSet::new();
        for (column, of) in group.columns().iter().zip(group.schema_descr().columns()) {
            let name = column.column_path().string();
            let how = format!(
                "{} {:?} {:?} {:?} {}{}",
                of.physical_type(),
                of.logical_type_ref(),
                of.self_type().get_basic_info().repetition(),
                column.encodings().collect::<Vec<_>>(),
                column.compression(),
                if column.statistics().is_some() {
                    " with statistics"
                } else {
                    ""
                },
            );
            if fgm_model::Metric::from_name(&name).is_some() {
                metrics.insert(format!("every metric: {how}"));
            } else {
                lines.push(format!("{name}: {how}"));
            }
        }
        assert_eq!(metrics.len(), usize::from(table != Table::Events));
        lines.extend(metrics);
        insta::assert_snapshot!(
            format!("physical_schema_{}", table.as_str()),
            lines.join("\n")
        );
    }
}

/// "One row group up to ~1 M rows, pages of 3,600-20,000 rows".
#[test]
fn pages_hold_thousands_of_rows() {
    let bed = Bed::new();
    let instances: Vec<_> = (0..500).map(instance).collect();
    let ticks: Vec<_> = (0..60)
        .map(|second| {
            let rows: Vec<_> = instances.iter().map(|a| (a, second)).collect();
            tick_of(HOUR + second * 1000, 0, &rows)
        })
        .collect();
    bed.segment(&ticks);
    let path = bed.list().files[0].path.clone();
    let reader = parquet::file::metadata::ParquetMetaDataReader::new()
        .with_page_index_policy(parquet::file::metadata::PageIndexPolicy::Required)
        .parse_and_finish(&File::open(&path).unwrap())
        .unwrap();
    assert_eq!(reader.num_row_groups(), 1);
    let pages = reader.page_index_for_row_group(0);
    for column in 0..reader.row_group(0).num_columns() {
        let pages = pages.page_locations(column).unwrap();
        let mut starts: Vec<_> = pages.iter().map(|page| page.first_row_index).collect();
        starts.push(30_000);
        assert!(starts.len() > 2);
        for rows in starts.windows(2).map(|pair| pair[1] - pair[0]) {
            assert!((3_600..=20_480).contains(&rows), "{rows}");
        }
    }
}

/// DESIGN: "rows recorded before the answer are completed when they are sealed".
#[test]
fn names_that_arrive_late_complete_earlier_rows_of_the_instance() {
    let bed = Bed::new();
    let unnamed = instance(1);
    let mut named = Instance::clone(&unnamed);
    named.pod_name = Some("web-0".into());
    let other = instance(2);
    bed.segment(&[
        tick_of(HOUR, 0, &[(&unnamed, 1), (&other, 1)]),
        tick_of(HOUR + 1000, 0, &[(&Arc::new(named), 1), (&other, 1)]),
    ]);
    let pod_name = column_index(Table::Metrics, column::POD_NAME);
    let names: Vec<_> = bed
        .visible(Table::Metrics)
        .into_iter()
        .map(|row| row[pod_name].clone())
        .collect();
    let count = |cell: &Cell| names.iter().filter(|name| *name == cell).count();
    assert_eq!(count(&Cell::Text("web-0".into())), 2);
    assert_eq!(count(&Cell::Null), 2);
}

/// An instance that was gone before anybody knew its name: no row of the spool has it.
#[test]
fn names_that_arrive_after_the_last_row_are_told_to_the_seal() {
    let bed = Bed::new();
    let gone = instance(1);
    let mut half_known = Instance::clone(&instance(2));
    half_known.image = Some("of the row".into());
    let half_known = Arc::new(half_known);
    let ulid = bed.spool(&[
        tick_of(HOUR, 0, &[(&gone, 1), (&half_known, 1)]),
        tick_of(HOUR + 1000, 0, &[(&instance(3), 1)]),
    ]);
    let known = |container_id: &str, life: &str| {
        let known = [&gone, &half_known]
            .into_iter()
            .find(|of| of.container_id == container_id && of.life == life)?;
        Some(Instance {
            pod_name: Some("web-0".into()),
            image: Some("of the pod".into()),
            restart_count: Some(3),
            ..Instance::clone(known)
        })
    };
    let report = seal_named(&bed.dir, ulid, &known).unwrap();
    let rows = file_rows(&report.published[0].path);
    let column = |name: &str| -> Vec<Cell> {
        let index = column_index(Table::Metrics, name);
        rows.iter().map(|row| row[index].clone()).collect()
    };
    let text = |text: &str| Cell::Text(text.into());
    assert_eq!(
        column(column::POD_NAME),
        [text("web-0"), text("web-0"), Cell::Null]
    );
    assert_eq!(
        column(column::IMAGE),
        [text("of the pod"), text("of the row"), Cell::Null],
        "what a row knows stays"
    );
    let counts = column(column::RESTART_COUNT);
    assert_eq!((counts[0].int(), counts[1].int()), (3, 3));
    assert_eq!(counts[2], Cell::Null);
}

/// DATA.md section 5: "An event's hour is that of `recorded_at`; file names carry the span of
/// `time`"; every revision is kept, and the node's own events are nobody's.
#[test]
fn events_lie_by_when_they_were_recorded() {
    let bed = Bed::new();
    let mut spool = Spool::create(&bed.dir, &recorder(), 1000).unwrap();
    let a = instance(1);
    let mut second = event(HOUR - 9_000_000 * 12, HOUR + 5, Some(&a));
    let first = second.clone();
    second.revision = 1;
    spool
        .append_events(&[first, second, event(HOUR, HOUR + 5, None)])
        .unwrap();
    let report = seal(&bed.dir, spool.close().unwrap().ulid).unwrap();
    let published = &report.published[0];
    assert_eq!((published.rows, published.duplicates), (3, 0));
    let path = published.path.display().to_string();
    assert!(
        path.contains("events/dt=2027-01-15/pod=fgm-7xk2p/20270114T"),
        "{path}"
    );
    let footer = Footer::of_file(&metadata(&published.path), &published.path).unwrap();
    let ids: Vec<_> = footer
        .instances
        .iter()
        .map(|range| (range.container_id.is_some(), range.rows))
        .collect();
    assert_eq!(ids, [(false, 1), (true, 2)]);
}

/// "Each stream is decided alone."
#[test]
fn a_bad_stream_does_not_hold_back_the_others() {
    let bed = Bed::new();
    let a = instance(1);
    let ulid = bed.spool(&[tick_of(HOUR, 0, &[(&a, 1)])]);
    fs::write(bed.dir.stream(ulid, Table::Events), "rubbish and more").unwrap();
    fs::write(bed.dir.stream(ulid, Table::Node), "").unwrap();
    let report = seal(&bed.dir, ulid).unwrap();
    assert_eq!(report.published.len(), 1);
    assert_eq!(report.empty, [Table::Node]);
    assert_eq!(report.quarantined.len(), 1);
    let reason = format!("{}.reason.txt", report.quarantined[0].display());
    assert!(
        fs::read_to_string(reason)
            .unwrap()
            .contains("no message begins here")
    );
    assert!(!bed.dir.spool(ulid).exists());
}

/// EMFILE, EIO, EACCES and a newer version say nothing about the data: left in place.
#[test]
fn only_what_fails_to_parse_is_set_aside() {
    let bed = Bed::new();
    let a = instance(1);
    let ulid = bed.spool(&[tick_of(HOUR, 0, &[(&a, 1)])]);
    // A directory in the place of the file to write: the system refuses.
    let blocked = bed
        .dir
        .tmp(Role::Recorder)
        .join(format!("metrics-{ulid}.parquet"));
    fs::create_dir(&blocked).unwrap();
    let error = seal(&bed.dir, ulid).unwrap_err();
    assert!(error.errno().is_some(), "{error}");
    assert!(bed.dir.stream(ulid, Table::Metrics).exists());
    assert_eq!(names_in(&bed.dir.quarantine()).unwrap(), [""; 0]);
    fs::remove_dir(&blocked).unwrap();
    assert_eq!(seal(&bed.dir, ulid).unwrap().published.len(), 1);
}

/// A tick that is damaged in some column only: what is whole before it is published, the
/// stream is kept for a person.
#[test]
fn damage_in_one_column_cuts_all_of_them_there() {
    let bed = Bed::new();
    let instances: Vec<_> = (0..50).map(instance).collect();
    let tick = |second: i64| {
        let rows: Vec<_> = instances.iter().map(|a| (a, second)).collect();
        tick_of(HOUR + second * 1000, 0, &rows)
    };
    let mut spool = Spool::create(&bed.dir, &recorder(), 1000).unwrap();
    let whole = spool.append_tick(Table::Metrics, &tick(0)).unwrap();
    spool.append_tick(Table::Metrics, &tick(1)).unwrap();
    let ulid = spool.close().unwrap().ulid;
    let path = bed.dir.stream(ulid, Table::Metrics);
    let mut bytes = fs::read(&path).unwrap();
    // The last buffers of the last message: the last columns, which are no keys.
    let end = bytes.len();
    bytes[end - 120..].fill(0xaa);
    fs::write(&path, &bytes).unwrap();
    let report = seal(&bed.dir, ulid).unwrap();
    assert_eq!(report.published[0].rows, 50);
    assert_eq!(report.quarantined.len(), 1);
    assert_eq!(fs::read(&report.quarantined[0]).unwrap(), bytes);
    let reason = format!("{}.reason.txt", report.quarantined[0].display());
    let reason = fs::read_to_string(reason).unwrap();
    assert!(reason.contains(&format!("from byte {whole} ")), "{reason}");
}

/// The same in the only tick there is: nothing is published, and nothing tried for ever.
#[test]
fn a_stream_without_a_whole_tick_is_set_aside() {
    let bed = Bed::new();
    let instances: Vec<_> = (0..50).map(instance).collect();
    let rows: Vec<_> = instances.iter().map(|a| (a, 1)).collect();
    let ulid = bed.spool(&[tick_of(HOUR, 0, &rows)]);
    let path = bed.dir.stream(ulid, Table::Metrics);
    let mut bytes = fs::read(&path).unwrap();
    let end = bytes.len();
    bytes[end - 120..].fill(0xaa);
    fs::write(&path, &bytes).unwrap();
    let report = seal(&bed.dir, ulid).unwrap();
    assert_eq!((report.published.len(), report.quarantined.len()), (0, 1));
    assert!(!bed.dir.spool(ulid).exists());
    assert_eq!(names_in(&bed.dir.tmp(Role::Recorder)).unwrap(), [""; 0]);
}

/// "read back and verified, *then* renamed into place".
#[test]
fn a_file_that_differs_is_not_published() {
    let bed = Bed::new();
    let a = instance(1);
    let ulid = bed.spool(&[
        tick_of(HOUR, 0, &[(&a, 1)]),
        tick_of(HOUR + 1000, 0, &[(&a, 77)]),
    ]);
    let tmp = bed
        .dir
        .tmp(Role::Recorder)
        .join(format!("metrics-{ulid}.parquet"));
    let length = {
        let copy = bed.dir.root().join("_tmp/copy");
        let mut watch = |step| {
            if step == Step::Written {
                fs::copy(&tmp, &copy).unwrap();
                return Err(StoreError::TimeOutOfRange(0));
            }
            Ok(())
        };
        seal_watched(&bed.dir, ulid, &mut watch).unwrap_err();
        fs::metadata(&copy).unwrap().len()
    };
    let mut refused = 0;
    for at in (4..length).step_by(97) {
        let mut watch = |step| {
            if step == Step::Written {
                let mut bytes = fs::read(&tmp).unwrap();
                bytes[usize::try_from(at).unwrap()] ^= 0x55;
                fs::write(&tmp, bytes).unwrap();
            }
            // What passes differs in nothing that is read as a value.
            if step == Step::Verified {
                return Err(StoreError::TimeOutOfRange(0));
            }
            Ok(())
        };
        let error = seal_watched(&bed.dir, ulid, &mut watch).unwrap_err();
        refused += usize::from(matches!(error, StoreError::Verify { .. }));
        assert!(!tmp.exists());
        assert!(bed.dir.stream(ulid, Table::Metrics).exists());
    }
    assert!(refused > 5, "{refused}");
    assert!(bed.list().files.is_empty());
    assert_eq!(seal(&bed.dir, ulid).unwrap().published[0].rows, 2);
}

/// "Catalogue changes merge by name with nulls": a left-over spool of another version.
#[test]
fn a_stream_of_another_catalogue_gets_the_columns_of_its_table() {
    let bed = Bed::new();
    let a = instance(1);
    let ulid = bed.spool(&[
        tick_of(HOUR, 0, &[(&a, 42)]),
        tick_of(HOUR + 1000, 0, &[(&a, 43)]),
    ]);
    let path = bed.dir.stream(ulid, Table::Metrics);
    let batches = crate::fixture::stream_batches(&path);
    let keep: Vec<_> = table_schema(Table::Metrics)
        .fields()
        .iter()
        .enumerate()
        .filter(|(index, field)| *index < 18 || field.name() == "memory_current")
        .map(|(index, _)| index)
        .collect();
    let schema = batches[0].schema().project(&keep).unwrap();
    let mut writer = arrow::ipc::writer::StreamWriter::try_new(Vec::new(), &schema).unwrap();
    for batch in &batches {
        writer.write(&batch.project(&keep).unwrap()).unwrap();
    }
    fs::write(&path, writer.into_inner().unwrap()).unwrap();
    let report = seal(&bed.dir, ulid).unwrap();
    let rows = file_rows(&report.published[0].path);
    let current = column_index(Table::Metrics, "memory_current");
    assert_eq!(
        rows.iter()
            .map(|row| row[current].int())
            .collect::<Vec<_>>(),
        [42, 43]
    );
    assert_eq!(
        rows[0][column_index(Table::Metrics, "pids_current")],
        Cell::Null
    );
    assert_eq!(rows[0].len(), table_schema(Table::Metrics).fields().len());
}
