//! The memory of a daemon under attack: its heap is what its accounts say, and neither it nor resident memory
//! exceeds what `check-config` says. With the variable `HEAP_SOCKET` this program is the daemon, with an
//! allocator that counts.

mod attack;
mod heap;
mod resident;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

fn main() -> ExitCode {
    if heap::is_daemon() {
        heap::tell_to_whoever_asks();
        return storm_pacemaker::cli::run();
    }
    let mut tests = Vec::new();
    for shards in [1, 8] {
        for method in ["NONE", "DIGEST"] {
            let with_login = method == "DIGEST";
            let mut test = |what, run: fn(u64, bool)| {
                let name = format!("{what}::{shards}_shards_with_{method}");
                tests.push(Trial::test(name, move || {
                    run(shards, with_login);
                    Ok(())
                }));
            };
            test("heap", heap::is_what_the_accounts_say);
            test("resident", resident::stays_below_the_stated_figure);
        }
    }
    libtest_mimic::run(&Arguments::from_args(), tests).exit_code()
}
