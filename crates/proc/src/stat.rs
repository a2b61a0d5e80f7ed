//! `/proc/<pid>/stat`.

use fgm_kernfile::leading_u64;
use memchr::memrchr;

/// What is taken from the line; the kernel's `proc_pid_stat(5)` gives the field numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    /// Minor page faults of the process (field 10).
    pub minor_faults: u64,
    /// Major page faults of the process (field 12).
    pub major_faults: u64,
    /// Threads (field 20).
    pub threads: u64,
    /// When it started, in clock ticks after boot (field 22); with the pid it names a process.
    pub start_ticks: u64,
}

/// Reads the line; `None` where a field is missing, cut off or not a number.
///
/// The name (field 2) is whatever the program says, spaces, parentheses and newlines included:
/// only its last `)` ends it, since no later field can hold one.
#[must_use]
pub fn parse(bytes: &[u8]) -> Option<Stat> {
    let name_end = memrchr(b')', bytes)?;
    let fields = bytes[name_end + 1..].strip_prefix(b" ")?;
    let mut fields = Fields { rest: fields };
    // The state is field 3.
    let minor_faults = fields.skip(10 - 3)?.number()?;
    let major_faults = fields.skip(1)?.number()?;
    let threads = fields.skip(20 - 13)?.number()?;
    let start_ticks = fields.skip(1)?.number()?;
    Some(Stat {
        minor_faults,
        major_faults,
        threads,
        start_ticks,
    })
}

/// What is left of a line of fields with one space between them.
struct Fields<'bytes> {
    rest: &'bytes [u8],
}

impl Fields<'_> {
    fn skip(&mut self, count: usize) -> Option<&mut Self> {
        for _ in 0..count {
            let end = self
                .rest
                .iter()
                .position(|&byte| matches!(byte, b' ' | b'\n'))?;
            self.rest = self.rest[end..].strip_prefix(b" ")?;
        }
        Some(self)
    }

    /// The next field; it counts only if something follows, as the end of a cut line may lack
    /// digits.
    fn number(&mut self) -> Option<u64> {
        let (value, length) = leading_u64(self.rest)?;
        self.rest = match &self.rest[length..] {
            [b' ', rest @ ..] => rest,
            [b'\n', ..] => b"",
            _ => return None,
        };
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const REAL: &str = "1437 (sh) S 1 1437 1437 0 -1 4194560 1184 2401 3 0 0 1 2 3 20 0 7 0 \
         86154 2580480 219 18446744073709551615 1 1 0 0 0 0 0 2 65536 1 0 0 17 0 0 0 0 0 0\n";

    #[test]
    fn a_real_line() {
        let stat = parse(REAL.as_bytes()).unwrap();
        assert_eq!(
            stat,
            Stat {
                minor_faults: 1184,
                major_faults: 3,
                threads: 7,
                start_ticks: 86154,
            }
        );
    }

    /// The plain reading of the format, for comparison: split after the last ')'.
    fn naive(bytes: &[u8]) -> Option<Stat> {
        let text: String = bytes.iter().map(|&byte| char::from(byte)).collect();
        let (_, rest) = text.rsplit_once(')')?;
        let rest = rest.strip_prefix(' ')?;
        let (line, complete) = match rest.split_once('\n') {
            Some((line, _)) => (line, true),
            None => (rest, false),
        };
        let fields: Vec<&str> = line.split(' ').collect();
        let number = |index: usize| -> Option<u64> {
            let field = fields.get(index)?;
            let whole = complete || index + 1 < fields.len();
            let digits = field.bytes().all(|byte| byte.is_ascii_digit());
            (whole && digits).then(|| field.parse().ok()).flatten()
        };
        Some(Stat {
            minor_faults: number(7)?,
            major_faults: number(9)?,
            threads: number(17)?,
            start_ticks: number(19)?,
        })
    }

    fn field() -> impl Strategy<Value = String> {
        prop_oneof![
            8 => any::<u64>().prop_map(|value| value.to_string()),
            2 => (0..200_i64).prop_map(|value| (-value).to_string()),
            1 => "[0-9]{1,25}",
            1 => "[a-z\n]{0,3}",
        ]
    }

    proptest! {
        #[test]
        fn agrees_with_the_plain_reading(
            name in "[ -~\n)(]{0,16}",
            fields in proptest::collection::vec(field(), 0..50),
            cut in 0..400_usize,
        ) {
            let text = format!("12 ({name}) S {}\n", fields.join(" "));
            prop_assert_eq!(parse(text.as_bytes()), naive(text.as_bytes()));
            let cut = &text.as_bytes()[..cut.min(text.len())];
            prop_assert_eq!(parse(cut), naive(cut));
        }

        #[test]
        fn a_hostile_name_cannot_forge_a_field(name in "[ )(0-9\n]{0,16}", faults: u64, start: u64, threads: u64) {
            let text = format!(
                "7 ({name}) R 1 1 1 0 -1 0 {faults} 0 0 0 0 0 0 0 20 0 {threads} 0 {start} 0\n"
            );
            prop_assert_eq!(parse(text.as_bytes()), Some(Stat {
                minor_faults: faults, major_faults: 0, threads, start_ticks: start,
            }));
        }

        #[test]
        fn rubbish_never_panics(bytes: Vec<u8>) {
            let _ = parse(&bytes);
        }
    }
}
