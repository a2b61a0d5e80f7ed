//! `/proc/<pid>/status` and `/proc/<pid>/task/<tid>/status`: the context switches.
//!
//! Each file speaks of one thread; that of a process of its main thread.

use fgm_kernfile::leading_u64;

/// Context switches of one thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ContextSwitches {
    /// The thread gave up the CPU to wait.
    pub voluntary: u64,
    /// The thread was preempted.
    pub involuntary: u64,
}

/// Reads the file; `None` where one of the two is missing, cut off or not a number.
///
/// The lines stand near the end of sixty, so they are looked for from there.
#[must_use]
pub fn parse(bytes: &[u8]) -> Option<ContextSwitches> {
    let (mut voluntary, mut involuntary) = (None, None);
    // What follows the last newline is cut off.
    let end = bytes.iter().rposition(|&byte| byte == b'\n')?;
    for line in bytes[..end].rsplit(|&byte| byte == b'\n') {
        if let Some(value) = line.strip_prefix(b"voluntary_ctxt_switches:\t") {
            voluntary = voluntary.or_else(|| whole_number(value));
        } else if let Some(value) = line.strip_prefix(b"nonvoluntary_ctxt_switches:\t") {
            involuntary = involuntary.or_else(|| whole_number(value));
        }
        if let (Some(voluntary), Some(involuntary)) = (voluntary, involuntary) {
            return Some(ContextSwitches {
                voluntary,
                involuntary,
            });
        }
    }
    None
}

fn whole_number(bytes: &[u8]) -> Option<u64> {
    let (value, length) = leading_u64(bytes)?;
    (length == bytes.len()).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_real_file() {
        let text = b"Name:\tsh\nUmask:\t0022\nThreads:\t1\nvoluntary_ctxt_switches:\t150\n\
            nonvoluntary_ctxt_switches:\t545\nx86_Thread_features:\t\n";
        let expected = ContextSwitches {
            voluntary: 150,
            involuntary: 545,
        };
        assert_eq!(parse(text), Some(expected));
        assert_eq!(parse(&text[..60]), None);
        assert_eq!(
            parse(b"voluntary_ctxt_switches:\t1\nnonvoluntary_ctxt_switches:\t5"),
            None
        );
    }

    #[test]
    fn a_name_cannot_forge_a_line() {
        // The kernel writes a newline of the name as `\n`, two characters.
        let text = b"Name:\t\\nvoluntary_ctxt_switches:\t9\nvoluntary_ctxt_switches:\t1\n\
            nonvoluntary_ctxt_switches:\t2\n";
        assert_eq!(
            parse(text),
            Some(ContextSwitches {
                voluntary: 1,
                involuntary: 2
            })
        );
    }

    fn naive(text: &str) -> Option<ContextSwitches> {
        let complete = &text[..text.rfind('\n')?];
        let number = |key: &str| {
            complete.split('\n').rev().find_map(|line| {
                let value = line.strip_prefix(key)?;
                let digits = value.bytes().all(|byte| byte.is_ascii_digit());
                digits.then(|| value.parse().ok()).flatten()
            })
        };
        Some(ContextSwitches {
            voluntary: number("voluntary_ctxt_switches:\t")?,
            involuntary: number("nonvoluntary_ctxt_switches:\t")?,
        })
    }

    proptest! {
        #[test]
        fn agrees_with_the_plain_reading(
            lines in proptest::collection::vec((
                prop_oneof![
                    Just("voluntary_ctxt_switches"), Just("nonvoluntary_ctxt_switches"),
                    Just("Threads"), Just("oluntary_ctxt_switches"),
                ],
                prop_oneof![
                    4 => any::<u64>().prop_map(|value| value.to_string()),
                    1 => "[0-9]{1,25}",
                    1 => "-1| 2|",
                ],
            ), 0..8),
            cut in 0..300_usize,
        ) {
            let text: String = lines.iter().map(|(key, value)| format!("{key}:\t{value}\n")).collect();
            let text = &text[..cut.min(text.len())];
            prop_assert_eq!(parse(text.as_bytes()), naive(text));
        }

        #[test]
        fn rubbish_never_panics(bytes: Vec<u8>) {
            let _ = parse(&bytes);
        }
    }
}
