//! Quantities as Kubernetes writes them (`100m`, `1.5`, `128Mi`, `1e9`), in exact arithmetic.

/// Digits of a mantissa that are taken; more make no CPU and no byte.
const MOST_DIGITS: usize = 24;

/// The largest power of ten that is taken.
const MOST_EXPONENT: i32 = 18;

/// CPU in thousandths of one, rounded up as Kubernetes does.
pub(crate) fn millis(text: &str) -> Option<i64> {
    scaled(text, 3)
}

/// Bytes or things, rounded up as Kubernetes does.
pub(crate) fn whole(text: &str) -> Option<i64> {
    scaled(text, 0)
}

/// The quantity times ten to the power of `scale`.
fn scaled(text: &str, scale: i32) -> Option<i64> {
    let text = text.trim();
    let (negative, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let (integer, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = [integer, fraction].concat();
    if digits.is_empty() || digits.len() > MOST_DIGITS || fraction.contains('.') {
        return None;
    }
    let mantissa: i128 = digits.parse().ok()?;
    let (factor, exponent) = suffix_of(suffix)?;
    let exponent = exponent + scale - i32::try_from(fraction.len()).ok()?;
    let value = mantissa.checked_mul(factor)?;
    let power = 10_i128.checked_pow(exponent.unsigned_abs())?;
    let value = if exponent >= 0 {
        value.checked_mul(power)?
    } else {
        let down = value / power;
        // A negative one is rounded away from zero as well.
        if value % power == 0 { down } else { down + 1 }
    };
    i64::try_from(if negative { -value } else { value }).ok()
}

/// A factor, and a power of ten.
fn suffix_of(suffix: &str) -> Option<(i128, i32)> {
    let binary = |power: u32| Some((1024_i128.pow(power), 0));
    let decimal = |exponent| Some((1, exponent));
    match suffix {
        "" => decimal(0),
        "n" => decimal(-9),
        "u" => decimal(-6),
        "m" => decimal(-3),
        "k" => decimal(3),
        "M" => decimal(6),
        "G" => decimal(9),
        "T" => decimal(12),
        "P" => decimal(15),
        "E" => decimal(18),
        "Ki" => binary(1),
        "Mi" => binary(2),
        "Gi" => binary(3),
        "Ti" => binary(4),
        "Pi" => binary(5),
        "Ei" => binary(6),
        _ => {
            let exponent: i32 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
            (exponent.abs() <= MOST_EXPONENT).then_some((1, exponent))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn as_the_kubelet_reads_them() {
        for (text, meant) in [
            ("1", Some(1000)),
            ("100m", Some(100)),
            ("0.1", Some(100)),
            (".5", Some(500)),
            ("1.5k", Some(1_500_000)),
            ("1n", Some(1)),
            ("2e3", Some(2_000_000)),
            ("2E-3", Some(2)),
            ("1Ki", Some(1_024_000)),
            ("-1m", Some(-1)),
            ("", None),
            (".", None),
            ("1.2.3", None),
            ("1x", None),
            ("1e99", None),
            ("99999999E", None),
        ] {
            assert_eq!(millis(text), meant, "{text}");
        }
        assert_eq!(whole("128Mi"), Some(128 << 20));
        assert_eq!(whole("1.5Gi"), Some(3 << 29));
        assert_eq!(whole("1500m"), Some(2));
        assert_eq!(whole("129M"), Some(129_000_000));
        assert_eq!(whole("7Ei"), Some(7 << 60));
        assert_eq!(whole("8Ei"), None);
    }

    proptest! {
        /// Whatever is written there, it never panics.
        #[test]
        fn no_text_panics(text in "[-+]?[0-9.]{0,30}[a-zA-Z0-9-]{0,6}") {
            let _ = (millis(&text), whole(&text));
        }

        #[test]
        fn whole_numbers_are_exact(number in 0_i64..1 << 40) {
            prop_assert_eq!(whole(&number.to_string()), Some(number));
            prop_assert_eq!(millis(&format!("{number}m")), Some(number));
            prop_assert_eq!(whole(&format!("{number}Ki")), Some(number << 10));
        }
    }
}
