//! `/proc/<pid>/smaps_rollup`: the proportional set.

use fgm_kernfile::KeyedLayout;

const BYTES_PER_KB: u64 = 1024;

/// Memory of one process in bytes; a part is `None` where this kernel does not give it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SmapsRollup {
    /// Resident memory.
    pub rss_bytes: u64,
    /// Resident memory with shared pages divided among their users.
    pub pss_bytes: u64,
    /// The anonymous part of it (Linux 5.10).
    pub pss_anon_bytes: Option<u64>,
    /// The file-backed part of it (Linux 5.10).
    pub pss_file_bytes: Option<u64>,
    /// The shared-memory part of it (Linux 5.10).
    pub pss_shmem_bytes: Option<u64>,
    /// Swap with shared pages divided among their users.
    pub swap_pss_bytes: Option<u64>,
}

impl SmapsRollup {
    /// What a process without an address space has.
    pub const NOTHING: Self = Self {
        rss_bytes: 0,
        pss_bytes: 0,
        pss_anon_bytes: Some(0),
        pss_file_bytes: Some(0),
        pss_shmem_bytes: Some(0),
        swap_pss_bytes: Some(0),
    };
}

/// The reader of this file; it learns the file's layout once.
#[derive(Debug)]
pub struct SmapsRollupLayout(KeyedLayout<6>);

impl Default for SmapsRollupLayout {
    fn default() -> Self {
        Self(KeyedLayout::new([
            b"Rss",
            b"Pss",
            b"Pss_Anon",
            b"Pss_File",
            b"Pss_Shmem",
            b"SwapPss",
        ]))
    }
}

impl SmapsRollupLayout {
    /// Reads the file; `None` where `Rss` or `Pss` is missing, cut off or not a number.
    pub fn parse(&mut self, bytes: &[u8]) -> Option<SmapsRollup> {
        // The first line is the range of addresses: it differs from process to process.
        let first_line = bytes.iter().position(|&byte| byte == b'\n')?;
        let [rss, pss, anon, file, shmem, swap] = self
            .0
            .parse(&bytes[first_line + 1..])
            .map(|kilobytes| kilobytes.and_then(|value| value.checked_mul(BYTES_PER_KB)));
        Some(SmapsRollup {
            rss_bytes: rss?,
            pss_bytes: pss?,
            pss_anon_bytes: anon,
            pss_file_bytes: file,
            pss_shmem_bytes: shmem,
            swap_pss_bytes: swap,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const REAL: &str = "\
55f5a4a15000-7ffd3a1f2000 ---p 00000000 00:00 0                          [rollup]
Rss:                1736 kB
Pss:                 228 kB
Pss_Dirty:           100 kB
Pss_Anon:            100 kB
Pss_File:            120 kB
Pss_Shmem:             8 kB
Shared_Clean:       1628 kB
Anonymous:           100 kB
Swap:                  0 kB
SwapPss:               4 kB
Locked:                0 kB
";

    #[test]
    fn a_real_file() {
        let mut layout = SmapsRollupLayout::default();
        for _ in 0..2 {
            let rollup = layout.parse(REAL.as_bytes()).unwrap();
            assert_eq!(rollup.rss_bytes, 1736 << 10);
            assert_eq!(rollup.pss_bytes, 228 << 10);
            assert_eq!(rollup.pss_anon_bytes, Some(100 << 10));
            assert_eq!(rollup.pss_file_bytes, Some(120 << 10));
            assert_eq!(rollup.pss_shmem_bytes, Some(8 << 10));
            assert_eq!(rollup.swap_pss_bytes, Some(4 << 10));
        }
    }

    #[test]
    fn an_older_kernel_gives_no_parts() {
        let text = "5-7 ---p 00000000 00:00 0  [rollup]\nRss:  8 kB\nPss:  4 kB\nSwapPss:  0 kB\n";
        let rollup = SmapsRollupLayout::default().parse(text.as_bytes()).unwrap();
        assert_eq!(rollup.pss_anon_bytes, None);
        assert_eq!(rollup.swap_pss_bytes, Some(0));
    }

    fn naive(text: &str) -> Option<SmapsRollup> {
        let complete = &text[..text.rfind('\n')?];
        let number = |key: &str| {
            complete
                .split('\n')
                .skip(1)
                .find_map(|line| {
                    let value = line
                        .strip_prefix(key)?
                        .strip_prefix(':')?
                        .trim_start_matches(' ');
                    let value = value.strip_suffix(" kB")?;
                    let digits = value.bytes().all(|byte| byte.is_ascii_digit());
                    digits.then(|| value.parse().ok()).flatten()
                })
                .and_then(|value: u64| value.checked_mul(1024))
        };
        Some(SmapsRollup {
            rss_bytes: number("Rss")?,
            pss_bytes: number("Pss")?,
            pss_anon_bytes: number("Pss_Anon"),
            pss_file_bytes: number("Pss_File"),
            pss_shmem_bytes: number("Pss_Shmem"),
            swap_pss_bytes: number("SwapPss"),
        })
    }

    fn file() -> impl Strategy<Value = String> {
        let key = prop_oneof![
            Just("Rss"),
            Just("Pss"),
            Just("Pss_Anon"),
            Just("Pss_File"),
            Just("Pss_Shmem"),
            Just("SwapPss"),
            Just("Swap"),
            Just("Pss_Dirty"),
        ];
        let value = prop_oneof![
            6 => 0..100_000_000_u64,
            1 => any::<u64>(),
        ];
        proptest::collection::vec((key, value), 0..14).prop_map(|lines| {
            let mut text = "5-7 ---p 00000000 00:00 0  [rollup]\n".to_owned();
            for (key, value) in lines {
                text += &format!("{key}:  {value:>8} kB\n");
            }
            text
        })
    }

    proptest! {
        #[test]
        fn agrees_with_the_plain_reading(files in proptest::collection::vec((file(), 0..600_usize), 1..4)) {
            let mut layout = SmapsRollupLayout::default();
            for (text, cut) in files {
                let text = &text[..cut.min(text.len())];
                prop_assert_eq!(layout.parse(text.as_bytes()), naive(text));
            }
        }

        #[test]
        fn rubbish_never_panics(bytes: Vec<u8>) {
            let _ = SmapsRollupLayout::default().parse(&bytes);
        }
    }
}
