//! The replay cache: the file in which the library notes each login, so that none can be sent again.
//! Without a mutual login it is all that stops a replay, and if it cannot be written then every
//! login fails. So where it is (MIT's `rc_base.c` and `rc_dfl.c`, 1.18 and newer) is looked up and
//! tried at start.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs::OpenOptions;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::credential;

/// # Errors
/// Every login would fail: why, and what to set.
pub(super) fn check() -> Result<(), String> {
    let user = rustix::process::geteuid().as_raw();
    let configured = credential::configured_replay_cache();
    match locate(|name| env::var_os(name), configured.as_deref(), user)? {
        Place::None | Place::Unknown => Ok(()),
        Place::File { path, from, flags } => open(&path, flags, user).map_err(|why| {
            let (path, remedy) = (path.display(), remedy(from));
            format!(
                "the replay cache {path}, where {from} puts it, cannot be used: {why}; every \
                 Kerberos login would fail. {remedy} that the daemon's user may write to"
            )
        }),
    }
}

fn remedy(from: &str) -> &'static str {
    match from {
        KRB5RCACHENAME | DEFAULT_NAME => "Let it name a file",
        _ => "Let KRB5RCACHEDIR name a directory",
    }
}

const KRB5RCACHENAME: &str = "KRB5RCACHENAME";
const DEFAULT_NAME: &str = "default_rcache_name in krb5.conf";

#[derive(PartialEq, Eq, Debug)]
enum Place {
    /// The operator wants none.
    None,
    /// In words of krb5.conf that only the library can read.
    Unknown,
    File {
        path: PathBuf,
        /// Which setting has led there.
        from: &'static str,
        /// What the library opens it with besides.
        flags: i32,
    },
}

/// Where the library will look. `configured` is krb5.conf's word.
fn locate(
    env: impl Fn(&str) -> Option<OsString>,
    configured: Option<&str>,
    user: u32,
) -> Result<Place, String> {
    let (name, from) = if let Some(name) = env(KRB5RCACHENAME) {
        (name, KRB5RCACHENAME)
    } else if let Some(mut kind) = env("KRB5RCACHETYPE") {
        kind.push(":");
        (kind, "KRB5RCACHETYPE")
    } else if let Some(name) = configured {
        let user = user.to_string();
        let name = name.replace("%{uid}", &user).replace("%{euid}", &user);
        if name.contains("%{") {
            return Ok(Place::Unknown);
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
        b"none" => Ok(Place::None),
        b"file2" => {
            let path = Path::new(OsStr::from_bytes(rest)).to_owned();
            Ok(Place::File {
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
                ("/var/tmp".into(), "the library")
            };
            // Put together as the library does: an empty directory is the root.
            let file = format!("/krb5_{user}.rcache2");
            let path = [directory.as_bytes(), file.as_bytes()].concat();
            Ok(Place::File {
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
        "{name:?} of {from} is no replay cache, and every Kerberos login would fail: it must be dfl:, \
         none: or file2: with a path"
    )
}

/// Opens the file as the library will, which makes it if it is not there.
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
    match owner == user {
        true => Ok(()),
        false => Err(format!(
            "the file is user {owner}'s and the daemon runs as user {user}"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    fn locate_with(env: &[(&str, &str)], configured: Option<&str>) -> Result<Place, String> {
        let get = |name: &str| {
            let found = env.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| OsString::from(value))
        };
        locate(get, configured, 7)
    }

    fn path(env: &[(&str, &str)], configured: Option<&str>) -> (String, &'static str) {
        match locate_with(env, configured).unwrap() {
            Place::File { path, from, .. } => (path.to_str().unwrap().to_owned(), from),
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
        assert_eq!(locate_with(&[kind], Some("file2:/n")), Ok(Place::None));
        assert_eq!(
            path(&[("KRB5RCACHENAME", "dfl:x")], None).0,
            "/var/tmp/krb5_7.rcache2"
        );

        let (file, from) = path(&directory, Some("file2:/run/%{uid}/%{euid}"));
        assert_eq!(file, "/run/7/7");
        assert_eq!(from, DEFAULT_NAME);
        assert_eq!(
            locate_with(&[], Some("file2:%{TEMP}/x")),
            Ok(Place::Unknown)
        );
        for name in ["/d/x", "FILE:/d/x", "", ":"] {
            let said = locate_with(&[("KRB5RCACHENAME", name)], None).unwrap_err();
            assert!(
                said.contains("of KRB5RCACHENAME is no replay cache"),
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
