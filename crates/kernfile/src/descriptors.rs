//! The cap on kept descriptors.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many descriptors may be kept, and how many are.
///
/// Clones share one count.
#[derive(Debug, Clone)]
pub struct Descriptors {
    most: usize,
    kept: Arc<AtomicUsize>,
}

impl Descriptors {
    /// Allows `most` kept descriptors.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self {
            most,
            kept: Arc::default(),
        }
    }

    /// How many are kept now.
    #[must_use]
    pub fn kept(&self) -> usize {
        self.kept.load(Ordering::Relaxed)
    }

    /// The cap.
    #[must_use]
    pub const fn most(&self) -> usize {
        self.most
    }

    /// A place for one more, unless the cap is reached.
    pub(crate) fn take(&self) -> Option<Place> {
        self.kept
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |kept| {
                (kept < self.most).then_some(kept + 1)
            })
            .ok()
            .map(|_| Place(Arc::clone(&self.kept)))
    }
}

/// The right to keep one descriptor; given back when dropped.
#[derive(Debug)]
pub(crate) struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cap_holds_and_places_come_back() {
        let descriptors = Descriptors::new(2);
        let first = descriptors.take();
        let second = descriptors.clone().take();
        assert!(first.is_some() && second.is_some());
        assert!(descriptors.take().is_none());
        drop(first);
        assert_eq!(descriptors.kept(), 1);
        assert!(descriptors.take().is_some());
    }
}
