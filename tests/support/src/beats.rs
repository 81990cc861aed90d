//! Heartbeats as Storm's own classes write them: recorded, and written anew by a release's jars.

use std::process::Command;

/// Of 1.2.4 and of 2.8.3 with Storm's default packing, and the latter as later releases pack it.
pub const OF_1_2_4: &[u8] = include_bytes!("../../heartbeats/storm-1.2.4.gz");
pub const OF_2_8_3: &[u8] = include_bytes!("../../heartbeats/storm-2.8.3.gz");
pub const ZSTD: &[u8] = include_bytes!("../../heartbeats/storm-2.8.3.zst");

/// What the jars of that release write now.
pub fn written_by(version: &str) -> Vec<u8> {
    let home = super::repository().join("tests/storm");
    let output = Command::new("java")
        .args(["-cp", &super::storm::class_path(version)])
        .arg(home.join("heartbeat/WriteHeartbeat.java"))
        .output()
        .expect("java starts: `tools/setup test` installs a JDK");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{version}: {said}");
    output.stdout
}
