//! Pressure files (`cpu.pressure` of a cgroup, `/proc/pressure/cpu` ...): the running totals in
//! microseconds.
//!
//! The averages are left out: rates over any window are made from the totals.

use crate::digits::only_u64;
use memchr::memchr;

/// The totals of a pressure file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PressureTotals {
    /// At least one task waited.
    pub some_usec: Option<u64>,
    /// Every non-idle task waited.
    pub full_usec: Option<u64>,
}

/// The totals of the first complete `some` and `full` lines.
#[must_use]
pub fn pressure_totals(bytes: &[u8]) -> PressureTotals {
    let mut totals = PressureTotals::default();
    let mut rest = bytes;
    while let Some(end) = memchr(b'\n', rest) {
        let line = &rest[..end];
        let slot = if line.starts_with(b"some ") {
            &mut totals.some_usec
        } else {
            &mut totals.full_usec
        };
        if slot.is_none() && (line.starts_with(b"some ") || line.starts_with(b"full ")) {
            *slot = total_of(line);
        }
        rest = &rest[end + 1..];
    }
    totals
}

/// The number at the line's end, if ` total=` stands before it.
fn total_of(line: &[u8]) -> Option<u64> {
    let digits = line
        .iter()
        .rev()
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    let (before, number) = line.split_at(line.len() - digits);
    before.ends_with(b" total=").then(|| only_u64(number))?
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const REAL: &[u8] = b"some avg10=0.00 avg60=0.12 avg300=0.05 total=512340\n\
        full avg10=0.00 avg60=0.10 avg300=0.04 total=310220\n";

    #[test]
    fn what_the_kernel_writes() {
        let expected = PressureTotals {
            some_usec: Some(512_340),
            full_usec: Some(310_220),
        };
        assert_eq!(pressure_totals(REAL), expected);
        // Before 5.13 cpu.pressure had no `full` line.
        let (some, _) = REAL.split_at(REAL.iter().position(|&b| b == b'\n').expect("line") + 1);
        let expected = PressureTotals {
            full_usec: None,
            ..expected
        };
        assert_eq!(pressure_totals(some), expected);
    }

    #[test]
    fn cut_off_or_garbled_is_unknown() {
        assert_eq!(pressure_totals(&REAL[..REAL.len() - 1]).full_usec, None);
        assert_eq!(pressure_totals(b"some total=\n"), PressureTotals::default());
        assert_eq!(
            pressure_totals(b"some avg10=5\n"),
            PressureTotals::default()
        );
        assert_eq!(
            pressure_totals(b"some subtotal=5\n"),
            PressureTotals::default()
        );
        assert_eq!(
            pressure_totals(b"some total=99999999999999999999\n"),
            PressureTotals::default()
        );
    }

    /// The plain reading of the format, for comparison.
    fn naive(bytes: &[u8]) -> PressureTotals {
        let text = String::from_utf8_lossy(bytes);
        let complete = text.rfind('\n').map_or("", |end| &text[..end]);
        let first = |word: &str| {
            complete
                .split('\n')
                .filter_map(|line| line.strip_prefix(word)?.strip_prefix(' '))
                .find_map(|rest| {
                    let (_, number) = format!(" {rest}")
                        .rsplit_once(" total=")
                        .map(|(before, number)| (before.to_owned(), number.to_owned()))?;
                    number
                        .bytes()
                        .all(|byte| byte.is_ascii_digit())
                        .then(|| number.parse().ok())?
                })
        };
        PressureTotals {
            some_usec: first("some"),
            full_usec: first("full"),
        }
    }

    proptest! {
        #[test]
        fn agrees_with_the_plain_reading(
            lines in proptest::collection::vec(
                "(some|full|other)?( avg10=[0-9.]{0,4})?( total=)?([0-9]{0,22}|x)", 0..5),
            cut in 0..200_usize,
        ) {
            let text = lines.join("\n") + "\n";
            let text = &text.as_bytes()[..cut.min(text.len())];
            prop_assert_eq!(pressure_totals(text), naive(text));
        }

        #[test]
        fn rubbish_never_panics(bytes: Vec<u8>) {
            let _ = pressure_totals(&bytes);
        }
    }
}
