//! Files of one value: a number or `max`; and `cpu.max`, which has two.

use fgm_kernfile::leading_u64;

/// What a limit file says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// `max`: there is no limit.
    Unlimited,
    /// The limit.
    At(u64),
}

impl Limit {
    /// The number; `None` is "unlimited".
    #[must_use]
    pub const fn value(self) -> Option<u64> {
        match self {
            Self::Unlimited => None,
            Self::At(value) => Some(value),
        }
    }
}

/// A file that is one number, such as `memory.current`.
///
/// The kernel ends it with a newline; without one it is cut off and the number may lack digits.
#[must_use]
pub fn number(bytes: &[u8]) -> Option<u64> {
    let (value, length) = leading_u64(bytes)?;
    (bytes[length..] == *b"\n").then_some(value)
}

/// A file that is one number or `max`, such as `memory.max`.
#[must_use]
pub fn limit(bytes: &[u8]) -> Option<Limit> {
    match bytes {
        b"max\n" => Some(Limit::Unlimited),
        bytes => number(bytes).map(Limit::At),
    }
}

/// `cpu.max`: quota (or `max`) and period, in microseconds.
#[must_use]
pub fn cpu_max(bytes: &[u8]) -> Option<(Limit, u64)> {
    let (quota, after) = match bytes.strip_prefix(b"max") {
        Some(after) => (Limit::Unlimited, after),
        None => {
            let (quota, length) = leading_u64(bytes)?;
            (Limit::At(quota), &bytes[length..])
        }
    };
    Some((quota, number(after.strip_prefix(b" ")?)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_the_kernel_writes() {
        assert_eq!(number(b"25214976\n"), Some(25_214_976));
        assert_eq!(limit(b"max\n"), Some(Limit::Unlimited));
        assert_eq!(limit(b"0\n"), Some(Limit::At(0)));
        assert_eq!(cpu_max(b"max 100000\n"), Some((Limit::Unlimited, 100_000)));
        assert_eq!(
            cpu_max(b"20000 100000\n"),
            Some((Limit::At(20_000), 100_000))
        );
    }

    #[test]
    fn cut_off_or_garbled_is_unknown() {
        for bytes in [
            b"".as_slice(),
            b"\n",
            b"12",
            b"ma",
            b"max",
            b"-1\n",
            b"12 \n",
            b"12\n\n",
            b"18446744073709551616\n",
        ] {
            assert_eq!(limit(bytes), None, "{bytes:?}");
        }
        for bytes in [
            b"max 100000".as_slice(),
            b"max\n",
            b"max 1 2\n",
            b"20000  100000\n",
            b"20000\n",
            b"max max\n",
        ] {
            assert_eq!(cpu_max(bytes), None, "{bytes:?}");
        }
    }

    /// The plain reading of the formats, for comparison.
    fn naive(text: &str) -> (Option<Limit>, Option<(Limit, u64)>) {
        fn decimal(text: &str) -> Option<u64> {
            (!text.starts_with('+')).then(|| text.parse().ok())?
        }
        fn one(text: &str) -> Option<Limit> {
            if text == "max" {
                Some(Limit::Unlimited)
            } else {
                decimal(text).map(Limit::At)
            }
        }
        let Some(line) = text.strip_suffix('\n') else {
            return (None, None);
        };
        let pair = line
            .split_once(' ')
            .and_then(|(quota, period)| Some((one(quota)?, decimal(period)?)));
        (one(line), pair)
    }

    proptest! {
        #[test]
        fn agrees_with_the_plain_reading(
            text in "(max|[0-9]{1,22}|[0-9max]{0,4})( |  )?(max|[0-9]{0,22})\n?",
        ) {
            prop_assert_eq!((limit(text.as_bytes()), cpu_max(text.as_bytes())), naive(&text));
        }

        #[test]
        fn rubbish_never_panics(bytes: Vec<u8>) {
            let _ = (limit(&bytes), cpu_max(&bytes), number(&bytes));
        }
    }
}
