//! The replay cache: the file in which the library records each login, so that nobody can send it
//! again. Logins that are not mutual have no other protection against replay, and if the cache cannot
//! be written then every login fails. So the daemon locates the file (as MIT's `rc_base.c` and
//! `rc_dfl.c` do, 1.18 and newer) and opens it at start.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs::OpenOptions;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::credential;

/// Checks that the library will be able to use its replay cache.
///
/// # Errors
/// Every login would fail: why, and what to set.
pub(super) fn check() -> Result<(), String> {
    let user = rustix::process::geteuid().as_raw();
    let configured = credential::configured_replay_cache();
    match locate(|name| env::var_os(name), configured.as_deref(), user)? {
        CacheLocation::None | CacheLocation::Unknown => Ok(()),
        CacheLocation::File { path, from, flags } => open(&path, flags, user).map_err(|why| {
            let (path, remedy) = (path.display(), remedy(from));
            format!(
                "cannot use the replay cache {path} (from {from}): {why}; every Kerberos login would \
                 fail. {remedy} that the daemon's user may write to"
            )
        }),
    }
}

fn remedy(from: &str) -> &'static str {
    match from {
        KRB5RCACHENAME | DEFAULT_NAME => "Set it to file2: and the path of a file",
        _ => "Set KRB5RCACHEDIR to a directory",
    }
}

const KRB5RCACHENAME: &str = "KRB5RCACHENAME";
const DEFAULT_NAME: &str = "default_rcache_name in krb5.conf";

#[derive(PartialEq, Eq, Debug)]
enum CacheLocation {
    /// The operator has turned the replay cache off.
    None,
    /// It depends on a parameter of krb5.conf that only the library can expand.
    Unknown,
    File {
        path: PathBuf,
        /// The setting that decides it.
        from: &'static str,
        /// Further flags of `open(2)` that the library uses.
        flags: i32,
    },
}

/// Finds the cache as the library does. `configured` is `default_rcache_name` of krb5.conf.
///
/// # Errors
/// The library knows no such kind of cache.
fn locate(
    env: impl Fn(&str) -> Option<OsString>,
    configured: Option<&str>,
    user: u32,
) -> Result<CacheLocation, String> {
    let (name, from) = if let Some(name) = env(KRB5RCACHENAME) {
        (name, KRB5RCACHENAME)
    } else if let Some(mut kind) = env("KRB5RCACHETYPE") {
        kind.push(":");
        (kind, "KRB5RCACHETYPE")
    } else if let Some(name) = configured {
        let user = user.to_string();
        let name = name.replace("%{uid}", &user).replace("%{euid}", &user);
        if name.contains("%{") {
            return Ok(CacheLocation::Unknown);
        }
        (name.into(), DEFAULT_NAME)
    } else {
        ("dfl:".into(), "")
    };
    let name = name.as_bytes();
    let colon = name.iter().position(|byte| *byte == b':');
    let (kind, rest) = match colon {
        Some(colon) => (&name[..colon], &name[colon + 1..]),
        None => (name, &b""[..]),
    };
    match kind {
        _ if colon.is_none() => Err(no_such_kind(name, from)),
        b"none" => Ok(CacheLocation::None),
        b"file2" => {
            let path = Path::new(OsStr::from_bytes(rest)).to_owned();
            Ok(CacheLocation::File {
                path,
                from,
                flags: 0,
            })
        }
        b"dfl" => {
            let (directory, from) = if let Some(directory) = env("KRB5RCACHEDIR") {
                (directory, "KRB5RCACHEDIR")
            } else if let Some(directory) = env("TMPDIR") {
                (directory, "TMPDIR")
            } else {
                ("/var/tmp".into(), "the library's default")
            };
            // Joined as the library does it: an empty directory means the root.
            let file = format!("/krb5_{user}.rcache2");
            let path = [directory.as_bytes(), file.as_bytes()].concat();
            Ok(CacheLocation::File {
                flags: libc::O_NOFOLLOW,
                path: OsString::from_vec(path).into(),
                from,
            })
        }
        _ => Err(no_such_kind(name, from)),
    }
}

