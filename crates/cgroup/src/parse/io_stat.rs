//! `io.stat`: a line of `key=value` per block device, summed over the devices.

use fgm_kernfile::leading_u64;
use memchr::memchr_iter;

/// What is summed, by the kernel's names. A match compares words where a search would call.
const fn place_of(key: &[u8]) -> Option<usize> {
    match key {
        b"rbytes" => Some(0),
        b"wbytes" => Some(1),
        b"dbytes" => Some(2),
        b"rios" => Some(3),
        b"wios" => Some(4),
        _ => None,
    }
}

/// Sums over the devices; `None` where no device has the key, or one's number is garbled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct IoStat {
    /// Bytes read.
    pub read_bytes: Option<u64>,
    /// Bytes written.
    pub write_bytes: Option<u64>,
    /// Bytes discarded.
    pub discard_bytes: Option<u64>,
    /// Read operations.
    pub read_ops: Option<u64>,
    /// Write operations.
    pub write_ops: Option<u64>,
}

/// Sums the file.
///
/// The kernel lists only devices that were used: an empty file says that nothing was read or
/// written, so it gives zeros. A file whose last line is not complete lacks an unknown rest, so
/// it gives nothing. Device names are not looked at: some kernels write them without a line end.
#[must_use]
pub fn sums(bytes: &[u8]) -> IoStat {
    let Some(lines) = bytes.strip_suffix(b"\n") else {
        return if bytes.is_empty() {
            named([Some(0); 5])
        } else {
            IoStat::default()
        };
    };
    let mut sums = [Sum::Missing; 5];
    let mut token_end = 0;
    for equals in memchr_iter(b'=', lines) {
        // A second one in a token is part of a value that is no number.
        let Some(before) = lines.get(token_end..equals) else {
            continue;
        };
        let value = &lines[equals + 1..];
        let number = leading_u64(value);
        let number = number.filter(|(_, length)| value.get(*length).is_none_or(|&b| is_between(b)));
        token_end = equals
            + 1
            + match number {
                Some((_, length)) => length,
                None => {
                    let end = value.iter().position(|&byte| is_between(byte));
                    end.unwrap_or(value.len())
                }
            };
        let key_at = before.iter().rposition(|&byte| is_between(byte));
        let key = &before[key_at.map_or(0, |space| space + 1)..];
        if let Some(place) = place_of(key) {
            sums[place].add(number.map(|(number, _)| number));
        }
    }
    named(sums.map(Sum::value))
}

const fn is_between(byte: u8) -> bool {
    matches!(byte, b' ' | b'\n')
}

const fn named([read, write, discard, reads, writes]: [Option<u64>; 5]) -> IoStat {
    IoStat {
        read_bytes: read,
        write_bytes: write,
        discard_bytes: discard,
        read_ops: reads,
        write_ops: writes,
    }
}

#[derive(Debug, Clone, Copy)]
enum Sum {
    Missing,
    Known(u64),
    Garbled,
}

impl Sum {
    fn add(&mut self, number: Option<u64>) {
        let added = number.and_then(|number| match *self {
            Self::Missing => Some(number),
            Self::Known(sum) => sum.checked_add(number),
            Self::Garbled => None,
        });
        *self = added.map_or(Self::Garbled, Self::Known);
    }

    const fn value(self) -> Option<u64> {
        match self {
            Self::Known(sum) => Some(sum),
            Self::Missing | Self::Garbled => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const REAL: &[u8] = b"8:0 rbytes=4096000 wbytes=8388608 rios=100 wios=73 dbytes=0 dios=0\n\
        259:1 rbytes=1024 wbytes=2048 rios=1 wios=2 dbytes=512 dios=1\n";

    #[test]
    fn devices_are_summed() {
        let expected = IoStat {
            read_bytes: Some(4_097_024),
            write_bytes: Some(8_390_656),
            discard_bytes: Some(512),
            read_ops: Some(101),
            write_ops: Some(75),
        };
        assert_eq!(sums(REAL), expected);
    }

    #[test]
    fn devices_without_a_line_end_and_keys_of_other_controllers() {
        let bytes = b"7:7 7:6 8:0 rbytes=5 wbytes=6 rios=1 wios=2 cost.usage=9\n";
        let expected = IoStat {
            read_bytes: Some(5),
            write_bytes: Some(6),
            discard_bytes: None,
            read_ops: Some(1),
            write_ops: Some(2),
        };
        assert_eq!(sums(bytes), expected);
    }

    #[test]
    fn no_device_was_used() {
        assert_eq!(sums(b"").read_bytes, Some(0));
    }

    #[test]
    fn cut_off_or_garbled_is_unknown() {
        assert_eq!(sums(&REAL[..REAL.len() - 1]), IoStat::default());
        assert_eq!(sums(&REAL[..30]), IoStat::default());
        let garbled = sums(b"8:0 rbytes=1x wbytes=7\n8:1 rbytes=2 wbytes=\n");
        assert_eq!(garbled, IoStat::default());
        let too_much = sums(b"8:0 rios=18446744073709551615\n8:1 rios=1\n");
        assert_eq!(too_much.read_ops, None);
    }

    /// The plain reading of the format, for comparison.
    fn naive(bytes: &[u8]) -> IoStat {
        let text = String::from_utf8_lossy(bytes);
        if text.is_empty() {
            return named([Some(0); 5]);
        }
        if !text.ends_with('\n') {
            return IoStat::default();
        }
        let sum = |key: &str| {
            let numbers: Vec<Option<u64>> = text
                .split([' ', '\n'])
                .filter_map(|token| token.split_once('='))
                .filter(|(name, _)| *name == key)
                .map(|(_, value)| {
                    let decimal = value.bytes().all(|byte| byte.is_ascii_digit());
                    decimal.then(|| value.parse().ok())?
                })
                .collect();
            if numbers.is_empty() {
                return None;
            }
            numbers
                .into_iter()
                .try_fold(0_u64, |sum, number| sum.checked_add(number?))
        };
        named(["rbytes", "wbytes", "dbytes", "rios", "wios"].map(sum))
    }

    proptest! {
        #[test]
        fn agrees_with_the_plain_reading(
            devices in proptest::collection::vec(
                "[0-9]:[0-9]( (rbytes|wbytes|rios|wios|dbytes|dios|x)=?([0-9]{0,21}|[0-9]x)){0,7}",
                0..5),
            cut in 0..300_usize,
        ) {
            let text: String = devices.iter().map(|line| format!("{line}\n")).collect();
            let text = &text.as_bytes()[..cut.min(text.len())];
            prop_assert_eq!(sums(text), naive(text));
        }

        #[test]
        fn rubbish_never_panics(bytes: Vec<u8>) {
            let _ = sums(&bytes);
        }
    }
}
