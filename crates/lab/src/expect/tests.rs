use super::recorded::Stored;
use super::text::{Count, Names, Op, Stat, Threshold, Window};
use super::*;
use fgm_model::Table;
use fgm_store::{DataDir, Spool, seal};
use fgm_testkit::generator::{Batch, Generator, Scenario, Series, Settings, Truth};
use proptest::prelude::*;
use std::collections::HashMap;
use std::time::Duration;

const START_MS: i64 = 1_795_420_800_000;

fn claim(text: &str) -> String {
    format!("duration = \"60s\"\n[[expect]]\nid = \"a\"\ncontainer = \"*\"\n{text}")
}

#[test]
fn what_is_wrong_is_told() {
    let refused = |text: &str| {
        let error = Expectations::parse(text).expect_err("refused");
        format!("{error:#}")
    };
    let metric = "metric = \"memory_current\"\nstat = \"max\"\nop = \">\"\n";
    let cases = [
        "".to_owned(),
        "duration = \"60s\"".to_owned(),
        "duration = \"soon\"".to_owned(),
        claim(""),
        claim("event = \"oom\""),
        claim("event = \"oom_kill\"\nmetric = \"memory_current\""),
        claim("event = \"oom_kill\"\ncuont = 1"),
        claim("event = \"oom_kill\"\ncount = \"3..1\""),
        claim("event = \"oom_kill\"\ncount = -1"),
        claim("event = \"oom_kill\"\nstat = \"max\""),
        claim("event = \"oom_kill\"\ncontainer = \"[\"").replace("container = \"*\"\n", ""),
        claim("event = \"oom_kill\"\nid = \"a\""),
        claim("metric = \"memory_max\""),
        claim(&format!("{metric}value = \"2*nothing\"")),
        claim(&format!("{metric}value = \"two*memory_max\"")),
        claim(&format!("{metric}value = 1\nduring = \"60s..10s\"")),
        claim(&format!("{metric}value = 1\nwithin = \"10s\"")),
        claim(metric).replace("\">\"", "\"above\"") + "value = 1",
        claim("event = \"started\"\n[[forbid]]\nid = \"a\"\ncontainer = \"*\"\nevent = \"ended\""),
    ];
    let told: Vec<_> = cases
        .iter()
        .map(|text| format!("{text}\n=> {}", refused(text)))
        .collect();
    insta::assert_snapshot!(told.join("\n---\n"));
}

/// An hour of a node on which memory leaks until the OOM killer comes, sealed.
struct Hour {
    folder: tempfile::TempDir,
    truth: Truth,
}

impl Hour {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("temporary directory");
        let dir = DataDir::create(folder.path()).expect("a data directory");
        let mut generator = Generator::new(Settings {
            scenario: Scenario::Leak,
            seed: 1,
            containers: 8,
            start_ms: START_MS,
            duration_ms: 3_600_000,
            interval_ms: 1000,
        });
        let mut spool = Spool::create(&dir, generator.recorder(), 1000).expect("a spool");
        let mut batch = Batch::default();
        while generator.next_tick(&mut batch).is_some() {
            let ticked = spool.append_tick(Table::Metrics, &batch.metrics);
            ticked.expect("appended");
            if !batch.events.is_empty() {
                spool.append_events(&batch.events).expect("appended");
            }
        }
        let closed = spool.close().expect("closed");
        seal(&dir, closed.ulid).expect("sealed");
        Self {
            folder,
            truth: generator.into_truth(),
        }
    }

    /// A container that is killed at least twice.
    fn killed(&self) -> &Series {
        let mut all = self.truth.series.iter();
        all.find(|one| one.oom_kills.len() >= 2).expect("killed")
    }

    /// One alone in its pod that never is.
    fn sound(&self) -> &Series {
        let is_alone = |one: &&Series| {
            let mut all = self.truth.series.iter();
            all.all(|other| other.id == one.id || other.pod_uid != one.pod_uid)
        };
        let mut all = self.truth.series.iter().filter(is_alone);
        all.find(|one| one.oom_kills.is_empty() && one.instances.len() == 1)
            .expect("sound")
    }

    fn judge(&self, pods: &[&Series], text: &str) -> Verdict {
        let pods: HashMap<_, _> = pods
            .iter()
            .map(|one| (one.pod_uid.clone(), one.pod_name.clone()))
            .collect();
        let observed = Observed {
            recorded: &Stored::open(self.folder.path(), pods),
            start_ms: START_MS,
            end_ms: START_MS + 3_599_999,
        };
        let expectations = Expectations::parse(text).expect("understood");
        expectations.judge(&observed).expect("read")
    }

    /// Of a single claim, as expected and as forbidden.
    fn both(&self, pods: &[&Series], text: &str) -> [Outcome; 2] {
        let expected = claim(text);
        let forbidden = expected
            .replace("expect", "forbid")
            .replace("\"a\"", "\"b\"");
        let rest = forbidden.split_once('\n').expect("a line").1;
        let verdict = self.judge(pods, &format!("{expected}\n{rest}"));
        [verdict.rows[0].outcome, verdict.rows[1].outcome]
    }
}

