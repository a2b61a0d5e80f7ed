//! Instances as small numbers, so that files, streams and questions compare them without text.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

/// An instance: the number of a `container_id` and `life`.
pub(super) type Life = u32;

/// Every instance met so far.
#[derive(Debug, Default)]
pub(super) struct Lives(RwLock<Numbers>);

#[derive(Debug, Default)]
struct Numbers {
    of: HashMap<Box<str>, Vec<(Box<str>, Life)>>,
    count: Life,
}

impl Numbers {
    fn get(&self, container_id: &str, life: &str) -> Option<Life> {
        let lives = self.of.get(container_id)?;
        let known = lives.iter().find(|(known, _)| **known == *life);
        known.map(|(_, number)| *number)
    }
}

impl Lives {
    /// The number of an instance, a new one if it was never met.
    pub(super) fn number(&self, container_id: &str, life: &str) -> Life {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(number) = known.get(container_id, life) {
            return number;
        }
        drop(known);
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(number) = known.get(container_id, life) {
            return number;
        }
        let number = known.count;
        // A memory is let go of long before it has met four thousand million.
        known.count = known.count.saturating_add(1);
        let lives = known.of.entry(container_id.into()).or_default();
        lives.push((life.into(), number));
        number
    }

    /// How many were met: each number is below.
    pub(super) fn len(&self) -> usize {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        known.count as usize
    }
}

/// Which place in an answer each instance has.
#[derive(Debug)]
pub(super) struct Places(Vec<u32>);

impl Places {
    const NONE: u32 = u32::MAX;

    /// The places of these instances: their positions in the list.
    pub(super) fn of(lives: &[Life]) -> Self {
        let most = lives.iter().max().map_or(0, |life| *life as usize + 1);
        let mut places = vec![Self::NONE; most];
        for (life, place) in lives.iter().zip(0..) {
            if let Some(slot) = places.get_mut(*life as usize) {
                *slot = place;
            }
        }
        Self(places)
    }

    /// The place of an instance that is asked for.
    pub(super) fn get(&self, life: Life) -> Option<usize> {
        let place = self.0.get(life as usize)?;
        (*place != Self::NONE).then_some(*place as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_keeps_its_number() {
        let lives = Lives::default();
        let numbers = [("c1", "l1"), ("c1", "l2"), ("c2", "l1"), ("c1", "l1")]
            .map(|(id, life)| lives.number(id, life));
        assert_eq!(numbers, [0, 1, 2, 0]);
        assert_eq!(lives.len(), 3);
    }

    #[test]
    fn only_who_is_asked_for_has_a_place() {
        let places = Places::of(&[7, 2]);
        assert_eq!(
            [7, 2, 0, 9].map(|life| places.get(life)),
            [Some(0), Some(1), None, None]
        );
        assert_eq!(Places::of(&[]).get(0), None);
    }
}
