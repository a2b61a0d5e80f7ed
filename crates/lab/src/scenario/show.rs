//! What a person sees of runs: progress, verdict, sparkline, lists and logs.

use super::cluster::Cluster;
use super::dashboard::Dashboard;
use super::record::{Place, Record};
use super::{LOOK_EVERY, now_ms};
use crate::expect::recorded::Recorded;
use crate::expect::{Expectations, Outcome, Verdict, VerdictRow, clock, table};
use crate::terminal::{line, say};
use anyhow::Context;
use chrono::{DateTime, SecondsFormat, Utc};
use fgm_model::Signal;
use indicatif::{ProgressBar, ProgressStyle};
use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Characters of a sparkline, at most.
const MOST_WIDE: i64 = 60;
/// Sparklines of one run.
const MOST_LINES: usize = 8;

/// Tells what is seen of a run, as it is seen, until it is over or `done`.
pub(super) fn follow(
    record: &Record,
    expectations: &Expectations,
    recorded: &dyn Recorded,
    done: impl Fn() -> bool,
) -> anyhow::Result<()> {
    let end_ms = record.started_ms + record.duration_ms;
    let bar = ProgressBar::new(u64::try_from(record.duration_ms / 1000).unwrap_or(0));
    if let Ok(style) = ProgressStyle::with_template("{pos}/{len} s {wide_bar} {msg}") {
        bar.set_style(style);
    }
    let mut told: HashSet<String> = HashSet::new();
    let mut looked: Option<Instant> = None;
    while now_ms() < end_ms && !done() {
        std::thread::sleep(Duration::from_millis(100));
        if looked.is_some_and(|at| at.elapsed() < LOOK_EVERY) {
            continue;
        }
        looked = Some(Instant::now());
        let verdict = expectations.judge(&record.observed(recorded))?;
        let passed = (now_ms() - record.started_ms) / 1000;
        for row in news(&verdict, &mut told) {
            bar.suspend(|| line(&format!("{passed:>4} s  {}", in_words(row))));
        }
        let seen = verdict
            .rows
            .iter()
            .filter(|row| row.outcome == Outcome::Pass);
        bar.set_message(format!("{} of {} hold", seen.count(), verdict.rows.len()));
        bar.set_position(u64::try_from(passed).unwrap_or(0));
    }
    bar.finish_and_clear();
    Ok(())
}

/// Rows that a person should hear of now: what was expected is there, what is forbidden too.
fn news<'a>(
    verdict: &'a Verdict,
    told: &'a mut HashSet<String>,
) -> impl Iterator<Item = &'a VerdictRow> {
    let happened = |row: &&VerdictRow| (row.outcome == Outcome::Pass) != row.is_forbidden;
    verdict
        .rows
        .iter()
        .filter(happened)
        .filter(|row| row.is_final)
        .filter(|row| told.insert(row.id.clone()))
}

fn in_words(row: &VerdictRow) -> String {
    let what = if row.is_forbidden {
        "FORBIDDEN"
    } else {
        "seen"
    };
    format!("{what} {}: {} ({})", row.id, row.evidence, row.claim)
}

/// The verdict of a run, its key metric and where to look.
pub(super) fn verdict(
    record: &Record,
    verdict: &Verdict,
    dashboard: &Dashboard,
    recorded: &dyn Recorded,
) -> anyhow::Result<()> {
    let held = verdict
        .rows
        .iter()
        .filter(|row| row.outcome == Outcome::Pass)
        .count();
    let word = if verdict.passed() { "PASS" } else { "FAIL" };
    line("");
    line(table(verdict).trim_end());
    line("");
    sparklines(record, dashboard, recorded)?;
    let range = (record.started_ms, record.observed(recorded).end_ms);
    say(&format!(
        "look: {}",
        dashboard.link(&record.url, &record.namespace, range)
    ));
    say(&format!(
        "{word}: {held} of {} hold ({}, {} UTC)",
        verdict.rows.len(),
        record.run,
        rfc3339(record.started_ms)
    ));
    Ok(())
}

