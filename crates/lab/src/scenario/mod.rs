//! `fgm-lab scenario`: experiments that fail in one known way, and a verdict on what was seen.
//!
//! A scenario is a folder ([`book`]): `deploy.yaml` says what runs, `expect.toml` what must be
//! seen of it ([`crate::expect`]), `dashboard.json` what to look at. [`local`] runs it on this
//! machine; [`record`] is what stays of a run; [`show`] is what a person sees of it.

mod book;
mod cluster;
mod dashboard;
pub(crate) mod disrupt;
pub(crate) mod local;
mod manifest;
mod record;
mod show;
mod viewers;

use crate::expect::recorded::Recorded;
use crate::expect::{Span, Verdict, table};
use crate::terminal::{line, say};
use anyhow::{Context, bail, ensure};
use book::Scenario;
use clap::{Args, Subcommand};
use cluster::Cluster;
use local::recorder::Recorder;
use record::Record;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::signal::unix::{SignalKind, signal};

/// How often the verdict is asked for while a run goes on.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long after the end of a run what it showed may still become known.
const SETTLE: Duration = Duration::from_secs(5);
/// How long the recorder may be behind.
const BEHIND: Duration = Duration::from_secs(30);
/// Where the page of a recorder on this machine is, if nobody said otherwise.
const USUAL_PAGE: &str = "http://127.0.0.1:8050/";
/// The status of an end by Ctrl-C.
const INTERRUPTED: u8 = 130;

/// The commands of `fgm-lab scenario`.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List the scenarios
    List,
    /// Run a scenario and give a verdict on what was recorded of it
    Run(Run),
    /// List the runs, or tell of one
    Status {
        /// Which run
        run: Option<String>,
    },
    /// Print what the containers of a run wrote
    Logs {
        /// Which run [default: the latest]
        run: Option<String>,
        /// Go on with what they write, until the run is over
        #[arg(short, long)]
        follow: bool,
    },
    /// End a run and take away what it made, also one whose own process was killed
    Stop {
        /// Which run
        #[arg(required_unless_present = "all")]
        run: Option<String>,
        /// Every run
        #[arg(long, conflicts_with = "run")]
        all: bool,
    },
    /// Give the verdict on a run again, from what is stored
    Verify {
        /// Which run [default: the latest]
        run: Option<String>,
        /// Hold the run against another expect.toml
        #[arg(long, value_name = "FILE")]
        expect: Option<PathBuf>,
    },
    /// Look on while a run goes on
    Watch {
        /// Which run [default: the latest]
        run: Option<String>,
    },
}

/// Flags of `fgm-lab scenario run`.
#[derive(Debug, Args)]
pub(crate) struct Run {
    /// A scenario by its name, or a folder of your own (./FOLDER)
    name: String,

    /// Run it on this machine without a cluster, as processes in cgroups of their own
    #[arg(long, conflicts_with_all = ["context", "data_dir"])]
    local: bool,

    /// Run it in the cluster of that context of your kubeconfig [default: the lab's own cluster]
    #[arg(long, value_name = "NAME")]
    context: Option<String>,

    /// Read what was recorded from this data directory, instead of asking the cluster's viewers
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,

    /// Load the images that it names from this folder into the lab's cluster first
    #[arg(long, env = "FGM_SCENARIO_IMAGES", value_name = "DIR")]
    images: Option<PathBuf>,

    /// How long to look at it [default: what its expect.toml says]
    #[arg(long, value_name = "DURATION")]
    duration: Option<Span>,

    /// Let it run on after the verdict, until Ctrl-C
    #[arg(long)]
    keep: bool,
}

