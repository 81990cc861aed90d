//! What is shipped to watch the daemon fits the daemon: every metric and label in the dashboard's
//! queries and in the alert rules is in a scrape, and docs/METRICS.md has each metric and no other.
//! promtool judges the rules and the scrape.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::path::PathBuf;

use serde_json::Value;
use support::frames;
use support::http::get;
use support::metrics::Scrape;
use support::promql::{Query, Selector};
use support::{Client, Daemon, promtool, wait_until};

fn file(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn text_of(path: &str) -> String {
    fs::read_to_string(file(path)).expect(path)
}

/// A daemon that has served, refused and closed, and its scrape.
fn busy_daemon() -> (Daemon, String) {
    let daemon = Daemon::start(&["--shards", "2"]);
    let mut client = Client::connect(daemon.address());
    for number in 0..500 {
        client.put(
            &format!("/workerbeats/t-{}-1/{number}-6700", number % 7),
            &vec![b'x'; number * 10],
        );
        client.get(&format!("/workerbeats/t-1-1/{number}-6700"));
    }
    client.list("/workerbeats");
    client.delete_path("/workerbeats/t-3-1");
    client.try_put(&"/too/deep".repeat(50), b"");
    let mut hostile = Client::connect(daemon.address());
    hostile.send(b"nonsense");
    hostile.expect_reset();
    let mut text = String::new();
    wait_until("all is counted", || {
        text = get(daemon.admin(), "/metrics").body;
        let scrape = Scrape::parse(&text);
        scrape.sum("pacemaker_faults_total", &[]) == 1.0
            && scrape.sum("pacemaker_connections", &[]) == 1.0
    });
    (daemon, text)
}

/// Label names and their values, by metric.
type Series = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

fn series_of(scrape: &Scrape) -> Series {
    let mut series = Series::new();
    for sample in scrape.samples() {
        let labels = series.entry(sample.name.clone()).or_default();
        for (label, value) in &sample.labels {
            labels
                .entry(label.clone())
                .or_default()
                .insert(value.clone());
        }
    }
    series
}

/// Those that Prometheus itself adds.
const ADDED: [&str; 2] = ["job", "instance"];

fn check(query: &str, series: &Series) {
    let parsed = Query::parse(query);
    assert!(!parsed.selectors.is_empty(), "{query}");
    let mut all_labels: BTreeSet<&str> = ADDED.into();
    for Selector { metric, matchers } in &parsed.selectors {
        if metric == "up" {
            continue;
        }
        let Some(labels) = series.get(metric) else {
            panic!("no scrape has {metric}: {query}")
        };
        all_labels.extend(labels.keys().map(String::as_str));
        for (label, operator, value) in matchers
            .iter()
            .filter(|(label, ..)| !ADDED.contains(&&**label))
        {
            let Some(values) = labels.get(label) else {
                panic!("{metric} has no label {label}: {query}")
            };
            let named: Vec<&str> = match operator.as_str() {
                "=" | "!=" => vec![value],
                "=~" => value.split('|').collect(),
                "!~" => vec![],
                other => panic!("{other} in {query}"),
            };
            for value in named {
                assert!(
                    values.contains(value),
                    "{metric} has no {label}=\"{value}\": {query}"
                );
            }
        }
    }
    for label in &parsed.grouping {
        assert!(
            all_labels.contains(&**label),
            "nothing has the label {label}: {query}"
        );
    }
}

/// The folded texts behind `expr: >-`, each as one line.
fn expressions(rules: &str) -> Vec<String> {
    let mut expressions = Vec::new();
    let mut lines = rules.lines().peekable();
    while let Some(line) = lines.next() {
        if line.trim() != "expr: >-" {
            assert!(
                !line.contains("expr:"),
                "an expression in another form: {line}"
            );
            continue;
        }
        let indent = |line: &str| line.len() - line.trim_start().len();
        let mut expression = String::new();
        while let Some(more) = lines.next_if(|next| indent(next) > indent(line)) {
            expression = format!("{expression} {}", more.trim());
        }
        expressions.push(expression);
    }
    expressions
}

fn queries_of(value: &Value, queries: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                match value {
                    Value::String(query) if key == "expr" => queries.push(query.clone()),
                    _ => queries_of(value, queries),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| queries_of(item, queries)),
        _ => {}
    }
}

#[test]
fn queries_are_read_as_prometheus_reads_them() {
    let query = Query::parse(
        r#"sum by (a, b) (rate(m_total{x="1", y!~"p|q"}[5m])) / on (c) other > bool 0.5e-3 and up == 1"#,
    );
    let matcher = |label: &str, operator: &str, value: &str| {
        (label.to_owned(), operator.to_owned(), value.to_owned())
    };
    let selectors = [
        (
            "m_total",
            vec![matcher("x", "=", "1"), matcher("y", "!~", "p|q")],
        ),
        ("other", vec![]),
        ("up", vec![]),
    ];
    let selectors = selectors.map(|(metric, matchers)| Selector {
        metric: metric.to_owned(),
        matchers,
    });
    assert_eq!(query.selectors, selectors);
    assert_eq!(
        query.grouping,
        BTreeSet::from(["a", "b", "c"].map(str::to_owned))
    );
}

