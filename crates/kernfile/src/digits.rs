//! Decimal digits to numbers. At the lengths that the kernel writes a plain loop is the fastest.

/// The unsigned number at the start of `bytes` and its length.
///
/// `None` where there is no digit, or where the number does not fit in 64 bits.
#[inline]
#[must_use]
pub fn leading_u64(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut value = 0_u64;
    let mut length = 0;
    while let Some(digit) = bytes.get(length).map(|byte| byte.wrapping_sub(b'0')) {
        if digit > 9 {
            break;
        }
        // 18 digits fit whatever they are: only longer numbers pay for the check.
        value = if length < 18 {
            value * 10 + u64::from(digit)
        } else {
            value.checked_mul(10)?.checked_add(u64::from(digit))?
        };
        length += 1;
    }
    (length > 0).then_some((value, length))
}

/// The number that is all of `bytes`, but for a newline at the end.
#[inline]
#[must_use]
pub fn only_u64(bytes: &[u8]) -> Option<u64> {
    let (value, length) = leading_u64(bytes)?;
    matches!(&bytes[length..], b"" | b"\n").then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn borders() {
        assert_eq!(leading_u64(b""), None);
        assert_eq!(leading_u64(b"x1"), None);
        assert_eq!(leading_u64(b"12x"), Some((12, 2)));
        assert_eq!(only_u64(b"18446744073709551615\n"), Some(u64::MAX));
        assert_eq!(only_u64(b"18446744073709551616"), None);
        assert_eq!(only_u64(b"max\n"), None);
        assert_eq!(only_u64(b"1 2"), None);
    }

    proptest! {
        #[test]
        fn every_number_is_read_back(value: u64, rest in "[^0-9]?.{0,9}") {
            let rest = rest.trim_start_matches(|c: char| c.is_ascii_digit());
            let text = format!("{value}{rest}");
            let length = value.to_string().len();
            prop_assert_eq!(leading_u64(text.as_bytes()), Some((value, length)));
        }

        #[test]
        fn rubbish_never_panics(bytes: Vec<u8>) {
            let _ = leading_u64(&bytes);
            let _ = only_u64(&bytes);
        }
    }
}
