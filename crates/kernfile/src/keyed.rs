//! "Key value" files (`memory.stat`, `cpu.stat`, `/proc/<pid>/io`, `smaps_rollup` ...).
//!
//! The kernel writes the same keys in the same order each time. [`KeyedLayout`] notes at first
//! sight the key of each line and what of it is wanted; afterwards it steps from line to line,
//! compares each key with the one expected there and reads the digits of wanted lines only.
//! Where a line is not what was learned, it looks every key up and learns anew: a changed order
//! is slower once and never wrong.

use crate::digits::leading_u64;

/// A parser that learns the layout of one file.
#[derive(Debug, Clone)]
pub struct KeyedLayout<const WANTED: usize> {
    wanted: [&'static [u8]; WANTED],
    lines: Vec<Line>,
    /// The keys of the lines, one after the other.
    keys: Vec<u8>,
}

#[derive(Debug, Clone, Copy)]
struct Line {
    key_length: usize,
    /// The key's first 16 bytes as a number, and which of them belong to it: most keys are not
    /// longer, and two numbers are compared in less time than a call for two slices takes.
    head: u128,
    head_mask: u128,
    wanted: Option<usize>,
}

const HEAD: usize = size_of::<u128>();

impl Line {
    fn new(key: &[u8], wanted: Option<usize>) -> Self {
        let mut head = [0; HEAD];
        let mut mask = [0; HEAD];
        for ((head, mask), &byte) in head.iter_mut().zip(&mut mask).zip(key) {
            (*head, *mask) = (byte, u8::MAX);
        }
        Self {
            key_length: key.len(),
            head: u128::from_ne_bytes(head),
            head_mask: u128::from_ne_bytes(mask),
            wanted,
        }
    }

    /// What follows its key, if the bytes begin with it.
    fn strip<'bytes>(&self, key: &[u8], bytes: &'bytes [u8]) -> Option<&'bytes [u8]> {
        match bytes.first_chunk::<HEAD>() {
            Some(head) if self.key_length <= HEAD => {
                let same = u128::from_ne_bytes(*head) & self.head_mask == self.head;
                same.then(|| &bytes[self.key_length..])
            }
            _ => bytes.strip_prefix(key),
        }
    }
}

impl<const WANTED: usize> KeyedLayout<WANTED> {
    /// A parser for these keys, as they stand at the start of a line (without `:`).
    #[must_use]
    pub const fn new(wanted: [&'static [u8]; WANTED]) -> Self {
        Self {
            wanted,
            lines: Vec::new(),
            keys: Vec::new(),
        }
    }

    /// The value of each key; `None` where the key is missing, cut off or not a number.
    ///
    /// A value counts only if its line is complete: the number at the end of a truncated file
    /// may lack digits. Of several lines with one key the first with a number counts.
    pub fn parse(&mut self, bytes: &[u8]) -> [Option<u64>; WANTED] {
        self.parse_as_learned(bytes)
            .unwrap_or_else(|| self.learn(bytes))
    }

    fn parse_as_learned(&self, bytes: &[u8]) -> Option<[Option<u64>; WANTED]> {
        let mut values = [None; WANTED];
        let mut rest = bytes;
        let mut keys = self.keys.as_slice();
        for line in &self.lines {
            let (key, further_keys) = keys.split_at_checked(line.key_length)?;
            let after_key = line.strip(key, rest)?;
            rest = match line.wanted {
                Some(wanted) => {
                    let (value, after_value) = value_of(after_key)?;
                    values[wanted].get_or_insert(value);
                    after_value
                }
                None if after_key.first().copied().is_none_or(is_separator) => {
                    next_line(after_key)?
                }
                None => return None,
            };
            keys = further_keys;
        }
        rest.is_empty().then_some(values)
    }

    fn learn(&mut self, bytes: &[u8]) -> [Option<u64>; WANTED] {
        self.lines.clear();
        self.keys.clear();
        let mut values = [None; WANTED];
        let mut rest = bytes;
        while let Some(after) = next_line(rest) {
            let key_length = rest
                .iter()
                .position(|&byte| is_separator(byte))
                .unwrap_or(rest.len());
            let (key, after_key) = rest.split_at(key_length);
            let wanted = self.wanted.iter().position(|wanted| *wanted == key);
            if let Some(wanted) = wanted
                && let Some((value, _)) = value_of(after_key)
            {
                values[wanted].get_or_insert(value);
            }
            self.lines.push(Line::new(key, wanted));
            self.keys.extend_from_slice(key);
            rest = after;
        }
        values
    }
}

/// What may follow a key.
const fn is_separator(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b':' | b'\n')
}

/// What follows the first newline.
fn next_line(bytes: &[u8]) -> Option<&[u8]> {
    let end = bytes.iter().position(|&byte| byte == b'\n')?;
    Some(&bytes[end + 1..])
}

