//! The memory that this process may use, by its cgroup and the machine.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

/// A bound on the memory of this process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryLimit {
    pub bytes: u64,
    /// The file that sets it.
    pub file: PathBuf,
}

impl MemoryLimit {
    /// The lowest of what the cgroup, those above it and the machine allow. `None`: the kernel tells
    /// nothing.
    pub fn of_this_process() -> Option<MemoryLimit> {
        Self::under(Path::new("/"))
    }

    /// The same with the files below another root, for tests.
    fn under(root: &Path) -> Option<MemoryLimit> {
        let limits = of_cgroups(root).into_iter().chain(of_machine(root));
        limits.min_by_key(|limit| limit.bytes)
    }
}

impl fmt::Display for MemoryLimit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.file.display().fmt(formatter)
    }
}

/// `MemTotal` of proc(5)'s meminfo.
fn of_machine(root: &Path) -> Option<MemoryLimit> {
    let text = fs::read_to_string(root.join("proc/meminfo")).ok()?;
    let total = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kib: u64 = total?.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(MemoryLimit {
        bytes: kib * 1024,
        file: "/proc/meminfo".into(),
    })
}

/// Files of a cgroup with a limit on its memory; `max`, or a number above all memory, is none.
const V2_FILES: &[&str] = &["memory.max", "memory.high"];
const V1_FILES: &[&str] = &["memory.limit_in_bytes"];

/// Version 1 writes "no limit" as the largest multiple of a page below this.
const UNLIMITED: u64 = i64::MAX as u64 - 64 * 1024 + 1;

/// The limits of this process's cgroups and of those above them, as far as they can be seen from here.
fn of_cgroups(root: &Path) -> Vec<MemoryLimit> {
    let read = |name: &str| fs::read_to_string(root.join("proc/self").join(name));
    let (Ok(mounts), Ok(cgroups)) = (read("mountinfo"), read("cgroup")) else {
        return Vec::new();
    };
    let mut limits = Vec::new();
    for mount in mounts.lines().filter_map(Mount::of_memory) {
        let paths = cgroups.lines().filter_map(|line| mount.path_of(line));
        for path in paths {
            let mut group = mount.directory_of(path);
            // The limits of all groups above hold, too.
            while group.starts_with(&mount.point) {
                limits.extend(
                    mount
                        .files
                        .iter()
                        .filter_map(|file| limit(root, group.join(file))),
                );
                if !group.pop() {
                    break;
                }
            }
        }
    }
    limits
}

fn limit(root: &Path, file: PathBuf) -> Option<MemoryLimit> {
    let inside = file.strip_prefix("/").unwrap_or(&file);
    let text = fs::read_to_string(root.join(inside)).ok()?;
    let bytes = text.trim().parse().ok()?;
    (bytes < UNLIMITED).then_some(MemoryLimit { bytes, file })
}

/// A mounted hierarchy of cgroups that accounts for memory.
struct Mount {
    /// The cgroup that is mounted; in a container it may lie deep in the hierarchy.
    root: PathBuf,
    point: PathBuf,
    files: &'static [&'static str],
}

impl Mount {
    /// From a line of /proc/self/mountinfo; see proc(5).
    fn of_memory(line: &str) -> Option<Mount> {
        let (mount, file_system) = line.split_once(" - ")?;
        let mut file_system = file_system.split(' ');
        let files = match file_system.next()? {
            "cgroup2" => V2_FILES,
            "cgroup" if names(file_system.nth(1)?, "memory") => V1_FILES,
            _ => return None,
        };
        let mut fields = mount.split(' ').skip(3).map(unescaped);
        Some(Mount {
            root: fields.next()?,
            point: fields.next()?,
            files,
        })
    }

    /// The process's path in this hierarchy, if a line of /proc/self/cgroup is about it.
    fn path_of<'a>(&self, line: &'a str) -> Option<&'a str> {
        let mut parts = line.splitn(3, ':').skip(1);
        let (controllers, path) = (parts.next()?, parts.next()?);
        let is_ours = if self.files == V2_FILES {
            controllers.is_empty()
        } else {
            names(controllers, "memory")
        };
        is_ours.then_some(path)
    }

    /// Where a cgroup is mounted. One that lies outside of the mount is taken for the mount's root: a
    /// container may see the path that its group has on the host.
    fn directory_of(&self, path: &str) -> PathBuf {
        match Path::new(path).strip_prefix(&self.root) {
            Ok(below) if !below.starts_with("..") => self.point.join(below),
            _ => self.point.clone(),
        }
    }
}

/// Whether a list with commas has this name.
fn names(list: &str, name: &str) -> bool {
    list.split(',').any(|other| other == name)
}

