//! Whole stories of containers.

use super::*;

/// A running container whose birth was seen, after its first reading.
fn run(bed: &mut Bed, number: u32, at_ms: i64) -> Arc<Instance> {
    let instance = container(number);
    bed.facts.found(&instance, at_ms, Began::Born, false);
    bed.facts.seen(&instance, at(at_ms), &calm(1 << 20));
    instance
}

#[test]
fn a_container_whose_counter_nobody_read_is_told_by_its_pod() {
    let mut bed = Bed::new();
    bed.facts.pod_found(&pod(), Began::Born);
    bed.facts.pod_seen(&pod(), 1000, &calm(0));
    for number in 1..=50_u32 {
        let now_ms = 2000 * i64::from(number);
        let instance = run(&mut bed, number, now_ms);
        bed.facts.ended(&instance, now_ms + 300);
        let kills = i64::from(number);
        bed.facts
            .pod_seen(&pod(), now_ms + 1000, &values(kills, 0, kills, 0));
        bed.take(now_ms + 1000);
    }
    let kills = bed.kills();
    let ids: Vec<_> = kills.iter().map(|(id, _)| id.clone()).collect();
    let expected: Vec<_> = (1..=50).map(|number| format!("{number:064x}")).collect();
    assert_eq!(ids, expected);
    assert!(kills.iter().all(|(_, kill)| kill.sources == [Source::Pod]));
}

/// Kubelet and runtime with different drivers: one of the two cgroups stays empty.
#[test]
fn of_two_cgroups_of_a_pod_the_one_with_its_containers_counts() {
    for empty_first in [true, false] {
        let mut bed = Bed::new();
        let empty = Arc::new(Instance {
            container_id: "emptyempty".to_owned(),
            life: "empty".to_owned(),
            cgroup_path: "/other/pod".to_owned(),
            ..Instance::clone(&pod())
        });
        let mut both = [empty, pod()];
        if !empty_first {
            both.reverse();
        }
        let read = |bed: &mut Bed, at_ms, kills| {
            for cgroup in &both {
                let of = if cgroup.life == "pod" { kills } else { 0 };
                bed.facts.pod_seen(cgroup, at_ms, &values(of, 0, of, 0));
            }
        };
        for cgroup in &both {
            bed.facts.pod_found(cgroup, Began::Born);
        }
        read(&mut bed, 1000, 0);
        let first = run(&mut bed, 1, 1000);
        for second in 2..30 {
            read(&mut bed, second * 1000, i64::from(second > 3));
            if second == 3 {
                bed.facts.seen(&first, at(3500), &values(1, 0, 1, 0));
                bed.facts.ended(&first, 3600);
            }
            bed.take(second * 1000);
        }
        let kills = bed.kills();
        assert_eq!(kills.len(), 1, "{kills:?}");
        assert_eq!(kills[0].0, first.container_id);
        assert!(kills[0].1.sources.contains(&Source::Pod), "{kills:?}");
    }
}

/// The pod's counter is counted from its first reading, a container's from its birth.
#[test]
fn a_kill_before_the_pods_first_reading_hides_no_later_one() {
    let mut bed = Bed::new();
    bed.facts.pod_found(&pod(), Began::Found);
    let first = run(&mut bed, 1, 100);
    bed.facts.seen(&first, at(200), &values(1, 0, 1, 0));
    bed.facts.ended(&first, 300);
    bed.facts.pod_seen(&pod(), 1000, &values(1, 0, 1, 0));
    bed.take(1000);
    let second = run(&mut bed, 2, 1100);
    bed.facts.ended(&second, 1300);
    bed.facts.pod_seen(&pod(), 2000, &values(2, 0, 2, 0));
    bed.take(2000);
    let ids: Vec<_> = bed.kills().into_iter().map(|(id, _)| id).collect();
    assert_eq!(
        ids,
        [first.container_id.clone(), second.container_id.clone()]
    );
}

#[test]
fn one_of_the_living_may_explain_what_the_pod_told() {
    let mut bed = Bed::new();
    bed.facts.pod_found(&pod(), Began::Born);
    bed.facts.pod_seen(&pod(), 1000, &calm(0));
    let alive = run(&mut bed, 1, 1000);
    let gone = run(&mut bed, 2, 1000);
    bed.facts.ended(&gone, 1500);
    bed.facts.pod_seen(&pod(), 2000, &values(1, 0, 1, 0));
    bed.take(2000);
    assert_eq!(bed.kills(), [], "not clear yet");
    bed.facts.seen(&alive, at(2001), &values(1, 0, 1, 1));
    bed.take(2000);
    let kills = bed.kills();
    assert_eq!(kills.len(), 1);
    assert_eq!(kills[0].0, alive.container_id);
    assert_eq!(kills[0].1.survivors, Some(1));
}

