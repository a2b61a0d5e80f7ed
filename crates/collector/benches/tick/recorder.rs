//! The real `fgm` at work: its memory, its sealing, the budget of the proportional set.

use crate::litter;
use crate::table::Table;
use crate::ticks::{median, quantile};
use crate::tree::Tree;
use anyhow::Context;
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Kernel memory of a descriptor whose file was read: the buffer of `seq_file` and its own.
const KB_PER_FILE: f64 = 4.48;
/// Large processes with 4 KiB pages.
const IDLE_BYTES: usize = 2 << 30;
const ACTIVE_BYTES: usize = 1 << 30;
/// The budget saved up before the first scan is spent by then.
const PSS_SETTLED: Duration = Duration::from_secs(60);

/// A running `fgm`, killed when dropped.
pub(crate) struct Fgm {
    child: Child,
    listen: SocketAddr,
    data: TempDir,
}

impl Fgm {
    /// Starts it on the tree.
    pub(crate) fn start(tree: &Tree, arguments: &[&str]) -> anyhow::Result<Self> {
        // Nobody else takes the port in the moment between.
        let listen = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let data = tempfile::tempdir()?;
        litter::note_folder(data.path());
        let child = Command::new(env!("CARGO_BIN_EXE_fgm"))
            .args(["--data-dir".as_ref(), data.path().as_os_str()])
            .args(["--cgroup-root".as_ref(), tree.root().as_os_str()])
            .args(["--listen", &listen.to_string()])
            .args(arguments)
            .env("RUST_LOG", "warn")
            .stdin(Stdio::null())
            .spawn()
            .context("cannot start fgm")?;
        let fgm = Self {
            child,
            listen,
            data,
        };
        litter::note_recorder(fgm.pid());
        Ok(fgm)
    }

    /// Lets it drain and seal; gives its data.
    pub(crate) fn stop(mut self) -> anyhow::Result<TempDir> {
        if let Some(pid) = self.pid() {
            kill_process(pid, Signal::TERM)?;
        }
        let status = self.child.wait()?;
        anyhow::ensure!(status.success(), "fgm ended badly: {status}");
        Ok(std::mem::replace(&mut self.data, tempfile::tempdir()?))
    }

    fn pid(&self) -> Option<Pid> {
        i32::try_from(self.child.id()).ok().and_then(Pid::from_raw)
    }

    fn metrics(&self) -> anyhow::Result<String> {
        let mut stream = TcpStream::connect(self.listen)?;
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: fgm\r\nConnection: close\r\n\r\n")?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        Ok(text)
    }

    fn anonymous_mb(&self) -> anyhow::Result<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("RssAnon:"));
        let kb: f64 = line
            .and_then(|rest| rest.split_whitespace().next())
            .context("no RssAnon")?
            .parse()?;
        Ok(kb * 1024.0 / 1e6)
    }

    /// CPU time of its threads of that name so far, all of them where none is given.
    fn cpu_ms(&self, name: Option<&str>) -> anyhow::Result<f64> {
        let mut sum = 0.0;
        for task in fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            let task = task?.path();
            let comm = fs::read_to_string(task.join("comm"))?;
            if name.is_none_or(|name| comm.trim() == name) {
                let text = fs::read_to_string(task.join("schedstat"))?;
                let run_ns = text.split_whitespace().next().context("no schedstat")?;
                sum += run_ns.parse::<f64>()? / 1e6;
            }
        }
        Ok(sum)
    }
}

