//! The driver that `make compare` puts on ZooKeeper in the generator's place tells the truth: its script says how.

use std::process::Command;

#[test]
#[ignore = "needs a JDK, Storm's jars and python3: make java"]
fn its_own_check_passes() {
    let check = support::repository().join("tests/storm/zookeeper-check");
    let output = Command::new(check).output().expect("the script starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {said}", output.status);
}
