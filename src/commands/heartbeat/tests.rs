//! What Storm writes is understood, what it may write one day is carried along, and nothing that a
//! stranger may have written costs more than its limits.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use ruzstd::encoding::{CompressionLevel, compress_to_vec};

use super::*;

const OF_1_2_4: &[u8] = include_bytes!("../../../tests/heartbeats/storm-1.2.4.gz");
const OF_2_8_3: &[u8] = include_bytes!("../../../tests/heartbeats/storm-2.8.3.gz");
const ZSTD: &[u8] = include_bytes!("../../../tests/heartbeats/storm-2.8.3.zst");

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::best());
    packer.write_all(bytes).unwrap();
    packer.finish().unwrap()
}

/// The struct of one field.
fn with_field(kind: u8, id: i16, value: &[u8]) -> Vec<u8> {
    let [high, low] = id.to_be_bytes();
    [&[kind, high, low], value, &[code::STOP]].concat()
}

fn topology(rest: &[u8]) -> Vec<u8> {
    let mut bytes = vec![code::STRING, 0, 1, 0, 0, 0, 1, b't'];
    bytes.extend_from_slice(rest);
    bytes
}

#[test]
fn what_storm_writes_is_understood() {
    for (details, packing) in [
        (OF_1_2_4, Packing::Gzip),
        (OF_2_8_3, Packing::Gzip),
        (ZSTD, Packing::Zstd),
    ] {
        let unpacked = unpack(details).unwrap();
        assert_eq!(unpacked.packing, packing);
        let beat = decode(&unpacked.bytes).unwrap();
        assert_eq!(beat.text("storm_id"), Some("wordcount-1-1764115200"));
        assert_eq!(beat.integer("time_secs"), Some(1_764_119_999));
        assert_eq!(beat.integer("uptime_secs"), Some(4790));
        assert_eq!(beat.entries("executor_stats").len(), 3);
        assert_eq!(time_secs(details), Some(1_764_119_999));

        let mut text = Vec::new();
        write_text(&mut text, &beat).unwrap();
        let text = String::from_utf8(text).unwrap();
        let cells = |line: &str| {
            line.split_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        let rows: Vec<_> = text.lines().skip(6).map(cells).collect();
        assert_eq!(
            rows,
            [
                &[
                    "1-1", "spout", "4040", "8040", "-", "4000", "3", "12.250", "ms"
                ][..],
                &[
                    "2-3", "bolt", "40000", "40000", "4010", "4000", "0", "0.125", "ms"
                ],
                &["4-4", "bolt", "0", "0", "0", "0", "0", "-"],
            ],
            "{text}"
        );

        let json = json(&beat);
        let stats = &json["executor_stats"][1];
        assert_eq!(stats["key"]["task_end"], 3);
        let bolt = &stats["value"]["specific"]["bolt"];
        let executed = &bolt["executed"]["600"][0];
        assert_eq!(executed["key"]["componentId"], "sentences");
        assert_eq!(executed["value"], 4010);
        assert_eq!(bolt["process_ms_avg"][":all-time"][0]["value"], 0.125);
    }
}

#[test]
fn fields_of_a_later_storm_are_carried_along() {
    let beat = topology(&with_field(
        code::LIST,
        9,
        &[code::STRING, 0, 0, 0, 2, 0, 0, 0, 1, b'x', 0, 0, 0, 1, 0xFF],
    ));
    let beat = decode(&beat).unwrap();
    let whole = json(&beat);
    assert_eq!(
        whole["field_9"],
        serde_json::json!(["x", {"base64": "/w=="}])
    );
    let mut text = Vec::new();
    write_text(&mut text, &beat).unwrap();
    let text = String::from_utf8(text).unwrap();
    assert!(
        text.ends_with("field 9: [\"x\",{\"base64\":\"/w==\"}]\n"),
        "{text}"
    );
    // A known field of another type is what it is.
    let odd = topology(&with_field(code::STRING, 3, &[0, 0, 0, 1, b'?']));
    let odd = decode(&odd).unwrap();
    assert_eq!(
        (odd.text("time_secs"), odd.integer("time_secs")),
        (Some("?"), None)
    );
}

#[test]
fn every_type_has_its_value() {
    for (kind, bytes, shown) in [
        (code::BOOL, &[1][..], "true"),
        (code::BYTE, &[0xFF], "-1"),
        (code::I16, &[0xFF, 0xFE], "-2"),
        (
            code::I64,
            &[0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFD],
            "-3",
        ),
        (code::DOUBLE, &[0x3F, 0xF8, 0, 0, 0, 0, 0, 0], "1.5"),
        (code::DOUBLE, &[0x7F, 0xF0, 0, 0, 0, 0, 0, 0], "\"inf\""),
        (
            code::UUID,
            &[0; 16],
            "{\"base64\":\"AAAAAAAAAAAAAAAAAAAAAA==\"}",
        ),
        (code::SET, &[code::BOOL, 0, 0, 0, 2, 1, 0], "[true,false]"),
        (
            code::MAP,
            &[code::BYTE, code::BOOL, 0, 0, 0, 1, 7, 1],
            "{\"7\":true}",
        ),
        (
            code::MAP,
            &[code::STRUCT, code::BYTE, 0, 0, 0, 1, code::STOP, 1],
            "[{\"key\":{},\"value\":1}]",
        ),
    ] {
        let beat = topology(&with_field(kind, 9, bytes));
        assert_eq!(json(&decode(&beat).unwrap())["field_9"].to_string(), shown);
        for length in 1..beat.len() {
            assert!(
                decode(&beat[..length]).is_err(),
                "type {kind} cut at {length}"
            );
        }
    }
}

#[test]
fn what_is_no_heartbeat_says_why() {
    let thrift = |error| Err(HeartbeatError::Thrift(error));
    assert_eq!(decode(b""), thrift(DecodeError::Truncated));
    assert_eq!(decode(b"xyz"), thrift(DecodeError::BadFieldType(b'x')));
    assert_eq!(decode(&[code::STOP]), Err(HeartbeatError::NoTopology));
    for cut in [&OF_2_8_3[..100], &ZSTD[..100], &OF_2_8_3[..2], &ZSTD[..4]] {
        let packed = unpack(cut).map(|unpacked| unpacked.bytes.len());
        assert!(
            matches!(packed, Err(HeartbeatError::Packed(..))),
            "{packed:?}"
        );
    }
    assert_eq!(time_secs(b"xyz"), None);
    assert_eq!(time_secs(&OF_2_8_3[..100]), None);
}

#[test]
fn a_bomb_does_not_go_off() {
    let zeros = vec![0; limits::UNPACKED_BYTES as usize + 1];
    for bomb in [
        gzip(&zeros),
        compress_to_vec(&zeros[..], CompressionLevel::Fastest),
    ] {
        assert!(bomb.len() < zeros.len() / 100);
        let unpacked = unpack(&bomb).map(|unpacked| unpacked.bytes.len());
        assert_eq!(unpacked, Err(HeartbeatError::TooLarge));
    }
    let largest = gzip(&zeros[1..]);
    assert_eq!(unpack(&largest).unwrap().bytes.len(), zeros.len() - 1);
}

#[test]
fn neither_do_values_that_take_more_than_their_bytes() {
    let count = limits::HEARTBEAT_VALUES as u32;
    let mut list = vec![code::BOOL];
    list.extend(count.to_be_bytes());
    list.resize(5 + count as usize, 1);
    let beat = topology(&with_field(code::LIST, 9, &list));
    assert_eq!(decode(&beat), Err(HeartbeatError::TooManyValues));
    // A count that the bytes do not bear out.
    let claimed = topology(&with_field(
        code::LIST,
        9,
        &[code::I64, 0x7F, 0xFF, 0xFF, 0xFF],
    ));
    assert_eq!(
        decode(&claimed),
        Err(HeartbeatError::Thrift(DecodeError::Truncated))
    );
    let deep = topology(&[code::STRUCT, 0, 9].repeat(100_000));
    assert_eq!(
        decode(&deep),
        Err(HeartbeatError::Thrift(DecodeError::TooDeep))
    );
}

/// Storm 3 made the time a 64-bit number; its other fields are as before.
#[test]
fn the_time_of_storm_3_is_read() {
    let old = unpack(OF_2_8_3).unwrap().bytes;
    let short = [&[code::I32, 0, 3][..], &1_764_119_999_i32.to_be_bytes()].concat();
    let long = [&[code::I64, 0, 3][..], &1_764_119_999_i64.to_be_bytes()].concat();
    let at = old
        .windows(short.len())
        .position(|window| window == short)
        .unwrap();
    let new = [&old[..at], &long, &old[at + short.len()..]].concat();
    let fastest = CompressionLevel::Fastest;
    for details in [gzip(&new), compress_to_vec(&new[..], fastest)] {
        assert_eq!(time_secs(&details), Some(1_764_119_999));
        let unpacked = unpack(&details).unwrap();
        let beat = decode(&unpacked.bytes).unwrap();
        assert_eq!(beat.integer("time_secs"), Some(1_764_119_999));
    }
}
