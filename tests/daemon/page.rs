//! The admin page in a real browser: 12 000 workers, stale ones first, hostile names as text, data that
//! updates itself, and a daemon that is gone.

use std::time::{Duration, Instant};

use support::browser::Page;
use support::client::Client;
use support::frames;
use support::http::get;
use support::says::assert_says;
use support::{Daemon, wait_until};

fn show(daemon: &Daemon) -> Page {
    Page::open(&format!("http://{}/", daemon.admin()))
}

fn worker(topology: &str, number: usize) -> String {
    let port = 6700 + number % 4;
    format!(
        "/workerbeats/{topology}/0b6f1f9e-6d3c-4f5e-9d5a-{:012}-{port}",
        number / 4
    )
}

/// Names of the topologies from top to bottom, as far as they can be seen.
const TOPOLOGIES: &str =
    "[...document.querySelectorAll('tr.topology bdi')].map((e) => e.textContent)";

#[test]
#[ignore = "needs a browser: tools/setup test"]
fn twelve_thousand_workers_with_the_stale_ones_first() {
    let daemon = Daemon::start(&["--shards", "2", "-c", "expire.stale_after=3s"]);
    let mut client = Client::connect(daemon.address());
    client.put(&worker("zombie-7-1795449600", 1), b"dead");
    client.put("/some/other/key", b"x");
    // One that dies a little later, of a topology that lives.
    std::thread::sleep(Duration::from_millis(500));
    let partly = worker("partly-3-1795449600", 0);
    client.put(&partly, b"dead, too");
    let mut page = show(&daemon);
    let pulse_all = |client: &mut Client| {
        let mut bytes = Vec::new();
        for number in 1..12_000 {
            let topology = match number {
                ..100 => "partly-3-1795449600".to_owned(),
                _ => format!("words-{}-1795449600", number % 100),
            };
            bytes.extend(frames::send(worker(&topology, number), vec![b'x'; 400], 1));
            if number % 500 == 499 {
                client.send(&bytes);
                client.read_frames(500 - usize::from(number == 499));
                bytes.clear();
            }
        }
    };
    pulse_all(&mut client);
    let start = Instant::now();
    wait_until("the page has all of them", || {
        pulse_all(&mut client);
        page.text("#total-workers") == "12001" && page.text("#total-stale") != "0"
    });
    wait_until("both are stale", || {
        pulse_all(&mut client);
        page.text("#total-topologies") == "102" && page.text("#total-stale") == "3"
    });
    assert!(start.elapsed() < Duration::from_secs(20));
    assert_eq!(page.text("#total-others"), "1");
    assert_eq!(page.text("#state-text"), "live");
    assert_says(
        &page.text("#meaning"),
        "Stale",
        &["3.0 s", "expire.stale_after"],
    );
    // The longest silent on top, those who live by name, and the rest of the keys last.
    let names = page.eval(TOPOLOGIES);
    assert_eq!(names[0], "zombie-7-1795449600");
    assert_eq!(names[1], "partly-3-1795449600");
    assert_eq!(names[2], "words-0-1795449600");
    assert_eq!(
        page.eval("rows[rows.length - 1].topology.name"),
        "Other keys"
    );
    // Within a topology as well.
    page.eval("document.querySelectorAll('button.toggle')[1].click()");
    let workers = "[...document.querySelectorAll('tr.worker bdi')].map((e) => e.textContent)";
    let workers = page.eval(workers);
    assert_eq!(workers[0], partly.rsplit('/').next().unwrap());
    assert_eq!(page.text("tr.worker.stale td.count"), "stale");
    // Everything is open, and yet the document stays small; the last key can be scrolled to.
    page.eval("document.getElementById('expand').click()");
    assert_eq!(page.eval("rows.length"), 12_000 + 1 + 1 + 102 + 1);
    assert!(page.eval("document.querySelectorAll('tr').length").as_u64() < Some(100));
    page.eval("scroll.scrollTop = scroll.scrollHeight");
    page.wait_for(
        "[...document.querySelectorAll('tr.worker bdi')].pop().textContent === '/some/other/key'",
    );
    // A filter finds one of them.
    page.eval("document.getElementById('collapse').click()");
    page.eval("{ const f = document.getElementById('filter'); f.value = '000000002999-6703'; f.dispatchEvent(new Event('input')); }");
    assert_eq!(page.eval("rows.length"), 2);
    assert_eq!(page.eval("document.getElementById('scroll').scrollTop"), 0);
    assert_eq!(page.complaints(), [""; 0]);
    daemon.stop();
}

