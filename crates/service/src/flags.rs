//! Flags that several programs have, with one meaning and one default.

use bytesize::ByteSize;
use clap::Args;
use fgm_store::retain::{self, Policy};
use fgm_store::{DataDir, StoreError};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// What is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Args)]
pub struct Retention {
    /// Delete what is older
    #[arg(long, env = "FGM_RETAIN_AGE", value_name = "DURATION", default_value = "30d", value_parser = humantime::parse_duration)]
    pub retain_age: Duration,

    /// Delete the oldest when the data directory grows beyond
    #[arg(
        long,
        env = "FGM_RETAIN_SIZE",
        value_name = "BYTES",
        default_value = "20GiB"
    )]
    pub retain_size: ByteSize,

    /// Delete the oldest when the file system has less free: bytes or a percentage
    /// [default: the smaller of 10% and 5GiB]
    #[arg(long, env = "FGM_MIN_FREE_DISK", value_name = "BYTES|PERCENT")]
    pub min_free_disk: Option<FreeDisk>,
}

impl Retention {
    /// The same for the file system of that data directory.
    ///
    /// # Errors
    /// When the file system does not answer.
    pub fn policy(&self, dir: &DataDir) -> Result<Policy, StoreError> {
        let min_free_bytes = match self.min_free_disk {
            Some(least) => Some(least.bytes_of(retain::disk(dir)?.total_bytes)),
            None => None,
        };
        Ok(Policy {
            max_age_ms: i64::try_from(self.retain_age.as_millis()).ok(),
            max_bytes: Some(self.retain_size.as_u64()),
            min_free_bytes,
        })
    }
}

/// How much of the file system is to stay free.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FreeDisk {
    /// A number of bytes.
    Bytes(u64),
    /// A share of the file system, 0 to 100.
    Percent(u8),
}

impl FreeDisk {
    /// The bytes to keep free on a file system of that size.
    #[must_use]
    pub fn bytes_of(self, file_system_bytes: u64) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Percent(percent) => file_system_bytes / 100 * u64::from(percent),
        }
    }
}

impl FromStr for FreeDisk {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let help = "give bytes such as 5GiB, or a percentage such as 10%";
        match text.strip_suffix('%') {
            Some(number) => match number.trim().parse() {
                Ok(percent) if percent <= 100 => Ok(Self::Percent(percent)),
                _ => Err(help.to_owned()),
            },
            None => text
                .parse::<ByteSize>()
                .map(|size| Self::Bytes(size.as_u64()))
                .map_err(|error| format!("{error}; {help}")),
        }
    }
}

/// A duration within bounds, for flags that would make no sense outside them.
///
/// # Errors
/// What to give instead.
pub fn bounded(text: &str, least: Duration, most: Duration) -> Result<Duration, String> {
    let duration = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if (least..=most).contains(&duration) {
        Ok(duration)
    } else {
        Err(format!(
            "give {} to {}",
            humantime::format_duration(least),
            humantime::format_duration(most)
        ))
    }
}

/// The data directory: as given, else /var/lib/fgm for root and the XDG state directory for
/// everybody else.
///
/// # Errors
/// When nothing is given and neither `XDG_STATE_HOME` nor `HOME` is set.
pub fn data_dir(given: Option<&PathBuf>) -> anyhow::Result<PathBuf> {
    if let Some(dir) = given {
        return Ok(dir.clone());
    }
    if rustix::process::geteuid().is_root() {
        return Ok(PathBuf::from("/var/lib/fgm"));
    }
    state_dir()
}

/// Where a program keeps its state for one user: `$XDG_STATE_HOME/fgm`.
///
/// # Errors
/// When neither `XDG_STATE_HOME` nor `HOME` is set.
pub fn state_dir() -> anyhow::Result<PathBuf> {
    // A relative one is invalid and to be ignored (XDG Base Directory Specification).
    let absolute = |name| {
        let path = std::env::var_os(name).map(PathBuf::from);
        path.filter(|path| path.is_absolute())
    };
    absolute("XDG_STATE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".local/state")))
        .map(|state| state.join("fgm"))
        .ok_or_else(|| {
            anyhow::anyhow!("no place for the data: give --data-dir, or set HOME or XDG_STATE_HOME")
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_disk() {
        assert_eq!("25%".parse(), Ok(FreeDisk::Percent(25)));
        assert_eq!("1KiB".parse(), Ok(FreeDisk::Bytes(1024)));
        assert_eq!(FreeDisk::Percent(25).bytes_of(4000), 1000);
        for bad in ["101%", "lots", "%"] {
            let error = bad.parse::<FreeDisk>().unwrap_err();
            assert!(error.contains("such as 5GiB"), "{error}");
        }
    }

    #[test]
    fn a_duration_out_of_bounds_is_told_the_bounds() {
        let (least, most) = (Duration::from_secs(1), Duration::from_hours(1));
        assert_eq!(bounded("5m", least, most), Ok(Duration::from_mins(5)));
        assert_eq!(bounded("2h", least, most), Err("give 1s to 1h".to_owned()));
    }

    /// The default of a bound of the disk depends on the disk, and is left to the store.
    #[test]
    fn a_policy_is_made_for_a_disk() {
        let temp = tempfile::tempdir().unwrap();
        let dir = DataDir::create(temp.path()).unwrap();
        let mut retention = Retention {
            retain_age: Duration::from_secs(2),
            retain_size: ByteSize::kib(3),
            min_free_disk: None,
        };
        let policy = retention.policy(&dir).unwrap();
        assert_eq!(policy.max_age_ms, Some(2000));
        assert_eq!(
            (policy.max_bytes, policy.min_free_bytes),
            (Some(3072), None)
        );
        retention.min_free_disk = Some(FreeDisk::Percent(50));
        let half = retain::disk(&dir).unwrap().total_bytes / 100 * 50;
        assert_eq!(retention.policy(&dir).unwrap().min_free_bytes, Some(half));
    }
}
