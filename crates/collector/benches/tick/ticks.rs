//! The CPU of a tick: the recorder's own, against a bare read loop over the same files and
//! against reading them by path.

use crate::contestant::{Contestant, Cost};
use crate::role::Role;
use crate::table::Table;
use crate::tree::Tree;
use std::io::Write;
use std::time::{Duration, Instant};

/// Ticks before the measuring: files are opened, layouts are learned.
const WARM_UP: usize = 12;
/// The default of `--max-open-files`.
const DEFAULT_CAP: usize = 4096;
/// User time is told apart by the timer's samples, so it takes seconds of CPU time.
const SHARE_CPU_MS: f64 = 10_000.0;

struct Reader {
    name: String,
    process: Contestant,
    at_one_hertz: Vec<f64>,
    hot: Vec<f64>,
    total: (u64, u64),
}

impl Reader {
    fn start(name: impl Into<String>, role: &Role) -> anyhow::Result<Self> {
        Ok(Self {
            name: name.into(),
            process: Contestant::start(role)?,
            at_one_hertz: Vec::new(),
            hot: Vec::new(),
            total: (0, 0),
        })
    }

    fn hot(&mut self, rounds: usize) -> anyhow::Result<f64> {
        let Cost {
            cpu_ms,
            user,
            system,
        } = self.process.read(rounds)?;
        self.hot.push(cpu_ms / rounds as f64);
        self.total.0 += user;
        self.total.1 += system;
        Ok(cpu_ms)
    }

    fn user_share(&self) -> f64 {
        let (user, system) = self.total;
        100.0 * user as f64 / (user + system).max(1) as f64
    }
}

/// Measures ticks at 1 Hz, where the readers take turns within each second, and in a hot loop.
pub(crate) fn measure(tree: &Tree, ticks: usize, table: &mut Table) -> anyhow::Result<()> {
    let files = tree.files()?;
    let mut list = tempfile::NamedTempFile::new()?;
    for path in &files {
        writeln!(list, "{}", path.display())?;
    }
    let own = |cap| Role::Tick {
        cgroup_root: tree.root().to_owned(),
        max_open_files: cap,
    };
    let path = list.path().to_owned();
    let cap = tree.most_kept_files();
    let mut readers = vec![
        Reader::start("fgm", &own(cap))?,
        Reader::start("pread", &Role::Pread { list: path.clone() })?,
        Reader::start("read_to_string", &Role::Strings { list: path })?,
    ];
    if files.len() > DEFAULT_CAP {
        readers.push(Reader::start("fgm, 4096 open files", &own(DEFAULT_CAP))?);
    }
    let each_second = Instant::now();
    for second in 0..WARM_UP + ticks {
        let at = each_second + Duration::from_secs(second as u64);
        std::thread::sleep(at.saturating_duration_since(Instant::now()));
        let count = readers.len();
        for turn in 0..count {
            let reader = &mut readers[(second + turn) % count];
            let cost = reader.process.read(1)?;
            if second >= WARM_UP {
                reader.at_one_hertz.push(cost.cpu_ms);
            }
        }
    }
    let mut own_cpu_ms = 0.0;
    while own_cpu_ms < SHARE_CPU_MS {
        own_cpu_ms += readers[0].hot(25)?;
        for reader in &mut readers[1..] {
            reader.hot(5)?;
        }
    }
    report(tree, files.len(), &mut readers, table)
}

fn report(
    tree: &Tree,
    files: usize,
    readers: &mut [Reader],
    table: &mut Table,
) -> anyhow::Result<()> {
    let count = tree.count();
    for reader in &mut *readers {
        let kept = reader.process.kept()?;
        table.add(
            count,
            format!("CPU of a tick: {}", reader.name),
            format!(
                "{:.1} ms at 1 Hz (mean {:.1}), {:.1} ms hot; {files} files, {kept} kept",
                median(&mut reader.at_one_hertz),
                mean(&reader.at_one_hertz),
                median(&mut reader.hot),
            ),
        );
    }
    let [own, bare, naive, ..] = readers else {
        anyhow::bail!("a reader is missing");
    };
    let ratio = |left: &mut Reader, right: &mut Reader| {
        (
            median(&mut left.at_one_hertz) / median(&mut right.at_one_hertz),
            median(&mut left.hot) / median(&mut right.hot),
        )
    };
    // On a machine that others use, the second between two ticks leaves a reader with cold
    // caches, which tells more of the others than of the reader: the hot loop is judged.
    let (slow, hot) = ratio(own, bare);
    table.judge(
        count,
        "fgm / pread, hot loop",
        format!("{hot:.2} (at 1 Hz {slow:.2})"),
        "<= 1.15",
        hot <= 1.15,
    );
    let (slow, hot) = ratio(naive, own);
    table.judge(
        count,
        "read_to_string / fgm, hot loop",
        format!("{hot:.1} (at 1 Hz {slow:.1})"),
        ">= 3",
        hot >= 3.0,
    );
    let share = own.user_share();
    table.judge(
        count,
        "user-space share of fgm's tick",
        format!(
            "{share:.1} % (hot loop of {} ticks; pread {:.1} %)",
            own.hot.len() * 25,
            bare.user_share()
        ),
        "<= 12 %",
        share <= 12.0,
    );
    Ok(())
}

/// The middle one.
pub(crate) fn median(values: &mut [f64]) -> f64 {
    quantile(values, 0.5)
}

/// The value that this share of the values does not exceed.
pub(crate) fn quantile(values: &mut [f64], share: f64) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let last = values.len().saturating_sub(1);
    let place = (last as f64 * share).round() as usize;
    values.get(place).copied().unwrap_or(f64::NAN)
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}