const HOLDS: [Outcome; 2] = [Outcome::Pass, Outcome::Fail];
const DOES_NOT: [Outcome; 2] = [Outcome::Fail, Outcome::Pass];
const UNKNOWN: [Outcome; 2] = [Outcome::Fail, Outcome::Fail];

/// One hour for all of it: making it takes a while.
#[test]
fn the_judge_agrees_with_what_is_known_of_an_hour() {
    let hour = Hour::new();
    events_are_counted_by_kind_time_and_detail(&hour);
    only_the_runs_own_pods_count(&hour);
    a_metric_holds_for_all_and_is_forbidden_for_any(&hour);
    without_rows_nothing_holds_and_nothing_is_ruled_out(&hour);
    a_verdict_is_a_table(&hour);
}

fn events_are_counted_by_kind_time_and_detail(hour: &Hour) {
    let killed = [hour.killed()];
    let kills = &killed[0].oom_kills;
    let judge = |text: &str| hour.both(&killed, text);
    let number = kills.len();
    assert_eq!(judge("event = \"oom_kill\""), HOLDS);
    assert_eq!(
        judge(&format!("event = \"oom_kill\"\ncount = {number}")),
        HOLDS
    );
    assert_eq!(
        judge(&format!("event = \"oom_kill\"\ncount = \">{number}\"").replace('>', ">=1")),
        DOES_NOT
    );
    assert_eq!(
        judge(&format!(
            "event = \"oom_kill\"\ncount = \"1..{}\"",
            number - 1
        )),
        DOES_NOT
    );
    // The first kill, to the millisecond: what happens at the end of `within` counts.
    let first_ms = kills[0].at_us / 1000 - START_MS;
    let within = |ms: i64| format!("event = \"oom_kill\"\ncount = 1\nwithin = \"{ms}ms\"");
    assert_eq!(judge(&within(first_ms + 2000)), HOLDS);
    assert_eq!(judge(&within(first_ms - 2000)), DOES_NOT);
    assert_eq!(
        judge("event = \"oom_kill\"\ndetail = { scope = \"container\" }"),
        HOLDS
    );
    assert_eq!(
        judge("event = \"oom_kill\"\ndetail = { scope = \"node\" }"),
        DOES_NOT
    );
}

fn only_the_runs_own_pods_count(hour: &Hour) {
    let sound = [hour.sound()];
    assert_eq!(hour.both(&sound, "event = \"oom_kill\""), DOES_NOT);
    let killed = hour.killed();
    let of = |glob: &str| {
        let text = "event = \"oom_kill\"";
        let (all, name) = ("container = \"*\"", format!("container = \"{glob}\""));
        let verdict = hour.judge(&[killed], &claim(text).replace(all, &name));
        (verdict.rows[0].outcome, verdict.rows[0].evidence.clone())
    };
    assert_eq!(of(&killed.container_name).0, Outcome::Pass);
    let whole = format!("{}/*", killed.pod_name);
    assert_eq!(of(&whole).0, Outcome::Pass);
    let other = of("other/*");
    assert_eq!(other, (Outcome::Fail, "no rows recorded".to_owned()));
}

fn a_metric_holds_for_all_and_is_forbidden_for_any(hour: &Hour) {
    let (killed, sound) = (hour.killed(), hour.sound());
    let near_its_limit =
        "metric = \"memory_peak\"\nstat = \"max\"\nop = \">=\"\nvalue = \"0.99*memory_max\"";
    assert_eq!(hour.both(&[killed], near_its_limit), HOLDS);
    assert_eq!(hour.both(&[sound], near_its_limit), DOES_NOT);
    // Not of all, so not as expected; of one, so not as forbidden.
    assert_eq!(hour.both(&[killed, sound], near_its_limit), UNKNOWN);
    let early =
        "metric = \"memory_current\"\nstat = \"min\"\nop = \">\"\nvalue = 0\nduring = \"0s..10s\"";
    assert_eq!(hour.both(&[sound], early), HOLDS);
}

fn without_rows_nothing_holds_and_nothing_is_ruled_out(hour: &Hour) {
    for text in [
        "event = \"oom_kill\"",
        "event = \"oom_kill\"\ncount = 0",
        "metric = \"memory_current\"\nstat = \"max\"\nop = \">\"\nvalue = 0",
    ] {
        assert_eq!(hour.both(&[], text), UNKNOWN, "{text}");
    }
    let none = "metric = \"network_rx_bytes\"\nstat = \"max\"\nop = \">\"\nvalue = 0";
    assert_eq!(hour.both(&[hour.sound()], none), UNKNOWN);
}

