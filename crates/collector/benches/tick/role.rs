//! What a process of its own plays: a reader that takes part in the comparison, or the process
//! of a large container.

use anyhow::Context;
use clap::{Parser, Subcommand};
use fgm_collector::config::Config;
use fgm_collector::events::EventMaker;
use fgm_collector::facts::Facts;
use fgm_collector::health::Health;
use fgm_collector::identity::Pods;
use fgm_collector::readings::Readings;
use fgm_collector::tables::Tables;
use fgm_model::Recorder;
use fgm_store::LastRows;
use rustix::time::{ClockId, clock_gettime};
use std::collections::HashMap;
use std::fs::{self, File};
use std::hint::black_box;
use std::io::{self, BufRead, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The parts; each ends with its standard input.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum Role {
    /// The recorder's own tick.
    #[command(hide = true)]
    Tick {
        cgroup_root: PathBuf,
        max_open_files: usize,
    },
    /// A bare `pread` loop over kept descriptors.
    #[command(hide = true)]
    Pread { list: PathBuf },
    /// Every file read by its path into a string and parsed without art.
    #[command(hide = true)]
    Strings { list: PathBuf },
    /// Holds memory in 4 KiB pages.
    #[command(hide = true)]
    Hold {
        bytes: usize,
        #[arg(long)]
        active: bool,
    },
}

/// The recorder's settings, as its command line makes them.
#[derive(Debug, Parser)]
struct Recording {
    #[command(flatten)]
    config: Config,
}

impl Role {
    /// The command that plays it.
    pub(crate) fn command(&self) -> anyhow::Result<Command> {
        let mut command = Command::new(std::env::current_exe()?);
        match self {
            Self::Tick {
                cgroup_root,
                max_open_files,
            } => command
                .arg("tick")
                .arg(cgroup_root)
                .arg(max_open_files.to_string()),
            Self::Pread { list } => command.arg("pread").arg(list),
            Self::Strings { list } => command.arg("strings").arg(list),
            Self::Hold { bytes, active } => {
                command.arg("hold").arg(bytes.to_string());
                command.args(active.then_some("--active"))
            }
        };
        Ok(command)
    }

    /// Plays it to the end of the input.
    pub(crate) fn play(&self) -> anyhow::Result<()> {
        crate::machine::raise_open_files()?;
        match self {
            Self::Tick {
                cgroup_root,
                max_open_files,
            } => tick(cgroup_root, *max_open_files),
            Self::Pread { list } => {
                let files: Vec<File> = paths(list)?
                    .iter()
                    .map(|path| File::open(path).with_context(|| path.display().to_string()))
                    .collect::<Result<_, _>>()?;
                let mut buffer = vec![0; 16 << 10];
                let pread = || {
                    for file in &files {
                        let _ = black_box(file.read_at(&mut buffer, 0));
                    }
                };
                serve(pread, || files.len())
            }
            Self::Strings { list } => {
                let paths = paths(list)?;
                let strings = || {
                    for path in &paths {
                        let _ = black_box(fs::read_to_string(path).map(|text| naive(&text)));
                    }
                };
                serve(strings, || 0)
            }
            Self::Hold { bytes, active } => hold(*bytes, *active),
        }
    }
}

fn tick(cgroup_root: &Path, max_open_files: usize) -> anyhow::Result<()> {
    let Recording { config } = Recording::try_parse_from([
        "fgm",
        "--cgroup-root",
        &cgroup_root.display().to_string(),
        "--max-open-files",
        &max_open_files.to_string(),
        "--pss-budget",
        "off",
    ])?;
    let health = Arc::new(Health::new(config.interval));
    let pods = Pods::new(false, config.seal);
    let last_rows = LastRows::default();
    let mut readings = Readings::new(
        &config,
        "boot",
        last_rows,
        Facts::default(),
        pods,
        Arc::clone(&health),
    )?;
    let mut maker = EventMaker::new(Recorder {
        node: "node".to_owned(),
        boot_id: "boot".to_owned(),
        recorder: "bench".to_owned(),
    });
    // As in the recorder, where one is being written while the other is filled.
    let mut batches = [Tables::default(), Tables::default()];
    let mut events = Vec::new();
    let take = || {
        batches.swap(0, 1);
        let wall = SystemTime::now().duration_since(UNIX_EPOCH);
        let seconds = wall.map_or(0, |since| since.as_secs());
        let time_ms = i64::try_from(seconds * 1000).unwrap_or(i64::MAX);
        batches[0].begin(time_ms, 0);
        maker.set_tick(time_ms, 0);
        events.clear();
        readings.tick(&mut batches[0], &maker, &mut events);
    };
    serve(take, || {
        let text = health.metrics_text();
        let kept = crate::recorder::metric(&text, "fgm_kept_descriptors");
        kept.map_or(0, |kept| kept as usize)
    })
}

/// Answers each line, a number of rounds, with what they cost: nanoseconds of this thread's CPU
/// time, and its user and system time as the kernel accounts them (hundredths of a second).
/// Zero asks for the number of kept files.
fn serve(mut round: impl FnMut(), kept: impl Fn() -> usize) -> anyhow::Result<()> {
    for line in io::stdin().lock().lines() {
        let rounds: usize = line?.trim().parse()?;
        let mut out = io::stdout().lock();
        if rounds == 0 {
            writeln!(out, "{} 0 0", kept())?;
        } else {
            let (cpu, user, system) = spent()?;
            for _ in 0..rounds {
                round();
            }
            let (cpu_after, user_after, system_after) = spent()?;
            let cpu = cpu_after.saturating_sub(cpu).as_nanos();
            writeln!(out, "{cpu} {} {}", user_after - user, system_after - system)?;
        }
        out.flush()?;
    }
    Ok(())
}

fn spent() -> anyhow::Result<(Duration, u64, u64)> {
    let text = fs::read_to_string("/proc/thread-self/stat")?;
    let (_, fields) = text.rsplit_once(')').context("no name in stat")?;
    let mut fields = fields.split_whitespace().skip(11).map(str::parse::<u64>);
    let mut next = || fields.next().context("stat is short")?.context("no number");
    let (user, system) = (next()?, next()?);
    let cpu = Duration::try_from(clock_gettime(ClockId::ThreadCPUTime))?;
    Ok((cpu, user, system))
}

fn paths(list: &Path) -> anyhow::Result<Vec<PathBuf>> {
    Ok(fs::read_to_string(list)?
        .lines()
        .map(PathBuf::from)
        .collect())
}

/// How one would parse any of these files at first.
fn naive(text: &str) -> HashMap<String, f64> {
    let mut values = HashMap::new();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        let name = words.next().unwrap_or_default().to_owned();
        for word in words {
            let (key, value) = word.split_once('=').unwrap_or(("", word));
            if let Ok(value) = value.parse() {
                values.insert(format!("{name}{key}"), value);
            }
        }
    }
    values
}

fn hold(bytes: usize, active: bool) -> anyhow::Result<()> {
    rustix::thread::disable_transparent_huge_pages(true)?;
    let held = vec![1_u8; bytes];
    if active {
        std::thread::spawn(|| {
            let mut size = 16 << 20;
            loop {
                let grown = vec![1_u8; size];
                size = (16 << 20) + (32 << 20) - size;
                std::thread::sleep(Duration::from_secs(1));
                drop(black_box(grown));
            }
        });
    }
    io::stdin().lock().read_to_end(&mut Vec::new())?;
    drop(black_box(held));
    Ok(())
}
