//! One look at an hour, and what is missing there: merge, roll-ups, removal.

use super::hour::{Merge, Written};
use super::left_over;
use super::names::Names;
use super::needs::decide;
use super::state::{Hour, State, spools_of};
use super::{HourReport, Made, unlink};
use crate::StoreError;
use crate::footer::{Footer, HourNotes};
use crate::layout::{DataDir, FileName, Role, make_directory, remove_file};
use crate::listing::FileInfo;
use crate::rollup::{self, RollUps};
use crate::set_rule::Level;
use crate::table_file::verify::verify;
use crate::table_file::{Finished, Step, Watch};
use fgm_model::Resolution;
use std::path::{Path, PathBuf};
use ulid::Ulid;

/// One look at an hour and what it needs.
pub(super) struct Consolidation<'a> {
    pub(super) dir: &'a DataDir,
    pub(super) hour: &'a Hour,
    pub(super) stop: &'a dyn Fn() -> bool,
}

impl Consolidation<'_> {
    /// Does what is missing, step by step.
    pub(super) fn run(&self, report: &mut HourReport, watch: Watch<'_>) -> Result<(), StoreError> {
        let sealed = left_over::seal(self.dir, self.hour, watch)?;
        report.sealed.extend(sealed);
        let mut state = self.look()?;
        let names = self.arrived_names(&state)?;
        let needs = decide(&state, names.tell_any());
        if needs.merge {
            self.merge(&state, &names, report, watch)?;
            state = self.look()?;
        }
        if !needs.roll_ups.is_empty() {
            self.roll_up(&state, &needs.roll_ups, report, watch)?;
            state = self.look()?;
        }
        report.unlinked += unlink(&state, watch)?;
        Ok(())
    }

    /// What lies there. A file that cannot be read now, but perhaps later, ends it: what is made
    /// without its rows would have to be made again.
    fn look(&self) -> Result<State, StoreError> {
        let mut state = State::look(self.dir, self.hour)?;
        let roll_ups = state.roll_ups.iter_mut().map(|(_, shelf)| shelf);
        for shelf in std::iter::once(&mut state.raw).chain(roll_ups) {
            for (path, error) in shelf.broken.drain(..) {
                match error {
                    StoreError::NewerFormat { .. } => {
                        tracing::debug!(file = %path.display(), %error, "left a file in place");
                    }
                    other => return Err(other),
                }
            }
        }
        Ok(state)
    }

    /// Names that the hour's file lacks and that are known by now.
    fn arrived_names(&self, state: &State) -> Result<Names, StoreError> {
        let unnamed = match state.raw.hour_file() {
            Some(file) => file.footer.hour.unnamed.as_slice(),
            None => &[],
        };
        Names::gather(self.dir, self.hour, unnamed)
    }

    fn merge(
        &self,
        state: &State,
        names: &Names,
        report: &mut HourReport,
        watch: Watch<'_>,
    ) -> Result<(), StoreError> {
        let sources = &state.raw.live;
        let generation = state.raw.next_generation();
        let tmp = self.tmp(Resolution::Raw)?;
        let result = self.merge_at(&tmp, sources, generation, names, watch);
        if result.is_err() {
            // What is left is removed at the next start at the latest.
            let _ = remove_file(&tmp);
        }
        let (made, written) = result?;
        tracing::info!(
            file = %made.path.display(),
            sources = sources.len(),
            rows = made.rows,
            bytes = made.bytes,
            "merged an hour"
        );
        report.merged = Some(made);
        report.sources = sources.len();
        report.source_bytes = sources.iter().map(|file| file.bytes).sum();
        report.duplicates = written.order.duplicates;
        report.unnamed = written.unnamed.len();
        Ok(())
    }

    fn merge_at(
        &self,
        tmp: &Path,
        sources: &[FileInfo],
        generation: u64,
        names: &Names,
        watch: Watch<'_>,
    ) -> Result<(Made, Written), StoreError> {
        let mut spools: Vec<Ulid> = sources.iter().flat_map(spools_of).collect();
        spools.sort_unstable();
        spools.dedup();
        let footer = Footer {
            // The latest recording speaks for all: an interval may change within an hour.
            origin: sources
                .iter()
                .rev()
                .find_map(|file| file.footer.origin.clone()),
            level: Level::Hour,
            generation,
            spools,
            ..Footer::default()
        };
        let paths: Vec<PathBuf> = sources.iter().map(|file| file.path.clone()).collect();
        let merge = |names: &Names| {
            let merge = Merge {
                table: self.hour.table,
                names,
                stop: self.stop,
            };
            merge.write(&paths, tmp, &footer)
        };
        let mut written = merge(names)?;
        // Who lacks a name is known only now; as a rule nobody does.
        let names = Names::gather(self.dir, self.hour, &written.unnamed)?;
        if names.tell_any() {
            written = merge(&names)?;
        }
        watch(Step::Written)?;
        let bytes = verify(tmp, written.order.rows, &written.checksums)?;
        watch(Step::Verified)?;
        let path = self.publish(tmp, Resolution::Raw, written.order.span_ms, watch)?;
        let made = Made {
            path,
            resolution: Resolution::Raw,
            rows: written.order.rows as u64,
            bytes,
            generation,
        };
        Ok((made, written))
    }

    fn roll_up(
        &self,
        state: &State,
        resolutions: &[Resolution],
        report: &mut HourReport,
        watch: Watch<'_>,
    ) -> Result<(), StoreError> {
        let Some(source) = state.raw.hour_file() else {
            return Ok(());
        };
        let before = State::raw_of(self.dir, &self.hour.before())?;
        let outputs = state
            .roll_ups
            .iter()
            .filter(|(resolution, _)| resolutions.contains(resolution))
            .map(|(resolution, shelf)| {
                let footer = Footer {
                    origin: source.footer.origin.clone(),
                    level: Level::Hour,
                    generation: shelf.next_generation(),
                    spools: source.footer.spools.clone(),
                    instances: Vec::new(),
                    hour: HourNotes {
                        unnamed: Vec::new(),
                        previous_spools: state.previous.iter().copied().collect(),
                        source_generation: source.footer.generation,
                    },
                };
                Ok(rollup::Output {
                    resolution: *resolution,
                    tmp: self.tmp(*resolution)?,
                    footer,
                })
            })
            .collect::<Result<Vec<_>, StoreError>>()?;
        let result = RollUps {
            table: self.hour.table,
            source,
            before: &before,
            stop: self.stop,
        }
        .write(&outputs)
        .and_then(|written| self.publish_roll_ups(&outputs, &written, report, watch));
        if result.is_err() {
            for output in &outputs {
                // What is left is removed at the next start at the latest.
                let _ = remove_file(&output.tmp);
            }
        }
        result
    }

    fn publish_roll_ups(
        &self,
        outputs: &[rollup::Output],
        written: &[rollup::Written],
        report: &mut HourReport,
        watch: Watch<'_>,
    ) -> Result<(), StoreError> {
        for (output, written) in outputs.iter().zip(written) {
            watch(Step::Written)?;
            let bytes = verify(&output.tmp, written.rows, &written.checksums)?;
            watch(Step::Verified)?;
            let path = self.publish(&output.tmp, output.resolution, written.span_ms, watch)?;
            report.roll_ups.push(Made {
                path,
                resolution: output.resolution,
                rows: written.rows as u64,
                bytes,
                generation: output.footer.generation,
            });
        }
        Ok(())
    }

    fn publish(
        &self,
        tmp: &Path,
        resolution: Resolution,
        span_ms: Option<(i64, i64)>,
        watch: Watch<'_>,
    ) -> Result<PathBuf, StoreError> {
        // A file without a row still tells which spools it holds.
        let hour_ms = self.hour.hour_start_ms;
        let (start_ms, end_ms) = span_ms.unwrap_or((hour_ms, hour_ms));
        Finished {
            tmp,
            place: (self.hour.table, resolution),
            hour_ms,
            pod: &self.hour.pod(),
            name: FileName {
                start_ms,
                end_ms,
                ulid: Ulid::generate(),
            },
        }
        .publish(self.dir, watch)
    }

    /// Where a file is written before it has its name.
    fn tmp(&self, resolution: Resolution) -> Result<PathBuf, StoreError> {
        let directory = self.dir.tmp(Role::Consolidator);
        make_directory(&self.dir.root().join("_tmp"))?;
        make_directory(&directory)?;
        let table = resolution.directory(self.hour.table);
        Ok(directory.join(format!("{table}.parquet")))
    }
}
