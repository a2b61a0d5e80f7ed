//! The kernel's lines about an OOM kill, put together.
//!
//! ```text
//! memory: usage 32768kB, limit 32768kB, failcnt 17
//! oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=a,mems_allowed=0,oom_memcg=/a,task_memcg=/a/b,task=hog,pid=42,uid=0
//! Memory cgroup out of memory: Killed process 42 (hog) total-vm:105176kB, anon-rss:31232kB, file-rss:640kB, shmem-rss:0kB, UID:0 pgtables:104kB oom_score_adj:0
//! Tasks in /a/b are going to be killed due to memory.oom.group set
//! Memory cgroup out of memory: Killed process 43 (sh) total-vm:...
//! ```
//!
//! The names in them are chosen by whoever is killed: a `comm` may hold any byte but zero.

use super::record::{Record, number};

/// Processes of one OOM that are remembered, so that none is counted twice.
const MOST_KILLED: usize = 64;

/// A process that died.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Killed {
    /// Its number in the initial PID namespace.
    pub pid: i64,
    /// Its name.
    pub name: String,
    /// Its user.
    pub uid: Option<i64>,
    /// Resident anonymous memory.
    pub anon_rss_bytes: Option<i64>,
    /// Resident file-backed memory.
    pub file_rss_bytes: Option<i64>,
    /// Resident shared memory.
    pub shmem_rss_bytes: Option<i64>,
}

/// What the kernel says of one OOM.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OomRecord {
    /// The number of its first line: the same again when more lines came.
    pub sequence: u64,
    /// When, milliseconds UTC.
    pub at_ms: i64,
    /// The cgroup whose limit was hit; `None` when the node had no memory left.
    pub oom_cgroup: Option<String>,
    /// That limit.
    pub limit_bytes: Option<i64>,
    /// The cgroup of the chosen process.
    pub task_cgroup: String,
    /// The chosen process.
    pub victim: Killed,
    /// Processes that died, the chosen one included.
    pub processes_killed: i64,
    /// `memory.oom.group` had all killed.
    pub group_kill: bool,
}

/// A line that matters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Line {
    /// What the cgroup that is out of memory may use; it precedes the choice.
    Limit(i64),
    Chosen {
        oom_cgroup: Option<String>,
        task_cgroup: String,
        victim: Killed,
    },
    Killed(Killed),
    Group,
}

impl Line {
    /// Parses the text of a record; nothing is allocated for a line that does not matter.
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        if let Some(rest) = text.strip_prefix(b"oom-kill:") {
            return chosen(rest);
        }
        if let Some(rest) = text.strip_prefix(b"memory: usage ") {
            return limit(rest);
        }
        if text.starts_with(b"Tasks in ") && find(text, b" memory.oom.group").is_some() {
            return Some(Self::Group);
        }
        let mut starts = [
            b"Memory cgroup out of memory: Killed process ".as_slice(),
            b"Out of memory: Killed process ",
            b"Out of memory (oom_kill_allocating_task): Killed process ",
        ]
        .into_iter();
        killed(starts.find_map(|start| text.strip_prefix(start))?)
    }
}

fn chosen(rest: &[u8]) -> Option<Line> {
    // The end is read from behind and the cgroups from the front: a name may hold anything.
    let uid_at = rfind(rest, b",uid=")?;
    let uid = number(rest.get(uid_at + 5..)?)?;
    let rest = rest.get(..uid_at)?;
    let pid_at = rfind(rest, b",pid=")?;
    let pid = number(rest.get(pid_at + 5..)?)?;
    let rest = rest.get(..pid_at)?;
    let task_cgroup_at = find(rest, b",task_memcg=")?;
    let (before, after) = (
        rest.get(..task_cgroup_at)?,
        rest.get(task_cgroup_at + 12..)?,
    );
    let task_at = find(after, b",task=")?;
    let oom_cgroup = find(before, b",oom_memcg=").and_then(|at| before.get(at + 11..));
    Some(Line::Chosen {
        oom_cgroup: oom_cgroup.map(text_of),
        task_cgroup: text_of(after.get(..task_at)?),
        victim: Killed {
            pid: i64::try_from(pid).ok()?,
            name: text_of(after.get(task_at + 6..)?),
            uid: i64::try_from(uid).ok(),
            ..Killed::default()
        },
    })
}

fn limit(rest: &[u8]) -> Option<Line> {
    bytes_after(rest, b" limit ").map(Line::Limit)
}

