//! The same scripts of requests get the same answers, byte for byte, from 1, 2 and 4 shards: the
//! ones stated with them. Storm's own daemon answers the same, except where a script names the difference.

use support::Daemon;
use support::conformance::scripts;
use support::frames::*;
use support::java_daemon::JavaDaemon;
use support::script::{Answers, Java, Step, readable};

/// Scripts also delete everything, which is refused by default.
const EVERYTHING_MAY_GO: &str = "access.deletes_below=";

#[test]
fn any_number_of_shards_answers_alike_and_as_stated() {
    let mut of_one: Vec<Answers> = Vec::new();
    for shards in ["1", "2", "4"] {
        let daemon = Daemon::start(&["--shards", shards, "-c", EVERYTHING_MAY_GO]);
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

#[test]
#[ignore = "needs a JDK and Storm's jars: make java"]
fn storms_own_daemon_answers_the_same_but_for_what_is_named() {
    let ours = Daemon::start(&["--shards", "2", "-c", EVERYTHING_MAY_GO]);
    let java = JavaDaemon::start();
    for script in scripts() {
        let ours = script.check(ours.address(), "2 shards");
        if script.kills_java.is_some() {
            continue;
        }
        let theirs = script.run(java.address());
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
        // Equal answers would mean that the reason is no longer true.
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
