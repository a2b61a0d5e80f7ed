//! What only an hour's file and its roll-ups say.

use super::{json, key, number, ulids};
use std::collections::HashMap;
use ulid::Ulid;

/// What the consolidator notes in an hour's file and in roll-ups, so that it knows when to make
/// them again.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct HourNotes {
    /// Instances (`container_id`, `life`) whose names were not known yet.
    pub unnamed: Vec<(String, String)>,
    /// The spools of the hour before that a roll-up's first rates were made from.
    pub previous_spools: Vec<Ulid>,
    /// The generation of the hour's file that a roll-up was made from.
    pub source_generation: u64,
}

impl HourNotes {
    /// The keys of what there is to say.
    pub(super) fn to_pairs(&self) -> Result<Vec<(String, String)>, serde_json::Error> {
        let mut pairs = Vec::new();
        if !self.unnamed.is_empty() {
            pairs.push((key::UNNAMED.into(), serde_json::to_string(&self.unnamed)?));
        }
        if !self.previous_spools.is_empty() {
            let spools: Vec<_> = self.previous_spools.iter().map(Ulid::to_string).collect();
            pairs.push((key::PREVIOUS_SPOOLS.into(), serde_json::to_string(&spools)?));
        }
        if self.source_generation > 0 {
            let generation = self.source_generation.to_string();
            pairs.push((key::SOURCE_GENERATION.into(), generation));
        }
        Ok(pairs)
    }

    /// Reads the keys that are there.
    pub(super) fn from_pairs(pairs: &HashMap<&str, &str>) -> Result<Self, String> {
        let text = |key: &str| pairs.get(key).copied();
        Ok(Self {
            unnamed: text(key::UNNAMED).map_or(Ok(Vec::new()), |text| json(text, key::UNNAMED))?,
            previous_spools: text(key::PREVIOUS_SPOOLS)
                .map_or(Ok(Vec::new()), |text| ulids(text, key::PREVIOUS_SPOOLS))?,
            source_generation: match text(key::SOURCE_GENERATION) {
                Some(_) => number(pairs, key::SOURCE_GENERATION)?,
                None => 0,
            },
        })
    }
}
