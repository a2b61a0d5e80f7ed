//! `generate-bench-data`: a data directory as `fgm` and `fgm-consolidator` leave it, with what is
//! really true of it beside the data (`truth.json`).

mod place;
mod record;
#[cfg(test)]
mod shapes;

use anyhow::{Context, bail, ensure};
use clap::Parser;
use clap::builder::PossibleValuesParser;
use clap::builder::TypedValueParser;
use fgm_store::layout::{HOUR_MS, hour_of};
use fgm_testkit::generator::{Scenario, Settings};
use indicatif::{ProgressBar, ProgressStyle};
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

const MOST: Duration = Duration::from_secs(7 * 24 * 3600);

/// Generate a recording with known truth: realistic, seeded, written through the real writer.
///
/// The same scenario, seed, containers, duration, interval and end give the same rows. What is
/// true of them (spikes off the grid, periods, leaks, throttling, OOM kills, restarts, gaps) is
/// written beside them as truth.json.
#[derive(Debug, Parser)]
#[command(name = "generate-bench-data", version, max_term_width = 100)]
pub struct GenerateBenchData {
    /// What runs on the node
    #[arg(long, value_name = "NAME", default_value = "realistic", value_parser = scenario())]
    scenario: Scenario,

    /// Containers that run at a time, 1 to 5000
    #[arg(long, value_name = "N", default_value_t = 250, value_parser = clap::value_parser!(u16).range(1..=5000))]
    containers: u16,

    /// How much: whole hours, 1h to 7d
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = humantime::parse_duration)]
    duration: Duration,

    /// Where to [default: bench-data/SCENARIO-HOURSh]; must be empty or hold an earlier run,
    /// which is replaced
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,

    /// Any number
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,

    /// Time between two readings, 100ms to 60s, a whole part of an hour
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = humantime::parse_duration)]
    interval: Duration,

    /// The end of the data, a full hour as 2026-11-23T08:00:00Z [default: the last full hour]
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_rfc3339)]
    end: Option<SystemTime>,

    /// Leave sealed minutes as `fgm` does, for the consolidator to merge
    #[arg(long)]
    segments: bool,
}

fn scenario() -> impl TypedValueParser<Value = Scenario> {
    let values = Scenario::ALL
        .map(|scenario| clap::builder::PossibleValue::new(scenario.as_str()).help(scenario.help()));
    PossibleValuesParser::new(values).map(|name| {
        let found = Scenario::ALL.into_iter().find(|one| one.as_str() == name);
        found.unwrap_or(Scenario::Realistic)
    })
}

impl GenerateBenchData {
    /// Generates.
    ///
    /// # Errors
    /// What is wrong with a flag, or what the system refused, for a person.
    pub fn run(self) -> anyhow::Result<()> {
        let settings = self.settings(SystemTime::now())?;
        let hours = settings.duration_ms / HOUR_MS;
        let out = self.out.unwrap_or_else(|| {
            PathBuf::from(format!(
                "bench-data/{}-{hours}h",
                settings.scenario.as_str()
            ))
        });
        let place = place::Place::take(&out)?;
        let bar = ProgressBar::new(u64::try_from(settings.duration_ms / settings.interval_ms)?);
        bar.set_style(ProgressStyle::with_template(
            "{bar:40} {percent:>3}%  {pos}/{len} ticks  {elapsed} (still {eta})  {msg}",
        )?);
        let started = Instant::now();
        let done = record::record(&place, settings, self.segments, &bar)?;
        bar.finish_and_clear();
        let out = out.display();
        say(&format!(
            "{} rows of {} containers in {hours} h: {} files, {} in {:.1} s\n\
             truth: {}\n\
             look:  fgm-viewer --data-dir {out}",
            done.rows,
            settings.containers,
            done.files,
            bytesize::ByteSize(done.bytes),
            started.elapsed().as_secs_f64(),
            place.truth_file().display(),
        ))
    }

