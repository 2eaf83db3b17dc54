//! Where groups are found, and what is told where there are none.

use super::*;

const HYBRID: &str = "\
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime shared:1 - cgroup cgroup rw,cpu,cpuacct
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
";
const OWN: &str = "4:memory:/api/48\n2:cpu,cpuacct:/\n0::/user.slice/a.scope\n";

#[test]
fn groups_are_found_where_this_process_is() {
    let found = hierarchies(HYBRID);
    assert_eq!(found.len(), 3);
    let homes = |wanted| found.iter().find_map(|it| home(it, OWN, wanted));
    assert_eq!(homes(Some("memory")), Some("/sys/fs/cgroup/memory/api/48".into()));
    assert_eq!(homes(Some("cpuacct")), Some("/sys/fs/cgroup/cpu/".into()));
    assert_eq!(homes(Some("pids")), None);
    assert_eq!(homes(None), Some("/sys/fs/cgroup/unified/user.slice/a.scope".into()));
}

#[test]
fn a_part_of_a_hierarchy_that_is_mounted_is_the_root_here() {
    let mounts = "1 2 0:38 /docker/7 /sys/fs/cgroup rw - cgroup2 cgroup2 rw";
    let found = hierarchies(mounts);
    let homes = |own| found.iter().find_map(|it| home(it, own, None));
    assert_eq!(homes("0::/docker/7/x\n"), Some("/sys/fs/cgroup/x".into()));
    assert_eq!(homes("0::/elsewhere\n"), None, "it is not seen from here");
}

#[test]
fn without_a_group_it_is_told_why() {
    let limits = Limits::default();
    let none = Cgroup::among("", OWN, &limits).expect_err("there is none");
    assert_eq!(none, "no control groups are mounted");
    let folder = tempfile::tempdir().expect("a folder");
    let mounts = format!("1 2 0:38 / {}/absent rw - cgroup2 cgroup2 rw", folder.path().display());
    let none = Cgroup::among(&mounts, "0::/\n", &limits).expect_err("nothing can be made there");
    assert!(none.contains("absent/vivarium-") && none.contains("No such file"), "{none}");
}

#[test]
fn a_name_that_is_not_ours_has_no_maker() {
    assert_eq!(maker("vivarium-17-0123456789abcdef"), Some(17));
    for other in ["vivarium-17-nightly", "vivarium-17", "vivarium-x-0123456789abcdef", "other-17-0"]
    {
        assert_eq!(maker(other), None, "{other}");
    }
}

#[test]
fn a_group_without_limits_is_not_told_as_a_layer() {
    let group = |memory, processes| Cgroup { folders: Vec::new(), memory, processes };
    assert_eq!(
        group(Some(592 << 20), Some(32)).told(),
        Ok("592 MiB of memory, 32 processes and threads for all of it together".to_owned())
    );
    assert!(group(None, Some(32)).told().is_err_and(|told| told.contains("alone")));
    assert!(group(None, None).told().is_err_and(|told| told.contains("without limits")));
}

#[test]
fn a_group_lies_beside_ours_where_the_one_above_is_given_to_us() {
    let folder = tempfile::tempdir_in("/var/tmp").expect("a folder");
    let above = folder.path().join("vivarium.service");
    fs::create_dir_all(above.join("leaf")).expect("folders");
    let mounts = format!("1 2 0:38 / {} rw - cgroup2 cgroup2 rw", folder.path().display());
    let found = hierarchies(&mounts);
    let homes = || found.iter().find_map(|it| home(it, "0::/vivarium.service/leaf\n", None));
    assert_eq!(homes(), Some(above.join("leaf")));
    let flags = rustix::fs::XattrFlags::empty();
    rustix::fs::setxattr(&above, "user.delegate", b"1", flags).expect("files have marks here");
    assert_eq!(homes(), Some(above));
}
