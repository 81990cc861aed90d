//! Prometheus's own tool, which `make test` installs: whether an alert of ours would fire.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::repository;

fn binary() -> PathBuf {
    let binary = repository().join(".make/promtool/promtool");
    assert!(
        binary.exists(),
        "{} is missing: `tools/setup test` installs it",
        binary.display()
    );
    binary
}

/// Runs it beside the shipped rules, and fails the test if it complains.
pub fn run(arguments: &[&str], input: &str) {
    let mut child = Command::new(binary())
        .args(arguments)
        .current_dir(repository().join("packaging/prometheus"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool runs");
    let mut pipe = child.stdin.take().expect("piped");
    pipe.write_all(input.as_bytes()).expect("it reads");
    drop(pipe);
    let output = child.wait_with_output().expect("its end");
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "promtool {arguments:?}: {said}");
}

/// Checks that the shipped rules fire an alert when a metric stays at a value that was scraped.
pub fn assert_fires(alert: &str, metric: &str, value: f64) {
    let home = TempDir::new().expect("a directory");
    let rules = repository().join("packaging/prometheus/pacemaker.rules.yaml");
    let test = home.path().join("test.yaml");
    let text = format!(
        "rule_files: [{rules:?}]\n\
         evaluation_interval: 15s\n\
         tests:\n\
         - interval: 15s\n\
         \x20 input_series:\n\
         \x20 - series: '{metric}{{job=\"pacemaker\", instance=\"here\", shard=\"0\"}}'\n\
         \x20   values: '{value}+0x60'\n\
         \x20 promql_expr_test:\n\
         \x20 - expr: count(ALERTS{{alertname=\"{alert}\", alertstate=\"firing\"}})\n\
         \x20   eval_time: 10m\n\
         \x20   exp_samples: [{{labels: '{{}}', value: 1}}]\n"
    );
    fs::write(&test, &text).expect("the test");
    let output = Command::new(binary())
        .args(["test", "rules"])
        .arg(&test)
        .output()
        .expect("promtool runs");
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{text}");
}
