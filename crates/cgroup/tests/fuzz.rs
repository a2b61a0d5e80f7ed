//! A fuzz target for each parser, on the stable toolchain: real file contents, mutated by a
//! deterministic generator. Each answer is compared with a plain reading of the same bytes
//! where there is one; else it must not panic.
//!
//! A long run, from any seed, tells the seed of each round when it fails:
//!
//! ```text
//! FGM_FUZZ_ITERATIONS=20000000 FGM_FUZZ_SEED=7 cargo test --release -p fgm-cgroup --test fuzz
//! ```

#![expect(
    clippy::expect_used,
    reason = "a failed expectation is how a test fails, in its helpers too"
)]

use fgm_cgroup::parse::flat::{self, Layouts};
use fgm_cgroup::parse::pids::{self, Listed};
use fgm_cgroup::parse::{io_stat, limit, psi};
use fgm_cgroup::recognise::{Recognised, recognise};
use fgm_model::{Metric, Values};
use fgm_testkit::cgroup_tree::{CONTAINER_ID, CgroupTree, Layout, POD_UID};

const FILES: &[&str] = &[
    "cgroup.events",
    "cgroup.procs",
    "cpu.max",
    "cpu.pressure",
    "cpu.stat",
    "io.stat",
    "memory.current",
    "memory.events",
    "memory.max",
    "memory.stat",
];

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().expect("a number"))
}

/// The contents of a real container's files, and some of other kernels.
fn files() -> Vec<Vec<u8>> {
    let tree = CgroupTree::new();
    let cgroup = tree.make_container(Layout::DockerSystemd, 4_194_303);
    let mut corpus: Vec<Vec<u8>> = FILES
        .iter()
        .map(|file| cgroup.read(file).into_bytes())
        .collect();
    corpus.extend([
        Vec::new(),
        b"max 100000\n".to_vec(),
        b"18446744073709551615\n".to_vec(),
        b"0\n0\n12\n".to_vec(),
        b"7:7 7:6 8:0 rbytes=5 wbytes=6 rios=1 wios=2\n".to_vec(),
        b"some avg10=0.00 avg60=0.00 avg300=0.00 total=0\n".to_vec(),
        b"usage_usec 1\nuser_usec 1\nsystem_usec 0\n".to_vec(),
    ]);
    corpus
}

/// Xorshift: the same rounds on every machine.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % (end.max(1) as u64)).expect("below usize")
    }

    fn mutate(&mut self, bytes: &mut Vec<u8>, corpus: &[Vec<u8>]) {
        let at = self.below(bytes.len() + 1);
        match self.below(8) {
            0 => bytes.truncate(at),
            1 => bytes.insert(at, self.next() as u8),
            2 if at < bytes.len() => bytes[at] ^= 1 << self.below(8),
            3 if at < bytes.len() => {
                bytes.remove(at);
            }
            4 => bytes
                .splice(at..at, *b"99999999999999999999")
                .for_each(drop),
            5 => {
                let other = &corpus[self.below(corpus.len())];
                let from = self.below(other.len());
                bytes.splice(at.., other[from..].iter().copied());
            }
            6 => {
                let mut lines: Vec<_> = bytes.split_inclusive(|&b| b == b'\n').collect();
                let (a, b) = (self.below(lines.len()), self.below(lines.len()));
                if !lines.is_empty() {
                    lines.swap(a, b);
                }
                *bytes = lines.concat();
            }
            _ => bytes.insert(at, b" \n=0max:"[self.below(8)]),
        }
    }
}

