//! Somebody with fewer rights than root, for a program that refuses to be root.

use anyhow::Context;
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;

/// Owns nothing on any system.
const NOBODY: &str = "nobody";

/// A user by its numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

impl User {
    /// Somebody else where this process is root; else there is no need.
    ///
    /// # Errors
    /// The system has nobody.
    pub(crate) fn if_root() -> anyhow::Result<Option<Self>> {
        if !rustix::process::geteuid().is_root() {
            return Ok(None);
        }
        let users = fs::read_to_string("/etc/passwd").context("cannot read /etc/passwd")?;
        let nobody = users.lines().find_map(entry);
        nobody
            .with_context(|| format!("/etc/passwd has no user {NOBODY}: run this as not root"))
            .map(Some)
    }

    /// Gives it a directory, which nobody else may look into.
    ///
    /// # Errors
    /// With the directory.
    pub(crate) fn give(self, folder: &Path) -> anyhow::Result<()> {
        let given = chown(folder, Some(self.uid), Some(self.gid))
            .and_then(|()| fs::set_permissions(folder, fs::Permissions::from_mode(0o700)));
        given.with_context(|| format!("cannot give {} to {NOBODY}", folder.display()))
    }
}

fn entry(line: &str) -> Option<User> {
    let mut fields = line.split(':');
    let name = fields.next()?;
    let (uid, gid) = (fields.nth(1)?, fields.next()?);
    (name == NOBODY).then_some(User {
        uid: uid.parse().ok()?,
        gid: gid.parse().ok()?,
    })
}

/// Whether everybody may pass through that directory and those above it.
pub(crate) fn all_may_pass(folder: &Path) -> bool {
    folder.ancestors().all(|one| {
        let mode = fs::metadata(one).map(|about| about.permissions().mode());
        mode.is_ok_and(|mode| mode & 0o001 != 0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_found_by_name() {
        let nobody = "nobody:x:65534:65533:nobody:/nonexistent:/usr/sbin/nologin";
        assert_eq!(
            entry(nobody),
            Some(User {
                uid: 65534,
                gid: 65533
            })
        );
        for other in [
            "root:x:0:0:root:/root:/bin/bash",
            "nobody2:x:1:1::/:",
            "nobody:x",
            "",
        ] {
            assert_eq!(entry(other), None, "{other}");
        }
    }

    #[test]
    fn a_private_directory_stops_others() {
        let folder = tempfile::tempdir().expect("temporary directory");
        let private = fs::Permissions::from_mode(0o700);
        fs::set_permissions(folder.path(), private).expect("its own");
        let below = folder.path().join("below");
        fs::create_dir(&below).expect("a directory");
        assert!(!all_may_pass(&below));
        let open = fs::Permissions::from_mode(0o755);
        fs::set_permissions(folder.path(), open).expect("everybody's");
        // What lies above may be anything.
        let above = folder.path().parent().expect("a directory above");
        assert_eq!(all_may_pass(&below), all_may_pass(above));
    }
}