fn a_verdict_is_a_table(hour: &Hour) {
    let text = claim("event = \"oom_kill\"\ncount = \"1..99\"\nwithin = \"1h\"")
        + "\n[[forbid]]\nid = \"long-id-of-a-ban\"\ncontainer = \"none\"\nevent = \"ended\"\n";
    let mut verdict = hour.judge(&[hour.killed()], &text);
    verdict.rows[0].evidence = "2: 08:00:00Z".to_owned();
    insta::assert_snapshot!("verdict_table", table(&verdict));
}

#[test]
fn statistics() {
    let samples = [3.0, f64::NAN, 1.0, 2.0, f64::NAN];
    let of = |stat: Stat| stat.of(&samples);
    assert_eq!(
        [Stat::Min, Stat::Max, Stat::Avg, Stat::Last].map(of),
        [Some(1.0), Some(3.0), Some(2.0), Some(2.0)]
    );
    let hundred: Vec<_> = (1..=100).map(f64::from).collect();
    assert_eq!(Stat::P95.of(&hundred), Some(95.0));
    assert_eq!(Stat::P95.of(&[7.0]), Some(7.0));
    for stat in [Stat::Min, Stat::Max, Stat::Avg, Stat::P95, Stat::Last] {
        assert_eq!(stat.of(&[f64::NAN]), None);
    }
}

proptest! {
    #[test]
    fn no_text_panics(text in "[-0-9.><=*?\\[\\]a-z_/ ]{0,20}") {
        let _ = text.parse::<Count>();
        let _ = text.parse::<Window>();
        let _ = text.parse::<Threshold>();
        let _ = text.parse::<Names>();
        let _ = text.parse::<Op>();
        let _ = Expectations::parse(&text);
    }

    #[test]
    fn counts_mean_what_they_say(least in 0_u64..50, more in 0_u64..50, count in 0_u64..120) {
        let most = least + more;
        let parse = |text: String| text.parse::<Count>().expect("a count");
        prop_assert_eq!(parse(format!("{least}..{most}")).holds(count), (least..=most).contains(&count));
        prop_assert_eq!(parse(format!(">={least}")).holds(count), count >= least);
        prop_assert_eq!(parse(format!("<={least}")).holds(count), count <= least);
        prop_assert_eq!(parse(least.to_string()).holds(count), count == least);
        for text in [format!("{least}..{most}"), format!(">={least}"), format!("<={}", least + 1)] {
            let count = parse(text.clone());
            prop_assert_eq!(parse(count.to_string()), count, "{}", text);
        }
    }

    #[test]
    fn windows_are_read_as_they_are_shown(from in 0_u64..5000, length in 1_u64..5000) {
        let window = Window {
            from: Some(Span(Duration::from_secs(from))),
            to: Some(Span(Duration::from_secs(from + length))),
        };
        prop_assert_eq!(window.to_string().parse(), Ok(window));
        let open = Window { to: None, ..window };
        prop_assert_eq!(open.to_string().parse(), Ok(open));
    }

    #[test]
    fn thresholds_are_read_as_they_are_shown(factor in -1e6_f64..1e6, of_metric in any::<bool>()) {
        let text = if of_metric { format!("{factor}*memory_max") } else { factor.to_string() };
        let threshold = text.parse::<Threshold>().expect("a value");
        prop_assert_eq!(threshold.factor, factor);
        prop_assert_eq!(threshold.of.map(Signal::id), of_metric.then_some("memory_max"));
        let again = threshold.to_string().parse::<Threshold>().expect("a value");
        prop_assert_eq!(again.factor, factor);
    }

    /// A name matches itself, any star in it, and nothing that is longer.
    #[test]
    fn globs(pod in "[a-z][a-z0-9-]{0,8}", container in "[a-z][a-z0-9-]{0,8}", cut in 0_usize..9) {
        let glob = |text: &str| text.parse::<Names>().expect("a glob");
        let cut = cut.min(container.len());
        let starred = format!("{}*", &container[..cut]);
        prop_assert!(glob(&container).matches(&pod, &container));
        prop_assert!(glob(&starred).matches(&pod, &container));
        let whole = format!("{pod}/{starred}");
        prop_assert!(glob(&whole).matches(&pod, &container));
        let other = format!("{pod}x");
        prop_assert!(!glob(&whole).matches(&other, &container));
        let longer = format!("{container}?");
        prop_assert!(!glob(&longer).matches(&pod, &container));
    }
}
