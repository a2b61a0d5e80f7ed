//! `/proc/loadavg`.

use fgm_kernfile::{leading_u64, only_u64};

/// How many want to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Load {
    /// The average of the last minute in thousandths; the kernel gives hundredths.
    pub one_minute_milli: u64,
    /// Threads there are, the kernel's own included.
    pub threads: u64,
}

/// Reads the line `0.52 0.58 0.59 2/813 12345`; `None` where it is cut off or not that.
#[must_use]
pub fn parse(bytes: &[u8]) -> Option<Load> {
    let line = bytes.strip_suffix(b"\n")?;
    let mut fields = line.split(|&byte| byte == b' ');
    let average = fields.next()?;
    let tasks = fields.nth(2)?;
    let (whole, length) = leading_u64(average)?;
    let hundredths = average[length..].strip_prefix(b".")?;
    if hundredths.len() != 2 {
        return None;
    }
    let hundredths = only_u64(hundredths)?;
    let slash = tasks.iter().position(|&byte| byte == b'/')?;
    Some(Load {
        one_minute_milli: whole.checked_mul(1000)?.checked_add(hundredths * 10)?,
        threads: only_u64(&tasks[slash + 1..])?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_real_line() {
        let expected = Load {
            one_minute_milli: 8080,
            threads: 162,
        };
        assert_eq!(parse(b"8.08 4.11 2.25 9/162 7356\n"), Some(expected));
        for bad in [
            b"".as_slice(),
            b"8.08 4.11 2.25 9/162 7356",
            b"8.08 4.11 2.25\n",
            b"8.8 4.11 2.25 9/162 7356\n",
            b"8,08 4.11 2.25 9/162 7356\n",
            b"8.08 4.11 2.25 9162 7356\n",
        ] {
            assert_eq!(parse(bad), None);
        }
    }

    proptest! {
        #[test]
        fn every_load_is_read_back(whole in 0..100_000_u64, hundredths in 0..100_u64, threads: u64, cut in 0..40_usize) {
            let text = format!("{whole}.{hundredths:02} 1.00 2.00 1/{threads} 7\n");
            let expected = Load { one_minute_milli: whole * 1000 + hundredths * 10, threads };
            prop_assert_eq!(parse(text.as_bytes()), Some(expected));
            let cut = &text.as_bytes()[..cut.min(text.len() - 1)];
            prop_assert_eq!(parse(cut), None);
        }

        #[test]
        fn rubbish_never_panics(bytes: Vec<u8>) {
            let _ = parse(&bytes);
        }
    }
}
