//! A data directory with hours in it, and an archive of either kind beside it.

use crate::server::{KEY, SECRET, Server};
use arrow::array::{ArrayRef, Int64Array};
use arrow::record_batch::RecordBatch;
use fgm_model::{Instance, Metric, Recorder, Row, Table, Tick, Values};
use fgm_store::layout::HOUR_MS;
use fgm_store::listing::{Lister, Selection};
use fgm_store::{DataDir, Spool, seal};
use parquet::arrow::ArrowWriter;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::SystemTime;
use tempfile::TempDir;

/// An archive in a folder, or behind the S3 protocol: either way its objects are files here.
pub(crate) enum Kind {
    Folder,
    S3(Server),
}

pub(crate) struct Bed {
    temp: TempDir,
    pub(crate) dir: DataDir,
    pub(crate) kind: Kind,
    pub(crate) recorder: &'static str,
}

/// What `fgm-consolidator --once` did.
pub(crate) struct Run {
    pub(crate) success: bool,
    pub(crate) log: String,
}

impl Bed {
    fn new(recorder: &'static str, kind: impl FnOnce(&Path) -> Kind) -> Self {
        let temp = tempfile::tempdir().unwrap();
        fs::create_dir_all(temp.path().join("there/bucket/a/b")).unwrap();
        Self {
            dir: DataDir::create(temp.path().join("data")).unwrap(),
            kind: kind(&temp.path().join("there")),
            temp,
            recorder,
        }
    }

    /// One of each kind, the second with a name that has to be escaped.
    pub(crate) fn both() -> [Self; 2] {
        [
            Self::new("node-1", |_| Kind::Folder),
            Self::new("node 1/ü", |folder| Kind::S3(Server::start(folder))),
        ]
    }

    /// The folder that the archive's URL names.
    pub(crate) fn archive(&self) -> PathBuf {
        self.temp.path().join("there/bucket/a/b")
    }

    pub(crate) fn url(&self) -> String {
        match &self.kind {
            Kind::Folder => format!("file://{}", self.archive().display()),
            Kind::S3(_) => "s3://bucket/a/b".to_owned(),
        }
    }

    /// The start of an hour so many hours ago.
    pub(crate) fn hour(hours_ago: i64) -> i64 {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let now_ms = i64::try_from(now.unwrap().as_millis()).unwrap();
        (now_ms / HOUR_MS - hours_ago) * HOUR_MS
    }

    /// A segment of so many seconds of two containers.
    pub(crate) fn segment(&self, start_ms: i64, seconds: i64) {
        let recorder = Recorder {
            node: "n".to_owned(),
            boot_id: "0a1b2c3d-0000-4000-8000-000000000001".to_owned(),
            recorder: self.recorder.to_owned(),
        };
        let mut spool = Spool::create(&self.dir, &recorder, 1000).unwrap();
        for second in 0..seconds {
            let rows = (1..=2).map(|number| row(number, second)).collect();
            let tick = Tick {
                time_ms: start_ms + second * 1000,
                clock_epoch: 0,
                rows,
            };
            spool.append_tick(Table::Metrics, &tick).unwrap();
        }
        seal(&self.dir, spool.close().unwrap().ulid).unwrap();
    }

    /// A file of another origin in the partition of an hour, too large for one part.
    pub(crate) fn foreign(&self, hour_ms: i64, rows: u64) -> PathBuf {
        let noise = (0..rows).map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15).cast_signed());
        let column: ArrayRef = Arc::new(Int64Array::from_iter_values(noise));
        let batch = RecordBatch::try_from_iter([("x", column)]).unwrap();
        let partition = self
            .dir
            .partition(Table::Metrics, hour_ms, self.recorder)
            .unwrap();
        fs::create_dir_all(&partition).unwrap();
        let name = fgm_store::layout::FileName {
            start_ms: hour_ms,
            end_ms: hour_ms,
            ulid: ulid::Ulid::generate(),
        };
        let path = partition.join(name.to_string());
        let mut writer =
            ArrowWriter::try_new(File::create(&path).unwrap(), batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        path
    }

    pub(crate) fn command(&self, flags: &[&str]) -> Command {
        // Not by env!: a shell between cargo and rustc may drop a variable with a dash in its name.
        let program = std::env::var_os("CARGO_BIN_EXE_fgm-consolidator").unwrap();
        let mut command = Command::new(program);
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy().into_owned();
            if name.starts_with("FGM_") || name.starts_with("AWS_") {
                command.env_remove(name);
            }
        }
        command
            .arg("--data-dir")
            .arg(self.dir.root())
            .args(flags)
            // As variables, so that a flag may say otherwise.
            .env("FGM_MIN_FREE_DISK", "0B")
            .env("FGM_ARCHIVE", self.url())
            .env_remove("RUST_LOG");
        if let Kind::S3(server) = &self.kind {
            command
                .env("AWS_ENDPOINT", format!("http://{}", server.address))
                .env("AWS_ALLOW_HTTP", "true")
                .env("AWS_REGION", "us-east-1")
                .env("AWS_ACCESS_KEY_ID", KEY)
                .env("AWS_SECRET_ACCESS_KEY", SECRET);
        }
        command
    }

    pub(crate) fn once(&self, flags: &[&str]) -> Run {
        run(self.command(&[&["--once"], flags].concat()))
    }

    /// A run that has to succeed.
    pub(crate) fn archives(&self, flags: &[&str]) -> String {
        let run = self.once(flags);
        assert!(run.success, "{}", run.log);
        run.log
    }

    /// Its table files here, by their path.
    pub(crate) fn here(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        files(self.dir.root())
    }

    /// Those in the archive.
    pub(crate) fn there(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        files(&self.archive())
    }

    /// How many rows the archive's own `metrics` shows, and whether each is there once.
    pub(crate) fn rows_there(&self) -> u64 {
        let listing = Lister::new(DataDir::new(self.archive())).list(&Selection::all());
        let listing = listing.unwrap();
        assert!(listing.skipped.is_empty(), "{:?}", listing.skipped);
        assert!(listing.superseded_files.is_empty(), "doubles");
        listing.files.iter().map(|file| file.rows).sum()
    }
}

pub(crate) fn run(mut command: Command) -> Run {
    let Output { status, stderr, .. } = command.output().unwrap();
    let log = String::from_utf8(stderr).unwrap();
    assert!(!log.contains("panicked"), "{log}");
    Run {
        success: status.success(),
        log,
    }
}

fn row(number: u32, value: i64) -> Row {
    let mut values = Values::default();
    values.set(Metric::MemoryCurrent, Some(value));
    Row {
        instance: Arc::new(Instance {
            container_id: format!("{number:064x}"),
            life: format!("{number:016x}"),
            ..Instance::default()
        }),
        read_offset_us: 0,
        limits_known: true,
        values,
    }
}

/// Every Parquet file below a folder, `_tmp` included.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(at) = folders.pop() {
        for entry in fs::read_dir(at).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.to_string_lossy().contains(".parquet") {
                let name = path.strip_prefix(folder).unwrap().to_owned();
                found.insert(name, fs::read(&path).unwrap());
            }
        }
    }
    found
}
