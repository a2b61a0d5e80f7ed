//! `/proc/<pid>/io`.

use fgm_kernfile::KeyedLayout;

/// Bytes moved by the calls of a process and of its threads, the ended ones too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Io {
    /// Bytes that read calls returned.
    pub rchar: u64,
    /// Bytes passed to write calls.
    pub wchar: u64,
}

/// The reader of this file; it learns the file's layout once.
#[derive(Debug)]
pub struct IoLayout(KeyedLayout<2>);

impl Default for IoLayout {
    fn default() -> Self {
        Self(KeyedLayout::new([b"rchar", b"wchar"]))
    }
}

impl IoLayout {
    /// Reads the file; `None` where one of the two is missing, cut off or not a number.
    pub fn parse(&mut self, bytes: &[u8]) -> Option<Io> {
        match self.0.parse(bytes) {
            [Some(rchar), Some(wchar)] => Some(Io { rchar, wchar }),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const REAL: &[u8] = b"rchar: 3980\nwchar: 1\nsyscr: 11\nsyscw: 0\nread_bytes: 0\n\
        write_bytes: 0\ncancelled_write_bytes: 0\n";

    #[test]
    fn a_real_file() {
        let mut layout = IoLayout::default();
        for _ in 0..2 {
            assert_eq!(
                layout.parse(REAL),
                Some(Io {
                    rchar: 3980,
                    wchar: 1
                })
            );
        }
        assert_eq!(layout.parse(&REAL[..19]), None);
        assert_eq!(layout.parse(b""), None);
    }

    fn naive(text: &str) -> Option<Io> {
        let complete = &text[..text.rfind('\n')?];
        let number = |key: &str| {
            complete.split('\n').find_map(|line| {
                let value = line.strip_prefix(key)?.strip_prefix(": ")?;
                let digits = value.bytes().all(|byte| byte.is_ascii_digit());
                digits.then(|| value.parse().ok()).flatten()
            })
        };
        Some(Io {
            rchar: number("rchar")?,
            wchar: number("wchar")?,
        })
    }

    fn file() -> impl Strategy<Value = String> {
        let key = prop_oneof![Just("rchar"), Just("wchar"), Just("syscr"), Just("rcharx")];
        let value = prop_oneof![
            4 => any::<u64>().prop_map(|value| value.to_string()),
            1 => "[0-9]{1,25}",
            1 => "-1|x",
        ];
        proptest::collection::vec((key, value), 0..8).prop_map(|lines| {
            lines
                .iter()
                .map(|(key, value)| format!("{key}: {value}\n"))
                .collect()
        })
    }

    proptest! {
        #[test]
        fn agrees_with_the_plain_reading(files in proptest::collection::vec((file(), 0..300_usize), 1..4)) {
            let mut layout = IoLayout::default();
            for (text, cut) in files {
                let text = &text[..cut.min(text.len())];
                prop_assert_eq!(layout.parse(text.as_bytes()), naive(text));
            }
        }

        #[test]
        fn rubbish_never_panics(bytes: Vec<u8>) {
            let _ = IoLayout::default().parse(&bytes);
        }
    }
}
