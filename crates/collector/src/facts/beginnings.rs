//! Beginnings, restarts and ends: `started`, `restarted`, `ended`.

use super::detail::{Ended, Restarted, Started};
use super::group::Group;
use super::told::Known;
use crate::events::EventMaker;
use fgm_model::{Event, EventKind};
use std::collections::HashMap;

/// Tells what is new of them in the group.
pub(super) fn tell(group: &mut Group, maker: &EventMaker, events: &mut Vec<Event>) {
    let mut latest: HashMap<String, usize> = HashMap::new();
    for place in 0..group.lives.len() {
        let life = &group.lives[place];
        if life.held {
            continue;
        }
        // The same name in the same pod, or the same container again, is the same series.
        let name = life.instance.container_name.clone();
        let keys = [Some(format!("id {}", life.instance.container_id)), name];
        let previous = keys
            .into_iter()
            .flatten()
            .filter_map(|key| latest.insert(key, place))
            .max()
            .map(|previous| &group.lives[previous]);
        let restarted = previous
            .filter(|previous| life.dirty || previous.dirty)
            .map(|previous| Restarted {
                previous_container_id: previous.instance.container_id.clone(),
                previous_life: previous.instance.life.clone(),
                restart_count: life.instance.restart_count,
                previous: previous.termination(),
            });
        let life = &mut group.lives[place];
        if !life.dirty && restarted.is_none() {
            continue;
        }
        let began_ms = life.began_ms;
        let instance = &life.instance;
        if life.tells_start || life.log.started.is_some() {
            Known {
                kind: EventKind::Started,
                instance,
                ordinal: began_ms,
                time_ms: began_ms,
                detail: &Started { born: life.born },
            }
            .tell(&mut life.log.started, maker, events);
        }
        if let Some(restarted) = restarted
            && (life.tells_start || life.log.restarted.is_some())
        {
            Known {
                kind: EventKind::Restarted,
                instance,
                ordinal: began_ms,
                time_ms: began_ms,
                detail: &restarted,
            }
            .tell(&mut life.log.restarted, maker, events);
        }
        if let Some(gone) = life.gone.filter(|gone| gone.ended) {
            let detail = Ended {
                away: gone.away,
                how: life.termination(),
            };
            Known {
                kind: EventKind::Ended,
                instance,
                ordinal: gone.time_ms,
                time_ms: gone.time_ms,
                detail: &detail,
            }
            .tell(&mut life.log.ended, maker, events);
        }
    }
}
