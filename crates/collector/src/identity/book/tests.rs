use super::*;
use k8s_openapi::api::core::v1::Pod;
use proptest::prelude::*;
use serde_json::json;

/// A pod of one container in its `version`-th state: it restarts with every second version, and
/// its label changes with every third.
fn info(pod: usize, version: usize) -> PodInfo {
    let restarts = version / 2;
    let id = |restart: usize| format!("containerd://{pod:02}-{restart:02}");
    let ended = |restart: usize| {
        json!({ "terminated": {
            "containerID": id(restart), "exitCode": restart, "reason": "Error",
            "finishedAt": "2026-11-23T08:10:00Z",
        } })
    };
    let last_state = match restarts.checked_sub(1) {
        Some(before) => ended(before),
        None => json!({}),
    };
    let state = if version.is_multiple_of(2) {
        json!({ "running": { "startedAt": "2026-11-23T08:00:00Z" } })
    } else {
        ended(restarts)
    };
    let pod: Pod = serde_json::from_value(json!({
        "metadata": {
            "name": format!("pod-{pod}"), "namespace": "ns", "uid": format!("uid-{pod}"),
            "labels": { "version": (version / 3).to_string() },
        },
        "spec": { "containers": [{ "name": "app", "image": "i" }] },
        "status": { "containerStatuses": [{
            "name": "app", "image": "i", "imageID": "", "ready": true,
            "restartCount": restarts, "containerID": id(restarts),
            "lastState": last_state, "state": state,
        }] },
    }))
    .expect("a Pod object");
    PodInfo::of(&pod).expect("is kept")
}

fn instance(container_id: &str, pod_uid: &str) -> Instance {
    Instance {
        container_id: container_id.to_owned(),
        life: "life".to_owned(),
        pod_uid: Some(pod_uid.to_owned()),
        ..Instance::default()
    }
}

#[derive(Debug, Clone)]
enum News {
    Applied(usize, usize),
    Deleted(usize),
}

/// What a watch tells of one pod, in its order: some of its versions, some twice, in the end
/// perhaps its deletion.
fn news_of(pod: usize) -> impl Strategy<Value = Vec<News>> {
    let versions = prop::collection::btree_set(0_usize..8, 1..8);
    (versions, any::<bool>(), any::<bool>()).prop_map(move |(versions, twice, deleted)| {
        let mut news = Vec::new();
        for version in versions {
            news.push(News::Applied(pod, version));
            if twice {
                news.push(News::Applied(pod, version));
            }
        }
        if deleted {
            news.push(News::Deleted(pod));
        }
        news
    })
}

/// The news of several pods, mixed in any order that keeps that of each pod.
fn mixed() -> impl Strategy<Value = (Vec<Vec<News>>, Vec<News>)> {
    let of_all: Vec<_> = (0..4).map(news_of).collect();
    (
        of_all,
        prop::collection::vec(any::<prop::sample::Index>(), 80),
    )
        .prop_map(|(of_all, choices)| {
            let mut queues: Vec<VecDeque<News>> =
                of_all.iter().cloned().map(VecDeque::from).collect();
            let mut mixed = Vec::new();
            for choice in choices {
                queues.retain(|queue| !queue.is_empty());
                if queues.is_empty() {
                    break;
                }
                let index = choice.index(queues.len());
                mixed.extend(queues[index].pop_front());
            }
            mixed.extend(queues.into_iter().flatten());
            (of_all, mixed)
        })
}

fn take(book: &mut Book, news: &[News]) {
    for (at, one) in (0..).zip(news) {
        let told = Told {
            boot_us: at,
            wall_ms: 0,
        };
        match one {
            News::Applied(pod, version) => book.apply(info(*pod, *version), told),
            News::Deleted(pod) => book.delete(&format!("uid-{pod}"), told),
        };
    }
}

/// The names of every instance that there ever was, and the ends that were told.
fn outcome(book: &mut Book) -> impl PartialEq + std::fmt::Debug + use<> {
    let mut names = Vec::new();
    for pod in 0..4 {
        for restart in 0..4 {
            let id = format!("{pod:02}-{restart:02}");
            names.push(book.name(&instance(&id, &format!("uid-{pod}"))));
        }
    }
    let mut statuses = book.take_statuses();
    statuses.sort_by(|a, b| a.container_id.cmp(&b.container_id));
    (book.view(), book.live(), names, statuses)
}

