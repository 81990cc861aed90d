//! The same scripts of requests get the same answers, byte for byte, from 1, 2 and 4 shards: the
//! ones stated with them. With STORM_PACEMAKER_JAVA=1 they also run against Storm's own daemon, and
//! what it answers differs in nothing but what the scripts name.

mod support;

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use support::conformance::scripts;
use support::frames::*;
use support::script::{Answers, Java, Step, readable};
use support::{Daemon, holds_within};
use tempfile::TempDir;

#[test]
fn any_number_of_shards_answers_alike_and_as_stated() {
    let mut of_one: Vec<Answers> = Vec::new();
    for shards in ["1", "2", "4"] {
        // Scripts also delete everything, which is refused by default.
        let daemon = Daemon::start(&["--shards", shards, "-c", "access.deletes_below="]);
        let with = format!("{shards} shards");
        let answers = scripts()
            .iter()
            .map(|script| script.check(daemon.address(), &with))
            .collect();
        if of_one.is_empty() {
            of_one = answers;
        } else {
            assert_eq!(answers, of_one, "{with} and one do not answer alike");
        }
        daemon.stop();
    }
}

// ── Storm's ──────────────────────────────────────────────────────────────────────────────────────

/// Storm's own daemon.
struct JavaDaemon {
    child: Child,
    address: SocketAddr,
    _directory: TempDir,
}

impl JavaDaemon {
    fn start() -> JavaDaemon {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join(JAVA_PACEMAKER);
        let directory = TempDir::new().expect("a directory for its logs");
        // It cannot choose a port by itself.
        let free = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr());
        let address = free.expect("a free port");
        let child = Command::new(script)
            .arg(address.port().to_string())
            .arg(directory.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("Storm's daemon starts");
        let daemon = JavaDaemon {
            child,
            address,
            _directory: directory,
        };
        let listens = || TcpStream::connect(address).is_ok();
        assert!(
            holds_within(Duration::from_secs(60), listens),
            "Storm's daemon does not listen"
        );
        daemon
    }
}

impl Drop for JavaDaemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const JAVA_PACEMAKER: &str = "tests/storm/java-pacemaker";

/// Runs where STORM_PACEMAKER_JAVA=1 says that tests/storm has been built.
#[test]
fn storms_own_daemon_answers_the_same_but_for_what_is_named() {
    if std::env::var_os("STORM_PACEMAKER_JAVA").is_none_or(|value| value != "1") {
        return;
    }
    let ours = Daemon::start(&["--shards", "2"]);
    let java = JavaDaemon::start();
    for script in scripts() {
        let ours = script.check(ours.address(), "2 shards");
        if script.kills_java.is_some() {
            continue;
        }
        let theirs = script.run(java.address);
        assert!(
            ours.keys().eq(theirs.keys()),
            "{}: not the same ids",
            script.name
        );
        for (step, (ours, theirs)) in in_order(&script.steps, &ours, &theirs) {
            assert_answers_compare(
                &format!("{}: {}", script.name, step.what),
                step,
                ours,
                theirs,
            );
        }
    }
    ours.stop();
}

/// Each step with both answers, found by its id.
fn in_order<'a>(
    steps: &'a [Step],
    ours: &'a Answers,
    theirs: &'a Answers,
) -> impl Iterator<Item = (&'a Step, (&'a [u8], &'a [u8]))> {
    steps.iter().map(|step| {
        let id = step.id();
        (step, (&ours[&id][..], &theirs[&id][..]))
    })
}

fn assert_answers_compare(what: &str, step: &Step, ours: &[u8], theirs: &[u8]) {
    let same = match step.java {
        Java::Same => ours == theirs,
        Java::Unsorted => {
            let mut names = names_of(theirs);
            names.sort();
            kind_of(ours) == kind_of(theirs) && names_of(ours) == names
        }
        Java::WithoutData(_) => theirs == plain(kind_of(ours), id_of(ours)),
        // If it does not differ any more, the reason is no longer true.
        Java::Differs(_) => ours != theirs && kind_of(ours) == kind_of(theirs),
    };
    assert!(
        same,
        "{what} ({:?})\n ours: {}\ntheirs: {}",
        step.java,
        readable(ours),
        readable(theirs)
    );
}
