//! What a workload does to be waited for: locks, memory and processors that are shared.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Has so many threads write `bytes` again and again to the same place of a file, until it has taken so long. The
/// kernel lets one write at a time.
pub(crate) fn write_together(threads: u64, bytes: usize, time: Duration) -> io::Result<()> {
    let path = format!("/var/tmp/ntap-workload-{}", std::process::id());
    fs::create_dir_all("/var/tmp")?;
    let file = File::create_new(&path)?;
    fs::remove_file(&path)?;
    let (data, start) = (vec![b'x'; bytes], Instant::now());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| while start.elapsed() < time && file.write_all_at(&data, 0).is_ok() {});
        }
    });
    Ok(())
}

/// Computes for so much time of a CPU in a control group of this name, which it makes and removes.
pub(crate) fn in_group(name: &str, time: Duration) -> io::Result<()> {
    let root = group_root("cgroup2").ok_or(io::Error::other("no unified hierarchy"))?;
    let group = root.join(name);
    fs::create_dir_all(&group)?;
    let own = fs::read_to_string("/proc/self/cgroup")?;
    let before = own.lines().find_map(|line| line.strip_prefix("0::/")).unwrap_or_default();
    let id = std::process::id().to_string();
    fs::write(group.join("cgroup.procs"), &id)?;
    super::workload::spin(time);
    fs::write(root.join(before).join("cgroup.procs"), &id)?;
    fs::remove_dir(&group)
}

/// Has the kernel free memory of a control group, and waits for it.
pub(crate) fn reclaim() -> io::Result<()> {
    let name = format!("ntap-reclaim-{}", std::process::id());
    let unified = group_root("cgroup2").filter(|root| has_memory(root));
    if let Some(root) = unified {
        // Linux 5.19.
        let group = root.join(name);
        fs::write(root.join("cgroup.subtree_control"), "+memory")?;
        fs::create_dir_all(&group)?;
        // Less than was wanted is freed: there is nothing.
        let _ = fs::write(group.join("memory.reclaim"), "1M");
        return fs::remove_dir(&group);
    }
    let own = fs::read_to_string("/proc/self/cgroup")?;
    let before = own.lines().find_map(|line| line.split_once(":memory:/")).map(|(_, path)| path);
    let before = before.ok_or(io::Error::other("no control groups of memory"))?;
    let root = group_root("memory").ok_or(io::Error::other("control groups are not mounted"))?;
    let group = root.join(name);
    fs::create_dir_all(&group)?;
    fs::write(group.join("memory.limit_in_bytes"), "4M")?;
    let id = std::process::id().to_string();
    fs::write(group.join("cgroup.procs"), &id)?;
    let path = format!("/var/tmp/ntap-workload-{id}");
    fs::create_dir_all("/var/tmp")?;
    let mut file = File::create_new(&path)?;
    fs::remove_file(&path)?;
    let written = (0..16).try_for_each(|_| {
        file.write_all(&vec![b'x'; 1 << 20])?;
        // Clean pages can be freed.
        file.sync_data()
    });
    drop(file);
    fs::write(root.join(before).join("cgroup.procs"), &id)?;
    let _ = fs::write(group.join("memory.force_empty"), "0");
    fs::remove_dir(&group)?;
    written
}

fn has_memory(root: &Path) -> bool {
    let controllers = fs::read_to_string(root.join("cgroup.controllers")).unwrap_or_default();
    controllers.split_whitespace().any(|controller| controller == "memory")
}

/// Where the control groups of a kind are: `cgroup2`, or those with an option of the older ones.
fn group_root(kind: &str) -> Option<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mounts").ok()?;
    mounts.lines().find_map(|line| {
        let [_, path, filesystem, options, ..] = line.split(' ').collect::<Vec<_>>()[..] else {
            return None;
        };
        let is_it = match filesystem {
            "cgroup2" => kind == "cgroup2",
            "cgroup" => options.split(',').any(|option| option == kind),
            _ => false,
        };
        is_it.then(|| PathBuf::from(path))
    })
}
