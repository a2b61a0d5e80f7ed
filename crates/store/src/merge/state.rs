//! What lies on disk of one hour: its files, which of them count, and its roll-ups.

use crate::StoreError;
use crate::layout::{DataDir, FileName, HOUR_MS, hour_of, names_in, parse_date_directory};
use crate::listing::{FileInfo, member};
use crate::set_rule::{Level, superseded};
use chrono::{DateTime, NaiveDate};
use fgm_model::rollup::roll_ups_of;
use fgm_model::{Resolution, Table};
use std::collections::BTreeSet;
use std::path::PathBuf;
use ulid::Ulid;

/// The unit of consolidation: one hour of one table of one recorder.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hour {
    /// The table; its roll-ups go with it.
    pub table: Table,
    /// The recorder as its `pod=` directory spells it.
    pub recorder: String,
    /// The start of the hour, milliseconds UTC.
    pub hour_start_ms: i64,
}

impl Hour {
    /// The name of the `pod=` directory.
    #[must_use]
    pub fn pod(&self) -> String {
        format!("pod={}", self.recorder)
    }

    /// The hour before: where the first rates come from.
    pub(super) fn before(&self) -> Self {
        Self {
            hour_start_ms: self.hour_start_ms.saturating_sub(HOUR_MS),
            ..self.clone()
        }
    }

    /// Its date.
    pub(super) fn date(&self) -> Result<NaiveDate, StoreError> {
        DateTime::from_timestamp_millis(self.hour_start_ms)
            .map(|time| time.date_naive())
            .ok_or(StoreError::TimeOutOfRange(self.hour_start_ms))
    }
}

/// Files of one hour at one resolution.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    /// Those that count, with a list, earliest spool first.
    pub(super) live: Vec<FileInfo>,
    /// Those whose rows others hold.
    pub(super) superseded: Vec<FileInfo>,
    /// Those that cannot be read now.
    pub(super) broken: Vec<(PathBuf, StoreError)>,
}

impl Shelf {
    /// The spools whose rows count.
    pub(super) fn spools(&self) -> BTreeSet<Ulid> {
        self.live.iter().flat_map(spools_of).collect()
    }

    /// The hour's file, when everything is merged into it.
    pub(super) fn hour_file(&self) -> Option<&FileInfo> {
        match self.live.as_slice() {
            [file] if file.footer.level == Level::Hour => Some(file),
            _ => None,
        }
    }

    /// The generation above every one there is; 0 for the first file of this level.
    pub(super) fn next_generation(&self) -> u64 {
        self.live
            .iter()
            .chain(&self.superseded)
            .filter(|file| file.footer.level == Level::Hour)
            .map(|file| file.footer.generation.saturating_add(1))
            .max()
            .unwrap_or(0)
    }
}

/// The spools of a file's list.
pub(super) fn spools_of(file: &FileInfo) -> impl Iterator<Item = Ulid> + '_ {
    file.footer.spools.iter().copied()
}

/// Everything of one hour.
#[derive(Debug, Default)]
pub(super) struct State {
    /// Segments and the hour's file.
    pub(super) raw: Shelf,
    /// The roll-ups that the table has.
    pub(super) roll_ups: Vec<(Resolution, Shelf)>,
    /// The spools of the hour before that count.
    pub(super) previous: BTreeSet<Ulid>,
}

impl State {
    /// Reads the footers of an hour's files and roll-ups.
    pub(super) fn look(dir: &DataDir, hour: &Hour) -> Result<Self, StoreError> {
        let mut state = Self {
            raw: shelf(dir, hour, Resolution::Raw)?,
            ..Self::default()
        };
        for &resolution in roll_ups_of(hour.table) {
            let shelf = shelf(dir, hour, resolution)?;
            state.roll_ups.push((resolution, shelf));
        }
        if !state.roll_ups.is_empty() {
            state.previous = Self::raw_of(dir, &hour.before())?
                .iter()
                .flat_map(spools_of)
                .collect();
        }
        Ok(state)
    }

    /// The files of an hour that count.
    pub(super) fn raw_of(dir: &DataDir, hour: &Hour) -> Result<Vec<FileInfo>, StoreError> {
        Ok(shelf(dir, hour, Resolution::Raw)?.live)
    }

