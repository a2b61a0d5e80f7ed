//! The flake's apps as `nix run` starts them, with stand-ins for the tools of the machine. They
//! are those of the flake's checks, whose programs are not optimised; with `FGM_FLAKE_APPS=.#` what
//! is run is what a person runs.

#![expect(
    clippy::unwrap_used,
    reason = "a failed expectation is how a story fails"
)]

use fgm_stories::api_server::ApiServer;
use fgm_stories::machine::{Machine, reason};
use fgm_stories::process::Killable;
use fgm_stories::{needs, wait_for};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// `nix SUBCOMMAND` on that part of the flake.
fn nix(flake: &Path, subcommand: &str, part: &str) -> Command {
    let mut command = Command::new(flake);
    command
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))
        .args([subcommand, part]);
    command
}

fn of_the_checks(app: &str) -> String {
    format!(".#checks.{}-linux.apps.{app}", std::env::consts::ARCH)
}

/// `nix run` on a machine: Nix itself takes more than stand-ins.
fn nix_run(machine: &Machine, flake: &Path, app: &str) -> Command {
    let app = std::env::var("FGM_FLAKE_APPS")
        .map_or_else(|_| of_the_checks(app), |all| format!("{all}{app}"));
    let mut command = nix(flake, "run", &app);
    let path = std::env::var("PATH").unwrap();
    machine.surround(&mut command, Some(&path));
    command.arg("--");
    command
}

