//! Every kept input of the fuzzers still passes its check. `make fuzz` looks for new inputs.

use std::fs;
use std::path::{Path, PathBuf};

#[path = "../../fuzz/src/lib.rs"]
mod checks;

/// A corpus with fewer inputs is incomplete.
const LEAST: usize = 20;

fn replay(target: &str, check: fn(&[u8])) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/corpus")
        .join(target);
    let entries = fs::read_dir(&directory).expect("the target's corpus");
    let mut inputs: Vec<PathBuf> = entries.map(|entry| entry.expect("a file").path()).collect();
    inputs.sort();
    assert!(
        inputs.len() >= LEAST,
        "{target} has {} inputs",
        inputs.len()
    );
    for input in inputs {
        // When a check fails, the output of the test ends with the name of the input.
        println!("{}", input.display());
        check(&fs::read(&input).expect("an input"));
    }
}

#[test]
fn frames() {
    replay("frames", checks::frames);
}

#[test]
fn digest() {
    replay("digest", checks::digest);
}

#[test]
fn jaas() {
    replay("jaas", checks::jaas);
}

#[test]
fn storm_yaml() {
    replay("storm_yaml", checks::storm_yaml);
}