#[test]
fn rules_and_dashboard_are_about_what_there_is() {
    let (daemon, scrape) = busy_daemon();
    let series = series_of(&Scrape::parse(&scrape));
    let rules = expressions(&text_of("packaging/prometheus/pacemaker.rules.yaml"));
    assert!(rules.len() >= 20);
    for query in &rules {
        check(query, &series);
    }
    let dashboard: Value =
        serde_json::from_str(&text_of("packaging/grafana/pacemaker.json")).expect("JSON");
    let mut queries = Vec::new();
    queries_of(&dashboard, &mut queries);
    assert!(queries.len() >= 40);
    for query in &queries {
        check(query, &series);
    }
    // It can be imported anywhere: no data source of ours in it.
    let variables = dashboard["templating"]["list"]
        .as_array()
        .expect("variables");
    assert_eq!(
        (&variables[0]["name"], &variables[0]["type"]),
        (&"datasource".into(), &"datasource".into())
    );
    for panel in dashboard["panels"].as_array().expect("panels") {
        assert!(
            panel["type"] == "row" || panel["datasource"]["uid"] == "${datasource}",
            "{panel}"
        );
    }
    daemon.stop();
}

#[test]
fn every_rule_says_what_to_do() {
    let rules = text_of("packaging/prometheus/pacemaker.rules.yaml");
    let rules: Vec<&str> = rules.split("- alert: ").skip(1).collect();
    let tests = text_of("packaging/prometheus/pacemaker.rules.test.yaml");
    for rule in &rules {
        let name = rule.lines().next().expect("a name");
        for part in ["severity: ", "summary: ", "description: ", "runbook: >-"] {
            assert!(rule.contains(part), "{name} has no {part}");
        }
        assert!(
            tests.contains(&format!("{name}\"")) || tests.contains(&format!("alertname: {name}")),
            "{name} is not tested"
        );
    }
}

#[test]
fn the_manual_lists_every_alert_with_its_severity() {
    let rules = text_of("packaging/prometheus/pacemaker.rules.yaml");
    let in_rules: Vec<String> = rules
        .split("- alert: ")
        .skip(1)
        .map(|rule| {
            let name = rule.lines().next().expect("a name");
            let severity = rule.split_once("severity: ").expect("a severity").1;
            let severity = severity.split_once('}').expect("its end").0;
            format!("{name}, {severity}")
        })
        .collect();
    let manual = text_of("docs/OPERATING.md");
    let alerts = manual.split_once("## Alerts").expect("the section").1;
    let in_manual: Vec<&str> = alerts
        .lines()
        .filter_map(|line| line.strip_prefix("| "))
        .filter(|row| row.starts_with("Pacemaker"))
        .filter_map(|row| row.split(" | ").next())
        .collect();
    assert_eq!(in_rules, in_manual);
}

#[test]
fn the_document_has_every_metric_and_no_other() {
    let (daemon, scrape) = busy_daemon();
    let types = scrape
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "));
    let in_scrape: BTreeMap<&str, &str> = types.filter_map(|line| line.split_once(' ')).collect();
    let document = text_of("docs/METRICS.md");
    let rows = document.lines().filter_map(|line| line.strip_prefix("| `"));
    let in_document: BTreeMap<&str, &str> = rows
        .filter_map(|row| {
            let (name, rest) = row.split_once("` | ")?;
            Some((name, rest.split_once(" |")?.0))
        })
        .collect();
    assert_eq!(in_scrape, in_document);
    let series = series_of(&Scrape::parse(&scrape));
    for row in document.lines().filter(|line| line.starts_with("| `p")) {
        let cells: Vec<&str> = row.split(" |").map(str::trim).collect();
        let name = cells[0].trim_start_matches("| ").trim_matches('`');
        let labels: BTreeSet<String> = cells[3]
            .trim_start_matches('|')
            .split(", ")
            .map(|label| label.trim().trim_matches('`').to_owned())
            .filter(|label| !label.is_empty())
            .collect();
        let sample = series
            .get(name)
            .or_else(|| series.get(&format!("{name}_bucket")));
        let mut found: BTreeSet<String> = sample.expect(name).keys().cloned().collect();
        found.remove("le");
        assert_eq!(labels, found, "labels of {name}");
    }
    // Storm's metrics stand for ones of ours that exist.
    let storm = document
        .split("## Storm's metrics and ours")
        .nth(1)
        .expect("the table");
    let storm = storm.split("\n## ").next().expect("its end");
    let ours = storm
        .split('`')
        .filter(|part| part.starts_with("pacemaker_"));
    for name in ours {
        let name = name.split('{').next().expect("a name");
        let known = series.contains_key(name) || series.contains_key(&format!("{name}_bucket"));
        assert!(known, "{name} in the table of Storm's metrics");
    }
    daemon.stop();
}

// ── promtool ─────────────────────────────────────────────────────────────────────────────────────

#[test]
#[ignore = "needs promtool: tools/setup test"]
fn promtool_has_no_complaint() {
    promtool::run(
        &[
            "check",
            "rules",
            "--lint=all",
            "--lint-fatal",
            "pacemaker.rules.yaml",
        ],
        "",
    );
    promtool::run(&["test", "rules", "pacemaker.rules.test.yaml"], "");
    let (daemon, scrape) = busy_daemon();
    promtool::run(&["check", "metrics"], &scrape);
    // Under load as well.
    let mut writer = Client::connect(daemon.address());
    let stream: Vec<u8> = (0..20_000)
        .flat_map(|id| frames::send("/w/t/n-1", b"beat", id))
        .collect();
    let mut copy = writer.socket().try_clone().expect("a socket");
    let sending = std::thread::spawn(move || copy.write_all(&stream));
    for _ in 0..5 {
        promtool::run(&["check", "metrics"], &get(daemon.admin(), "/metrics").body);
        writer.read_frames(4_000);
    }
    assert!(sending.join().expect("it ends").is_ok());
    daemon.stop();
}