#[test]
fn a_container_that_was_read_empty_did_not_die_unread() {
    let mut bed = Bed::new();
    bed.facts.pod_found(&pod(), Began::Born);
    bed.facts.pod_seen(&pod(), 1000, &calm(0));
    let done = run(&mut bed, 1, 1000);
    bed.facts.seen(&done, at(1400), &values(0, 0, 0, 0));
    bed.facts.ended(&done, 1500);
    let killed = run(&mut bed, 2, 1000);
    bed.facts.ended(&killed, 1500);
    bed.facts.pod_seen(&pod(), 2000, &values(1, 0, 1, 0));
    bed.take(2000);
    let kills = bed.kills();
    assert_eq!(kills.len(), 1);
    assert_eq!(kills[0].0, killed.container_id);
}

/// Read between the making of its cgroup and its first process.
#[test]
fn a_container_that_was_read_before_its_first_process_may_die_unread() {
    let mut bed = Bed::new();
    bed.facts.pod_found(&pod(), Began::Born);
    bed.facts.pod_seen(&pod(), 1000, &calm(0));
    let killed = container(1);
    bed.facts.found(&killed, 1200, Began::Born, false);
    bed.facts.seen(&killed, at(1200), &values(0, 0, 0, 0));
    bed.facts.ended(&killed, 1500);
    bed.facts.pod_seen(&pod(), 2000, &values(1, 0, 1, 0));
    bed.take(2000);
    let kills = bed.kills();
    assert_eq!(kills.len(), 1);
    assert_eq!(kills[0].0, killed.container_id);
}

/// Its processes were listed, then it was removed: the counters are those of the reading before.
#[test]
fn a_container_that_was_removed_while_it_was_read_empty_may_have_died_unread() {
    let mut bed = Bed::new();
    bed.facts.pod_found(&pod(), Began::Born);
    bed.facts.pod_seen(&pod(), 1000, &calm(0));
    let killed = run(&mut bed, 1, 1000);
    let cut_short = Reading {
        whole: false,
        ..at(1500)
    };
    bed.facts.seen(&killed, cut_short, &values(0, 0, 0, 0));
    bed.facts.ended(&killed, 1500);
    bed.facts.pod_seen(&pod(), 1500, &values(1, 0, 1, 0));
    bed.take(2000);
    let kills = bed.kills();
    assert_eq!(kills.len(), 1);
    assert_eq!(kills[0].0, killed.container_id);
}

#[test]
fn which_of_two_is_told_by_the_status_and_otherwise_it_is_the_pods() {
    for told in [true, false] {
        let mut bed = Bed::new();
        bed.facts.pod_found(&pod(), Began::Born);
        bed.facts.pod_seen(&pod(), 1000, &calm(0));
        for number in [1, 2] {
            let instance = run(&mut bed, number, 1000);
            bed.facts.ended(&instance, 1500);
        }
        bed.facts.pod_seen(&pod(), 2000, &values(1, 0, 1, 0));
        bed.take(2000);
        assert_eq!(bed.kills(), [], "not clear yet");
        if told {
            bed.facts.status(&status(2, 1000));
        }
        bed.take(30_000);
        let kills = bed.kills();
        assert_eq!(kills.len(), 1);
        let expected = if told { container(2) } else { pod() };
        assert_eq!(kills[0].0, expected.container_id);
    }
}

#[test]
fn a_group_is_one_fact_also_when_it_vanished() {
    let mut bed = Bed::new();
    bed.facts.pod_found(&pod(), Began::Born);
    bed.facts.pod_seen(&pod(), 1000, &calm(0));
    let read = run(&mut bed, 1, 1000);
    bed.facts.seen(&read, at(1200), &values(1, 1, 1, 3));
    bed.facts.seen(&read, at(1300), &values(4, 1, 1, 0));
    bed.facts.ended(&read, 1400);
    bed.facts.pod_seen(&pod(), 2000, &values(4, 1, 1, 0));
    bed.take(2000);
    let unread = run(&mut bed, 2, 2500);
    bed.facts.ended(&unread, 2600);
    bed.facts.pod_seen(&pod(), 3000, &values(7, 2, 2, 0));
    bed.take(3000);
    let kills = bed.kills();
    let processes: Vec<_> = kills
        .iter()
        .map(|(_, kill)| kill.processes_killed)
        .collect();
    assert_eq!(processes, [Some(4), Some(3)]);
    assert!(kills.iter().all(|(_, kill)| kill.group_kill == Some(true)));
}

#[test]
fn the_node_and_the_kernel_make_no_fact() {
    let mut bed = Bed::new();
    let instance = run(&mut bed, 1, 0);
    bed.facts.node_seen(0, &calm(0));
    bed.facts.node_seen(1000, &values(5, 0, 5, 0));
    bed.facts.kernel_kill(&record(1, 500));
    bed.facts.kernel_kill(&record(7, 500));
    bed.facts.ended(&instance, 1000);
    bed.take(2000);
    assert_eq!(bed.kills(), []);
}

