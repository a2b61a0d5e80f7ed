//! `_quarantine`: what cannot be parsed, kept for a person to look at.

use crate::StoreError;
use crate::layout::{DataDir, create_file, make_directory, sync_directory};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Moves a file to `_quarantine` beside a `.reason.txt`, and returns where it is now.
///
/// # Errors
/// When it could not be moved: it is then still where it was.
pub fn set_aside(dir: &DataDir, path: &Path, reason: &str) -> Result<PathBuf, StoreError> {
    let quarantine = dir.quarantine();
    make_directory(&quarantine)?;
    // The way from the data directory tells where it came from: `_spool+<ulid>+metrics.arrows`.
    let name = path
        .strip_prefix(dir.root())
        .unwrap_or(path)
        .to_string_lossy()
        .trim_start_matches('/')
        .replace('/', "+");
    let mut target = quarantine.join(&name);
    let mut number = 1;
    while target.exists() {
        number += 1;
        target = quarantine.join(format!("{number}+{name}"));
    }
    let mut note = target.clone().into_os_string();
    note.push(".reason.txt");
    let note = PathBuf::from(note);
    create_file(&note)?
        .write_all(format!("{reason}\n").as_bytes())
        .map_err(StoreError::io("write", &note))?;
    fs::rename(path, &target).map_err(StoreError::io("quarantine", path))?;
    sync_directory(&quarantine)?;
    tracing::warn!(
        file = %path.display(),
        kept_as = %target.display(),
        reason,
        "set aside a file that cannot be read"
    );
    Ok(target)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_stands_beside_what_was_set_aside() {
        let temp = tempfile::tempdir().unwrap();
        let dir = DataDir::create(temp.path()).unwrap();
        for expected in ["metrics+a.parquet", "2+metrics+a.parquet"] {
            fs::create_dir_all(dir.root().join("metrics")).unwrap();
            let path = dir.root().join("metrics/a.parquet");
            fs::write(&path, "rubbish").unwrap();
            let kept = set_aside(&dir, &path, "it is rubbish").unwrap();
            assert_eq!(kept, dir.quarantine().join(expected));
            assert_eq!(fs::read_to_string(&kept).unwrap(), "rubbish");
            let note = format!("{}.reason.txt", kept.display());
            assert_eq!(fs::read_to_string(note).unwrap(), "it is rubbish\n");
            assert!(!path.exists());
        }
    }
}
