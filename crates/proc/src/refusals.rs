//! How often the kernel refused a read, by errno: a self-metric, and the sign by which an
//! operator sees that a security module or a missing capability hides processes.

use rustix::io::Errno;

/// Counts of refused reads.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Refusals {
    by_errno: Vec<(i32, u64)>,
    unparsable: u64,
}

impl Refusals {
    /// The refusals so far as (errno, count), in the order of their first appearance.
    pub fn by_errno(&self) -> impl Iterator<Item = (i32, u64)> + '_ {
        self.by_errno.iter().copied()
    }

    /// How often a file was read but was not what this kernel's documentation says.
    #[must_use]
    pub const fn unparsable(&self) -> u64 {
        self.unparsable
    }

    pub(crate) fn count(&mut self, errno: Errno) {
        let errno = errno.raw_os_error();
        match self.by_errno.iter_mut().find(|(known, _)| *known == errno) {
            Some((_, count)) => *count = count.saturating_add(1),
            None => self.by_errno.push((errno, 1)),
        }
    }

    pub(crate) const fn count_unparsable(&mut self) {
        self.unparsable = self.unparsable.saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counted_by_errno() {
        let mut refusals = Refusals::default();
        for errno in [Errno::ACCESS, Errno::MFILE, Errno::ACCESS] {
            refusals.count(errno);
        }
        refusals.count_unparsable();
        let counts: Vec<_> = refusals.by_errno().collect();
        assert_eq!(counts, [(13, 2), (24, 1)]);
        assert_eq!(refusals.unparsable(), 1);
    }
}