#[test]
fn scopes() {
    let scope = |own_ooms, pod_ooms| {
        let mut bed = Bed::new();
        bed.facts.pod_found(&pod(), Began::Born);
        let instance = run(&mut bed, 1, 1000);
        bed.facts.pod_seen(&pod(), 1000, &calm(0));
        bed.facts.pod_seen(&pod(), 2000, &values(1, 0, pod_ooms, 1));
        bed.facts
            .seen(&instance, at(2000), &values(1, 0, own_ooms, 1));
        bed.take(2000);
        bed.kills()[0].1.scope
    };
    assert_eq!(scope(1, 1), Some(Scope::Container));
    assert_eq!(scope(0, 1), Some(Scope::Pod));
    assert_eq!(scope(0, 0), Some(Scope::Node));
}

#[test]
fn a_restart_tells_how_the_one_before_ended() {
    let mut bed = Bed::new();
    let first = run(&mut bed, 1, 1000);
    bed.facts.ended(&first, 2000);
    let second = run(&mut bed, 2, 3000);
    bed.take(3000);
    assert!(
        bed.highest(EventKind::Restarted).is_empty(),
        "no name is known"
    );
    bed.facts.named(&named(&second, 1));
    bed.take(4000);
    assert!(
        bed.highest(EventKind::Restarted).is_empty(),
        "one name is known"
    );
    bed.facts.named(&named(&first, 0));
    bed.take(5000);
    bed.facts.status(&ContainerStatusFact {
        reason: Some("Error".to_owned()),
        exit_code: 141,
        ..status(1, 2000)
    });
    bed.take(6000);
    let restarted = bed.highest(EventKind::Restarted);
    assert_eq!(restarted.len(), 1);
    assert_eq!(restarted[0].time_ms, 3000);
    assert_eq!(restarted[0].detail["exit_code"], 141);
    assert_eq!(restarted[0].detail["restart_count"], 1);
    assert_eq!(
        restarted[0].detail["previous_container_id"],
        *first.container_id
    );
    assert_eq!(bed.highest(EventKind::Ended)[0].detail["reason"], "Error");
    // The one that ended before its name was known carries it in a new revision.
    let started = bed.highest(EventKind::Started);
    assert_eq!(started.len(), 2);
    for event in started {
        assert_eq!(
            event.instance.as_ref().unwrap().pod_name.as_deref(),
            Some("web-0")
        );
    }
}

/// Docker and Podman keep the ID over a restart.
#[test]
fn the_same_id_with_another_life_is_a_restart() {
    let mut bed = Bed::new();
    for (life, at_ms) in [("a", 1000), ("b", 3000)] {
        let instance = Arc::new(Instance {
            pod_uid: None,
            life: life.to_owned(),
            ..Instance::clone(&container(1))
        });
        bed.facts.found(&instance, at_ms, Began::Born, false);
        bed.facts.ended(&instance, at_ms + 500);
    }
    bed.take(4000);
    let restarted = bed.highest(EventKind::Restarted);
    assert_eq!(restarted.len(), 1);
    assert_eq!(restarted[0].detail["previous_life"], "a");
}

#[test]
fn what_may_be_a_sandbox_is_not_told() {
    let mut bed = Bed::new();
    let [sandbox, late] = [container(1), container(2)];
    bed.facts.found(&sandbox, 0, Began::Born, true);
    bed.facts.found(&late, 0, Began::Born, true);
    assert_eq!(bed.take(1000), []);
    bed.facts.left_out(&sandbox);
    bed.facts.decided(&late);
    bed.take(2000);
    let started = bed.highest(EventKind::Started);
    assert_eq!(started.len(), 1);
    assert_eq!(started[0].instance.as_ref(), Some(&late));
}

#[test]
fn limits_are_told_when_they_change_but_not_while_they_are_made() {
    let mut bed = Bed::new();
    let instance = run(&mut bed, 1, 0);
    let mut values = calm(1 << 20);
    for (at_ms, memory_max) in [
        (500, None),
        (1000, Some(64 << 20)),
        (5000, Some(64 << 20)),
        (6000, Some(128 << 20)),
        (7000, None),
    ] {
        values.set(Metric::MemoryMax, memory_max);
        bed.facts.seen(&instance, at(at_ms), &values);
        bed.take(at_ms);
    }
    let changes: Vec<_> = bed
        .highest(EventKind::LimitChanged)
        .iter()
        .map(|event| event.detail.to_string())
        .collect();
    insta::assert_debug_snapshot!(changes);
}

