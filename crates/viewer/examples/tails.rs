//! Many pages that look at the newest at once: `tails ADDRESS PID [VIEWERS] [SECONDS]`.
//!
//! Each listens to the stream of ticks and asks at each tick for the new samples of eight metrics,
//! as the page does. Told are the ticks each has seen, how long after a tick its samples were
//! there, and the resident memory of the viewer, the process PID.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a tool for a figure: whatever fails, fails it"
)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const METRICS: &str = "cpu_usage_millicores,cpu_throttled_percent,memory_current,\
    memory_psi_some_percent,io_read_bytes,io_write_bytes,pids_current,memory_working_set";

/// A tick a second is what is looked at.
const PATIENCE: Duration = Duration::from_secs(20);

/// What one page saw.
#[derive(Default)]
struct Seen {
    ticks: Vec<i64>,
    /// From the tick's own time to its samples.
    late_ms: Vec<i64>,
    bytes: usize,
}

fn main() {
    let args: Vec<_> = std::env::args().skip(1).collect();
    let (address, pid) = (args[0].clone(), args[1].clone());
    let number = |at: usize, default: u64| args.get(at).map_or(default, |n| n.parse().unwrap());
    let (viewers, seconds) = (number(2, 200), number(3, 60));
    println!("resident before: {} kB", resident_kb(&pid));
    let until = Instant::now() + Duration::from_secs(seconds);
    let pages: Vec<_> = (0..viewers)
        .map(|_| {
            let address = address.clone();
            thread::spawn(move || look(&address, until))
        })
        .collect();
    let mut most_kb = 0;
    while Instant::now() < until {
        most_kb = most_kb.max(resident_kb(&pid));
        thread::sleep(Duration::from_millis(100));
    }
    let seen: Vec<_> = pages.into_iter().map(|page| page.join().unwrap()).collect();
    println!("resident at most: {most_kb} kB");
    let missed: i64 = seen.iter().map(missed).sum();
    let ticks: Vec<_> = seen.iter().map(|one| one.ticks.len()).collect();
    let (fewest, most) = (ticks.iter().min().unwrap(), ticks.iter().max().unwrap());
    println!("{viewers} pages, {fewest} to {most} ticks each, {missed} left out");
    let mut late_ms: Vec<_> = seen.iter().flat_map(|one| one.late_ms.clone()).collect();
    late_ms.sort_unstable();
    let share = |share: usize| late_ms[(late_ms.len() - 1) * share / 100];
    println!(
        "samples after their tick: p50 {} ms, p99 {} ms, at most {} ms",
        share(50),
        share(99),
        share(100)
    );
    let bytes: usize = seen.iter().map(|one| one.bytes).sum();
    println!("{} kB of samples", bytes / 1024);
}

/// Seconds between the first and the last tick that had none.
fn missed(seen: &Seen) -> i64 {
    let steps = seen
        .ticks
        .windows(2)
        .map(|two| (two[1] - two[0]) / 1000 - 1);
    steps.filter(|missing| *missing > 0).sum()
}

fn look(address: &str, until: Instant) -> Seen {
    let mut stream = TcpStream::connect(address).unwrap();
    // Where nothing is recorded there is no tick.
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(
        stream,
        "GET /api/v1/tail HTTP/1.0\r\nHost: {address}\r\n\r\n"
    )
    .unwrap();
    let mut seen = Seen::default();
    let mut connection = BufReader::new(TcpStream::connect(address).unwrap());
    for line in BufReader::new(stream).lines() {
        let Some(tick) = line.unwrap().strip_prefix("data: ").and_then(tick_of) else {
            continue;
        };
        let start = seen.ticks.last().map_or(tick, |last| last + 1);
        let path =
            format!("/api/v1/series?metric={METRICS}&start={start}&end={tick}&agg=raw&px=1024");
        seen.bytes += ask(&mut connection, address, &path);
        if !seen.ticks.is_empty() {
            seen.late_ms.push(now_ms() - tick);
        }
        seen.ticks.push(tick);
        if Instant::now() > until {
            break;
        }
    }
    seen
}

fn tick_of(data: &str) -> Option<i64> {
    data.split(':').nth(1)?.trim_end_matches('}').parse().ok()
}

/// The length of an answer on a kept connection.
fn ask(connection: &mut BufReader<TcpStream>, address: &str, path: &str) -> usize {
    let stream = connection.get_mut();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n").unwrap();
    let mut status = String::new();
    connection.read_line(&mut status).unwrap();
    assert!(status.contains(" 200 "), "{status}");
    let mut length = 0;
    loop {
        let mut line = String::new();
        connection.read_line(&mut line).unwrap();
        let line = line.trim_end().to_ascii_lowercase();
        if let Some(text) = line.strip_prefix("content-length:") {
            length = text.trim().parse().unwrap();
        }
        if line.is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    connection.read_exact(&mut body).unwrap();
    length
}

fn now_ms() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(now.as_millis()).unwrap()
}

fn resident_kb(pid: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.unwrap().split_whitespace().next();
    number.unwrap().parse().unwrap()
}