/// Runs `check` on mutated contents; the round's seed is in the message of a panic.
fn fuzz(corpus: &[Vec<u8>], check: impl Fn(&[u8]) + std::panic::RefUnwindSafe) {
    let seed = setting("FGM_FUZZ_SEED", 1);
    for round in 0..setting("FGM_FUZZ_ITERATIONS", 20_000) {
        let mut random = Random((seed + round).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let mut bytes = corpus[random.below(corpus.len())].clone();
        for _ in 0..=random.below(6) {
            random.mutate(&mut bytes, corpus);
        }
        let result = std::panic::catch_unwind(|| check(&bytes));
        assert!(
            result.is_ok(),
            "FGM_FUZZ_SEED={} FGM_FUZZ_ITERATIONS=1: {:?}",
            seed + round,
            String::from_utf8_lossy(&bytes)
        );
    }
}

#[test]
fn flat_keyed() {
    fuzz(&files(), |bytes| {
        let mut fresh = Values::default();
        let mut learned = Values::default();
        let mut layouts = Layouts::default();
        // What was learned from another file must not show.
        layouts
            .memory_stat
            .parse(b"anon 1\nfile 2\nkernel 3\n", &mut learned);
        layouts
            .memory_events
            .parse(b"low 1\nhigh 2\n", &mut learned);
        for _ in 0..2 {
            layouts.memory_stat.parse(bytes, &mut learned);
            layouts.memory_events.parse(bytes, &mut learned);
            layouts.cpu_stat[0].parse(bytes, &mut learned);
        }
        let mut layouts = Layouts::default();
        layouts.memory_stat.parse(bytes, &mut fresh);
        layouts.memory_events.parse(bytes, &mut fresh);
        layouts.cpu_stat[0].parse(bytes, &mut fresh);
        assert_eq!(learned, fresh);
        let says = |key: &str| bytes.windows(key.len()).any(|at| at == key.as_bytes());
        for metric in Metric::ALL {
            let source = metric.def().source;
            if let Some((_, key)) = source.split_once(' ')
                && fresh.get(metric).is_some()
            {
                assert!(says(key), "{} was made up", metric.name());
            }
        }
        if let Some(populated) = flat::populated(bytes) {
            assert!(says(&format!("populated {}\n", u8::from(populated))));
        }
    });
}

#[test]
fn pressure() {
    fuzz(&files(), |bytes| {
        let totals = psi::totals(bytes);
        if !bytes.contains(&b'\n') {
            assert_eq!(totals, psi::Totals::default());
        }
    });
}

#[test]
fn io() {
    fuzz(&files(), |bytes| {
        let sums = io_stat::sums(bytes);
        if !bytes.is_empty() && !bytes.ends_with(b"\n") {
            assert_eq!(sums, io_stat::IoStat::default());
        }
    });
}

#[test]
fn single_values() {
    fuzz(&files(), |bytes| {
        let text = std::str::from_utf8(bytes).ok();
        let line = text.and_then(|text| text.strip_suffix('\n'));
        let plain: Option<u64> = line
            .filter(|line| line.bytes().all(|byte| byte.is_ascii_digit()))
            .and_then(|line| line.parse().ok());
        assert_eq!(limit::number(bytes), plain);
        let read = limit::limit(bytes).map(limit::Limit::value);
        if line == Some("max") {
            assert_eq!(read, Some(None));
        } else {
            assert_eq!(read.flatten(), plain);
        }
        if let Some((_, period)) = limit::cpu_max(bytes) {
            let last = line.and_then(|line| line.rsplit(' ').next());
            assert_eq!(last.and_then(|word| word.parse().ok()), Some(period));
        }
    });
}

#[test]
fn process_lists() {
    fuzz(&files(), |bytes| {
        let mut pids = Vec::new();
        let mut listed = Listed::default();
        pids::add(bytes, &mut pids, &mut listed);
        let lines = bytes.iter().filter(|&&byte| byte == b'\n').count() as u64;
        let read = pids.len() as u64 + listed.foreign;
        assert!(read <= lines);
        assert!(listed.garbled || read == lines);
        assert!(!pids.contains(&0));
    });
}

#[test]
fn paths() {
    let paths = Layout::ALL.iter().map(|layout| {
        let path = layout.boundary(POD_UID, CONTAINER_ID);
        path.into_bytes()
    });
    fuzz(&paths.collect::<Vec<_>>(), |bytes| {
        let path = String::from_utf8_lossy(bytes);
        let below = recognise(&format!("{path}/{CONTAINER_ID}"));
        if matches!(recognise(&path), Recognised::Container(_)) {
            assert_eq!(below, Recognised::InContainer, "{path}");
        }
    });
}
