//! `/proc/stat`: CPU time of the whole machine.

use crate::fields;

/// Sums over all CPUs in clock ticks, and how many there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CpuTimes {
    /// In user mode, at any priority; guests included.
    pub user_ticks: u64,
    /// In the kernel, interrupts included: what the root cgroup calls system time.
    pub system_ticks: u64,
    /// Stolen by the hypervisor.
    pub steal_ticks: u64,
    /// CPUs that are online.
    pub cpus: u64,
}

/// Reads the file; `None` where the line of the sums is cut off or not of numbers.
#[must_use]
pub fn parse(bytes: &[u8]) -> Option<CpuTimes> {
    let end = bytes.iter().position(|&byte| byte == b'\n')?;
    let (sums, rest) = bytes.split_at(end + 1);
    let (numbers, after) = fields::numbers(sums.strip_prefix(b"cpu ")?)?;
    let [user, nice, system, _idle, _iowait, irq, softirq, steal] = numbers;
    if !matches!(after.first(), Some(b' ' | b'\n')) {
        return None;
    }
    let is_cpu = |line: &&[u8]| {
        let number = line.strip_prefix(b"cpu").and_then(|rest| rest.first());
        line.ends_with(b"\n") && number.is_some_and(u8::is_ascii_digit)
    };
    let cpus = rest
        .split_inclusive(|&byte| byte == b'\n')
        .take_while(is_cpu)
        .count();
    Some(CpuTimes {
        user_ticks: user.checked_add(nice)?,
        system_ticks: system.checked_add(irq)?.checked_add(softirq)?,
        steal_ticks: steal,
        cpus: cpus as u64,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const REAL: &str = "cpu  162 3 88 9004 51 1 6 40 0 0\ncpu0 81 2 44 4502 25 1 3 20 0 0\n\
        cpu1 81 1 44 4502 26 0 3 20 0 0\nintr 31012 0 0 5\nctxt 60123\nbtime 1790000000\n\
        processes 812\nprocs_running 2\nprocs_blocked 0\nsoftirq 9 0 1\n";

    #[test]
    fn a_real_file() {
        let expected = CpuTimes {
            user_ticks: 165,
            system_ticks: 95,
            steal_ticks: 40,
            cpus: 2,
        };
        assert_eq!(parse(REAL.as_bytes()), Some(expected));
        assert_eq!(parse(b"cpu  162 3 88 9004 51 1 6 4"), None);
        assert_eq!(parse(b"cpu0 162 3 88 9004 51 1 6 4 0 0\n"), None);
        assert_eq!(parse(b"cpu  1 2 3\n"), None);
        assert_eq!(parse(b""), None);
    }

    /// The plain reading of the format, for comparison.
    fn naive(text: &str) -> Option<CpuTimes> {
        let complete = &text[..=text.rfind('\n')?];
        let mut lines = complete.lines();
        let numbers: Vec<Option<u64>> = lines
            .next()?
            .strip_prefix("cpu ")?
            .split(' ')
            .filter(|field| !field.is_empty())
            .map(|field| {
                let digits = field.bytes().all(|byte| byte.is_ascii_digit());
                digits.then(|| field.parse().ok()).flatten()
            })
            .collect();
        let at = |index: usize| numbers.get(index).copied().flatten();
        let first: Option<Vec<u64>> = (0..8).map(at).collect();
        let first = first?;
        let cpus = lines
            .take_while(|line| {
                let number = line.strip_prefix("cpu");
                number.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
            })
            .count();
        Some(CpuTimes {
            user_ticks: first[0].checked_add(first[1])?,
            system_ticks: first[2].checked_add(first[5])?.checked_add(first[6])?,
            steal_ticks: first[7],
            cpus: cpus as u64,
        })
    }

    proptest! {
        #[test]
        fn agrees_with_the_plain_reading(
            head in "cpu  ?|cpu",
            numbers in proptest::collection::vec(
                prop_oneof![20 => (0..u64::MAX / 2).prop_map(|value| value.to_string()), 1 => "-1|x|[0-9]{20}"], 6..11),
            rest in "(cpu[0-9]{1,2} 1 2\n){0,3}(cpux 1\n)?(intr 5\n)?(cpu7 5\n)?",
            cut in 0..400_usize,
        ) {
            let text = format!("{head}{}\n{rest}", numbers.join(" "));
            prop_assert_eq!(parse(text.as_bytes()), naive(&text));
            let text = &text[..cut.min(text.len())];
            prop_assert_eq!(parse(text.as_bytes()), naive(text));
        }

        #[test]
        fn rubbish_never_panics(bytes: Vec<u8>) {
            let _ = parse(&bytes);
        }
    }
}
