//! `loadgen plan` prints a plan that its seed alone decides.

use crate::support::loadgen;

fn plan(seed: u32) -> String {
    let outcome = loadgen(&format!(
        "plan --supervisors 12 --interval 2s --executors 1-20 --churn 30 --seed {seed}"
    ));
    assert_eq!(outcome.code, Some(0), "{outcome:#?}");
    assert_eq!(outcome.stderr, "");
    outcome.stdout
}

#[test]
fn one_seed_prints_one_plan_and_another_seed_another() {
    assert_eq!(plan(7), plan(7));
    assert_ne!(plan(7), plan(8));
}

#[test]
fn lines_are_key_first_pulse_and_bytes() {
    let plan = plan(1);
    assert!(plan.lines().count() >= 48);
    for line in plan.lines() {
        let columns: Vec<&str> = line.split('\t').collect();
        let [key, first_pulse_us, bytes] = columns[..] else {
            panic!("three columns are wanted: {line}");
        };
        assert!(key.starts_with("/workerbeats/"), "{line}");
        assert_eq!(key.split('/').count(), 4, "{line}");
        assert!(first_pulse_us.parse::<u64>().is_ok(), "{line}");
        assert!(bytes.parse::<u64>().is_ok_and(|bytes| bytes > 0), "{line}");
    }
}
