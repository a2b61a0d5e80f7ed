//! `cgroup.procs`: a process per line.

use fgm_kernfile::leading_u64;

/// What stood in the lists read so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Listed {
    /// Processes of another PID namespace: the kernel writes 0 for each.
    pub foreign: u64,
    /// Whether every line was a number.
    pub garbled: bool,
}

/// Adds the processes of one list to `pids`; what is not complete or no number is garbled.
pub fn add(bytes: &[u8], pids: &mut Vec<u32>, listed: &mut Listed) {
    let mut rest = bytes;
    while !rest.is_empty() {
        let Some(end) = rest.iter().position(|&byte| byte == b'\n') else {
            listed.garbled = true;
            return;
        };
        let pid = leading_u64(&rest[..end])
            .filter(|&(_, length)| length == end)
            .and_then(|(pid, _)| u32::try_from(pid).ok());
        match pid {
            Some(0) => listed.foreign += 1,
            Some(pid) => pids.push(pid),
            None => listed.garbled = true,
        }
        rest = &rest[end + 1..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(bytes: &[u8]) -> (Vec<u32>, Listed) {
        let mut pids = Vec::new();
        let mut listed = Listed::default();
        add(bytes, &mut pids, &mut listed);
        (pids, listed)
    }

    #[test]
    fn lines() {
        assert_eq!(parse(b""), (vec![], Listed::default()));
        assert_eq!(
            parse(b"1\n4194304\n"),
            (vec![1, 4_194_304], Listed::default())
        );
        let listed = Listed {
            foreign: 2,
            garbled: false,
        };
        assert_eq!(parse(b"0\n7\n0\n"), (vec![7], listed));
    }

    #[test]
    fn cut_off_or_garbled_is_told() {
        for bytes in [b"1\n23".as_slice(), b"1\nx\n", b"1\n4294967296\n", b"1\n\n"] {
            let (pids, listed) = parse(bytes);
            assert_eq!(pids, [1], "{bytes:?}");
            assert!(listed.garbled, "{bytes:?}");
        }
    }

    /// The plain reading of the format, for comparison.
    fn naive(text: &str) -> (Vec<u32>, Listed) {
        let (complete, rest) = text.rsplit_once('\n').unwrap_or(("", text));
        let mut listed = Listed {
            foreign: 0,
            garbled: !rest.is_empty(),
        };
        let mut pids = Vec::new();
        if text.contains('\n') {
            for line in complete.split('\n') {
                match line.parse::<u32>() {
                    Ok(0) => listed.foreign += 1,
                    Ok(pid) if !line.starts_with('+') => pids.push(pid),
                    _ => listed.garbled = true,
                }
            }
        }
        (pids, listed)
    }

    proptest! {
        #[test]
        fn agrees_with_the_plain_reading(text in "([0-9]{0,12}x?\n){0,9}[0-9]{0,3}") {
            prop_assert_eq!(parse(text.as_bytes()), naive(&text));
        }

        #[test]
        fn rubbish_never_panics(bytes: Vec<u8>) {
            parse(&bytes);
        }
    }
}
