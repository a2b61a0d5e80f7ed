use super::*;

const SECOND_US: i64 = 1_000_000;

#[test]
fn ready_tells_what_is_missing() {
    let health = Health::new(Duration::from_secs(1));
    assert!(health.ready(0).expect_err("not locked").contains("lock"));
    health.set_locked();
    assert_eq!(health.ready(0), Err("no tick yet".to_owned()));
    health.set_ticked(0);
    assert!(health.ready(0).expect_err("not writing").contains("disk"));
    health.set_recording(true);
    assert_eq!(health.ready(10 * SECOND_US), Ok(()));
    assert_eq!(
        health.ready(11 * SECOND_US),
        Err("no tick for 11 s".to_owned())
    );
}

#[test]
fn a_stuck_tick_thread_is_not_alive() {
    let health = Health::new(Duration::from_secs(60));
    assert_eq!(health.alive(i64::MAX), Ok(()));
    health.set_ticked(0);
    assert_eq!(health.alive(300 * SECOND_US), Ok(()));
    assert!(health.alive(301 * SECOND_US).is_err());
}

#[test]
fn refusals_are_totals() {
    let health = Health::new(Duration::from_secs(1));
    health.set_refusals("proc", std::iter::once((Errno::ACCESS, 3)));
    health.set_refusals("proc", std::iter::once((Errno::ACCESS, 5)));
    health.set_refusals("cgroup", std::iter::once((Errno::ISDIR, 1)));
    let text = health.metrics_text();
    assert!(
        text.contains("reads_refused_total{source=\"proc\",errno=\"EACCES\"} 5"),
        "{text}"
    );
    assert!(
        text.contains("reads_refused_total{source=\"cgroup\",errno=\"21\"} 1"),
        "{text}"
    );
}

#[test]
fn a_panic_of_the_pss_thread_is_counted_once() {
    let health = Health::new(Duration::from_secs(1));
    let usage = |failed| PssUsage {
        failed,
        ..PssUsage::default()
    };
    for (failed, panics) in [(false, 0), (true, 1), (true, 1)] {
        health.set_pss(usage(failed));
        let text = health.metrics_text();
        assert!(
            text.contains(&format!("fgm_pss_panics_total {panics}\n")),
            "{text}"
        );
    }
}

#[test]
fn names_of_the_self_metrics() {
    let health = Health::new(Duration::from_secs(1));
    health.add_tick_cpu(Part::Cgroups, Duration::ZERO);
    health.add_rows("metrics", 0);
    let text = health.metrics_text();
    let names: Vec<_> = text
        .lines()
        .filter(|line| line.starts_with("# HELP"))
        .collect();
    insta::assert_snapshot!(names.join("\n"));
}
