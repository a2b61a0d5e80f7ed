use super::*;
use fgm_testkit::cgroup_tree::{CONTAINER_ID, Layout, POD_UID};
use proptest::prelude::*;

fn boundary(path: &str) -> Boundary {
    match recognise(path) {
        Recognised::Container(boundary) => boundary,
        other => panic!("{path} is {other:?}"),
    }
}

/// A line per layout: what a person should look at when the tables change.
#[test]
fn every_layout() {
    let mut lines = Vec::new();
    for layout in Layout::ALL {
        let path = layout.boundary(POD_UID, CONTAINER_ID);
        let found = boundary(&path);
        lines.push(format!(
            "{}\n    {}\n    id {}  runtime {}  pod {}  class {}  name {}  restarts {}",
            layout.help(),
            path.replace(CONTAINER_ID, "ID"),
            found
                .container_id
                .as_deref()
                .map_or("-", |id| { if id == CONTAINER_ID { "ID" } else { id } }),
            found.runtime.map_or("-", Runtime::scheme),
            found.pod.as_ref().map_or("-", |pod| &pod.uid),
            found
                .pod
                .as_ref()
                .and_then(|pod| pod.qos_class)
                .map_or("-", QosClass::as_str),
            found.name.as_deref().unwrap_or("-"),
            found
                .restart_count
                .map_or("-".to_owned(), |count| count.to_string()),
        ));
    }
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn what_is_around_a_container_is_no_container() {
    for layout in Layout::ALL {
        let path = layout.boundary(POD_UID, CONTAINER_ID);
        for nested in layout.nested(POD_UID, CONTAINER_ID) {
            assert_eq!(recognise(&nested), Recognised::InContainer, "{nested}");
        }
        let mut above = path.as_str();
        while let Some((parent, _)) = above.rsplit_once('/') {
            let is_pod = Some(parent) == layout.pod(POD_UID, CONTAINER_ID).as_deref();
            match recognise(parent) {
                Recognised::Pod(pod) => {
                    assert!(is_pod, "{parent}");
                    assert_eq!(Some(pod), boundary(&path).pod, "{parent}");
                }
                Recognised::Container(_) | Recognised::InContainer | Recognised::Helper => {
                    panic!("{parent} is above {path}")
                }
                _ => assert!(!is_pod, "{parent}"),
            }
            above = parent;
        }
    }
}

#[test]
fn everything_else() {
    let id = CONTAINER_ID;
    let pod = "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-poda_b.slice";
    let paths = [
        "/".to_owned(),
        "/init.scope".to_owned(),
        "/system.slice".to_owned(),
        "/system.slice/nginx.service".to_owned(),
        "/system.slice/system-getty.slice/getty@tty1.service".to_owned(),
        "/system.slice/containerd.service/workers".to_owned(),
        "/system.slice/dev-hugepages.mount".to_owned(),
        "/user.slice/user-1000.slice/session-3.scope".to_owned(),
        "/user.slice/user-1000.slice/user@1000.service".to_owned(),
        "/user.slice/user-1000.slice/user@1000.service/init.scope".to_owned(),
        "/user.slice/user-1000.slice/user@1000.service/app.slice/editor.service".to_owned(),
        "/user.slice/user-1000.slice/user@1000.service/app.slice/editor.service/sub".to_owned(),
        format!("/machine.slice/libpod-conmon-{id}.scope"),
        "/libpod_parent/conmon".to_owned(),
        format!("{pod}/crio-conmon-{id}.scope"),
        format!("{pod}/cri-containerd-ab.scope"),
        pod.to_owned(),
        "/kubepods/burstable".to_owned(),
        "/kubepods/pod".to_owned(),
        "/kubepods.slice/kubepods-burstable.slice".to_owned(),
        "/system.slice/podman.service".to_owned(),
        "/system.slice/web.service/supervisor".to_owned(),
        "/docker".to_owned(),
        "/fgm-lab.slice/run-7".to_owned(),
        "/fgm-lab.slice/run-7/uid/side-car-12".to_owned(),
        "/fgm-lab.slice/run-7/uid/plain".to_owned(),
        "/ecs/task/".to_owned() + id,
        "/box".to_owned(),
    ];
    let lines: Vec<String> = paths
        .iter()
        .map(|path| format!("{path}\n    {:?}", recognise(path)).replace(id, "ID"))
        .collect();
    insta::assert_snapshot!(lines.join("\n"));
}

proptest! {
    /// What is below a container belongs to it, whatever it is called.
    #[test]
    fn below_a_boundary_is_inside(
        which in 0..Layout::ALL.len(),
        below in "(/(docker-[0-9a-f]{64}.scope|init.scope|kubepods|[a-z.:-]{1,9})){1,3}",
    ) {
        let path = Layout::ALL[which].boundary(POD_UID, CONTAINER_ID);
        prop_assert_eq!(recognise(&(path + &below)), Recognised::InContainer);
    }

    #[test]
    fn rubbish_never_panics(
        path in "(/|kubepods|\\.slice|-pod|pod|_|:|docker-|\\.scope|[a-z0-9]|\\PC){0,20}",
    ) {
        let _ = recognise(&path);
    }
}
