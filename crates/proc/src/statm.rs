//! `/proc/<pid>/statm`.

use fgm_kernfile::leading_u64;

/// Memory in pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Statm {
    /// Address space; 0 for what has none (a kernel thread, a zombie).
    pub size_pages: u64,
    /// Resident pages.
    pub resident_pages: u64,
    /// Those of them that belong to files or shared memory.
    pub shared_pages: u64,
}

/// Reads the line; `None` where one of the three is missing, cut off or not a number.
#[must_use]
pub fn parse(bytes: &[u8]) -> Option<Statm> {
    let mut rest = bytes;
    let mut next = || {
        let (value, length) = leading_u64(rest)?;
        rest = rest[length..].strip_prefix(b" ")?;
        Some(value)
    };
    Some(Statm {
        size_pages: next()?,
        resident_pages: next()?,
        shared_pages: next()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_real_line() {
        let statm = parse(b"630 221 198 21 0 95 0\n").unwrap();
        assert_eq!(
            (statm.size_pages, statm.resident_pages, statm.shared_pages),
            (630, 221, 198)
        );
        assert_eq!(parse(b"630 221 19"), None);
        assert_eq!(parse(b""), None);
    }

    fn naive(text: &str) -> Option<Statm> {
        let fields: Vec<&str> = text.split(' ').collect();
        if fields.len() < 4 {
            return None;
        }
        let number = |index: usize| -> Option<u64> {
            let field: &str = fields[index];
            let digits = field.bytes().all(|byte| byte.is_ascii_digit());
            digits.then(|| field.parse().ok()).flatten()
        };
        Some(Statm {
            size_pages: number(0)?,
            resident_pages: number(1)?,
            shared_pages: number(2)?,
        })
    }

    proptest! {
        #[test]
        fn agrees_with_the_plain_reading(
            fields in proptest::collection::vec(
                prop_oneof![any::<u64>().prop_map(|value| value.to_string()), "[0-9]{1,25}", "[-x]?[0-9]{0,2}"], 0..8),
            cut in 0..120_usize,
        ) {
            let text = fields.join(" ") + "\n";
            let text = &text[..cut.min(text.len())];
            prop_assert_eq!(parse(text.as_bytes()), naive(text));
        }

        #[test]
        fn rubbish_never_panics(bytes: Vec<u8>) {
            let _ = parse(&bytes);
        }
    }
}