fn sparklines(
    record: &Record,
    dashboard: &Dashboard,
    recorded: &dyn Recorded,
) -> anyhow::Result<()> {
    let Some(signal) = Signal::from_id(dashboard.key_metric()) else {
        return Ok(());
    };
    let observed = record.observed(recorded);
    let range = (observed.start_ms, observed.end_ms);
    let all = recorded.samples(&[signal], range)?;
    for one in all.iter().take(MOST_LINES) {
        let (name, values) = (&one.who, one.values.first());
        let drawn =
            values.and_then(|values| sparkline(&one.times_ms, values, range, one.interval_ms));
        match drawn {
            Some((text, most)) => line(&format!(
                "{text}  {} of {name}, up to {most:.0} {}",
                signal.id(),
                signal.info().unit.as_str()
            )),
            None => line(&format!("{} of {name}: no data", signal.id())),
        }
    }
    Ok(())
}

/// The highest value of each part of the range as a bar of eighths, and the highest of all.
fn sparkline(
    times_ms: &[i64],
    values: &[f64],
    (start_ms, end_ms): (i64, i64),
    interval_ms: i64,
) -> Option<(String, f64)> {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let span = (end_ms - start_ms).max(1);
    // No more parts than ticks: each has a sample but where there is none.
    let width = (span / interval_ms.max(1)).clamp(1, MOST_WIDE);
    let mut highest = vec![f64::NAN; usize::try_from(width).unwrap_or(1)];
    for (time_ms, value) in times_ms.iter().zip(values) {
        // Ticks are on multiples of the interval, and the range begins anywhere.
        let place = ((time_ms - start_ms) * width / span).min(width - 1);
        if let Ok(place) = usize::try_from(place)
            && let Some(slot) = highest.get_mut(place)
        {
            *slot = slot.max(*value);
        }
    }
    let most = highest.iter().copied().fold(f64::NAN, f64::max);
    if most.is_nan() {
        return None;
    }
    let bar = |value: &f64| {
        if value.is_nan() {
            return ' ';
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "0 to 7"
        )]
        let place = if most > 0.0 {
            (value.max(0.0) / most * 7.0).round() as usize
        } else {
            0
        };
        BARS.get(place).copied().unwrap_or(' ')
    };
    Some((highest.iter().map(bar).collect(), most))
}

/// A line for each run.
pub(super) fn runs(records: &[Record]) {
    if records.is_empty() {
        say("no scenario was run yet: fgm-lab scenario run NAME --local");
    }
    for record in records {
        line(&format!(
            "{:<9} {:<32} {} {:>7}  {}",
            record.state(),
            record.run,
            rfc3339(record.started_ms),
            record.length(),
            record.place.name()
        ));
    }
}

/// All about one run.
pub(super) fn one(record: &Record) {
    line(&format!("run        {}", record.run));
    line(&format!("state      {}", record.state()));
    line(&format!("scenario   {}", record.scenario));
    line(&format!("context    {}", record.place.name()));
    line(&format!("started    {}", rfc3339(record.started_ms)));
    line(&format!("looked at  {}", record.length()));
    if let Some(ended_ms) = record.ended_ms {
        line(&format!("ended      {}", rfc3339(ended_ms)));
    }
    match &record.data_dir {
        Some(dir) => line(&format!("data       {}", dir.display())),
        None => line("data       with the viewers of its nodes"),
    }
    let mut pods: Vec<_> = record.pods.iter().collect();
    pods.sort_by_key(|(_, name)| *name);
    for (uid, name) in pods {
        line(&format!("pod        {name} ({uid})"));
        if record.is_running() {
            containers(record, uid, name);
        }
    }
    for note in &record.notes {
        line(&format!("note       {note}"));
    }
    match &record.verdict {
        Some(verdict) => line(&format!("\n{}", table(verdict).trim_end())),
        None if record.state() == "crashed" => {
            line(&format!(
                "\nits process is gone: fgm-lab scenario stop {}",
                record.run
            ));
        }
        None => {}
    }
}

