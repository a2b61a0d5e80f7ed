//! `/proc/<pid>/net/dev`: what the interfaces of a process's network namespace have moved.

use crate::fields;
use fgm_model::{Metric, Values};

/// Numbers of a line: 8 of receiving, 8 of sending.
const FIELDS: usize = 16;

/// Sums over interfaces, since each was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Traffic {
    /// What came in.
    pub rx: Direction,
    /// What went out.
    pub tx: Direction,
}

/// One direction of [`Traffic`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Direction {
    /// Bytes.
    pub bytes: u64,
    /// Packets.
    pub packets: u64,
    /// Packets with an error.
    pub errors: u64,
    /// Packets that were dropped.
    pub drops: u64,
}

/// Sums the interfaces whose names are wanted; `None` where a line is cut off or is not what the
/// kernel writes, for a part of the sum is no sum.
#[must_use]
pub fn parse(bytes: &[u8], wanted: impl Fn(&[u8]) -> bool) -> Option<Traffic> {
    let mut lines = bytes.strip_suffix(b"\n")?.split(|&byte| byte == b'\n');
    for _ in 0..2 {
        // The headings are told by their bars.
        lines.next().filter(|line| line.contains(&b'|'))?;
    }
    let mut sum = Traffic::default();
    for line in lines {
        let colon = line.iter().position(|&byte| byte == b':')?;
        let (fields, rest) = fields::numbers(&line[colon + 1..])?;
        if !rest.iter().all(|&byte| byte == b' ') {
            return None;
        }
        if wanted(line[..colon].trim_ascii_start()) {
            sum = sum.plus(&fields)?;
        }
    }
    Some(sum)
}

/// Every interface that leads out of the namespace: all but loopback.
#[must_use]
pub fn leads_out(name: &[u8]) -> bool {
    name != b"lo"
}

/// The interfaces by which a node reaches others. What runs over a pod's link, a bridge, a tunnel
/// or a VLAN runs over one of these as well and would be counted twice.
#[must_use]
pub fn is_of_node(name: &[u8]) -> bool {
    /// How runtimes, network plugins and the kernel name the others.
    const OTHERS: [&[u8]; 29] = [
        b"azv",
        b"bond",
        b"br",
        b"cali",
        b"cbr",
        b"cilium",
        b"cni",
        b"docker",
        b"dummy",
        b"eni",
        b"flannel",
        b"genev",
        b"gke",
        b"gre",
        b"ifb",
        b"ip6tnl",
        b"kube",
        b"lxc",
        b"nerdctl",
        b"nodelocaldns",
        b"ovn",
        b"podman",
        b"sit",
        b"tap",
        b"tun",
        b"veth",
        b"virbr",
        b"vxlan",
        b"wg",
    ];
    let other = OTHERS.iter().any(|prefix| name.starts_with(prefix));
    leads_out(name) && !other && !name.contains(&b'.')
}

impl Traffic {
    /// `None` beyond what 64 bits hold.
    fn plus(self, fields: &[u64; FIELDS]) -> Option<Self> {
        let (rx, tx) = fields.split_at(FIELDS / 2);
        Some(Self {
            rx: self.rx.plus(rx)?,
            tx: self.tx.plus(tx)?,
        })
    }

    /// Sets the network columns; to unknown where there are no sums.
    pub fn set(traffic: Option<Self>, values: &mut Values) {
        for (metric, of) in COLUMNS {
            values.set_u64(metric, traffic.as_ref().map(of));
        }
    }
}

impl Direction {
    fn plus(self, fields: &[u64]) -> Option<Self> {
        let &[bytes, packets, errors, drops, ..] = fields else {
            return None;
        };
        Some(Self {
            bytes: self.bytes.checked_add(bytes)?,
            packets: self.packets.checked_add(packets)?,
            errors: self.errors.checked_add(errors)?,
            drops: self.drops.checked_add(drops)?,
        })
    }
}

type Column = (Metric, fn(&Traffic) -> u64);

const COLUMNS: [Column; 8] = [
    (Metric::NetworkRxBytes, |traffic| traffic.rx.bytes),
    (Metric::NetworkRxPackets, |traffic| traffic.rx.packets),
    (Metric::NetworkRxErrors, |traffic| traffic.rx.errors),
    (Metric::NetworkRxDrops, |traffic| traffic.rx.drops),
    (Metric::NetworkTxBytes, |traffic| traffic.tx.bytes),
    (Metric::NetworkTxPackets, |traffic| traffic.tx.packets),
    (Metric::NetworkTxErrors, |traffic| traffic.tx.errors),
    (Metric::NetworkTxDrops, |traffic| traffic.tx.drops),
];

#[cfg(test)]
mod tests;