/// The app's own program, for machines that lack a tool.
fn built(flake: &Path, app: &str) -> PathBuf {
    let output = nix(flake, "build", &of_the_checks(app))
        .args(["--no-link", "--print-out-paths"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let path = String::from_utf8(output.stdout).unwrap();
    let name = format!("fgm-{app}");
    Path::new(path.trim()).join("bin").join(name)
}

fn succeeds(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    output
}

/// The calls, with STORE for folders whose names hold a hash.
fn calls(machine: &Machine) -> Vec<String> {
    let without_hash = |word: &str| {
        let hash = |part: &str| part.len() > 33 && part.as_bytes()[32] == b'-';
        let mut parts = word.split('/').skip_while(|part| !hash(part));
        let Some(first) = parts.next() else {
            return word.to_owned();
        };
        let rest = parts.map(|part| format!("/{part}")).collect::<String>();
        format!("STORE/{}{rest}", &first[33..])
    };
    let calls = machine.calls().into_iter();
    calls
        .map(|call| {
            let words = call.split(' ').map(without_hash);
            words.collect::<Vec<_>>().join(" ")
        })
        .collect()
}

/// The name with its tag of each image that was loaded, by its name.
fn loaded(machine: &Machine) -> BTreeMap<String, String> {
    let calls = machine.read("calls");
    let archives = calls
        .lines()
        .filter_map(|call| call.strip_prefix("kind load image-archive --name fgm "));
    archives
        .map(|archive| {
            let member = Command::new("tar")
                .args(["-xOf", archive, "manifest.json"])
                .output();
            let manifest: Value = serde_json::from_slice(&member.unwrap().stdout).unwrap();
            let image = manifest[0]["RepoTags"][0].as_str().unwrap();
            let (name, _) = image.rsplit_once(':').unwrap();
            (name.to_owned(), image.to_owned())
        })
        .collect()
}

fn applied(machine: &Machine) -> Vec<Value> {
    let all: Vec<Value> = serde_saphyr::from_multiple(&machine.applied()).unwrap();
    all.into_iter().filter(|one| !one.is_null()).collect()
}

fn images(pod_spec: &Value) -> BTreeMap<String, String> {
    let containers = pod_spec["containers"].as_array().unwrap();
    let image = |container: &Value| {
        let image = container["image"].as_str().unwrap();
        let (name, _) = image.rsplit_once(':').unwrap();
        (name.to_owned(), image.to_owned())
    };
    containers.iter().map(image).collect()
}

/// `nix run .#deploy` and `.#destroy`: the cluster, every image of this build, the manifests.
#[test]
fn nix_run_deploys_what_it_built() {
    let Some(flake) = needs::flake() else { return };
    let Some(machine) = Machine::new(&["docker", "kind", "kubectl"]) else {
        return;
    };
    succeeds(&mut nix_run(&machine, &flake, "deploy"));
    let loaded = loaded(&machine);
    let load = |name| format!("kind load image-archive --name fgm STORE/fgm-images/{name}.tar");
    let apply = "kubectl OURS apply --server-side --force-conflicts --field-manager=fgm-lab -f -";
    let meant = [
        "kustomize build",
        "docker info",
        "kind version",
        "kubectl version --client",
        "kind get clusters",
        "kind create cluster --name fgm --wait 180s --config STORE/source/cluster.yaml \
         --kubeconfig TEMP/state/fgm/kubeconfig",
        "kubectl OURS get --raw /readyz --request-timeout=20s",
        &load("fgm-consolidator"),
        &load("fgm-viewer"),
        &load("fgm-workload"),
        &load("fgm"),
        apply,
        "kubectl OURS get secret fgm-token --ignore-not-found -o name",
        apply,
        apply,
        "kubectl OURS rollout status daemonset/fgm --timeout=300s",
    ];
    assert_eq!(calls(&machine), meant);

    // The pods run what was loaded.
    let applied = applied(&machine);
    let pods = applied.iter().find(|one| one["kind"] == "DaemonSet");
    let run = images(&pods.unwrap()["spec"]["template"]["spec"]);
    assert_eq!(run.len(), 3);
    for (name, image) in run {
        assert_eq!(loaded.get(&name), Some(&image));
    }

    succeeds(&mut nix_run(&machine, &flake, "destroy"));
    let delete = "kind delete cluster --name fgm --kubeconfig TEMP/state/fgm/kubeconfig";
    assert_eq!(calls(&machine).last().map(String::as_str), Some(delete));
}

/// What fails is told in words, with an exit code, and nothing after it is done.
#[test]
fn a_deployment_that_fails_says_why() {
    let Some(flake) = needs::flake() else { return };
    let deploy = built(&flake, "deploy");
    let on = |machine: &Machine| {
        let mut command = Command::new(&deploy);
        machine.surround(&mut command, None);
        command.output().unwrap()
    };
    let Some(machine) = Machine::new(&["kind", "kubectl"]) else {
        return;
    };
    let said = reason(&on(&machine));
    assert!(
        said.contains("docker (https://") && said.contains("podman (https://"),
        "{said}"
    );
    assert_eq!(calls(&machine), ["kustomize build"]);

    for (tool, words, complaint, wanted) in [
        (
            "kind",
            "create",
            "port 6443 is taken",
            "the cluster could not be made",
        ),
        ("kubectl", "rollout", "timed out", "not every node records"),
    ] {
        let machine = Machine::new(&["docker", "kind", "kubectl"]).unwrap();
        machine.break_down(tool, words, complaint);
        let output = on(&machine);
        let said = reason(&output);
        assert!(said.contains(wanted), "{said}");
        let all = String::from_utf8(output.stderr).unwrap();
        assert!(all.contains(complaint), "{all}");
        let calls = calls(&machine);
        let failed = calls.iter().position(|call| call.contains(words)).unwrap();
        // After a roll-out that does not end, the pods are shown.
        let shown = usize::from(words == "rollout");
        assert_eq!(calls.len(), failed + 1 + shown, "{calls:?}");
    }
}

/// `nix run .#scenario-oom-kill`: its image into the nodes, its pod on that image; Ctrl-C takes
/// the pod away. The API server is a real one; the kubelet is played here.
#[test]
fn nix_run_runs_a_scenario_in_the_cluster() {
    let Some(flake) = needs::flake() else { return };
    let Some(machine) = Machine::new(&["docker", "kind"]) else {
        return;
    };
    let data = machine.path("data");
    fs::create_dir(&data).unwrap();
    let run = || {
        let mut command = nix_run(&machine, &flake, "scenario-oom-kill");
        command.arg("--data-dir").arg(&data);
        // It is interrupted long before.
        command.args(["--duration", "1h"]);
        command
    };
    let said = reason(&run().output().unwrap());
    assert!(said.contains("nix run .#deploy makes one"), "{said}");

    let Some(server) = ApiServer::start() else {
        return;
    };
    fs::create_dir_all(machine.path("state/fgm")).unwrap();
    fs::copy(
        server.kubeconfig("admin"),
        machine.path("state/fgm/kubeconfig"),
    )
    .unwrap();
    let said = reason(&run().output().unwrap());
    assert!(said.contains("there is no cluster \"fgm\""), "{said}");
    machine.write("cluster", "fgm\n");
    machine.break_down("kind", "load", "no space left");
    let said = reason(&run().output().unwrap());
    assert!(said.contains("an image could not be loaded"), "{said}");
    fs::remove_file(machine.path("kind.fail")).unwrap();
    let _ = machine.calls();
    let get = |what: &str| -> Value {
        let text = server.kubectl(&["get", what, "--all-namespaces", "-o", "json"], "");
        serde_json::from_str(&text).unwrap()
    };
    assert_eq!(get("pods")["items"], json!([]), "nothing is left behind");

    let mut running = Killable::start(run());
    let mut pod = wait_for("the pod", || {
        Some(get("pods")["items"][0].clone()).filter(Value::is_object)
    });
    let loaded = loaded(&machine);
    assert_eq!(images(&pod["spec"]), loaded);
    let meant = [
        "docker info",
        "kind version",
        "kind get clusters",
        "kind load image-archive --name fgm STORE/fgm-images/fgm-workload.tar",
    ];
    assert_eq!(calls(&machine), meant);
    let namespace = pod["metadata"]["namespace"].as_str().unwrap().to_owned();
    assert!(namespace.starts_with("fgm-oom-kill-"), "{namespace}");

    let started = json!({"running": {"startedAt": pod["metadata"]["creationTimestamp"]}});
    let status = |name: &Value| {
        json!({"name": name, "state": started, "ready": true, "restartCount": 0,
               "image": "", "imageID": ""})
    };
    let containers = pod["spec"]["containers"].as_array().unwrap().iter();
    let statuses: Vec<_> = containers.map(|one| status(&one["name"])).collect();
    pod["status"] = json!({"phase": "Running", "containerStatuses": statuses});
    let put = |path: &str, object: &Value| {
        let said = server.kubectl(&["replace", "--raw", path, "-f", "-"], &object.to_string());
        assert!(said.starts_with('{'), "{said}");
    };
    let path = format!("/api/v1/namespaces/{namespace}");
    put(&format!("{path}/pods/oom-kill/status"), &pod);
    wait_for("the run", || {
        let lines = running.lines();
        let expected = lines.iter().any(|line| line.contains(" expected: "));
        expected.then_some(())
    });

    let pid = Pid::from_raw(i32::try_from(running.pid()).unwrap()).unwrap();
    kill_process(pid, Signal::INT).unwrap();
    // What the controller of namespaces does once they are empty.
    let mut going = wait_for("the end of the namespace", || {
        let namespaces = get("namespaces");
        let mut all = namespaces["items"].as_array().unwrap().iter();
        let ours = all.find(|one| one["metadata"]["name"] == namespace.as_str())?;
        (ours["status"]["phase"] == "Terminating").then(|| ours.clone())
    });
    going["spec"]["finalizers"] = json!([]);
    put(&format!("{path}/finalize"), &going);
    let status = running.wait();
    assert_eq!(status.code(), Some(130), "{}", running.log());
}
