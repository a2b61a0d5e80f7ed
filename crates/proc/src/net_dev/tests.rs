use super::*;
use proptest::prelude::*;

const HEAD: &str = "Inter-|   Receive                                                |  Transmit\n \
    face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n";
const REAL: &str = "    lo: 1087532   12075    0    0    0     0          0         0  1087532   12075    0    0    0     0       0          0\n  \
    eth0: 98213371   71040    1    2    0     0          0         0  2451290   26134    3    4    0     0       0          0\n";

fn real() -> String {
    format!("{HEAD}{REAL}")
}

#[test]
fn a_real_file() {
    let expected = Traffic {
        rx: Direction {
            bytes: 98_213_371,
            packets: 71_040,
            errors: 1,
            drops: 2,
        },
        tx: Direction {
            bytes: 2_451_290,
            packets: 26_134,
            errors: 3,
            drops: 4,
        },
    };
    assert_eq!(parse(real().as_bytes(), leads_out), Some(expected));
    let mut values = Values::default();
    Traffic::set(Some(expected), &mut values);
    assert_eq!(values.get(Metric::NetworkRxDrops), Some(2));
    assert_eq!(values.get(Metric::NetworkTxBytes), Some(2_451_290));
    Traffic::set(None, &mut values);
    assert!(values.is_empty());
}

#[test]
fn a_namespace_without_interfaces_moved_nothing() {
    assert_eq!(parse(HEAD.as_bytes(), leads_out), Some(Traffic::default()));
    assert_eq!(parse(b"", leads_out), None);
}

#[test]
fn what_is_cut_off_has_no_sum() {
    let text = real();
    let last_line = text.len() - 10;
    assert_eq!(parse(&text.as_bytes()[..last_line], leads_out), None);
    let headless = &text.as_bytes()[HEAD.len()..];
    assert_eq!(parse(headless, leads_out), None);
    let sixteen = |number: &str| format!("{HEAD} e:{}\n", format!("{number} ").repeat(16));
    assert!(parse(sixteen("7").as_bytes(), leads_out).is_some());
    for bad in ["-1", "x", "18446744073709551616"] {
        assert_eq!(parse(sixteen(bad).as_bytes(), leads_out), None, "{bad}");
    }
}

#[test]
fn links_of_pods_are_not_the_nodes() {
    for name in ["eth0", "ens5", "enp3s0f1", "eno1", "wlan0", "ib0", "hsn0"] {
        assert!(is_of_node(name.as_bytes()), "{name}");
    }
    for name in [
        "lo",
        "veth1a2b3c",
        "cali0123456789a",
        "lxc_health",
        "cilium_host",
        "cni0",
        "docker0",
        "br-5f0d1c",
        "flannel.1",
        "eth0.100",
        "eni1a2b3c4d5e6",
        "tunl0",
        "kube-ipvs0",
    ] {
        assert!(!is_of_node(name.as_bytes()), "{name}");
    }
}

/// The plain reading of the format, for comparison.
fn naive(text: &str) -> Option<Traffic> {
    let mut lines = text.strip_suffix('\n')?.split('\n');
    if !(lines.next()?.contains('|') && lines.next()?.contains('|')) {
        return None;
    }
    // Bytes, packets, errors and drops of each direction.
    let used = [0, 1, 2, 3, 8, 9, 10, 11];
    let mut sums = [0_u64; 8];
    for line in lines {
        let (name, numbers) = line.split_once(':')?;
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let numbers: Option<Vec<u64>> = numbers
            .split(' ')
            .filter(|field| !field.is_empty())
            .map(|field| digits(field).then(|| field.parse().ok()).flatten())
            .collect();
        let numbers = numbers.filter(|numbers| numbers.len() == 16)?;
        if name.trim_start() != "lo" {
            for (sum, at) in sums.iter_mut().zip(used) {
                *sum = sum.checked_add(numbers[at])?;
            }
        }
    }
    let direction = |at: usize| Direction {
        bytes: sums[at],
        packets: sums[at + 1],
        errors: sums[at + 2],
        drops: sums[at + 3],
    };
    Some(Traffic {
        rx: direction(0),
        tx: direction(4),
    })
}

fn line() -> impl Strategy<Value = String> {
    let number = prop_oneof![
        30 => (0..1_u64 << 59).prop_map(|value| value.to_string()),
        1 => "-1|x|[0-9]{20,25}",
        1 => any::<u64>().prop_map(|value| value.to_string()),
    ];
    let fields = prop_oneof![
        9 => proptest::collection::vec(number.clone(), 16),
        1 => proptest::collection::vec(number, 14..18),
    ];
    ("(lo|eth0|e)", " {0,3}", "( ?|  )", fields).prop_map(|(name, indent, gap, fields)| {
        format!("{indent}{name}:{gap}{}\n", fields.join("  "))
    })
}

proptest! {
    #[test]
    fn agrees_with_the_plain_reading(
        lines in proptest::collection::vec(line(), 0..5),
        cut in 0..2000_usize,
    ) {
        let text = format!("{HEAD}{}", lines.concat());
        prop_assert_eq!(parse(text.as_bytes(), leads_out), naive(&text));
        let text = &text[..cut.min(text.len())];
        prop_assert_eq!(parse(text.as_bytes(), leads_out), naive(text));
    }

    #[test]
    fn rubbish_never_panics(bytes: Vec<u8>) {
        let _ = parse(&bytes, is_of_node);
    }
}