/// The containers of a running pod, by its object.
fn containers(record: &Record, uid: &str, name: &str) {
    let pod = match record.pod(uid, name) {
        Ok(Some(pod)) => pod,
        Ok(None) => return,
        Err(error) => return line(&format!("  unknown: {error:#}")),
    };
    let statuses = pod["status"]["containerStatuses"].as_array();
    for status in statuses.into_iter().flatten() {
        let state = status["state"]
            .as_object()
            .and_then(|state| state.iter().next());
        let reason = state.and_then(|(_, detail)| detail["reason"].as_str());
        line(&format!(
            "  {:<20} {} {}, {} restarts",
            status["name"].as_str().unwrap_or("?"),
            state.map_or("?", |(word, _)| word.as_str()),
            reason.unwrap_or_default(),
            status["restartCount"]
        ));
    }
}

/// What the containers wrote, each line after its container's name.
pub(super) fn logs(record: &Record, follow: bool) -> anyhow::Result<()> {
    if let Place::Cluster {
        kubeconfig,
        context,
    } = &record.place
    {
        let of_cluster = Cluster::of(kubeconfig.as_ref(), context.as_ref())?;
        let over = || !record.is_running() || has_ended(record);
        of_cluster.logs(record, follow, over, |name, text| {
            line(&format!("{name} | {text}"));
        })?;
        return Ok(());
    }
    let folder = record.folder()?.join("logs");
    let mut read: HashMap<PathBuf, u64> = HashMap::new();
    loop {
        let over = !record.is_running();
        let mut files: Vec<_> = fs::read_dir(&folder)
            .with_context(|| format!("cannot list {}", folder.display()))?
            .filter_map(|entry| Some(entry.ok()?.path()))
            .collect();
        files.sort();
        for path in files {
            let from = read.entry(path.clone()).or_default();
            let stem = path.file_stem().and_then(|stem| stem.to_str());
            let name = stem.unwrap_or("?").replacen('_', "/", 1);
            let mut text = Vec::new();
            let mut file = File::open(&path)?;
            file.seek(SeekFrom::Start(*from))?;
            file.read_to_end(&mut text)?;
            // A line that is still being written comes with the next look.
            let end = text
                .iter()
                .rposition(|byte| *byte == b'\n')
                .map_or(0, |at| at + 1);
            let whole = if over { text.len() } else { end };
            let lines = text.get(..whole).unwrap_or_default();
            for one in String::from_utf8_lossy(lines).lines() {
                line(&format!("{name} | {one}"));
            }
            *from += whole as u64;
        }
        if !follow || over || has_ended(record) {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// Whether it was ended since it was looked up.
fn has_ended(record: &Record) -> bool {
    Record::find(Some(&record.run)).is_ok_and(|now| now.ended_ms.is_some())
}

fn rfc3339(time_ms: i64) -> String {
    let time = DateTime::<Utc>::from_timestamp_millis(time_ms);
    time.map_or_else(
        || clock(time_ms),
        |time| time.to_rfc3339_opts(SecondsFormat::Secs, true),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spike_of_one_sample_stands_in_a_sparkline() {
        let times: Vec<i64> = (0..600).map(|n| n * 1000).collect();
        let mut values = vec![1.0; 600];
        values[317] = 80.0;
        values[100] = f64::NAN;
        let (text, most) = sparkline(&times, &values, (0, 600_000), 1000).expect("data");
        assert_eq!(most, 80.0);
        assert_eq!(text.chars().count(), 60);
        assert_eq!(text.chars().position(|bar| bar == '█'), Some(31));
        assert_eq!(text.chars().filter(|bar| *bar == '▁').count(), 59);
        assert!(sparkline(&times, &[f64::NAN; 600], (0, 600_000), 1000).is_none());
    }
}
