//! Where this program is installed: where an upgrade looks for the next one.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The path that this process was started by, with its symbolic links as they are: an upgrade may have changed where
/// they lead. To be called before anybody replaces the file.
///
/// # Errors
/// The operating system does not tell which program runs.
pub(super) fn path() -> io::Result<PathBuf> {
    let running = identity(Path::new("/proc/self/exe"))?;
    let named = env::args_os().next();
    let named = named.and_then(|name| find(&name, running));
    match named {
        Some(path) => Ok(path),
        // Somebody has chosen another name (`exec -a`).
        None => env::current_exe(),
    }
}

/// As a shell finds it.
fn find(name: &OsStr, running: (u64, u64)) -> Option<PathBuf> {
    let is_running = |path: &PathBuf| identity(path).is_ok_and(|found| found == running);
    if name.as_encoded_bytes().contains(&b'/') {
        return std::path::absolute(name).ok().filter(is_running);
    }
    let path = env::var_os("PATH")?;
    let candidates = env::split_paths(&path).map(|directory| directory.join(name));
    candidates
        .filter_map(|path| std::path::absolute(path).ok())
        .find(is_running)
}

/// Device and inode.
fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let metadata = fs::metadata(path)?;
    Ok((metadata.dev(), metadata.ino()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_stay_links() {
        let home = tempfile::tempdir().unwrap();
        let link = home.path().join("link");
        let program = path().unwrap();
        let running = identity(&program).unwrap();
        symlink(&program, &link).unwrap();
        assert_eq!(find(link.as_os_str(), running), Some(link));
        let other = home.path().join("other");
        fs::write(&other, "").unwrap();
        assert_eq!(find(other.as_os_str(), running), None);
        assert_eq!(find(OsStr::new("no-such-program"), running), None);
    }
}
