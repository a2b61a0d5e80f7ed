//! Fuzzing of every parser on the stable toolchain: files of this machine, mutated.
//!
//! What is fed never may panic, and a number that is given must stand in the bytes. Longer:
//!
//! ```text
//! FGM_FUZZ_ITERATIONS=10000000 cargo test --release -p fgm-proc --test fuzz
//! ```

use fgm_model::{Metric, Values};
use fgm_proc::io::IoLayout;
use fgm_proc::machine::memory::MemoryFiles;
use fgm_proc::machine::{cpu, load};
use fgm_proc::smaps_rollup::SmapsRollupLayout;
use fgm_proc::{net_dev, stat, statm, status};

/// Deterministic: a failure is found again by the same command.
struct XorShift(u64);

impl XorShift {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }
}

/// Bytes that mean something in these files.
const TOKENS: [&[u8]; 18] = [
    b")",
    b"(",
    b" ",
    b"\n",
    b"\t",
    b":",
    b"-1",
    b"0",
    b"18446744073709551615",
    b"18446744073709551616",
    b" kB",
    b"Pss",
    b"\0",
    b"rchar: ",
    b"|",
    b"cpu",
    b"/",
    b"oom_kill ",
];

fn mutate(bytes: &mut Vec<u8>, random: &mut XorShift) {
    for _ in 0..=random.below(4) {
        let at = random.below(bytes.len() + 1);
        match random.below(6) {
            0 => bytes.truncate(at),
            1 if at < bytes.len() => bytes[at] = random.next() as u8,
            2 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
            3 => {
                let token = TOKENS[random.below(TOKENS.len())];
                bytes.splice(at..at, token.iter().copied());
            }
            4 => {
                let end = at + random.below(bytes.len() - at + 1);
                bytes.drain(at..end);
            }
            _ => {
                let end = at + random.below(bytes.len() - at + 1);
                let copy = bytes[at..end].to_vec();
                bytes.splice(at..at, copy);
            }
        }
    }
}

/// Whether the digits of the number stand in the bytes.
fn stands_in(bytes: &[u8], number: u64) -> bool {
    let digits = number.to_string();
    bytes
        .windows(digits.len())
        .any(|window| window == digits.as_bytes())
}

#[test]
fn mutated_files_never_panic_and_give_no_made_up_number() {
    let iterations: u64 = std::env::var("FGM_FUZZ_ITERATIONS").map_or(20_000, |text| {
        text.parse().expect("FGM_FUZZ_ITERATIONS is a number")
    });
    let read = |name: &str| std::fs::read(format!("/proc/self/{name}")).expect(name);
    let corpus = [
        "stat",
        "statm",
        "io",
        "status",
        "smaps_rollup",
        "net/dev",
        "../stat",
        "../loadavg",
        "../meminfo",
        "../vmstat",
    ]
    .map(read);
    let mut random = XorShift(0x9e37_79b9_7f4a_7c15);
    let mut io_layout = IoLayout::default();
    let mut smaps_layout = SmapsRollupLayout::default();
    let mut memory = MemoryFiles::default();
    let (mut parsed, mut sums) = (0_u64, 0_u64);
    for _ in 0..iterations {
        let mut bytes = corpus[random.below(corpus.len())].clone();
        mutate(&mut bytes, &mut random);
        // Each parser gets the files of the others too.
        let mut numbers = Vec::new();
        if let Some(stat) = stat::parse(&bytes) {
            numbers.extend([
                stat.minor_faults,
                stat.major_faults,
                stat.threads,
                stat.start_ticks,
            ]);
        }
        if let Some(statm) = statm::parse(&bytes) {
            numbers.extend([statm.size_pages, statm.resident_pages, statm.shared_pages]);
        }
        if let Some(io) = io_layout.parse(&bytes) {
            numbers.extend([io.rchar, io.wchar]);
        }
        if let Some(switches) = status::parse(&bytes) {
            numbers.extend([switches.voluntary, switches.involuntary]);
        }
        if let Some(rollup) = smaps_layout.parse(&bytes) {
            numbers.extend([rollup.rss_bytes / 1024, rollup.pss_bytes / 1024]);
            numbers.extend(rollup.pss_anon_bytes.map(|bytes| bytes / 1024));
        }
        if let Some(times) = cpu::parse(&bytes) {
            numbers.push(times.steal_ticks);
        }
        if let Some(load) = load::parse(&bytes) {
            numbers.push(load.threads);
        }
        let mut values = Values::default();
        memory.meminfo(&bytes, &mut values);
        let kilobytes = values.get(Metric::MemoryAnon).map(|bytes| bytes / 1024);
        memory.vmstat(&bytes, &mut values);
        let kills = values.get(Metric::MemoryEventsOomKill);
        numbers.extend(
            [kilobytes, kills]
                .into_iter()
                .flatten()
                .map(i64::cast_unsigned),
        );
        // Sums need not stand anywhere.
        sums += u64::from(net_dev::parse(&bytes, net_dev::leads_out).is_some());
        for number in numbers {
            parsed += 1;
            // Zeros at the front are the one other way to write a number.
            assert!(
                stands_in(&bytes, number),
                "{number} is not in {:?}",
                String::from_utf8_lossy(&bytes)
            );
        }
    }
    assert!(
        parsed > iterations / 10,
        "hardly anything was parsed: {parsed}"
    );
    assert!(sums > iterations / 1000, "hardly any sums: {sums}");
}