fn killed(rest: &[u8]) -> Option<Line> {
    let open = find(rest, b" (")?;
    let close = rfind(rest, b") total-vm:")?;
    let sizes = rest.get(close..)?;
    let bytes = |key: &[u8]| bytes_after(sizes, key);
    Some(Line::Killed(Killed {
        pid: i64::try_from(number(rest.get(..open)?)?).ok()?,
        name: text_of(rest.get(open + 2..close)?),
        uid: digits_after(sizes, b" UID:")
            .and_then(number)
            .and_then(|uid| i64::try_from(uid).ok()),
        anon_rss_bytes: bytes(b"anon-rss:"),
        file_rss_bytes: bytes(b"file-rss:"),
        shmem_rss_bytes: bytes(b"shmem-rss:"),
    }))
}

/// A size in kB.
fn bytes_after(text: &[u8], key: &[u8]) -> Option<i64> {
    let kilobytes = number(digits_after(text, key)?)?;
    i64::try_from(kilobytes).ok()?.checked_mul(1024)
}

fn digits_after<'a>(text: &'a [u8], key: &[u8]) -> Option<&'a [u8]> {
    let rest = text.get(find(text, key)? + key.len()..)?;
    let end = rest.iter().position(|byte| !byte.is_ascii_digit());
    rest.get(..end.unwrap_or(rest.len()))
        .filter(|digits| !digits.is_empty())
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}

fn rfind(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).rposition(|window| window == what)
}

/// The text with the log's escapes (`\x5c`) undone.
fn text_of(bytes: &[u8]) -> String {
    let mut plain = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((first, after)) = rest.split_first() {
        let escaped = rest.strip_prefix(b"\\x").and_then(|code| {
            let digits = std::str::from_utf8(code.get(..2)?).ok()?;
            Some((u8::from_str_radix(digits, 16).ok()?, code.get(2..)?))
        });
        let (byte, after) = escaped.unwrap_or((*first, after));
        plain.push(byte);
        rest = after;
    }
    String::from_utf8_lossy(&plain).into_owned()
}

/// Puts the lines of one OOM together.
#[derive(Debug, Default)]
pub(crate) struct Assembler {
    record: Option<OomRecord>,
    /// The limit of the OOM whose lines come next.
    limit_bytes: Option<i64>,
    /// Who is counted already.
    pids: Vec<i64>,
    untold: bool,
}

impl Assembler {
    /// Takes a line; tells of an OOM when another begins.
    pub(crate) fn add(
        &mut self,
        record: &Record<'_>,
        at_ms: i64,
        tell: &mut impl FnMut(OomRecord),
    ) {
        match Line::parse(record.text) {
            Some(Line::Limit(bytes)) => self.limit_bytes = Some(bytes),
            Some(Line::Chosen {
                oom_cgroup,
                task_cgroup,
                victim,
            }) => {
                self.flush(tell);
                self.pids.clear();
                self.pids.push(victim.pid);
                let limit_bytes = self.limit_bytes.take();
                self.record = Some(OomRecord {
                    sequence: record.sequence,
                    at_ms,
                    limit_bytes: oom_cgroup.as_ref().and(limit_bytes),
                    oom_cgroup,
                    task_cgroup,
                    victim,
                    processes_killed: 1,
                    group_kill: false,
                });
                self.untold = true;
            }
            Some(Line::Killed(killed)) => self.died(killed),
            Some(Line::Group) => {
                if let Some(record) = &mut self.record {
                    record.group_kill = true;
                    self.untold = true;
                }
            }
            None => {}
        }
    }

    /// Tells of what came since.
    pub(crate) fn flush(&mut self, tell: &mut impl FnMut(OomRecord)) {
        if std::mem::take(&mut self.untold)
            && let Some(record) = &self.record
        {
            tell(record.clone());
        }
    }

    fn died(&mut self, killed: Killed) {
        let Some(record) = &mut self.record else {
            return;
        };
        if killed.pid == record.victim.pid {
            // The name as the line before gave it: both have at most 15 bytes.
            record.victim = Killed {
                uid: killed.uid.or(record.victim.uid),
                ..killed
            };
        } else if record.group_kill && !self.pids.contains(&killed.pid) {
            if self.pids.len() < MOST_KILLED {
                self.pids.push(killed.pid);
            }
            record.processes_killed += 1;
        } else {
            return;
        }
        self.untold = true;
    }
}