#[test]
#[ignore = "needs a browser: tools/setup test"]
fn names_that_peers_choose_are_text() {
    let hostile = [
        "/workerbeats/<img src=x onerror=alert(1)>/<script>alert(2)<-script>-6700",
        "/workerbeats/__proto__/constructor-6700",
        "/workerbeats/\"'><svg onload=alert(3)>/a-1",
        "/workerbeats/{SCRIPT}/${alert(4)}-6700",
        "/workerbeats/\u{202e}gnp.exe/\u{0}\u{7}\u{1b}[31m-6700",
        "/</script><script>alert(5)</script>",
        "<iframe srcdoc='<script>alert(6)</script>'>",
        "\u{feff}\u{2028}\u{2029}",
        "",
        "/",
    ];
    let daemon = Daemon::start(&["--shards", "2"]);
    let mut client = Client::connect(daemon.address());
    for key in hostile {
        client.put(key, b"<script>alert(7)</script>");
    }
    // As JSON they are text as well, of a type that no browser takes for a page.
    let json = get(daemon.admin(), "/cluster.json");
    assert_eq!(json.header("content-type"), Some("application/json"));
    assert!(
        !json.body.contains("alert(7)"),
        "what pulses hold is not shown"
    );
    let names = json.json()["others"].as_array().unwrap().len();
    assert_eq!(
        names + json.json()["topologies"].as_array().unwrap().len(),
        hostile.len()
    );

    let mut page = show(&daemon);
    page.wait_for("document.getElementById('total-topologies').textContent === '5'");
    page.eval("document.getElementById('expand').click()");
    let text =
        page.eval("[...document.querySelectorAll('bdi')].map((e) => e.textContent).join('\\n')");
    let text = text.as_str().unwrap();
    for name in [
        "<img src=x onerror=alert(1)>",
        "__proto__",
        "{SCRIPT}",
        "</script><script>alert(5)</script>",
    ] {
        assert!(text.contains(name), "{name} is not shown in {text}");
    }
    // Nothing in the document but what the page itself makes.
    let made = page.eval("[...new Set([...document.querySelectorAll('#table *')].map((e) => e.localName))].sort().join()");
    assert_eq!(made, "bdi,button,caption,tbody,td,th,thead,tr");
    assert_eq!(page.eval("document.querySelectorAll('script').length"), 1);
    assert_eq!(page.complaints(), [""; 0]);
    daemon.stop();
}

#[test]
#[ignore = "needs a browser: tools/setup test"]
fn it_updates_itself_and_says_when_the_daemon_is_gone() {
    let daemon = Daemon::start(&["--shards", "2", "-c", "expire.stale_after=1h"]);
    let mut client = Client::connect(daemon.address());
    let mut page = show(&daemon);
    page.wait_for("document.getElementById('state-text').textContent === 'live'");
    assert_eq!(page.text("#total-workers"), "0");
    let key = worker("words-1-1795449600", 1);
    let start = Instant::now();
    // Ten pulses a second, as one would like to see them.
    let mut sent = 0;
    wait_until("the page shows their rate", || {
        while f64::from(sent) < start.elapsed().as_secs_f64() * 10.0 {
            client.put(&key, b"beat");
            sent += 1;
        }
        let rate: f64 = page.text("#total-rate").parse().unwrap_or(0.0);
        page.text("#total-workers") == "1" && (8.0..12.0).contains(&rate)
    });
    client.delete_path("/workerbeats/words-1-1795449600");
    page.wait_for("document.getElementById('total-workers').textContent === '0'");
    // Light or dark, as its reader likes it.
    for (scheme, background) in [("light", "rgb(255, 255, 255)"), ("dark", "rgb(13, 17, 23)")] {
        page.prefer("prefers-color-scheme", scheme);
        assert_eq!(
            page.eval("getComputedStyle(document.body).backgroundColor"),
            background
        );
    }
    assert_eq!(page.complaints(), [""; 0]);
    daemon.stop();
    page.wait_for("document.getElementById('state-text').textContent === 'no data'");
    assert_eq!(page.eval("document.getElementById('alert').hidden"), false);
    assert_says(&page.text("#alert"), "", &["daemon", "does not answer"]);
}
