//! The scenarios: which containers a node has, and what goes wrong on it.

use super::profile::{Class, Trouble};
use super::random::Random;
use serde::{Deserialize, Serialize};

/// A mix of containers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scenario {
    /// Nearly everything waits.
    Idle,
    /// A node as it is: most things wait or serve a little, some work, a few have trouble.
    Realistic,
    /// Jobs, crash loops and roll-outs: containers come and go all the time.
    Churn,
    /// Quotas that are too small, each with a cycle of its own.
    Throttle,
    /// Memory that grows until the OOM killer comes.
    Leak,
    /// Containers of many processes that share memory.
    Multiproc,
}

impl Scenario {
    /// Every scenario.
    pub const ALL: [Self; 6] = [
        Self::Idle,
        Self::Realistic,
        Self::Churn,
        Self::Throttle,
        Self::Leak,
        Self::Multiproc,
    ];

    /// The name on a command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Realistic => "realistic",
            Self::Churn => "churn",
            Self::Throttle => "throttle",
            Self::Leak => "leak",
            Self::Multiproc => "multiproc",
        }
    }

    /// One sentence for a person.
    #[must_use]
    pub const fn help(self) -> &'static str {
        match self {
            Self::Idle => "nearly everything waits",
            Self::Realistic => "a node as it is, with a few of every trouble",
            Self::Churn => "jobs, crash loops and roll-outs: containers come and go",
            Self::Throttle => "quotas that are too small, each with a cycle of its own",
            Self::Leak => "memory that grows until the OOM killer comes",
            Self::Multiproc => "containers of many processes that share memory",
        }
    }

    /// How busy the container with that number is, and its trouble.
    ///
    /// By number, not by chance: also a small data set has something of everything.
    pub(super) fn of_number(self, random: &mut Random, number: usize) -> (Class, Trouble) {
        let class = match self {
            Self::Idle if random.chance(0.9) => Class::Idle,
            Self::Idle => Class::Light,
            _ => match random.unit() {
                x if x < 0.41 => Class::Idle,
                x if x < 0.76 => Class::Light,
                x if x < 0.94 => Class::Moderate,
                _ => Class::Heavy,
            },
        };
        let busy = if class == Class::Idle {
            Class::Light
        } else {
            class
        };
        match self {
            Self::Idle => (class, Trouble::None),
            Self::Realistic => match number % 25 {
                1 => (busy, Trouble::Throttled),
                3 => (Class::Light, Trouble::Leaks),
                6 => (Class::Moderate, Trouble::GarbageSaw),
                9 => (busy, Trouble::CpuSpikes),
                12 => (busy, Trouble::MemorySpikes),
                15 => (Class::Light, Trouble::Periodic),
                18 => (busy, Trouble::Periodic),
                21 if number % 50 == 21 => (Class::Light, Trouble::Job),
                _ => (class, Trouble::None),
            },
            Self::Churn => match number % 8 {
                0 | 3 | 5 => (Class::Light, Trouble::Job),
                6 if number % 16 == 6 => (Class::Light, Trouble::CrashLoop),
                _ => (class, Trouble::None),
            },
            Self::Throttle if !number.is_multiple_of(4) => (busy, Trouble::Throttled),
            Self::Throttle => (class, Trouble::None),
            Self::Leak => match number % 4 {
                1 | 3 => (Class::Light, Trouble::Leaks),
                2 => (busy, Trouble::GarbageSaw),
                _ => (class, Trouble::None),
            },
            Self::Multiproc if number % 6 == 2 => (Class::Moderate, Trouble::WorkerKilled),
            Self::Multiproc => (busy, Trouble::None),
        }
    }

    /// Seconds between roll-outs of a pod, where pods are rolled out.
    pub(super) const fn rollout_every_s(self) -> Option<f64> {
        match self {
            Self::Churn => Some(600.0),
            Self::Realistic => Some(86_400.0),
            _ => None,
        }
    }

    /// Whether ticks are late or missing now and then.
    pub(super) const fn has_gaps(self) -> bool {
        !matches!(self, Self::Idle)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let names: Vec<_> = Scenario::ALL.map(Scenario::as_str).to_vec();
        for scenario in Scenario::ALL {
            let json = serde_json::to_string(&scenario).expect("JSON");
            assert_eq!(json.trim_matches('"'), scenario.as_str());
            assert!(!scenario.help().is_empty());
        }
        assert_eq!(names.len(), 6);
    }
}
