//! Notes that people pin to times: one small JSON file each, in `_notes` of the data directory.
//!
//! Here is what a note is and how it lies on disk; [`crate::api::notes`] speaks HTTP.

#[cfg(test)]
mod tests;

use fgm_store::DataDir;
use serde::{Deserialize, Serialize};
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};

/// Notes in a directory, at most.
const MOST_NOTES: usize = 10_000;
/// Letters in a note, at most.
const MOST_LETTERS: usize = 4000;
/// A file beyond this is no note.
const LARGEST_BYTES: u64 = 64 << 10;

/// A note as a person wrote it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Note {
    /// When it is about, milliseconds UTC.
    pub(crate) time_ms: i64,
    /// The end of what it is about, where that is a stretch of time.
    #[serde(default)]
    pub(crate) end_ms: Option<i64>,
    /// The series it is about; without one, the node.
    #[serde(default)]
    pub(crate) series: Option<String>,
    /// What there is to say.
    pub(crate) text: String,
}

/// A note on disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Kept {
    pub(crate) id: String,
    /// Changes whenever the note does.
    pub(crate) version: String,
    #[serde(flatten)]
    pub(crate) note: Note,
}

/// Why a note cannot be kept.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoteError {
    #[error("a note id is 1 to 40 letters a-z, digits and dashes")]
    Id,
    #[error("a note has 1 to {MOST_LETTERS} letters, a time, and no end before it")]
    Content,
    #[error("{MOST_NOTES} notes are kept: delete some")]
    Full,
    #[error("the note was changed meanwhile")]
    Changed,
    #[error("there is no such note")]
    Missing,
    #[error("cannot write notes: {0}")]
    Write(io::Error),
    #[error("cannot read notes: {0}")]
    Read(io::Error),
}

/// What a writer knows of the note that it replaces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Expect {
    /// There is none.
    New,
    /// It has this version.
    Version(String),
}

/// The notes of a data directory. Writers take turns by a lock of the caller's.
#[derive(Debug)]
pub(crate) struct Notes {
    dir: PathBuf,
}

impl Notes {
    pub(crate) fn new(dir: PathBuf) -> Self {
        Self { dir }
    }

    /// Every note that can be read, oldest time first.
    pub(crate) fn list(&self) -> Result<Vec<Kept>, NoteError> {
        let mut notes = Vec::new();
        for id in self.ids()? {
            if let Some(note) = self.read(&id)? {
                notes.push(note);
            }
        }
        notes.sort_by(|a, b| (a.note.time_ms, &a.id).cmp(&(b.note.time_ms, &b.id)));
        Ok(notes)
    }

    /// One note; `None` when it is not there or no note.
    pub(crate) fn read(&self, id: &str) -> Result<Option<Kept>, NoteError> {
        let path = self.path(id)?;
        match path.metadata() {
            Ok(found) if found.is_file() && found.len() <= LARGEST_BYTES => {}
            Ok(_) => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(NoteError::Read(error)),
        }
        let bytes = fs::read(&path).map_err(NoteError::Read)?;
        let note: Option<Note> = serde_json::from_slice(&bytes).ok();
        Ok(note.map(|note| Kept {
            id: id.to_owned(),
            version: version(&note),
            note,
        }))
    }

    /// Writes a note, whole or not at all.
    pub(crate) fn write(&self, id: &str, note: Note, expect: &Expect) -> Result<Kept, NoteError> {
        let path = self.path(id)?;
        let letters = note.text.trim().chars().count();
        let ordered = note.end_ms.is_none_or(|end| end >= note.time_ms);
        if letters == 0 || letters > MOST_LETTERS || !ordered || note.time_ms < 0 {
            return Err(NoteError::Content);
        }
        self.check(id, expect)?;
        if *expect == Expect::New && self.ids()?.len() >= MOST_NOTES {
            return Err(NoteError::Full);
        }
        let bytes = serde_json::to_vec(&note).map_err(|e| NoteError::Write(e.into()))?;
        fs::create_dir_all(&self.dir).map_err(NoteError::Write)?;
        let draft = self.dir.join(format!(".{id}.draft"));
        fs::write(&draft, bytes).map_err(NoteError::Write)?;
        fs::rename(&draft, &path).map_err(NoteError::Write)?;
        Ok(Kept {
            id: id.to_owned(),
            version: version(&note),
            note,
        })
    }

    /// Takes a note away.
    pub(crate) fn delete(&self, id: &str, version: &str) -> Result<(), NoteError> {
        self.check(id, &Expect::Version(version.to_owned()))?;
        fs::remove_file(self.path(id)?).map_err(NoteError::Write)
    }

    fn check(&self, id: &str, expect: &Expect) -> Result<(), NoteError> {
        match (self.read(id)?, expect) {
            (None, Expect::New) => Ok(()),
            (None, Expect::Version(_)) => Err(NoteError::Missing),
            (Some(_), Expect::New) => Err(NoteError::Changed),
            (Some(kept), Expect::Version(version)) if kept.version == *version => Ok(()),
            (Some(_), Expect::Version(_)) => Err(NoteError::Changed),
        }
    }

    fn ids(&self) -> Result<Vec<String>, NoteError> {
        let entries = match fs::read_dir(&self.dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(NoteError::Read(error)),
        };
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        Ok(names
            .filter_map(|name| name.strip_suffix(".json").map(str::to_owned))
            .filter(|id| is_id(id))
            .take(MOST_NOTES)
            .collect())
    }

    fn path(&self, id: &str) -> Result<PathBuf, NoteError> {
        if !is_id(id) {
            return Err(NoteError::Id);
        }
        Ok(self.dir.join(format!("{id}.json")))
    }
}

/// Pins a new note to a time, or a stretch of time, of a data directory (milliseconds UTC), as a
/// viewer over it would at `PUT /api/v1/notes/ID`.
///
/// # Errors
/// The note is none, there is one of that id, or it cannot be written.
pub fn pin(
    data_dir: &Path,
    id: &str,
    (time_ms, end_ms): (i64, Option<i64>),
    text: &str,
) -> io::Result<()> {
    let note = Note {
        time_ms,
        end_ms,
        series: None,
        text: text.to_owned(),
    };
    let notes = Notes::new(DataDir::new(data_dir).notes());
    let written = notes.write(id, note, &Expect::New);
    written.map(|_| ()).map_err(io::Error::other)
}

/// Nothing that could leave the directory.
fn is_id(id: &str) -> bool {
    let plain = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
    (1..=40).contains(&id.len()) && id.bytes().all(plain)
}

fn version(note: &Note) -> String {
    let mut hash = DefaultHasher::new();
    (note.time_ms, note.end_ms, &note.series, &note.text).hash(&mut hash);
    format!("{:016x}", hash.finish())
}
