//! Which instances are asked for, and their place in the answer.

use std::collections::HashMap;

/// An instance as the files name it: `container_id` and `life`.
pub(super) type Key = (String, String);

/// Finds an instance's place without making strings.
#[derive(Debug, Default)]
pub(super) struct Index {
    lives: HashMap<String, Vec<(String, usize)>>,
    count: usize,
}

impl Index {
    /// The place of the instance, if it is in.
    pub(super) fn get(&self, container_id: &str, life: &str) -> Option<usize> {
        let lives = self.lives.get(container_id)?;
        lives
            .iter()
            .find(|(known, _)| known == life)
            .map(|(_, place)| *place)
    }

    /// The place of the instance, a new one if it is not in.
    pub(super) fn insert(&mut self, container_id: &str, life: &str) -> usize {
        if let Some(place) = self.get(container_id, life) {
            return place;
        }
        let place = self.count;
        self.count += 1;
        let lives = self.lives.entry(container_id.to_owned()).or_default();
        lives.push((life.to_owned(), place));
        place
    }

    /// How many are in.
    pub(super) fn len(&self) -> usize {
        self.count
    }
}
