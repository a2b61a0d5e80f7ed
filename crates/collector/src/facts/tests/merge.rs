//! Any order and any subset of the sources of one fact.

use super::*;
use proptest::prelude::*;
use proptest::sample::subsequence;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Tells {
    Counter,
    Pod,
    Status,
    Kernel,
    Node,
    Name,
    End,
}

const ALL: [Tells; 7] = [
    Tells::Counter,
    Tells::Pod,
    Tells::Status,
    Tells::Kernel,
    Tells::Node,
    Tells::Name,
    Tells::End,
];

/// What one OOM at 10.4 s, whose cgroup is gone at 10.8 s, gives by these sources in this order;
/// `tick` tells after which of them a tick records.
fn merged(told: &[Tells], tick: &[bool]) -> Vec<(String, i64, OomKill, Option<String>)> {
    let mut bed = Bed::new();
    let instance = container(1);
    let has_pod = told.contains(&Tells::Pod);
    if has_pod {
        bed.facts.pod_found(&pod(), Began::Born);
    }
    bed.facts.found(&instance, 0, Began::Born, false);
    for second in 1..=10 {
        let now_ms = second * SECOND;
        if has_pod {
            bed.facts.pod_seen(&pod(), now_ms, &calm(0));
        }
        bed.facts.seen(&instance, at(now_ms), &calm(second << 20));
        bed.facts.node_seen(now_ms, &calm(0));
        bed.take(now_ms);
    }
    for (place, source) in told.iter().enumerate() {
        match source {
            Tells::Counter => {
                let mut seen = calm(11 << 20);
                seen.set(Metric::MemoryEventsOom, Some(1));
                seen.set(Metric::MemoryEventsOomKill, Some(1));
                bed.facts.seen(&instance, at(10_500), &seen);
            }
            Tells::Pod => bed.facts.pod_seen(&pod(), 11_000, &values(1, 0, 1, 0)),
            Tells::Status => bed.facts.status(&status(1, 10_000)),
            Tells::Kernel => bed.facts.kernel_kill(&record(1, 10_400)),
            Tells::Node => bed.facts.node_seen(11_001, &values(1, 0, 1, 0)),
            Tells::Name => bed.facts.named(&named(&instance, 0)),
            Tells::End => bed.facts.ended(&instance, 10_800),
        }
        if tick[place] {
            bed.take(11_000 + i64::try_from(place).expect("a place"));
        }
    }
    bed.take(12_000);
    bed.take(30_000);
    assert_eq!(bed.take(31_000), [], "all was told");
    bed.highest(EventKind::OomKill)
        .into_iter()
        .map(|event| {
            let instance = event.instance.as_ref().expect("whose it is");
            (
                event.event_id.clone(),
                event.time_ms,
                serde_json::from_value(event.detail.clone()).expect("a detail"),
                instance.pod_name.clone(),
            )
        })
        .collect()
}

proptest! {
    /// DATA.md section 5: "What arrives late (pod status, kernel log, identity) writes a higher
    /// revision"; the last one is the same whatever came first.
    #[test]
    fn any_order_and_subset_gives_one_event_with_the_same_last_revision(
        (subset, order) in subsequence(ALL.to_vec(), 1..=ALL.len())
            .prop_flat_map(|subset| (Just(subset.clone()), Just(subset).prop_shuffle())),
        tick in prop::collection::vec(prop::bool::ANY, ALL.len()),
    ) {
        let in_order = merged(&subset, &[true; ALL.len()]);
        let shuffled = merged(&order, &tick);
        prop_assert_eq!(&in_order, &shuffled);
        let has = |source| subset.contains(&source);
        // Only counters of cgroups that are ours, or the status where those were not seen.
        let unread = has(Tells::End) && (has(Tells::Pod) || has(Tells::Status));
        let makes = has(Tells::Counter) || has(Tells::Pod) || unread;
        prop_assert_eq!(in_order.len(), usize::from(makes), "{:?}", in_order);
        for (_, time_ms, detail, _) in &in_order {
            prop_assert!((10_000..=11_000).contains(time_ms));
            prop_assert_eq!(detail.sources.contains(&Source::Kernel), detail.victim.is_some());
        }
    }

    /// Every revision is a complete row: none takes back what an earlier one said.
    #[test]
    fn nothing_known_is_lost_on_the_way(
        order in Just(ALL.to_vec()).prop_shuffle(),
    ) {
        let whole = merged(&order, &[true; ALL.len()]);
        prop_assert_eq!(whole.len(), 1);
        let (_, time_ms, detail, pod_name) = &whole[0];
        prop_assert_eq!(*time_ms, 10_400);
        prop_assert_eq!(pod_name.as_deref(), Some("web-0"));
        prop_assert_eq!(
            &detail.sources,
            &[Source::Container, Source::Pod, Source::Status, Source::Kernel, Source::Node]
        );
        prop_assert_eq!(detail.how.exit_code, Some(137));
        prop_assert_eq!(detail.scope, Some(Scope::Container));
        prop_assert_eq!(detail.limit_bytes, Some(32 << 20));
        prop_assert_eq!(detail.survivors, Some(0));
        prop_assert_eq!(detail.working_set_bytes, Some(10 << 20));
        prop_assert_eq!(detail.allocation_bytes_per_s, Some(1 << 20));
    }
}