impl Drop for Fgm {
    fn drop(&mut self) {
        litter::note_recorder(None);
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The value of a metric without labels, or the sum over its labels.
pub(crate) fn metric(text: &str, name: &str) -> Option<f64> {
    let values = text.lines().filter_map(|line| {
        let rest = line.strip_prefix(name)?;
        let rest = match rest.strip_prefix('{') {
            Some(labels) => labels.split_once('}')?.1,
            None => rest,
        };
        rest.strip_prefix(' ')?.parse::<f64>().ok()
    });
    values.fold(None, |sum, value| Some(sum.unwrap_or(0.0) + value))
}

/// Runs it over some seals with two large processes among the containers'.
pub(crate) fn measure(tree: &mut Tree, seals: u64, table: &mut Table) -> anyhow::Result<()> {
    let count = tree.count();
    let large = [
        tree.processes.holder(IDLE_BYTES, false)?,
        tree.processes.holder(ACTIVE_BYTES, true)?,
    ];
    for (container, (pid, bytes)) in large
        .into_iter()
        .zip([IDLE_BYTES, ACTIVE_BYTES])
        .enumerate()
    {
        wait_for_memory(pid, bytes)?;
        tree.cgroups.join(container, pid)?;
    }
    let cap = tree.most_kept_files().to_string();
    let fgm = Fgm::start(tree, &["--max-open-files", &cap])?;
    let began = Instant::now();
    let mut anonymous = Vec::new();
    let mut settled = None;
    while began.elapsed() < Duration::from_secs(60 * seals + 15) {
        std::thread::sleep(Duration::from_millis(50));
        let mb = fgm.anonymous_mb()?;
        if began.elapsed() > Duration::from_secs(5) {
            anonymous.push(mb);
        }
        if settled.is_none() && began.elapsed() >= PSS_SETTLED {
            settled = Some((
                Instant::now(),
                fgm.cpu_ms(Some("fgm-pss"))?,
                fgm.cpu_ms(None)?,
            ));
        }
    }
    let (since, pss_ms, all_ms) = settled.context("ran too short")?;
    let seconds = since.elapsed().as_secs_f64();
    let pss_ms = (fgm.cpu_ms(Some("fgm-pss"))? - pss_ms) / seconds;
    let all_ms = (fgm.cpu_ms(None)? - all_ms) / seconds;
    let text = fgm.metrics()?;
    let value = |name| metric(&text, name).unwrap_or(0.0);

    let usual = median(&mut anonymous);
    let most = quantile(&mut anonymous, 1.0);
    let (target, limit) = if count <= 250 {
        ("<= 15 MB", 15.0)
    } else {
        ("<= 40 MB", 40.0)
    };
    table.judge(
        count,
        "RssAnon of fgm between seals",
        format!("{usual:.1} MB (median at 20 Hz)"),
        target,
        usual <= limit,
    );
    table.judge(
        count,
        format!("RssAnon of fgm, peak over {seals} seals of 60 s"),
        format!("{most:.1} MB"),
        "<= 60 MB",
        most <= 60.0,
    );
    let kept = value("fgm_kept_descriptors");
    table.add(
        count,
        "kernel memory of its kept files",
        format!(
            "{:.0} MB ({kept:.0} x {KB_PER_FILE} kB); at the default cap at most 18 MB",
            kept * KB_PER_FILE / 1000.0
        ),
    );
    table.judge(
        count,
        "CPU of the PSS thread, a 2 GiB and a changing 1 GiB process of 4 KiB pages among them",
        format!(
            "{pss_ms:.2} ms/s over {seconds:.0} s; {:.0} scans, {:.0} too large",
            value("fgm_pss_scans_total"),
            value("fgm_pss_skipped_total")
        ),
        "<= 5 ms/s",
        pss_ms <= 5.0,
    );
    let seal_ms = value("fgm_seal_cpu_seconds_total") * 1000.0 / seals as f64;
    table.add(
        count,
        "CPU of sealing a minute of these idle containers",
        format!("{seal_ms:.0} ms"),
    );
    table.add(
        count,
        "CPU of the whole of fgm",
        format!(
            "{all_ms:.1} ms/s; refused reads {:.0}, missed ticks {:.0}",
            value("fgm_reads_refused_total"),
            value("fgm_ticks_missed_total")
        ),
    );
    fgm.stop()?;
    Ok(())
}

/// Waits until all of it is there, and checks that it is of small pages.
fn wait_for_memory(pid: u32, bytes: usize) -> anyhow::Result<()> {
    let path = Path::new("/proc")
        .join(pid.to_string())
        .join("smaps_rollup");
    let kb = |text: &str, key: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(key))?;
        line.split_whitespace().next()?.parse::<usize>().ok()
    };
    let began = Instant::now();
    loop {
        let text = fs::read_to_string(&path)?;
        anyhow::ensure!(
            kb(&text, "AnonHugePages:") == Some(0),
            "the kernel gave huge pages although they are disabled"
        );
        if kb(&text, "Anonymous:").is_some_and(|kb| kb * 1024 >= bytes) {
            return Ok(());
        }
        anyhow::ensure!(
            began.elapsed() < Duration::from_secs(60),
            "a process could not take {bytes} bytes: the bench needs 4 GiB of memory"
        );
        std::thread::sleep(Duration::from_millis(200));
    }
}
