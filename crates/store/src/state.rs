//! Small facts that must outlive the process: `_state/<name>.json`, replaced whole.

use crate::StoreError;
use crate::layout::{DataDir, create_file, make_directory, sync_directory};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::{self, Write};

/// The name of [`Clock`]'s file.
pub const CLOCK: &str = "clock";

/// What the recorder knows about the wall clock.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clock {
    /// Raised by one at each clock step.
    pub clock_epoch: i64,
}

/// The name of [`Recording`]'s file.
pub const RECORDING: &str = "recording";

/// What the recorder tells whoever looks at its data.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recording {
    /// The recorder's version.
    pub version: String,
    /// Why less is recorded than a person might expect.
    pub notice: Option<String>,
}

/// Reads a fact; `None` when it was never written.
///
/// # Errors
/// Tells what the system refused from content that is not the fact.
pub fn read<T: DeserializeOwned>(dir: &DataDir, name: &str) -> Result<Option<T>, StoreError> {
    let path = dir.state().join(format!("{name}.json"));
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(StoreError::io("read", &path)(error)),
    };
    serde_json::from_slice(&bytes)
        .map(Some)
        .map_err(|error| StoreError::parse(&path, "state file", error))
}

/// Replaces a fact; when this returns, it survives a power cut.
///
/// # Errors
/// When it could not be made durable: the old fact is then still there.
pub fn write<T: Serialize>(dir: &DataDir, name: &str, fact: &T) -> Result<(), StoreError> {
    let directory = dir.state();
    make_directory(&directory)?;
    let path = directory.join(format!("{name}.json"));
    let new = directory.join(format!(".{name}.json.new"));
    let mut bytes = serde_json::to_vec(fact).map_err(|error| StoreError::encode(&path, error))?;
    bytes.push(b'\n');
    let mut file = create_file(&new)?;
    file.write_all(&bytes)
        .and_then(|()| file.sync_all())
        .map_err(StoreError::io("write", &new))?;
    fs::rename(&new, &path).map_err(StoreError::io("replace", &path))?;
    sync_directory(&directory)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fact_is_kept_and_replaced() {
        let temp = tempfile::tempdir().unwrap();
        let dir = DataDir::create(temp.path()).unwrap();
        assert_eq!(read::<Clock>(&dir, CLOCK).unwrap(), None);
        for clock_epoch in [1, 2] {
            write(&dir, CLOCK, &Clock { clock_epoch }).unwrap();
            assert_eq!(read(&dir, CLOCK).unwrap(), Some(Clock { clock_epoch }));
        }
        assert_eq!(fs::read_dir(dir.state()).unwrap().count(), 1);
    }

    #[test]
    fn a_half_written_replacement_does_not_count() {
        let temp = tempfile::tempdir().unwrap();
        let dir = DataDir::create(temp.path()).unwrap();
        write(&dir, CLOCK, &Clock { clock_epoch: 3 }).unwrap();
        fs::write(dir.state().join(".clock.json.new"), "{\"clock_ep").unwrap();
        assert_eq!(read(&dir, CLOCK).unwrap(), Some(Clock { clock_epoch: 3 }));
        write(&dir, CLOCK, &Clock { clock_epoch: 4 }).unwrap();
        assert_eq!(read(&dir, CLOCK).unwrap(), Some(Clock { clock_epoch: 4 }));
    }

    #[test]
    fn rubbish_is_told_from_absence() {
        let temp = tempfile::tempdir().unwrap();
        let dir = DataDir::create(temp.path()).unwrap();
        fs::write(dir.state().join("clock.json"), "[]").unwrap();
        assert!(read::<Clock>(&dir, CLOCK).unwrap_err().is_damage());
    }
}
