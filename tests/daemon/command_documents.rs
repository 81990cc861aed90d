//! Help, manual pages and completions tell of every command what it does, what its exit codes mean and
//! how it is used; and shells and `man` accept them.

use std::io::Write;
use std::process::{Command, Stdio};

use support::check_config::{Run, command};

const COMMANDS: [&str; 5] = ["ls", "get", "rm", "top", "healthcheck"];

fn said(arguments: &[&str]) -> String {
    let run = Run::of(command(arguments));
    run.succeeds();
    run.stdout
}

#[test]
fn every_command_for_a_server_tells_its_exit_codes_and_examples() {
    for name in COMMANDS {
        for told in [said(&[name, "--help"]), said(&["man", name])] {
            assert!(told.contains("Exit codes: 0 "), "{told}");
            assert!(told.contains("Examples:"), "{told}");
            let whole = told.replace('\\', "");
            assert!(
                whole.contains(&format!("  storm-pacemaker {name}")),
                "{told}"
            );
        }
        assert!(said(&["man"]).contains(&format!("storm\\-pacemaker\\-{name}(1)")));
    }
    let run = Run::of(command(&["man", "nothing"]));
    assert_eq!(run.code, Some(2));
}

#[test]
fn pages_are_of_their_own_name() {
    for (arguments, title) in [
        (&["man"][..], ".TH storm-pacemaker 1 "),
        (&["man", "top"], ".TH storm-pacemaker-top 1 "),
    ] {
        let page = said(arguments);
        assert!(page.lines().any(|line| line.starts_with(title)), "{page}");
    }
}

#[test]
fn shells_take_the_completions() {
    for shell in ["bash", "zsh", "fish"] {
        let text = said(&["completions", shell]);
        for name in COMMANDS {
            assert!(text.contains(name), "{shell}: {name}");
        }
    }
    parses_its_completions("bash");
}

#[test]
#[ignore = "needs zsh and fish: tools/setup test"]
fn so_do_the_rarer_ones() {
    parses_its_completions("zsh");
    parses_its_completions("fish");
}

fn parses_its_completions(shell: &str) {
    let text = said(&["completions", shell]);
    let child = Command::new(shell).arg("-n").stdin(Stdio::piped()).spawn();
    let mut child = child.unwrap_or_else(|error| {
        panic!("{shell}: {error}; `tools/setup test` installs it");
    });
    let mut input = child.stdin.take().unwrap();
    input.write_all(text.as_bytes()).unwrap();
    drop(input);
    assert!(child.wait().unwrap().success(), "{shell}");
}
