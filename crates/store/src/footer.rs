//! What a file says about itself: Parquet key-value metadata and the stream's schema metadata
//! (DATA.md section 1).

mod hour_notes;

use crate::StoreError;
use crate::set_rule::Level;
use arrow::datatypes::Schema;
use fgm_model::Recorder;
use fgm_model::schema::FORMAT_VERSION;
pub use hour_notes::HourNotes;
use parquet::file::metadata::{KeyValue, ParquetMetaData, ParquetMetaDataReader};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fs::File;
use std::path::Path;
use ulid::Ulid;

/// The names of the keys.
pub mod key {
    /// The version of rows and keys.
    pub const FORMAT_VERSION: &str = "fgm.format_version";
    /// The node's name.
    pub const NODE: &str = "fgm.node";
    /// The kernel's boot ID.
    pub const BOOT_ID: &str = "fgm.boot_id";
    /// Who recorded: the `pod=` partition.
    pub const RECORDER: &str = "fgm.recorder";
    /// The tick interval.
    pub const INTERVAL_MS: &str = "fgm.interval_ms";
    /// `segment` or `hour`.
    pub const LEVEL: &str = "fgm.level";
    /// Raised when a file is rebuilt.
    pub const GENERATION: &str = "fgm.generation";
    /// A JSON array of ULIDs.
    pub const SPOOLS: &str = "fgm.spools";
    /// A JSON array, one entry per instance: see [`super::InstanceRange`].
    pub const INSTANCES: &str = "fgm.instances";
    /// A JSON array of `[container_id, life]`: in an hour's file, whose names are not known yet.
    pub const UNNAMED: &str = "fgm.unnamed";
    /// A JSON array of ULIDs: in a roll-up, the spools of the hour before, whose last rows the
    /// first rates were made from.
    pub const PREVIOUS_SPOOLS: &str = "fgm.previous_spools";
    /// In a roll-up, the generation of the hour's file that it was made from.
    pub const SOURCE_GENERATION: &str = "fgm.source_generation";
}

/// Who wrote a file, and how often it ticked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The version of rows and keys.
    pub format_version: u32,
    /// Node, boot and recorder.
    pub recorder: Recorder,
    /// The tick interval in milliseconds.
    pub interval_ms: i64,
}

impl Origin {
    /// What this build writes.
    #[must_use]
    pub fn new(recorder: Recorder, interval_ms: i64) -> Self {
        Self {
            format_version: FORMAT_VERSION,
            recorder,
            interval_ms,
        }
    }

    /// The keys of both a stream's schema and a file's footer.
    #[must_use]
    pub fn to_pairs(&self) -> Vec<(String, String)> {
        [
            (key::FORMAT_VERSION, self.format_version.to_string()),
            (key::NODE, self.recorder.node.clone()),
            (key::BOOT_ID, self.recorder.boot_id.clone()),
            (key::RECORDER, self.recorder.recorder.clone()),
            (key::INTERVAL_MS, self.interval_ms.to_string()),
        ]
        .map(|(key, value)| (key.to_owned(), value))
        .into()
    }

    fn from_pairs(pairs: &HashMap<&str, &str>) -> Result<Self, String> {
        let get = |key: &str| pairs.get(key).copied().ok_or(format!("no key {key}"));
        Ok(Self {
            format_version: number(pairs, key::FORMAT_VERSION)?,
            recorder: Recorder {
                node: get(key::NODE)?.to_owned(),
                boot_id: get(key::BOOT_ID)?.to_owned(),
                recorder: get(key::RECORDER)?.to_owned(),
            },
            interval_ms: number(pairs, key::INTERVAL_MS)?,
        })
    }

    /// Reads the schema-level metadata of a stream.
    ///
    /// # Errors
    /// Returns the key that is missing or not a number, or [`StoreError::NewerFormat`].
    pub fn of_stream(schema: &Schema, path: &Path) -> Result<Self, StoreError> {
        let pairs = schema
            .metadata()
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
            .collect();
        refuse_newer(&pairs, path)?;
        Self::from_pairs(&pairs).map_err(|reason| StoreError::parse(path, "spool stream", reason))
    }
}

fn number<T: std::str::FromStr>(pairs: &HashMap<&str, &str>, key: &str) -> Result<T, String> {
    let text = pairs.get(key).ok_or(format!("no key {key}"))?;
    text.parse()
        .map_err(|_| format!("key {key} is not a number: {text}"))
}