impl Command {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::List => list(),
            Self::Run(run) => return run.run(),
            Self::Status { run: None } => show::runs(&Record::all()?),
            Self::Status { run: Some(run) } => show::one(&Record::find(Some(&run))?),
            Self::Logs { run, follow } => show::logs(&Record::find(run.as_deref())?, follow)?,
            Self::Stop { run, all } => stop(run.as_deref(), all)?,
            Self::Verify { run, expect } => return verify(run.as_deref(), expect),
            Self::Watch { run } => return watch(&Record::find(run.as_deref())?),
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn list() {
    for scenario in Scenario::all() {
        // Those built in are tested to be whole.
        let (Ok(dashboard), Ok(expect)) = (scenario.dashboard(), scenario.expectations()) else {
            continue;
        };
        let length = expect.duration.to_string();
        line(&format!(
            "{:<16} {length:>6}  {}",
            scenario.name, dashboard.help
        ));
    }
}

/// A run that goes on, where it does.
enum Going {
    Local(Box<(local::Local, Recorder)>),
    Cluster(Box<Record>),
}

impl Going {
    fn record(&self) -> &Record {
        match self {
            Self::Local(local) => &local.0.record,
            Self::Cluster(record) => record,
        }
    }

    /// Whether its pods are still looked after.
    fn is_alive(&self) -> bool {
        match self {
            Self::Local(local) => local.0.is_alive(),
            Self::Cluster(_) => true,
        }
    }

    /// Takes away what the run made, and writes down when.
    fn finish(self, record: Record) -> anyhow::Result<()> {
        let write_down = || {
            let record = Record {
                ended_ms: Some(now_ms()),
                ..record.clone()
            };
            record.save()
        };
        match self {
            Self::Local(local) => {
                let (local, recorder) = *local;
                let stopped = local.stop();
                let (saved, recorded) = (write_down(), recorder.stop());
                stopped.map(|_| ()).and(saved).and(recorded)
            }
            Self::Cluster(made) => made.clean_up().and(write_down()),
        }
    }
}

impl Run {
    fn run(self) -> anyhow::Result<ExitCode> {
        let scenario = Scenario::find(&self.name)?;
        // All of it, before anything is started.
        let (expectations, dashboard) = (scenario.expectations()?, scenario.dashboard()?);
        let duration = self.duration.unwrap_or(expectations.duration).0;
        let interrupted = on_signal()?;
        let going = if self.local {
            run_locally(&scenario, duration, &interrupted)?
        } else {
            let cluster = Cluster::find(self.context.as_deref())?;
            say(&format!("in {}", cluster.name()));
            if let Some(dir) = &self.data_dir {
                ensure!(dir.is_dir(), "there is no {}", dir.display());
            }
            Going::Cluster(Box::new(cluster.start(
                &scenario,
                self.images.as_deref(),
                self.data_dir.as_deref(),
                duration,
            )?))
        };
        let run = going.record();
        say(&format!(
            "{}: run {} for {}",
            dashboard.title,
            run.run,
            run.length()
        ));
        for note in &run.notes {
            say(&format!("note: {note}"));
        }
        say(&format!("expected: {}", dashboard.help));
        let recorded = match run.recorded() {
            Ok(recorded) => recorded,
            Err(error) => {
                let record = run.clone();
                return going.finish(record).and(Err(error));
            }
        };
        let over = || interrupted.load(Ordering::Relaxed) || !going.is_alive();
        let watched = show::follow(run, &expectations, &*recorded, over);
        let mut record = run.clone();
        let verdict = watched.and_then(|()| settled(&record, &expectations, &*recorded, over));
        if interrupted.load(Ordering::Relaxed) {
            say("interrupted: everything of this run is taken away");
            record.interrupted = true;
            return going.finish(record).map(|()| ExitCode::from(INTERRUPTED));
        }
        if let Ok(verdict) = &verdict {
            record.verdict = Some(verdict.clone());
            record.save()?;
            show::verdict(&record, verdict, &dashboard, &*recorded)?;
        }
        if self.keep && verdict.is_ok() && going.is_alive() {
            say("kept running until Ctrl-C");
            while going.is_alive() && !interrupted.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(100));
            }
        }
        going.finish(record)?;
        Ok(code_of(&verdict?))
    }
}

fn run_locally(
    scenario: &Scenario,
    duration: Duration,
    interrupted: &AtomicBool,
) -> anyhow::Result<Going> {
    let log = crate::state_dir::path()?.join("recorder.log");
    if let Some(folder) = log.parent() {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("cannot make {}", folder.display()))?;
    }
    let recorder = Recorder::find_or_start(&log, interrupted)?;
    match local::start(scenario, &recorder, duration) {
        Ok(local) => Ok(Going::Local(Box::new((local, recorder)))),
        Err(error) => {
            recorder.stop()?;
            Err(error)
        }
    }
}