fn no_such_kind(name: &[u8], from: &str) -> String {
    let name = String::from_utf8_lossy(name);
    format!(
        "{from} is {name:?}, which is not a replay cache; every Kerberos login would fail. Set it to \
         dfl:, none: or file2: and the path of a file"
    )
}

/// Opens the file as the library will. Like the library, it creates a missing file.
fn open(path: &Path, flags: i32, user: u32) -> Result<(), String> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(flags)
        .open(path)
        .map_err(|error| error.to_string())?;
    let owner = file.metadata().map_err(|error| error.to_string())?.uid();
    if owner != user {
        return Err(format!(
            "the file belongs to user {owner}, but the daemon runs as user {user}"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    fn locate_with(
        env: &[(&str, &str)],
        configured: Option<&str>,
    ) -> Result<CacheLocation, String> {
        let get = |name: &str| {
            let found = env.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| OsString::from(value))
        };
        locate(get, configured, 7)
    }

    fn path(env: &[(&str, &str)], configured: Option<&str>) -> (String, &'static str) {
        match locate_with(env, configured).unwrap() {
            CacheLocation::File { path, from, .. } => (path.to_str().unwrap().to_owned(), from),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn where_the_library_looks() {
        let directory = [("TMPDIR", "/t"), ("KRB5RCACHEDIR", "/d")];
        assert_eq!(path(&[], None).0, "/var/tmp/krb5_7.rcache2");
        assert_eq!(path(&directory[..1], None).0, "/t/krb5_7.rcache2");
        let (file, from) = path(&directory, None);
        assert_eq!(file, "/d/krb5_7.rcache2");
        assert_eq!(from, "KRB5RCACHEDIR");
        assert_eq!(path(&[("KRB5RCACHEDIR", "")], None).0, "/krb5_7.rcache2");

        let name = ("KRB5RCACHENAME", "file2:/n");
        let kind = ("KRB5RCACHETYPE", "none");
        assert_eq!(
            path(&[name, kind], Some("none:")),
            ("/n".to_owned(), KRB5RCACHENAME)
        );
        assert_eq!(
            locate_with(&[kind], Some("file2:/n")),
            Ok(CacheLocation::None)
        );
        assert_eq!(
            path(&[("KRB5RCACHENAME", "dfl:x")], None).0,
            "/var/tmp/krb5_7.rcache2"
        );

        let (file, from) = path(&directory, Some("file2:/run/%{uid}/%{euid}"));
        assert_eq!(file, "/run/7/7");
        assert_eq!(from, DEFAULT_NAME);
        assert_eq!(
            locate_with(&[], Some("file2:%{TEMP}/x")),
            Ok(CacheLocation::Unknown)
        );
        for name in ["/d/x", "FILE:/d/x", "", ":"] {
            let said = locate_with(&[("KRB5RCACHENAME", name)], None).unwrap_err();
            assert!(
                said.contains("KRB5RCACHENAME") && said.contains(&format!("{name:?}")),
                "{said}"
            );
        }
    }

    #[test]
    fn a_file_that_can_be_written_and_one_that_cannot() {
        let directory = tempfile::tempdir().unwrap();
        let user = rustix::process::geteuid().as_raw();
        let file = directory.path().join("cache");
        for _ in 0..2 {
            assert_eq!(open(&file, 0, user), Ok(()));
        }
        assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o600);
        assert!(
            open(&file, 0, user + 1)
                .unwrap_err()
                .contains("the daemon runs as user")
        );
        assert!(open(&directory.path().join("no/cache"), 0, user).is_err());
        assert!(open(directory.path(), 0, user).is_err());
        let link = directory.path().join("link");
        symlink(&file, &link).unwrap();
        assert!(open(&link, libc::O_NOFOLLOW, user).is_err());
        assert!(open(&link, 0, user).is_ok());
    }
}