/// A later format may mean other things by the same keys, so nothing else of it is read.
fn refuse_newer(pairs: &HashMap<&str, &str>, path: &Path) -> Result<(), StoreError> {
    match number(pairs, key::FORMAT_VERSION) {
        Ok(version) if version > FORMAT_VERSION => Err(StoreError::NewerFormat {
            path: path.to_owned(),
            version,
        }),
        _ => Ok(()),
    }
}

/// Where an instance's rows lie in a file: they are adjacent, in time order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "InstanceTuple", into = "InstanceTuple")]
pub struct InstanceRange {
    /// The instance's `container_id`; `None` for events of the node.
    pub container_id: Option<String>,
    /// The instance's `life`.
    pub life: Option<String>,
    /// The index of its first row.
    pub first_row: u64,
    /// How many rows it has.
    pub rows: u64,
    /// The first row's `time`.
    pub first_ms: i64,
    /// The last row's `time`.
    pub last_ms: i64,
}

type InstanceTuple = (Option<String>, Option<String>, u64, u64, i64, i64);

impl From<InstanceTuple> for InstanceRange {
    fn from(tuple: InstanceTuple) -> Self {
        let (container_id, life, first_row, rows, first_ms, last_ms) = tuple;
        Self {
            container_id,
            life,
            first_row,
            rows,
            first_ms,
            last_ms,
        }
    }
}

impl From<InstanceRange> for InstanceTuple {
    fn from(range: InstanceRange) -> Self {
        (
            range.container_id,
            range.life,
            range.first_row,
            range.rows,
            range.first_ms,
            range.last_ms,
        )
    }
}

/// A Parquet file's key-value metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Footer {
    /// Who wrote it; `None` for a file of another origin.
    pub origin: Option<Origin>,
    /// How far its rows have come.
    pub level: Level,
    /// Raised when a file is rebuilt.
    pub generation: u64,
    /// The spools whose rows it holds; empty for a file without a list.
    pub spools: Vec<Ulid>,
    /// Where each instance's rows lie, in row order; empty for a file without a list.
    pub instances: Vec<InstanceRange>,
    /// What only an hour's file and its roll-ups say.
    pub hour: HourNotes,
}

impl Default for Footer {
    /// A file that stands for itself.
    fn default() -> Self {
        Self {
            origin: None,
            level: Level::Segment,
            generation: 0,
            spools: Vec::new(),
            instances: Vec::new(),
            hour: HourNotes::default(),
        }
    }
}

impl Footer {
    /// The keys to write.
    ///
    /// # Errors
    /// Returns what could not be written as JSON.
    pub fn to_key_values(&self) -> Result<Vec<KeyValue>, serde_json::Error> {
        let mut pairs = self
            .origin
            .as_ref()
            .map(Origin::to_pairs)
            .unwrap_or_default();
        let spools: Vec<_> = self.spools.iter().map(Ulid::to_string).collect();
        pairs.push((key::LEVEL.into(), self.level.as_str().into()));
        pairs.push((key::GENERATION.into(), self.generation.to_string()));
        pairs.push((key::SPOOLS.into(), serde_json::to_string(&spools)?));
        pairs.push((
            key::INSTANCES.into(),
            serde_json::to_string(&self.instances)?,
        ));
        pairs.extend(self.hour.to_pairs()?);
        Ok(pairs
            .into_iter()
            .map(|(key, value)| KeyValue::new(key, value))
            .collect())
    }

    /// Reads the keys. A file without them stands for itself.
    ///
    /// # Errors
    /// Returns the key that is there but cannot be read, or [`StoreError::NewerFormat`].
    pub fn of_file(metadata: &ParquetMetaData, path: &Path) -> Result<Self, StoreError> {
        let pairs: HashMap<&str, &str> = metadata
            .file_metadata()
            .key_value_metadata()
            .into_iter()
            .flatten()
            .filter_map(|pair| Some((pair.key.as_str(), pair.value.as_deref()?)))
            .collect();
        refuse_newer(&pairs, path)?;
        Self::from_pairs(&pairs).map_err(|reason| StoreError::parse(path, "segment", reason))
    }