/// A path of mountinfo, in which some characters are three octal digits behind a backslash.
fn unescaped(field: &str) -> PathBuf {
    let mut parts = field.split('\\');
    let mut path = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let code = part.get(..3).map(|digits| u8::from_str_radix(digits, 8));
        match code {
            Some(Ok(code)) => {
                path.push(code.into());
                path.push_str(&part[3..]);
            }
            _ => {
                path.push('\\');
                path.push_str(part);
            }
        }
    }
    path.into()
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    const V1: &str = "35 31 0:32 / /sys/fs/cgroup/memory rw,nosuid - cgroup cgroup rw,memory\n\
                      32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n";
    const V2: &str =
        "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";

    /// A machine made of these files.
    fn machine(files: &[(&str, &str)]) -> TempDir {
        let root = TempDir::new().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        root
    }

    fn found(files: &[(&str, &str)]) -> Option<(u64, String)> {
        let root = machine(files);
        let limit = MemoryLimit::under(root.path())?;
        Some((limit.bytes, limit.to_string()))
    }

    fn is(bytes: u64, file: &str) -> Option<(u64, String)> {
        Some((bytes, file.to_owned()))
    }

    #[test]
    fn the_lowest_limit_of_all_groups_up_to_the_root_holds() {
        let mut files = vec![
            ("proc/self/mountinfo", V2),
            ("proc/self/cgroup", "0::/system.slice/pacemaker.service\n"),
            (
                "sys/fs/cgroup/system.slice/pacemaker.service/memory.max",
                "max\n",
            ),
            (
                "sys/fs/cgroup/system.slice/pacemaker.service/memory.high",
                "max\n",
            ),
            ("sys/fs/cgroup/system.slice/memory.max", "800\n"),
            ("sys/fs/cgroup/other.slice/memory.max", "1\n"),
        ];
        let slice = "/sys/fs/cgroup/system.slice/memory.max";
        assert_eq!(found(&files), is(800, slice));
        files[2].1 = "700\n";
        let service = "/sys/fs/cgroup/system.slice/pacemaker.service";
        assert_eq!(found(&files), is(700, &format!("{service}/memory.max")));
        files[3].1 = "600\n";
        assert_eq!(found(&files), is(600, &format!("{service}/memory.high")));
    }

    #[test]
    fn a_container_sees_its_own_group_at_the_mount() {
        // With a cgroup namespace; without one, where the host's path is mounted; and where it is not.
        for (mount_root, path) in [
            ("/", "/"),
            ("/docker/12ab", "/docker/12ab"),
            ("/", "/docker/12ab"),
            ("/", "/../sibling"),
        ] {
            let mount = format!("35 31 0:32 {mount_root} /sys/fs/cgroup rw - cgroup2 cgroup rw\n");
            let cgroup = format!("0::{path}\n");
            let files = [
                ("proc/self/mountinfo", mount.as_str()),
                ("proc/self/cgroup", cgroup.as_str()),
                ("sys/fs/cgroup/memory.max", "268435456\n"),
            ];
            let expected = is(256 << 20, "/sys/fs/cgroup/memory.max");
            assert_eq!(found(&files), expected, "{mount_root} {path}");
        }
    }

    #[test]
    fn version_1_is_read_as_well_beside_an_empty_version_2() {
        let mounts =
            V1.to_owned() + "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
        let mut files = vec![
            ("proc/self/mountinfo", mounts.as_str()),
            ("proc/self/cgroup", "4:memory:/a/b\n2:cpuacct:/c\n0::/\n"),
            (
                "sys/fs/cgroup/memory/a/b/memory.limit_in_bytes",
                "9223372036854771712\n",
            ),
            ("sys/fs/cgroup/memory/a/memory.limit_in_bytes", "900\n"),
        ];
        let file = "/sys/fs/cgroup/memory/a/memory.limit_in_bytes";
        assert_eq!(found(&files), is(900, file));
        files.pop();
        assert_eq!(found(&files), None, "no limit");
    }

    #[test]
    fn the_machine_is_a_limit_too() {
        let meminfo = "MemTotal:       24684092 kB\nMemFree:        19251332 kB\n";
        let mut files = vec![("proc/meminfo", meminfo)];
        assert_eq!(found(&files), is(24_684_092 * 1024, "/proc/meminfo"));
        files.push(("proc/self/mountinfo", V2));
        files.push(("proc/self/cgroup", "0::/\n"));
        files.push(("sys/fs/cgroup/memory.max", "17179869184"));
        assert_eq!(found(&files), is(16 << 30, "/sys/fs/cgroup/memory.max"));
        assert_eq!(found(&[]), None);
    }

    #[test]
    fn mount_points_may_have_spaces() {
        let mount = "35 31 0:32 / /my\\040groups\\134x rw - cgroup2 cgroup2 rw\n";
        let files = [
            ("proc/self/mountinfo", mount),
            ("proc/self/cgroup", "0::/a:b\n"),
            ("my groups\\x/a:b/memory.max", "500\n"),
        ];
        assert_eq!(found(&files), is(500, "/my groups\\x/a:b/memory.max"));
    }

    #[test]
    fn this_machine_has_memory() {
        let limit = MemoryLimit::of_this_process();
        assert!(limit.is_some_and(|limit| limit.bytes > 1 << 20));
    }
}