    fn settings(&self, now: SystemTime) -> anyhow::Result<Settings> {
        let hours = self.duration.as_secs() / 3600;
        ensure!(
            self.duration == Duration::from_secs(hours * 3600)
                && hours > 0
                && self.duration <= MOST,
            "--duration {} is not whole hours from 1h to 7d: a recording is kept in hours",
            humantime::format_duration(self.duration)
        );
        let interval_ms = i64::try_from(self.interval.as_millis()).unwrap_or(i64::MAX);
        let usable = (100..=60_000).contains(&interval_ms)
            && self.interval.subsec_nanos().is_multiple_of(1_000_000)
            && HOUR_MS % interval_ms == 0;
        if !usable {
            bail!(
                "--interval {} is not between 100ms and 60s, or an hour is not a multiple of it: \
                 take 100ms, 250ms, 500ms, 1s, 5s, 10s, 60s",
                humantime::format_duration(self.interval)
            );
        }
        let end_ms = millis(self.end.unwrap_or(now)).context("--end is out of range")?;
        if let Some(end) = self.end {
            ensure!(
                end_ms == hour_of(end_ms),
                "--end {} is not a full hour",
                humantime::format_rfc3339_millis(end)
            );
        }
        let duration_ms = i64::try_from(hours)? * HOUR_MS;
        Ok(Settings {
            scenario: self.scenario,
            seed: self.seed,
            containers: usize::from(self.containers),
            start_ms: hour_of(end_ms) - duration_ms,
            duration_ms,
            interval_ms,
        })
    }
}

fn millis(time: SystemTime) -> anyhow::Result<i64> {
    Ok(i64::try_from(
        time.duration_since(SystemTime::UNIX_EPOCH)?.as_millis(),
    )?)
}

fn say(text: &str) -> anyhow::Result<()> {
    use std::io::Write;
    match writeln!(std::io::stdout(), "{text}") {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        result => result.context("cannot write to standard output"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn settings(flags: &[&str]) -> Result<Settings, String> {
        let all = [&["generate-bench-data"], flags].concat();
        let parsed = GenerateBenchData::try_parse_from(all).map_err(|error| error.to_string())?;
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_003_723);
        parsed.settings(now).map_err(|error| error.to_string())
    }

    #[test]
    fn help() {
        insta::assert_snapshot!(GenerateBenchData::command().render_long_help());
    }

    #[test]
    fn the_data_end_with_the_last_full_hour() {
        let got = settings(&["--duration", "2h"]).expect("good flags");
        assert_eq!(got.start_ms + got.duration_ms, 1_800_003_600_000);
        assert_eq!(
            (got.duration_ms, got.interval_ms, got.containers),
            (2 * HOUR_MS, 1000, 250)
        );
        let given = settings(&["--end", "2026-11-23T08:00:00Z"]).expect("good flags");
        assert_eq!(given.start_ms, 1_795_417_200_000);
    }

    #[test]
    fn bad_flags_are_named_with_what_to_do() {
        for (flags, says) in [
            (["--duration", "90m"], "whole hours from 1h to 7d"),
            (["--duration", "8d"], "whole hours from 1h to 7d"),
            (["--duration", "0s"], "whole hours from 1h to 7d"),
            (["--duration", "soon"], "--duration"),
            (["--interval", "7s"], "an hour is not a multiple"),
            (["--interval", "10ms"], "between 100ms and 60s"),
            (["--interval", "0s"], "between 100ms and 60s"),
            (["--containers", "0"], "1..=5000"),
            (["--scenario", "chaos"], "possible values: idle, realistic"),
            (["--end", "2026-11-23T08:30:00Z"], "not a full hour"),
            (["--end", "yesterday"], "--end"),
            (["--seed", "x"], "--seed"),
        ] {
            let error = settings(&flags).expect_err(flags[1]);
            assert!(error.contains(says), "{flags:?}: {error}");
        }
    }
}