    /// The files of events that were recorded from the hour's start on, on its date or the next.
    pub(super) fn events_since(dir: &DataDir, hour: &Hour) -> Result<Vec<FileInfo>, StoreError> {
        let mut files = Vec::new();
        for day in 0..2 {
            let of_day = Hour {
                table: Table::Events,
                hour_start_ms: hour.hour_start_ms.saturating_add(day * 24 * HOUR_MS),
                ..hour.clone()
            };
            let is_later = |file: &FileInfo| file.hour_ms >= hour.hour_start_ms;
            files.extend(shelf_of_date(dir, &of_day, Resolution::Raw, &|_| true, &is_later)?.live);
        }
        Ok(files)
    }
}

/// The files of an hour at one resolution.
fn shelf(dir: &DataDir, hour: &Hour, resolution: Resolution) -> Result<Shelf, StoreError> {
    // An event is named by when it happened, and lies by when it was recorded.
    let may_be_of_hour = |name: FileName| {
        hour.table == Table::Events || hour_of(name.start_ms) == hour.hour_start_ms
    };
    let is_of_hour = |file: &FileInfo| file.hour_ms == hour.hour_start_ms;
    shelf_of_date(dir, hour, resolution, &may_be_of_hour, &is_of_hour)
}

/// Those files of the hour's date that are wanted, by name and by footer. One that vanishes
/// meanwhile is not there.
fn shelf_of_date(
    dir: &DataDir,
    hour: &Hour,
    resolution: Resolution,
    by_name: &dyn Fn(FileName) -> bool,
    by_footer: &dyn Fn(&FileInfo) -> bool,
) -> Result<Shelf, StoreError> {
    let (date, pod) = (hour.date()?, hour.pod());
    let partition = dir.partition_at(hour.table, resolution, hour.hour_start_ms, &pod)?;
    let mut shelf = Shelf::default();
    let mut files = Vec::new();
    for text in names_in(&partition)? {
        let Ok(name) = text.parse::<FileName>() else {
            continue;
        };
        if !by_name(name) {
            continue;
        }
        let path = partition.join(text);
        match FileInfo::read(&path, (hour.table, resolution), date, &pod, name) {
            // One without a list stands for itself: nothing can be made in its place.
            Ok(file) if !file.footer.spools.is_empty() && by_footer(&file) => files.push(file),
            Ok(_) => {}
            Err(error) if error.is_not_found() => {}
            Err(error) => shelf.broken.push((path, error)),
        }
    }
    let members: Vec<_> = files
        .iter()
        .map(|file| member(&file.name, &file.footer))
        .collect();
    for (file, gone) in files.into_iter().zip(superseded(&members)) {
        if gone {
            shelf.superseded.push(file);
        } else {
            shelf.live.push(file);
        }
    }
    // Of equal keys the row of the later spool wins.
    shelf
        .live
        .sort_by_key(|file| (spools_of(file).max(), file.name));
    Ok(shelf)
}

/// Every hour of which something is published, found by names alone; of events every file is
/// looked into.
pub(super) fn hours(dir: &DataDir) -> Result<BTreeSet<Hour>, StoreError> {
    let mut hours = BTreeSet::new();
    for table in Table::ALL {
        let root = dir.table(table);
        for date_name in names_in(&root)? {
            let Some(date) = parse_date_directory(&date_name) else {
                continue;
            };
            for pod in names_in(&root.join(&date_name))? {
                let Some(recorder) = pod.strip_prefix("pod=") else {
                    continue;
                };
                let partition = root.join(&date_name).join(&pod);
                for text in names_in(&partition)? {
                    let Ok(name) = text.parse::<FileName>() else {
                        continue;
                    };
                    let start_ms = match table {
                        Table::Events => {
                            let path = partition.join(&text);
                            let place = (table, Resolution::Raw);
                            match FileInfo::read(&path, place, date, &pod, name) {
                                Ok(file) => file.hour_ms,
                                // Whoever looks at the hour deals with it.
                                Err(_) => hour_of(name.end_ms),
                            }
                        }
                        Table::Metrics | Table::Pods | Table::Node => hour_of(name.start_ms),
                    };
                    hours.insert(Hour {
                        table,
                        recorder: recorder.to_owned(),
                        hour_start_ms: start_ms,
                    });
                }
            }
        }
    }
    Ok(hours)
}
