//! How often the kernel refused, by errno: a self-metric, and the sign by which an operator sees
//! that a security module or a missing capability hides processes.

use rustix::io::Errno;

/// No kernel gives our reads more kinds of refusal than this; further kinds count as the last.
const KINDS: usize = 16;

/// Counts of refused reads by errno. A fixed array, so that counting allocates nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Refusals {
    kinds: [Option<(Errno, u64)>; KINDS],
    unparsable: u64,
}

impl Refusals {
    /// Counts one refusal.
    pub fn count(&mut self, errno: Errno) {
        for (place, kind) in self.kinds.iter_mut().enumerate() {
            match kind {
                Some((known, count)) if *known == errno || place == KINDS - 1 => {
                    *count += 1;
                    return;
                }
                Some(_) => {}
                None => {
                    *kind = Some((errno, 1));
                    return;
                }
            }
        }
    }

    /// Counts a file that was read but is not what the kernel's documentation says.
    pub const fn count_unparsable(&mut self) {
        self.unparsable = self.unparsable.saturating_add(1);
    }

    /// How many files were read that are not what the kernel's documentation says.
    #[must_use]
    pub const fn unparsable(&self) -> u64 {
        self.unparsable
    }

    /// Each errno seen and how often, in order of first sight.
    pub fn iter(&self) -> impl Iterator<Item = (Errno, u64)> + '_ {
        self.kinds.iter().flatten().copied()
    }

    /// How many reads were refused in all.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.iter().map(|(_, count)| count).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_errno_has_its_count() {
        let mut refusals = Refusals::default();
        for errno in [Errno::ACCESS, Errno::PERM, Errno::ACCESS] {
            refusals.count(errno);
        }
        let counts: Vec<_> = refusals.iter().collect();
        assert_eq!(counts, [(Errno::ACCESS, 2), (Errno::PERM, 1)]);
    }

    #[test]
    fn nothing_is_lost_beyond_the_last_kind() {
        let mut refusals = Refusals::default();
        for code in 1..=40 {
            refusals.count(Errno::from_raw_os_error(code));
        }
        assert_eq!(refusals.iter().count(), KINDS);
        assert_eq!(refusals.total(), 40);
    }
}
