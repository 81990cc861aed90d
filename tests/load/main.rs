//! The real daemon under load: 3 000 supervisors at once, a small cluster beside attackers, and bursts.
//!
//! The tests themselves are not optimised; the programs that they run are the release's, which `make load` builds.

mod memory_returns;

use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::setpriority_process;
use support::Daemon;
use support::attack::{Attack, Kind, Tally};
use support::http;

/// One at a time: each needs the machine.
static MACHINE: Mutex<()> = Mutex::new(());

#[test]
fn twelve_thousand_connections_at_once() {
    at_once("auto", "60s");
}

/// For a shorter time: what is particular to a data plane shows while all connect, and in the first passes.
#[test]
fn twelve_thousand_connections_at_once_on_epoll() {
    at_once("epoll", "15s");
}

/// 12 000 connections opened at once, each pulsing every 3 s, with Nimbus's reader beside them. No error, no answer
/// over 1 s.
fn at_once(io: &str, duration: &str) {
    let _alone = MACHINE.lock().unwrap_or_else(PoisonError::into_inner);
    let io = format!("server.io={io}");
    let daemon = Daemon::start_program(&release("storm-pacemaker"), &["-c", &io]);
    // Errors, late answers among them, count from the first connection on.
    let plan = "--supervisors 3000 --nimbus on --warmup 10s --duration";
    let outcome = load(&daemon, &format!("{plan} {duration}")).wait();
    assert!(
        outcome.success(),
        "loadgen: {outcome}, its report is above; the daemon's log:\n{}",
        daemon.log()
    );
    daemon.stop();
}

/// `make abuse` in short: one attacker after another beside 50 supervisors. No error, no answer over 1 s, and no more
/// memory than the limits allow.
#[test]
fn attackers_delay_nobody_and_take_no_more_memory_than_they_may() {
    let _alone = MACHINE.lock().unwrap_or_else(PoisonError::into_inner);
    const KINDS: [Kind; 9] = [
        Kind::ListFlood,
        Kind::ListFloodReconnecting,
        Kind::TrickledFrames,
        Kind::UnreadAnswers,
        Kind::HugeFrames,
        Kind::CarriedRecords,
        Kind::ForeignPaths,
        Kind::MetricsFlood,
        Kind::TableFlood,
    ];
    const EACH: Duration = Duration::from_secs(2);
    const BUFFERED: u64 = 64 << 20;
    let limit = format!("limits.buffered={BUFFERED}");
    let daemon = Daemon::start_program(
        &release("storm-pacemaker"),
        &["--shards", "2", "-c", &limit],
    );
    let mut honest = load(
        &daemon,
        "--supervisors 50 --executors 1-50 --nimbus continuous --source-addresses 127.0.0.2-127.0.0.9 \
         --warmup 2s --duration 20s",
    );
    let mut slowest_health = Duration::ZERO;
    for kind in KINDS {
        let attack = Attack {
            kind,
            target: daemon.address(),
            admin: Some(daemon.admin()),
            nimbus: [127, 0, 0, 2].into(),
            addresses: 4,
            has_logins: false,
            until: Instant::now(), // see below
            divisor: 2,
        };
        // Where others want the machine as well, it may come to nothing in the first seconds.
        let mut tallies = (0..10).map(|_| {
            let until = Instant::now() + EACH;
            behind_others(&Attack {
                until,
                ..attack.clone()
            })
        });
        assert!(
            tallies.any(|tally| tally.requests > 0 || kind == Kind::TrickledFrames),
            "{kind:?} did nothing"
        );
        let begun = Instant::now();
        assert_eq!(
            http::get(daemon.admin(), "/healthz").status,
            200,
            "after {kind:?}"
        );
        slowest_health = slowest_health.max(begun.elapsed());
    }
    let outcome = honest.wait();
    assert!(
        outcome.success(),
        "loadgen: {outcome}, its report is above; the daemon's log:\n{}",
        daemon.log()
    );
    assert!(
        slowest_health < Duration::from_secs(1),
        "{slowest_health:?}"
    );
    // What peers may hold, half as much in parts of lists on other shards, what allocators add, and what is stored:
    // 400 000 keys and ten pulses of 10 MiB.
    let most = BUFFERED * 2 + (256 << 20) + (128 << 20);
    let peak = daemon.peak_bytes();
    assert!(peak < most, "{} MiB", peak >> 20);
    daemon.stop();
}

/// Attacks with what others leave of the machine: the generator must not be late because of it.
fn behind_others(attack: &Attack) -> Tally {
    thread::scope(|scope| {
        let attacker = scope.spawn(|| {
            // Of this thread alone, as Linux has it.
            setpriority_process(None, 19).expect("a lower priority");
            attack.run()
        });
        attacker.join().expect("the attacker's thread")
    })
}

/// A cluster beside Nimbus, with 4 workers for each supervisor.
fn load(daemon: &Daemon, plan: &str) -> Generator {
    let child = Command::new(release("loadgen"))
        .args(["--target", &daemon.address().to_string()])
        .args(["--server-pid", &daemon.pid().to_string()])
        .args([
            "--workers-per-supervisor",
            "4",
            "--interval",
            "3s",
            "--ramp",
            "0s",
        ])
        .args(["--expect", "errors=0,pulse.max<1s,get.max<1s,list.max<1s"])
        .args(plan.split_whitespace())
        .stdin(Stdio::null())
        .spawn()
        .expect("the generator starts");
    Generator(child)
}

/// It never outlives its test.
struct Generator(Child);

impl Generator {
    fn wait(&mut self) -> ExitStatus {
        self.0.wait().expect("the generator ends")
    }
}

impl Drop for Generator {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// `make load` names the directory of what `make release` makes, which is what packages contain.
fn release(program: &str) -> PathBuf {
    let directory = std::env::var_os("PROGRAMS").unwrap_or("target/release".into());
    // The daemon runs in a directory of its own.
    let program = std::path::absolute(PathBuf::from(directory).join(program));
    let program = program.expect("a working directory");
    assert!(
        program.exists(),
        "{} is missing: run `make load`",
        program.display()
    );
    program
}