#[test]
fn throttling_is_told_of_ticks() {
    let mut bed = Bed::new();
    let instance = run(&mut bed, 1, 0);
    let mut values = calm(1 << 20);
    for second in 0..300 {
        let throttled_s = (second - 100).clamp(0, 50);
        values.set(Metric::CpuNrPeriods, Some(10 * second));
        values.set(Metric::CpuNrThrottled, Some(6 * throttled_s));
        values.set(Metric::CpuThrottledUsec, Some(300_000 * throttled_s));
        let reading = Reading {
            tick_ms: Some(second * SECOND),
            ..at(second * SECOND + 3)
        };
        bed.facts.seen(&instance, reading, &values);
        bed.take(second * SECOND);
    }
    let told: Vec<_> = [EventKind::ThrottlingStarted, EventKind::ThrottlingEnded]
        .iter()
        .flat_map(|kind| bed.highest(*kind))
        .map(|event| format!("{} {}", event.time_ms, event.detail))
        .collect();
    insta::assert_debug_snapshot!(told);
}

/// What the first recorder stored last.
fn stored(values: &Values) -> Began<'_> {
    Began::Stored {
        time_ms: 2000,
        values,
        limits_known: true,
    }
}

/// A recorder after another: the counter moved in between, one container vanished in between.
#[test]
fn an_oom_while_the_recorder_restarts_is_told_once() {
    let mut before = Bed::new();
    before.facts.pod_found(&pod(), Began::Born);
    let [lives, vanishes] = [1, 2].map(|number| run(&mut before, number, 1000));
    before.facts.seen(&lives, at(2000), &values(1, 0, 1, 1));
    before.facts.pod_seen(&pod(), 2000, &values(1, 0, 1, 1));
    before.take(2000);
    assert_eq!(before.kills().len(), 1);

    let (once, never, twice) = (values(1, 0, 1, 1), calm(1 << 20), values(2, 0, 2, 1));
    let mut after = Bed::new();
    after.facts.reload(before.rows());
    after.facts.stored(&lives, stored(&once));
    after.facts.stored(&vanishes, stored(&never));
    after.facts.pod_stored(&pod(), stored(&once));
    after.facts.pod_found(&pod(), Began::Found);
    after.facts.found(&lives, 60_000, Began::Found, false);
    after.facts.all_found();
    after.facts.pod_seen(&pod(), 60_100, &values(3, 0, 3, 1));
    after.facts.seen(&lives, at(60_200), &values(2, 0, 2, 1));
    after.take(60_000);
    let kills = after.kills();
    let told: Vec<_> = kills
        .iter()
        .map(|(id, kill)| (id.as_str(), kill.oom_kill_before))
        .collect();
    assert_eq!(
        told,
        [(&*vanishes.container_id, 0), (&*lives.container_id, 1)]
    );
    let ended = after.highest(EventKind::Ended);
    assert_eq!(ended.len(), 1);
    assert_eq!(ended[0].detail["away"], true);
    assert!(after.highest(EventKind::Started).is_empty(), "told before");

    // The status of both comes late, of one whose kill the first recorder had told too.
    after.facts.status(&status(2, 30_000));
    after.take(61_000);
    let kills = after.kills();
    assert_eq!(kills[0].1.how.exit_code, Some(137));
    assert_eq!(after.highest(EventKind::OomKill)[0].time_ms, 30_000);

    // A third recorder finds nothing new.
    let mut third = Bed::new();
    let mut rows = before.rows();
    rows.extend(after.rows());
    third.facts.reload(rows);
    third.facts.stored(&lives, stored(&twice));
    third.facts.found(&lives, 70_000, Began::Found, false);
    third.facts.all_found();
    third.facts.status(&status(2, 30_000));
    assert_eq!(third.take(70_000), []);
}

#[test]
fn a_name_that_comes_after_a_restart_of_the_recorder_is_a_higher_revision() {
    let mut before = Bed::new();
    let instance = run(&mut before, 1, 1000);
    before.facts.ended(&instance, 1500);
    before.take(2000);
    let mut after = Bed::new();
    after.facts.reload(before.rows());
    after.facts.all_found();
    after.facts.named(&named(&instance, 0));
    let events = after.take(3000);
    let told: Vec<_> = events
        .iter()
        .map(|event| (event.kind.as_str(), event.revision))
        .collect();
    assert_eq!(told, [("started", 1), ("ended", 1)]);
    assert_eq!(events[0].event_id, before.told[0].event_id);
}

#[test]
fn what_ended_a_day_ago_is_forgotten() {
    let mut bed = Bed::new();
    let instance = run(&mut bed, 1, 1000);
    bed.facts.ended(&instance, 2000);
    bed.take(2000);
    assert_eq!(bed.facts.groups.len(), 1);
    bed.take(2000 + REMEMBERED_MS + PRUNED_EVERY_MS);
    assert_eq!(bed.facts.groups.len(), 0);
}