/// The verdict once what happened in the run is recorded.
fn settled(
    record: &Record,
    expectations: &crate::expect::Expectations,
    recorded: &dyn Recorded,
    over: impl Fn() -> bool,
) -> anyhow::Result<Verdict> {
    let end_ms = record.started_ms + record.duration_ms;
    let ended = Instant::now();
    let mut complete: Option<Instant> = None;
    loop {
        let last_ms = recorded.last_ms()?;
        if last_ms.is_some_and(|last_ms| last_ms >= end_ms) {
            complete.get_or_insert_with(Instant::now);
        }
        let verdict = expectations.judge(&record.observed(recorded))?;
        let is_settled = match complete {
            Some(since) => verdict.passed() || since.elapsed() > SETTLE,
            None => ended.elapsed() > BEHIND,
        };
        if is_settled || over() {
            return Ok(verdict);
        }
        std::thread::sleep(Duration::from_millis(250));
    }
}

fn code_of(verdict: &Verdict) -> ExitCode {
    if verdict.passed() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn stop(run: Option<&str>, all: bool) -> anyhow::Result<()> {
    let records = if all {
        Record::all()?
    } else {
        vec![Record::find(run)?]
    };
    let mut stopped = 0;
    for mut record in records {
        if record.ended_ms.is_some() {
            continue;
        }
        if record.supervisor.runs() {
            // It takes away what it made.
            record.supervisor.terminate();
            let asked = Instant::now();
            while record.supervisor.runs() {
                ensure!(
                    asked.elapsed() < Duration::from_secs(60),
                    "process {} does not end",
                    record.supervisor.pid
                );
                std::thread::sleep(Duration::from_millis(50));
            }
        } else {
            record.clean_up()?;
            record.ended_ms = Some(now_ms());
            record.interrupted = true;
            record.save()?;
        }
        say(&format!("stopped {}", record.run));
        stopped += 1;
    }
    if stopped == 0 {
        say("nothing runs");
    }
    Ok(())
}

fn verify(run: Option<&str>, expect: Option<PathBuf>) -> anyhow::Result<ExitCode> {
    let record = Record::find(run)?;
    if record.is_running() && record.verdict.is_none() {
        bail!("{} is not over yet: fgm-lab scenario watch {0}", record.run);
    }
    let mut scenario = record.scenario()?;
    if let Some(file) = expect {
        scenario.expect = std::fs::read_to_string(&file)
            .with_context(|| format!("cannot read {}", file.display()))?;
    }
    let recorded = record.recorded()?;
    let verdict = scenario
        .expectations()?
        .judge(&record.observed(&*recorded))?;
    show::verdict(&record, &verdict, &scenario.dashboard()?, &*recorded)?;
    Ok(code_of(&verdict))
}

fn watch(record: &Record) -> anyhow::Result<ExitCode> {
    let scenario = record.scenario()?;
    let expectations = scenario.expectations()?;
    let recorded = record.recorded()?;
    if record.is_running() && record.verdict.is_none() {
        show::follow(record, &expectations, &*recorded, || {
            !record.supervisor.runs()
        })?;
    }
    let verdict = expectations.judge(&record.observed(&*recorded))?;
    line(table(&verdict).trim_end());
    Ok(code_of(&verdict))
}

/// Set at the first SIGINT or SIGTERM; the second ends the program at once.
fn on_signal() -> anyhow::Result<Arc<AtomicBool>> {
    let interrupted = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&interrupted);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot listen to signals")?;
    // From here on no signal is missed.
    let (mut terminate, mut interrupt) = runtime.block_on(async {
        let terminate = signal(SignalKind::terminate())?;
        anyhow::Ok((terminate, signal(SignalKind::interrupt())?))
    })?;
    std::thread::spawn(move || {
        let mut wait = || {
            runtime.block_on(async {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
            });
        };
        wait();
        told.store(true, Ordering::Relaxed);
        wait();
        say("ended at once: fgm-lab scenario stop --all takes away what is left");
        std::process::exit(i32::from(INTERRUPTED));
    });
    Ok(interrupted)
}

/// Milliseconds UTC.
pub(crate) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    })
}
