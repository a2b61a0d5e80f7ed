//! Where generated data go: an empty directory, or one that an earlier run left.

use anyhow::{Context, bail};
use fgm_model::Table;
use fgm_model::rollup::roll_ups_of;
use fgm_store::{DataDir, Lock, Role};
use fgm_testkit::generator::TRUTH_FILE;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A data directory that is ours alone.
pub(super) struct Place {
    pub(super) dir: DataDir,
    _locks: [Lock; 2],
}

impl Place {
    /// Takes the directory, which must be empty or hold what an earlier run made.
    pub(super) fn take(out: &Path) -> anyhow::Result<Self> {
        let there = match fs::read_dir(out) {
            Ok(mut entries) => entries.next().is_some(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => false,
            Err(error) => {
                return Err(error).with_context(|| format!("cannot look into {}", out.display()));
            }
        };
        let is_ours = out.join(TRUTH_FILE).is_file();
        if there && !is_ours {
            bail!(
                "{} is not empty and was not made by generate-bench-data (it has no {TRUTH_FILE}): \
                 choose another --out, or empty it",
                out.display()
            );
        }
        let dir = DataDir::create(out)?;
        let locks = [
            Lock::acquire(&dir, Role::Recorder, Duration::ZERO)?,
            Lock::acquire(&dir, Role::Consolidator, Duration::ZERO)?,
        ];
        if is_ours {
            remove_earlier(&dir)?;
        }
        // Also a run that is cut short leaves a directory that the next one may replace.
        let place = Self { dir, _locks: locks };
        let truth = place.truth_file();
        fs::write(&truth, "{}\n").with_context(|| format!("cannot write {}", truth.display()))?;
        Ok(place)
    }

    pub(super) fn truth_file(&self) -> PathBuf {
        self.dir.root().join(TRUTH_FILE)
    }
}

/// Removes what an earlier run wrote, and nothing else.
fn remove_earlier(dir: &DataDir) -> anyhow::Result<()> {
    let mut folders = vec![dir.spool_root(), dir.quarantine(), dir.notes(), dir.state()];
    for table in Table::ALL {
        folders.push(dir.table(table));
        folders.extend(
            roll_ups_of(table)
                .iter()
                .map(|one| dir.table_at(table, *one)),
        );
    }
    for folder in folders {
        match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("cannot remove {}", folder.display()));
            }
            _ => {}
        }
    }
    DataDir::create(dir.root())?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_foreign_directory_is_refused_and_left_alone() {
        let temp = tempfile::tempdir().expect("a directory");
        let file = temp.path().join("letters.txt");
        fs::write(&file, "dear").expect("write");
        let error = Place::take(temp.path()).err().expect("refused").to_string();
        assert!(
            error.contains("--out") && error.contains("not empty"),
            "{error}"
        );
        assert_eq!(fs::read_dir(temp.path()).expect("list").count(), 1);
        let error = Place::take(&file).err().expect("refused").to_string();
        assert!(error.contains("letters.txt"), "{error}");
    }

    #[test]
    fn an_earlier_run_is_replaced_and_a_running_one_is_not() {
        let temp = tempfile::tempdir().expect("a directory");
        let out = temp.path().join("new/data");
        let place = Place::take(&out).expect("empty");
        let old = place.dir.table(Table::Metrics).join("dt=2026-11-23");
        fs::create_dir_all(&old).expect("make");
        assert!(Place::take(&out).is_err(), "it is locked");
        assert!(old.exists());
        drop(place);
        let place = Place::take(&out).expect("an earlier run");
        assert!(!old.exists());
        assert!(place.dir.spool_root().is_dir());
    }
}
