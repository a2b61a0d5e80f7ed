//! The machine's own files and the network of processes.

use super::ProcTree;
use std::fs;
use std::io;

/// `/proc/meminfo` of a 6.x kernel.
pub const MEMINFO: &str = include_str!("meminfo.txt");
/// `/proc/vmstat` of a 6.x kernel.
pub const VMSTAT: &str = include_str!("vmstat.txt");

const STAT: &str = "\
cpu  162000 3000 88000 904000 5100 100 600 40 0 0
cpu0 81000 2000 44000 452000 2500 100 300 20 0 0
cpu1 81000 1000 44000 452000 2600 0 300 20 0 0
intr 31012 0 9 0 0 5
ctxt 60123
btime 1790000000
processes 812
procs_running 2
procs_blocked 0
softirq 9 0 1
";

const LOADAVG: &str = "0.52 0.58 0.59 2/813 12345\n";

const PRESSURE: &str = "\
some avg10=0.00 avg60=0.12 avg300=0.05 total=912340
full avg10=0.00 avg60=0.00 avg300=0.00 total=710220
";

const NET_DEV_HEAD: &str = "\
Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
";

impl ProcTree {
    /// Makes the files of the machine as a whole, its first process's network not among them.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn write_machine(&self) -> io::Result<()> {
        let root = self.path();
        fs::create_dir_all(root.join("pressure"))?;
        for (name, text) in [
            ("stat", STAT),
            ("loadavg", LOADAVG),
            ("meminfo", MEMINFO),
            ("vmstat", VMSTAT),
            ("pressure/cpu", PRESSURE),
            ("pressure/memory", PRESSURE),
            ("pressure/io", PRESSURE),
        ] {
            fs::write(root.join(name), text)?;
        }
        Ok(())
    }

    /// Gives a process a network namespace of its own with these interfaces: name, bytes received
    /// and bytes sent. Packets are a hundredth of the bytes, errors and drops 1 to 4.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write_net_dev(&self, pid: u32, interfaces: &[(&str, u64, u64)]) -> io::Result<()> {
        let mut text = NET_DEV_HEAD.to_owned();
        for (name, rx, tx) in interfaces {
            let (rx_packets, tx_packets) = (rx / 100, tx / 100);
            text += &format!(
                "{name:>6}: {rx:7} {rx_packets:7}    1    2    0     0          0         0 \
                 {tx:8} {tx_packets:7}    3    4    0     0       0          0\n"
            );
        }
        let folder = self.process(pid).join("net");
        fs::create_dir_all(&folder)?;
        fs::write(folder.join("dev"), text)
    }

    /// Puts a process into the network namespace of another.
    ///
    /// # Errors
    /// The file cannot be linked.
    pub fn share_net_dev(&self, pid: u32, with: u32) -> io::Result<()> {
        let folder = self.process(pid).join("net");
        fs::create_dir_all(&folder)?;
        fs::hard_link(self.process(with).join("net/dev"), folder.join("dev"))
    }
}
