//! Exit codes and scenario files: 0 success, 1 a missed limit, 2 wrong usage, reported before anything is
//! dialled.

use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;

use crate::support::{Stub, loadgen};

const SHORT: &str = "--supervisors 2 --interval 500ms --warmup 0s --duration 1s";

/// A scenario file, in a directory that is removed when dropped.
fn scenario(text: &str) -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("scenario.toml");
    fs::write(&path, text).expect("it is writable");
    (directory, path)
}

#[test]
fn wrong_usage_has_exit_code_2() {
    for (line, expected) in [
        ("--superwisors 3", "--superwisors"),
        ("--supervisors none", "--supervisors"),
        ("--duration 3", "such as 3s"),
        ("--expect pulse.p98<1s", "is not measured"),
        ("--target nowhere", "HOST:PORT"),
        ("--saturate 3 --churn 1", "cannot be used with"),
        ("compare 127.0.0.1:1", "TARGET_B"),
        ("--scenario no-such-file.toml", "no-such-file.toml"),
    ] {
        let outcome = loadgen(line);
        assert_eq!(outcome.code, Some(2), "{line}: {outcome:#?}");
        assert!(outcome.stderr.contains(expected), "{line}: {outcome:#?}");
        assert_eq!(outcome.stdout, "", "{line}");
    }
}

#[test]
fn errors_in_a_scenario_name_file_line_and_what_is_expected() {
    for (text, line, expected) in [
        (
            "seed = 3\nsuperwisors = 3\n",
            2,
            "known settings: description, target, supervisors",
        ),
        (
            "# ours\n\nsupervisors = 'many'\n",
            3,
            "invalid value 'many' for '--supervisors",
        ),
        ("interval = 3\n", 1, "a number with a unit, such as 3s"),
        ("keep = 'maybe'\n", 1, "is neither true nor false"),
        ("seed = 1\nseed = 2\n", 2, "duplicate key"),
        ("seed =\n", 1, "string"),
    ] {
        let (_directory, path) = scenario(text);
        let outcome = loadgen(&format!("--scenario {}", path.display()));
        assert_eq!(outcome.code, Some(2), "{text}: {outcome:#?}");
        let place = format!("{}:{line}:", path.display());
        assert!(outcome.stderr.contains(&place), "{text}: {outcome:#?}");
        assert!(outcome.stderr.contains(expected), "{text}: {outcome:#?}");
    }
}

#[test]
fn a_missed_limit_is_exit_code_1_and_a_met_one_is_0() {
    let stub = Stub::honest();
    for (limits, code) in [
        ("pulse.max<1us", 1),
        ("errors=0,pulse.p50<1us", 1),
        // Nothing of the kind is measured, so the limit is missed.
        ("page.max<1s", 1),
        ("errors=0,pulse.max<1s", 0),
    ] {
        let outcome = stub.load(&format!("{SHORT} --expect {limits}"));
        assert_eq!(outcome.code, Some(code), "{limits}: {outcome:#?}");
        let passed = outcome.report().at("/passed") == true;
        assert_eq!(passed, code == 0, "{limits}");
    }
}

#[test]
fn the_command_line_overrides_the_scenario() {
    let stub = Stub::honest();
    let (_directory, path) = scenario(
        "description = 'small'\nsupervisors = 3\nworkers-per-supervisor = 2\ninterval = '250ms'\n\
         warmup = '0s'\nduration = '1s'\nseed = 5\nnimbus = 'off'\n",
    );
    let path = path.display();
    let outcome = stub.load(&format!("--scenario {path} --supervisors 4 --seed 6"));
    let report = outcome.report();
    assert_eq!(outcome.code, Some(0), "{outcome:#?}");
    assert_eq!(report.count("/run/supervisors"), 4);
    assert_eq!(report.count("/run/seed"), 6);
    assert_eq!(report.count("/run/workers"), 8);
    assert_eq!(report.count("/run/interval_us"), 250_000);
    assert_eq!(report.count("/pulses/planned"), 8 * 4);
}