proptest! {
    /// Any order of watch events gives the same state.
    #[test]
    fn any_order_among_pods_gives_the_same_state((of_all, mixed) in mixed()) {
        let mut one_by_one = Book::default();
        take(&mut one_by_one, &of_all.concat());
        let mut together = Book::default();
        take(&mut together, &mixed);
        prop_assert_eq!(outcome(&mut one_by_one), outcome(&mut together));
    }

    /// A list tells the same as the watch that it replaces.
    #[test]
    fn a_list_gives_the_state_of_the_watch((of_all, mixed) in mixed(), missed in 0_usize..30) {
        let mut watched = Book::default();
        take(&mut watched, &mixed);
        let mut listed = Book::default();
        take(&mut listed, &mixed[..mixed.len().saturating_sub(missed)]);
        let mut all = HashSet::new();
        for news in &of_all {
            let last = news.iter().rev().find_map(|one| match one {
                News::Applied(pod, version) => Some((*pod, *version)),
                News::Deleted(_) => None,
            });
            let deleted = matches!(news.last(), Some(News::Deleted(_)));
            if let Some((pod, version)) = last.filter(|_| !deleted) {
                listed.apply(info(pod, version), Told::default());
                all.insert(format!("uid-{pod}"));
            }
        }
        listed.keep_only(&all, Told::default());
        prop_assert_eq!(watched.view(), listed.view());
        prop_assert_eq!(watched.live(), listed.live());
    }

    /// What is gone is forgotten in time, and never before.
    #[test]
    fn what_is_gone_is_forgotten_in_time((_, mixed) in mixed()) {
        let mut book = Book::default();
        take(&mut book, &mixed);
        let (before, live) = (book.view(), book.live());
        book.forget(i64::MAX);
        prop_assert_eq!(before, book.view());
        prop_assert_eq!(live, book.pods.len());
        prop_assert_eq!(live, book.by_cgroup.len());
        let still: usize = book.view().values().map(|(info, _)| {
            ids(info).collect::<HashSet<_>>().len()
        }).sum();
        prop_assert_eq!(still, book.containers.len());
    }
}

#[test]
fn a_restart_is_a_new_id_of_the_same_container() {
    let mut book = Book::default();
    take(&mut book, &[News::Applied(1, 0), News::Applied(1, 4)]);
    let name = |id: &str| {
        let named = book.name(&instance(id, "uid-1")).expect("known");
        (named.container_name.clone(), named.restart_count)
    };
    let app = Some("app".to_owned());
    assert_eq!(name("01-00"), (app.clone(), Some(0)));
    assert_eq!(
        name("01-01"),
        (app.clone(), Some(1)),
        "told as the last state"
    );
    assert_eq!(name("01-02"), (app, Some(2)));
    assert_eq!(name("of no status"), (None, None), "but its pod is known");
    assert_eq!(book.name(&instance("01-05", "another")), None);
}

#[test]
fn nothing_new_changes_nothing() {
    let mut book = Book::default();
    assert!(book.apply(info(1, 1), Told::default()));
    assert!(!book.apply(info(1, 1), Told::default()));
    assert_eq!(book.take_statuses().len(), 1);
    assert!(!book.apply(info(1, 1), Told::default()));
    assert_eq!(book.take_statuses(), []);
    assert!(book.delete("uid-1", Told::default()));
    assert!(!book.delete("uid-1", Told::default()));
    assert!(book.apply(info(1, 1), Told::default()), "it is there again");
}

/// The kubelet makes the mirror pod anew when somebody deletes it; its containers run on.
#[test]
fn a_mirror_pod_made_anew_keeps_its_containers() {
    let mirror = |uid: &str| PodInfo {
        uid: uid.to_owned(),
        cgroup_uid: "hash".to_owned(),
        ..info(1, 0)
    };
    let mut book = Book::default();
    book.apply(mirror("first"), Told::default());
    book.apply(mirror("second"), Told::default());
    book.keep_only(&HashSet::from(["second".to_owned()]), Told::default());
    book.forget(i64::MAX);
    let named = book.name(&instance("01-00", "hash")).expect("known");
    assert_eq!(named.container_name.as_deref(), Some("app"));
    let named = book.name(&instance("unknown", "hash")).expect("known");
    assert_eq!(named.pod_name.as_deref(), Some("pod-1"));
    assert_eq!(book.live(), 1);
}

#[test]
fn more_pods_than_any_node_has_are_refused() {
    let mut book = Book::default();
    for pod in 0..MOST_PODS + 3 {
        let uid = format!("{pod}");
        let info = PodInfo {
            cgroup_uid: uid.clone(),
            uid,
            containers: Vec::new(),
            ..info(1, 0)
        };
        book.apply(info, Told::default());
    }
    assert_eq!((book.live(), book.refused()), (MOST_PODS, 3));
    book.delete("0", Told::default());
    assert!(book.apply(info(1, 0), Told::default()));
}
