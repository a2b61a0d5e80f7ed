//! Bringing one file there: written in parts, read back, compared, only then counted.

use super::ArchiveError;
use super::target::Target;
use object_store::path::Path as Location;
use object_store::{ObjectStoreExt, PutPayload, WriteMultipart};
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// The size of a part; S3 takes none below 5 MiB but the last.
const PART_BYTES: usize = 5 << 20;
/// Parts on their way at a time.
const PARTS_AT_ONCE: usize = 2;

/// Uploads a file to its place below the archive, and returns its size.
pub(super) async fn upload(
    target: &Target,
    file: &Path,
    relative: &str,
) -> Result<u64, ArchiveError> {
    let location = target.location(relative)?;
    let first = if target.staged {
        target.staging(relative)?
    } else {
        location.clone()
    };
    let written = write(target, file, &first).await?;
    compare(target, file, &first).await?;
    if target.staged {
        target
            .store
            .rename(&first, &location)
            .await
            .map_err(ArchiveError::store("publish", &location))?;
    }
    Ok(written)
}

async fn write(target: &Target, path: &Path, location: &Location) -> Result<u64, ArchiveError> {
    let failed = ArchiveError::store("upload", location);
    let mut file = File::open(path).map_err(ArchiveError::local("open", path))?;
    let mut part = read_part(&mut file, path)?;
    let mut written = part.len() as u64;
    if part.len() < PART_BYTES {
        let payload = PutPayload::from(part);
        target.store.put(location, payload).await.map_err(failed)?;
        return Ok(written);
    }
    let upload = match target.store.put_multipart(location).await {
        Ok(upload) => upload,
        Err(error) => return Err(failed(error)),
    };
    let mut upload = WriteMultipart::new_with_chunk_size(upload, PART_BYTES);
    loop {
        if let Err(error) = upload.wait_for_capacity(PARTS_AT_ONCE).await {
            let _ = upload.abort().await;
            return Err(failed(error));
        }
        upload.put(part.into());
        part = match read_part(&mut file, path) {
            Ok(part) if part.is_empty() => break,
            Ok(part) => part,
            Err(error) => {
                // What was sent of it is paid for until it is given up.
                let _ = upload.abort().await;
                return Err(error);
            }
        };
        written += part.len() as u64;
    }
    upload.finish().await.map_err(failed)?;
    Ok(written)
}

/// The next part; shorter at the end, empty after it.
fn read_part(file: &mut File, path: &Path) -> Result<Vec<u8>, ArchiveError> {
    let mut part = Vec::new();
    file.take(PART_BYTES as u64)
        .read_to_end(&mut part)
        .map_err(ArchiveError::local("read", path))?;
    Ok(part)
}

/// Reads an object back and compares each byte.
async fn compare(target: &Target, path: &Path, location: &Location) -> Result<(), ArchiveError> {
    let differs = || ArchiveError::Differs(location.to_string());
    let mut file = File::open(path).map_err(ArchiveError::local("open", path))?;
    let object = target
        .store
        .head(location)
        .await
        .map_err(ArchiveError::store("ask for", location))?;
    let mut at = 0;
    loop {
        let part = read_part(&mut file, path)?;
        if part.is_empty() {
            return if at == object.size {
                Ok(())
            } else {
                Err(differs())
            };
        }
        let end = at + part.len() as u64;
        if end > object.size {
            return Err(differs());
        }
        // In parts, so that a slow link is no time-out.
        let back = target
            .store
            .get_range(location, at..end)
            .await
            .map_err(ArchiveError::store("read back", location))?;
        if back != part {
            return Err(differs());
        }
        at = end;
    }
}