    fn from_pairs(pairs: &HashMap<&str, &str>) -> Result<Self, String> {
        if !pairs.contains_key(key::FORMAT_VERSION) {
            return Ok(Self::default());
        }
        let get = |key: &str| pairs.get(key).copied().ok_or(format!("no key {key}"));
        let level = get(key::LEVEL)?;
        Ok(Self {
            origin: Some(Origin::from_pairs(pairs)?),
            level: Level::from_name(level).ok_or(format!("no such level: {level}"))?,
            generation: number(pairs, key::GENERATION)?,
            spools: ulids(get(key::SPOOLS)?, key::SPOOLS)?,
            instances: json(get(key::INSTANCES)?, key::INSTANCES)?,
            hour: HourNotes::from_pairs(pairs)?,
        })
    }
}

fn json<T: serde::de::DeserializeOwned>(text: &str, key: &str) -> Result<T, String> {
    serde_json::from_str(text).map_err(|error| format!("key {key}: {error}"))
}

/// A JSON array of ULIDs.
fn ulids(text: &str, key: &str) -> Result<Vec<Ulid>, String> {
    let list: Vec<String> = json(text, key)?;
    list.iter()
        .map(|text| crate::layout::parse_ulid(text).ok_or(format!("no ULID: {text}")))
        .collect()
}

/// Reads the metadata of an open Parquet file.
///
/// # Errors
/// Tells a system error from a file that is not Parquet.
pub fn read_metadata(file: &File, path: &Path) -> Result<ParquetMetaData, StoreError> {
    ParquetMetaDataReader::new()
        .parse_and_finish(file)
        .map_err(|error| parquet_error(error, path))
}

/// Tells a system error from bad content.
pub(crate) fn parquet_error(error: parquet::errors::ParquetError, path: &Path) -> StoreError {
    match error {
        parquet::errors::ParquetError::External(source) => match source.downcast() {
            Ok(source) => StoreError::io("read", path)(*source),
            Err(other) => StoreError::parse(path, "segment", other),
        },
        other => StoreError::parse(path, "segment", other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn footer() -> Footer {
        Footer {
            origin: Some(Origin::new(
                Recorder {
                    node: "n".into(),
                    boot_id: "b".into(),
                    recorder: "r".into(),
                },
                1000,
            )),
            level: Level::Segment,
            generation: 0,
            spools: vec![Ulid::from_parts(1, 2)],
            instances: vec![InstanceRange {
                container_id: Some("c".into()),
                life: Some("l".into()),
                first_row: 0,
                rows: 2,
                first_ms: 1000,
                last_ms: 2000,
            }],
            hour: HourNotes::default(),
        }
    }

    fn read(pairs: &[KeyValue]) -> Result<Footer, String> {
        let pairs = pairs
            .iter()
            .filter_map(|pair| Some((pair.key.as_str(), pair.value.as_deref()?)))
            .collect();
        Footer::from_pairs(&pairs)
    }

    #[test]
    fn keys_round_trip() {
        let rolled_up = Footer {
            hour: HourNotes {
                unnamed: vec![("c".into(), "l".into())],
                previous_spools: vec![Ulid::from_parts(3, 4)],
                source_generation: 5,
            },
            ..footer()
        };
        for footer in [footer(), rolled_up] {
            assert_eq!(read(&footer.to_key_values().unwrap()), Ok(footer));
        }
    }

    #[test]
    fn keys() {
        let lines: Vec<_> = footer()
            .to_key_values()
            .unwrap()
            .into_iter()
            .map(|pair| format!("{} = {}", pair.key, pair.value.unwrap_or_default()))
            .collect();
        insta::assert_snapshot!(lines.join("\n"));
    }

    #[test]
    fn a_file_without_a_list_stands_for_itself() {
        let foreign = read(&[KeyValue::new("pandas".into(), "{}".to_owned())]).unwrap();
        assert_eq!((foreign.origin, foreign.spools), (None, vec![]));
    }

    #[test]
    fn a_bad_key_is_named() {
        for (index, bad) in [
            (0, "x"),
            (4, "1s"),
            (5, "day"),
            (6, "-1"),
            (7, "[1]"),
            (8, "[[]]"),
        ] {
            let mut written = footer().to_key_values().unwrap();
            written[index].value = Some(bad.into());
            assert!(read(&written).is_err(), "{} = {bad}", written[index].key);
        }
    }
}