/// The number after a key's separator, and what follows its line.
fn value_of(after_key: &[u8]) -> Option<(u64, &[u8])> {
    let separator = after_key
        .iter()
        .take_while(|byte| matches!(byte, b' ' | b'\t' | b':'))
        .count();
    if separator == 0 {
        return None;
    }
    let digits = &after_key[separator..];
    let (value, length) = leading_u64(digits)?;
    match &digits[length..] {
        [b'\n', rest @ ..] => Some((value, rest)),
        // A unit may follow, as in "12 kB".
        [b' ' | b'\t', rest @ ..] => Some((value, next_line(rest)?)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KEYS: [&[u8]; 3] = [b"anon", b"file", b"pgfault"];

    fn fresh() -> KeyedLayout<3> {
        KeyedLayout::new(KEYS)
    }

    #[test]
    fn real_lines() {
        let text = b"anon 1\nfile 22\nkernel 3\nanon_thp 4\npgfault 5\n";
        let mut layout = fresh();
        for _ in 0..3 {
            assert_eq!(layout.parse(text), [Some(1), Some(22), Some(5)]);
        }
    }

    #[test]
    fn units_tabs_and_colons() {
        let mut layout = KeyedLayout::new([b"VmRSS".as_slice(), b"Threads"]);
        let text = b"Name:\tanon 7\nVmRSS:\t    1736 kB\nThreads:\t3\n";
        for _ in 0..2 {
            assert_eq!(layout.parse(text), [Some(1736), Some(3)]);
        }
    }

    #[test]
    fn another_order_and_new_keys_are_noticed() {
        let mut layout = fresh();
        layout.parse(b"anon 1\nfile 2\npgfault 3\n");
        assert_eq!(
            layout.parse(b"new 9\nfile 2\nanon 1\npgfault 3\n"),
            [Some(1), Some(2), Some(3)]
        );
        assert_eq!(layout.parse(b"anon 4\n"), [Some(4), None, None]);
        assert_eq!(
            layout.parse(b"anon 1\nfile 2\npgfault 3\n"),
            [Some(1), Some(2), Some(3)]
        );
    }

    #[test]
    fn what_is_cut_off_or_no_number_is_unknown() {
        let mut layout = fresh();
        assert_eq!(layout.parse(b"anon 12\nfile 3"), [Some(12), None, None]);
        assert_eq!(layout.parse(b"anon max\nfile -3\n"), [None, None, None]);
        assert_eq!(
            layout.parse(b"anon 99999999999999999999\nfile 1\n"),
            [None, Some(1), None]
        );
        assert_eq!(layout.parse(b""), [None, None, None]);
        assert_eq!(layout.parse(b"\n\n\nanon 1\n"), [Some(1), None, None]);
    }

    /// The plain reading of the format, for comparison.
    fn naive(text: &[u8]) -> [Option<u64>; 3] {
        let mut values = [None; 3];
        let text = String::from_utf8_lossy(text);
        let complete = text.rfind('\n').map_or("", |end| &text[..end]);
        for line in complete.split('\n') {
            if let Some((key, value)) = line.split_once(' ')
                && let Some(slot) = KEYS.iter().position(|k| *k == key.as_bytes())
                && values[slot].is_none()
                && value.bytes().all(|byte| byte.is_ascii_digit())
            {
                values[slot] = value.parse().ok();
            }
        }
        values
    }

    fn file() -> impl Strategy<Value = String> {
        let key = prop_oneof![
            Just("anon".to_owned()),
            Just("file".to_owned()),
            Just("pgfault".to_owned()),
            "[a-z_]{1,8}",
        ];
        let value = prop_oneof![
            any::<u64>().prop_map(|value| value.to_string()),
            "[0-9]{1,25}",
            "max|-1|x",
        ];
        proptest::collection::vec((key, value), 0..12).prop_map(|lines| {
            lines
                .iter()
                .map(|(key, value)| format!("{key} {value}\n"))
                .collect()
        })
    }

    proptest! {
        /// One parser fed with files of any layout, cut anywhere, always agrees with the plain
        /// reading: what it learned never makes it wrong.
        #[test]
        fn agrees_with_the_plain_reading(files in proptest::collection::vec((file(), 0..400_usize), 1..6)) {
            let mut layout = fresh();
            for (text, cut) in files {
                let text = &text.as_bytes()[..cut.min(text.len())];
                prop_assert_eq!(layout.parse(text), naive(text));
            }
        }

        #[test]
        fn rubbish_never_panics(first: Vec<u8>, second: Vec<u8>) {
            let mut layout = fresh();
            layout.parse(&first);
            layout.parse(&second);
        }
    }
}
