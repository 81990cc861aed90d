//! What a run writes besides its report: a page and a log of histograms.

use std::fs;

use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};

use crate::support::Stub;

#[test]
fn a_run_writes_a_page_and_a_log_that_others_can_read() {
    let stub = Stub::honest();
    let directory = tempfile::tempdir().expect("a directory");
    let [page, log] = ["page.html", "times.hlog"].map(|name| directory.path().join(name));
    let outcome = stub.load(&format!(
        "--supervisors 5 --interval 500ms --warmup 1s --duration 2s --nimbus continuous \
         --report {} --hdr-log {}",
        page.display(),
        log.display()
    ));
    assert_eq!(outcome.code, Some(0), "{outcome:#?}");

    let page = fs::read_to_string(page).expect("the page");
    assert!(page.starts_with("<!"), "{page:.100}");
    assert!(page.contains("<svg") && page.trim_end().ends_with("</html>"));

    let log = fs::read(log).expect("the log");
    let mut tags = Vec::new();
    for entry in IntervalLogIterator::new(&log) {
        if let LogEntry::Interval(interval) = entry.expect("a line of a log") {
            assert!(interval.max() > 0.0, "{interval:?}");
            let tag = interval.tag().expect("all have one").as_str();
            tags.push((interval.start_timestamp().as_secs(), tag.to_owned()));
        }
    }
    for tag in ["get", "pulse"] {
        let of_it = tags.iter().filter(|(_, of)| of == tag);
        let seconds: Vec<u64> = of_it.map(|(second, _)| *second).collect();
        assert_eq!(seconds, [0, 1, 2], "{tag}");
    }
}

#[test]
fn a_page_that_cannot_be_written_is_told() {
    let stub = Stub::honest();
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("missing").join("page.html");
    let outcome = stub.load(&format!(
        "--supervisors 1 --interval 500ms --warmup 0s --duration 1s --report {}",
        path.display()
    ));
    assert_eq!(outcome.code, Some(1), "{outcome:#?}");
    assert!(
        outcome.stderr.contains("--report: cannot write"),
        "{outcome:#?}"
    );
}
