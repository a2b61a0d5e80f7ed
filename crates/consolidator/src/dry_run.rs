//! `--dry-run`: what a round would do, as lines; nothing is changed, and no lock is needed.

use crate::archive::Archive;
use crate::config::Settings;
use crate::round::{describe, moment, now_ms, plan_of};
use anyhow::Context;
use fgm_store::lock::recorder_is_running;
use fgm_store::retain::{self, Cause};
use fgm_store::{DataDir, merge};
use std::fmt::Write;

/// The plan, a line for each thing.
pub(crate) async fn plan(settings: &Settings) -> anyhow::Result<String> {
    let dir = DataDir::new(&settings.data_dir);
    // A directory that is not there would look like one with nothing to do.
    std::fs::read_dir(dir.root()).with_context(|| {
        format!(
            "cannot list {}: choose another --data-dir",
            dir.root().display()
        )
    })?;
    let mut text = String::new();
    let recorder_running = recorder_is_running(&dir)?;
    for hour in merge::due(&dir, now_ms(), settings.min_age, recorder_running)? {
        writeln!(text, "merge   {}", describe(&hour))?;
    }
    let inventory = retain::take_stock(&dir)?;
    let mut archive = settings.archive.as_ref().map(Archive::open).transpose()?;
    if let Some(archive) = &mut archive {
        for file in archive.missing(&dir, &inventory).await? {
            let name = file.path.strip_prefix(dir.root()).unwrap_or(&file.path);
            writeln!(
                text,
                "upload  {} to {}, {} bytes",
                name.display(),
                archive.url(),
                file.bytes
            )?;
        }
    }
    let policy = settings.retention.policy(&dir)?;
    let plan = plan_of(&dir, &policy, &inventory, archive.as_ref())?;
    for (unit, cause, files) in &plan.deletions {
        let why = match cause {
            Cause::Age => "older than --retain-age",
            Cause::Size => "more than --retain-size",
            Cause::FreeDisk => "less free than --min-free-disk",
            Cause::Lost => "less free than --min-free-disk, and not archived: lost",
        };
        let bytes: u64 = files.iter().map(|file| file.bytes).sum();
        writeln!(
            text,
            "delete  {} of {} by {}, {bytes} bytes: {why}",
            unit.table,
            moment(unit.hour_ms),
            unit.pod.trim_start_matches("pod=")
        )?;
    }
    for unit in &plan.waiting {
        writeln!(
            text,
            "keep    {} of {} by {}: waits for its upload",
            unit.table,
            moment(unit.hour_ms),
            unit.pod.trim_start_matches("pod=")
        )?;
    }
    if text.is_empty() {
        text.push_str("nothing is due\n");
    }
    Ok(text)
}
