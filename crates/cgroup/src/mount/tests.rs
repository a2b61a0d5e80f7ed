use super::*;
use fgm_testkit::cgroup_tree::CgroupTree;
use proptest::prelude::*;
use std::os::unix::fs::symlink;

/// A line for a mount at that path, with the device that the path really has.
fn line(path: &Path, part: &str, kind: &str) -> String {
    let device = stat(path).expect("stat").st_dev;
    let path = path.to_str().expect("text").replace(' ', "\\040");
    let (major, minor) = (major(device), minor(device));
    format!("41 31 {major}:{minor} {part} {path} rw,nosuid shared:9 - {kind} {kind} rw\n")
}

fn find(tree: &CgroupTree) -> Result<Mount, MountError> {
    Mount::find(&tree.proc_root(), None)
}

#[test]
fn a_unified_host() {
    let tree = CgroupTree::new();
    tree.set_mountinfo(&line(tree.root(), "/", "cgroup2"));
    let mount = find(&tree).expect("mount");
    assert_eq!(mount.path, tree.root());
    assert!(!mount.hybrid);
    assert_eq!(mount.controllers.missing().count(), 0);
}

#[test]
fn a_hybrid_host_lacks_controllers() {
    let tree = CgroupTree::new();
    tree.make("/").write("cgroup.controllers", "cpuset cpu\n");
    let v1 = tree.make("/v1");
    tree.set_mountinfo(&(line(v1.directory(), "/", "cgroup") + &line(tree.root(), "/", "cgroup2")));
    let mount = find(&tree).expect("mount");
    assert!(mount.hybrid);
    let missing: Vec<_> = mount.controllers.missing().collect();
    assert_eq!(missing, ["memory", "io", "pids"]);
}

#[test]
fn a_mount_point_with_a_space() {
    let tree = CgroupTree::new();
    let cgroup = tree.make("/my cgroups");
    tree.set_mountinfo(&line(cgroup.directory(), "/", "cgroup2"));
    assert_eq!(find(&tree).expect("mount").path, cgroup.directory());
}

#[test]
fn of_two_mounts_of_one_tree_the_shorter_path_wins() {
    let tree = CgroupTree::new();
    let again = tree.proc_root().join("again/and/again/fs/cgroup/x");
    fs::create_dir_all(again.parent().expect("parent")).expect("directories");
    symlink(tree.root(), &again).expect("the same directory by another path");
    let lines = [
        line(&again, "/", "cgroup2"),
        line(tree.root(), "/", "cgroup2"),
    ];
    tree.set_mountinfo(&lines.concat());
    assert_eq!(find(&tree).expect("mount").path, tree.root());
}

#[test]
fn the_outermost_part_wins() {
    // Inside a container with a cgroup namespace: its own part, and the host's whole tree.
    let tree = CgroupTree::new();
    let own = tree.make("/own");
    for (own_part, host_part) in [("/", "/../.."), ("/own", "/"), ("/../x", "/..")] {
        let own = line(own.directory(), own_part, "cgroup2");
        let host = line(tree.root(), host_part, "cgroup2");
        for lines in [[own.clone(), host.clone()], [host, own]] {
            tree.set_mountinfo(&lines.concat());
            assert_eq!(find(&tree).expect("mount").path, tree.root(), "{own_part}");
        }
    }
}

#[test]
fn a_hidden_mount_is_passed_over() {
    let tree = CgroupTree::new();
    let seen = tree.make("/deep/er");
    tree.set_mountinfo(&format!(
        "1 1 9999:9 / {} rw - cgroup2 none rw\n{}",
        tree.root().display(),
        line(seen.directory(), "/deep/er", "cgroup2")
    ));
    assert_eq!(find(&tree).expect("mount").path, seen.directory());
}

#[test]
fn the_named_tree_wins_and_needs_no_proc() {
    let tree = CgroupTree::new();
    let named = tree.make("/part");
    let mount = Mount::find(&tree.proc_root(), Some(named.directory())).expect("mount");
    assert_eq!(mount.path, named.directory());
    assert!(!mount.controllers.missing().any(|name| name == "memory"));
}

#[test]
fn every_error_says_what_to_do() {
    let tree = CgroupTree::new();
    let mut errors = vec![find(&tree).expect_err("no mountinfo").to_string()];
    tree.set_mountinfo("22 1 0:5 / / rw - ext4 /dev/vda rw\nrubbish\n");
    errors.push(find(&tree).expect_err("no cgroups").to_string());
    tree.set_mountinfo("33 31 0:31 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n");
    errors.push(find(&tree).expect_err("v1 only").to_string());
    let not_v2 = Mount::find(&tree.proc_root(), Some(&tree.proc_root()));
    errors.push(not_v2.expect_err("not v2").to_string());
    let folder = tree.proc_root();
    let errors = errors
        .join("\n")
        .replace(folder.to_str().expect("text"), "PROC");
    insta::assert_snapshot!(errors);
}

proptest! {
    #[test]
    fn rubbish_never_panics(bytes: Vec<u8>, line in "[0-9: /\\\\-]{0,40}(cgroup2)?") {
        parse(&bytes);
        parse(line.as_bytes());
        unescape(&bytes);
    }

    #[test]
    fn escapes_are_undone(name in "[a-z \t\\\\]{1,12}") {
        let escaped: String = name.chars().map(|c| match c {
            ' ' | '\t' | '\\' => format!("\\{:03o}", u32::from(c)),
            c => c.to_string(),
        }).collect();
        prop_assert_eq!(unescape(escaped.as_bytes()), name.as_bytes());
    }
}
