//! What has to happen to a partition of the archive: pure, by the set rule.

use fgm_store::set_rule::{Level, Member, superseded};

/// A file as both sides see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Item {
    /// The name of the file.
    pub(super) name: String,
    /// Its size.
    pub(super) bytes: u64,
    /// What its footer says; `None` where it cannot be read: it then supersedes nothing.
    pub(super) member: Option<Member>,
}

impl Item {
    /// Whether it is worth an upload: a merged hour, or a file of another origin, which is
    /// never merged. A segment is still to become part of an hour.
    pub(super) fn is_finished(&self) -> bool {
        self.member
            .as_ref()
            .is_some_and(|member| member.level == Level::Hour || member.spools.is_empty())
    }
}

/// For each local file whether the archive holds all its rows.
pub(super) fn held(locals: &[Item], remotes: &[Item]) -> Vec<bool> {
    let members: Vec<_> = remotes
        .iter()
        .filter_map(|remote| remote.member.clone())
        .collect();
    locals
        .iter()
        .map(|local| {
            let Some(member) = &local.member else {
                return false;
            };
            // Names are unique, so the same name and size is the same file.
            remotes.contains(local) || {
                let mut all = members.clone();
                all.push(member.clone());
                superseded(&all).last().copied().unwrap_or(false)
            }
        })
        .collect()
}

/// Which local files have to be uploaded, oldest first.
pub(super) fn uploads(locals: &[Item], remotes: &[Item]) -> Vec<usize> {
    let members: Vec<_> = locals
        .iter()
        .filter_map(|local| local.member.clone())
        .collect();
    let mut gone = superseded(&members).into_iter();
    let held = held(locals, remotes);
    let mut uploads = Vec::new();
    for (index, (local, held)) in locals.iter().zip(held).enumerate() {
        let gone = local.member.is_some() && gone.next().unwrap_or(false);
        if local.is_finished() && !gone && !held {
            uploads.push(index);
        }
    }
    uploads.sort_by(|a, b| {
        locals
            .get(*a)
            .map(|l| &l.name)
            .cmp(&locals.get(*b).map(|l| &l.name))
    });
    uploads
}

/// Which remote objects hold nothing that another one does not hold.
pub(super) fn removals(remotes: &[Item]) -> Vec<usize> {
    let (indices, members): (Vec<_>, Vec<_>) = remotes
        .iter()
        .enumerate()
        .filter_map(|(index, remote)| Some((index, remote.member.clone()?)))
        .unzip();
    let gone = superseded(&members);
    indices
        .into_iter()
        .zip(gone)
        .filter_map(|(index, gone)| gone.then_some(index))
        .collect()
}

#[cfg(test)]
mod tests;
