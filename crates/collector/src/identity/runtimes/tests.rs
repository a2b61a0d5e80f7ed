use super::*;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixListener;

const ID: &str = "c0ffee00000000000000000000000000000000000000000000000000000000aa";

struct Bed(tempfile::TempDir);

impl Bed {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a directory"))
    }

    fn write(&self, path: &str, content: &str) -> &Self {
        let path = self.0.path().join(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("made");
        fs::write(path, content).expect("written");
        self
    }

    fn name(&self, id: &str, cgroup_path: &str) -> Option<Named> {
        Host::at(self.0.path()).name(&question(id, cgroup_path))
    }
}

fn question(id: &str, cgroup_path: &str) -> Question {
    let mut awaited = crate::identity::awaited::Awaited::default();
    let found = fgm_model::Instance {
        container_id: id.to_owned(),
        life: "life".to_owned(),
        cgroup_path: cgroup_path.to_owned(),
        ..fgm_model::Instance::default()
    };
    assert!(awaited.insert(&found, None, 0));
    awaited.questions(0).0.remove(0)
}

#[test]
fn docker_by_its_state_file() {
    let bed = Bed::new();
    let path = format!("var/lib/docker/containers/{ID}/config.v2.json");
    let config = r#"{"Name":"/shop-web-1","RestartCount":2,"Config":{"Image":"nginx:1.27","Labels":{}},"State":{"Pid":7}}"#;
    bed.write(&path, config);
    insta::assert_debug_snapshot!(bed.name(ID, "/system.slice/docker-c0ffee.scope"));
}

#[test]
fn docker_by_its_socket() {
    let bed = Bed::new();
    bed.write("var/run/none", "");
    let listener = UnixListener::bind(bed.0.path().join("var/run/docker.sock")).expect("bound");
    let server = std::thread::spawn(move || {
        let mut asked = Vec::new();
        for answer in [
            "HTTP/1.0 200 OK\r\nApi-Version: 1.47\r\n\r\n{\"Name\":\"/web\",\"RestartCount\":0,\"Config\":{\"Image\":\"nginx\"}}",
            "HTTP/1.0 404 Not Found\r\n\r\n{\"message\":\"No such container\"}",
        ] {
            let (mut socket, _) = listener.accept().expect("asked");
            let mut lines = BufReader::new(socket.try_clone().expect("cloned")).lines();
            asked.push(lines.next().expect("a line").expect("read"));
            while !lines.next().expect("a line").expect("read").is_empty() {}
            socket.write_all(answer.as_bytes()).expect("answered");
        }
        asked
    });
    let named = bed.name(ID, "/docker").expect("known");
    assert_eq!(named.container_name.as_deref(), Some("web"));
    assert_eq!(named.image.as_deref(), Some("nginx"));
    assert_eq!(bed.name(ID, "/docker"), None);
    let asked = server.join().expect("ended");
    assert_eq!(asked[0], format!("GET /containers/{ID}/json HTTP/1.0"));
}

#[test]
fn podman_of_root_and_of_a_user() {
    let list = format!(
        r#"[{{"id":"other","names":["x"]}},{{"id":"{ID}","names":["db"],"image":"9f","metadata":"{{\"image-name\":\"docker.io/library/postgres:17\",\"name\":\"db\"}}"}}]"#
    );
    let bed = Bed::new();
    bed.write(
        "var/lib/containers/storage/overlay-containers/containers.json",
        &list,
    );
    insta::assert_debug_snapshot!(bed.name(ID, "/machine.slice/libpod.scope"));

    let bed = Bed::new();
    bed.write(
        "etc/passwd",
        "root:x:0:0:root:/root:/bin/sh\nann:x:1000:1000::/home/ann:/bin/sh\n",
    );
    let path =
        "home/ann/.local/share/containers/storage/overlay-containers/volatile-containers.json";
    bed.write(path, &list);
    let of_user = "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod.scope";
    let named = bed.name(ID, of_user).expect("known");
    assert_eq!(named.container_name.as_deref(), Some("db"));
    assert_eq!(bed.name(ID, "/user.slice/user-1001.slice/x"), None);
}

#[test]
fn crio_and_cri_dockerd_write_the_pod_into_the_name() {
    let named = kubernetes_name("k8s_app_web-0_shop_3f0c1e5a-9f6b-4a53-8a53-1c9d3a1e7b10_4");
    insta::assert_debug_snapshot!(named);
    assert_eq!(kubernetes_name("k8s_POD_web-0_shop_uid_0"), None);
    assert_eq!(kubernetes_name("k8s_app"), None);
    let bed = Bed::new();
    let path = format!("var/lib/docker/containers/{ID}/config.v2.json");
    bed.write(
        &path,
        r#"{"Name":"/k8s_POD_web-0_shop_uid_0","Config":{"Image":"pause"}}"#,
    );
    assert_eq!(bed.name(ID, "/"), None, "a sandbox");
}

#[test]
fn containerd_by_what_made_the_container() {
    let task = "run/containerd/io.containerd.runtime.v2.task";
    let bed = Bed::new();
    let config =
        |annotations: &str| format!(r#"{{"ociVersion":"1.2.0","annotations":{annotations}}}"#);
    bed.write(
        &format!("{task}/k8s.io/{ID}/config.json"),
        &config(r#"{"io.kubernetes.cri.container-name":"app","io.kubernetes.cri.container-type":"container","io.kubernetes.cri.image-name":"docker.io/library/nginx:1","io.kubernetes.cri.sandbox-id":"s","io.kubernetes.cri.sandbox-name":"web-0","io.kubernetes.cri.sandbox-namespace":"shop","io.kubernetes.cri.sandbox-uid":"uid"}"#),
    );
    insta::assert_debug_snapshot!(bed.name(ID, "/"));

    let bed = Bed::new();
    let path = format!("{task}/k8s.io/{ID}/config.json");
    bed.write(&path, &config(r#"{"io.kubernetes.cri.container-type":"sandbox","io.kubernetes.cri.sandbox-name":"web-0"}"#));
    assert_eq!(bed.name(ID, "/"), None, "a sandbox");

    bed.write(&path, &config(r#"{"nerdctl/name":"web"}"#));
    let named = bed.name(ID, "/").expect("known");
    assert_eq!(named.container_name.as_deref(), Some("web"));

    bed.write(&path, r#"{"ociVersion":"1.2.0"}"#);
    assert_eq!(bed.name(ID, "/"), None, "an ID is no name");
    bed.write(&format!("{task}/default/box/config.json"), "{}");
    let named = bed.name("box", "/").expect("known");
    assert_eq!(
        named.container_name.as_deref(),
        Some("box"),
        "`ctr run` lets a person choose"
    );
}

/// IDs become parts of paths; files may hold anything.
#[test]
fn nothing_bad_is_followed() {
    let bed = Bed::new();
    bed.write("etc/config.v2.json", r#"{"Name":"/no"}"#);
    for id in ["", "..", "../../../../etc", "a/b", "."] {
        assert_eq!(
            Host::at(bed.0.path()).name(&question(id, "/")),
            None,
            "{id:?}"
        );
    }
    let path = format!("var/lib/docker/containers/{ID}/config.v2.json");
    for content in ["", "[]", "{}", "{\"Name\":7}", "\u{0}", "{\"Name\":\"\"}"] {
        bed.write(&path, content);
        assert_eq!(bed.name(ID, "/"), None, "{content:?}");
    }
}
