//! Every type by its size, and what a peer could make it cost.

use super::*;

/// Recorded from `new String(bytes, UTF_8)` in OpenJDK 17. R stands for U+FFFD.
const JAVA_STRINGS: [(&[u8], &str); 34] = [
    (b"\xED\xA0\x80", "R"),
    (b"\xED\xBF\xBF", "R"),
    (b"\xED\xA0", "R"),
    (b"\xED", "R"),
    (b"\xED\xA0A", "RA"),
    (b"\xED\xA0\x80A", "RA"),
    (b"A\xED\xA0\xBD\xED\xB8\x80B", "ARRB"),
    (b"\xED\xA0\xED", "RR"),
    (b"\xED\x9F\xBF", "\u{D7FF}"),
    (b"\xF0\x9F\x98", "R"),
    (b"\xF0\x9F\x98A", "RA"),
    (b"\xF0\x9F\x98\xF0\x9F\x98\x80", "R\u{1F600}"),
    (b"\xF0\x9F", "R"),
    (b"\xF0", "R"),
    (b"\xF0\x80\x80\x80", "RRRR"),
    (b"\xC0\xAF", "RR"),
    (b"\xC1\xBF", "RR"),
    (b"\xE2\x82", "R"),
    (b"\xE2\x82A", "RA"),
    (b"\xE2A", "RA"),
    (b"\xE0\x80\x80", "RRR"),
    (b"\xE0\xA0", "R"),
    (b"\xF4\x8F\xBF\xBF", "\u{10FFFF}"),
    (b"\xF4\x90\x80\x80", "RRRR"),
    (b"\xF5\x80\x80\x80", "RRRR"),
    (b"\xF8\x88\x80\x80\x80", "RRRRR"),
    (b"\xFC\x84\x80\x80\x80\x80", "RRRRRR"),
    (b"\xFE", "R"),
    (b"\xFF", "R"),
    (b"\x80", "R"),
    (b"\xC2", "R"),
    (b"\xC2A", "RA"),
    (b"\xEF\xBF\xBF", "\u{FFFF}"),
    (b"", ""),
];

#[test]
fn malformed_text_reads_as_in_java() {
    for (bytes, expected) in JAVA_STRINGS {
        let expected = expected.replace('R', "\u{FFFD}");
        assert_eq!(replace_malformed(bytes), expected, "{bytes:02X?}");
        let mut encoded = (bytes.len() as u32).to_be_bytes().to_vec();
        encoded.extend_from_slice(bytes);
        assert_eq!(Cursor::new(&encoded).string(), Ok(Cow::Owned(expected)));
    }
}

#[test]
fn only_the_byte_one_is_true() {
    for byte in 0..=u8::MAX {
        assert_eq!(Cursor::new(&[byte]).bool(), Ok(byte == 1));
    }
}

#[test]
fn every_type_is_skipped_by_its_own_size() {
    let cases: [(u8, &[u8]); 13] = [
        (code::BOOL, &[1]),
        (code::BYTE, &[1]),
        (code::I16, &[0, 1]),
        (code::I32, &[0, 0, 0, 1]),
        (code::I64, &[0; 8]),
        (code::DOUBLE, &[0; 8]),
        (code::UUID, &[0; 16]),
        (code::STRING, &[0, 0, 0, 2, b'h', b'i']),
        (code::STRUCT, &[code::BOOL, 0, 1, 1, code::STOP]),
        (code::LIST, &[code::I16, 0, 0, 0, 2, 0, 1, 0, 2]),
        (code::SET, &[code::STRING, 0, 0, 0, 1, 0, 0, 0, 1, b'x']),
        (code::MAP, &[code::BYTE, code::BOOL, 0, 0, 0, 2, 1, 1, 2, 0]),
        // Without elements their type does not matter.
        (code::LIST, &[99, 0, 0, 0, 0]),
    ];
    for (kind, bytes) in cases {
        let mut cursor = Cursor::new(bytes);
        assert_eq!(cursor.skip(kind), Ok(()), "type {kind}");
        assert!(cursor.rest().is_empty(), "type {kind}");
        for length in 0..bytes.len() {
            let error = Cursor::new(&bytes[..length]).skip(kind);
            assert_eq!(
                error,
                Err(DecodeError::Truncated),
                "type {kind}, {length} bytes"
            );
        }
    }
    for unknown in [0, 1, 5, 7, 9, 17, 255] {
        assert_eq!(
            Cursor::new(&[0; 64]).skip(unknown),
            Err(DecodeError::BadFieldType(unknown))
        );
    }
}

#[test]
fn declared_counts_cost_nothing() {
    for element in [
        code::BOOL,
        code::I64,
        code::STRING,
        code::STRUCT,
        code::LIST,
        code::MAP,
    ] {
        let list = [element, 0x7F, 0xFF, 0xFF, 0xFF];
        assert_eq!(
            Cursor::new(&list).skip(code::LIST),
            Err(DecodeError::Truncated)
        );
        let list = [element, 0xFF, 0xFF, 0xFF, 0xFF];
        assert_eq!(
            Cursor::new(&list).skip(code::SET),
            Err(DecodeError::NegativeSize(-1))
        );
        let map = [code::BOOL, element, 0x80, 0, 0, 0];
        assert_eq!(
            Cursor::new(&map).skip(code::MAP),
            Err(DecodeError::NegativeSize(i32::MIN))
        );
    }
}

#[test]
fn the_values_of_a_request_are_limited_for_every_type() {
    let count = REQUEST_VALUES - 1;
    let list = |element: u8, count: u32| [&[element][..], &count.to_be_bytes()].concat();
    let map = |count: u32| [&[code::BOOL, code::STRUCT][..], &count.to_be_bytes()].concat();
    let cases: [(u8, Vec<u8>, &[u8], u32); 6] = [
        (code::LIST, list(code::STRUCT, count), &[code::STOP], 1),
        (code::SET, list(code::STRING, count), &[0; 4], 1),
        (code::LIST, list(code::LIST, count), &[99, 0, 0, 0, 0], 1),
        (code::LIST, list(code::MAP, count), &[99, 99, 0, 0, 0, 0], 1),
        (code::MAP, map(count / 2), &[1, code::STOP], 2),
        // The head of a field and its value.
        (code::STRUCT, vec![], &[code::BOOL, 0, 1, 1], 2),
    ];
    for (kind, head, value, values) in cases {
        let count = (count / values) as usize;
        let most = [&head[..], &value.repeat(count), &[code::STOP]].concat();
        assert_eq!(Cursor::of_request(&most).skip(kind), Ok(()), "type {kind}");
        let more = [&head[..], &value.repeat(count + 2), &[code::STOP]].concat();
        let head_bytes = head.len();
        let mut more = more;
        if head_bytes > 0 {
            let count = count as u32 + 2;
            more[head_bytes - 4..head_bytes].copy_from_slice(&count.to_be_bytes());
        }
        let error = Cursor::of_request(&more).skip(kind);
        assert_eq!(error, Err(DecodeError::TooManyValues), "type {kind}");
        assert_eq!(Cursor::new(&more).skip(kind), Ok(()), "type {kind}");
    }
    let text = |bytes: u32| [&bytes.to_be_bytes()[..], &vec![0xFF; bytes as usize]].concat();
    let (most, more) = (text(REQUEST_VALUES), text(REQUEST_VALUES + 1));
    assert!(Cursor::of_request(&most).string().is_ok());
    let error = Cursor::of_request(&more).string();
    assert_eq!(error, Err(DecodeError::TooManyValues));
    // Their size is known from the count.
    let fixed = [&list(code::I64, 1 << 20)[..], &vec![0; 8 << 20]].concat();
    assert_eq!(Cursor::of_request(&fixed).skip(code::LIST), Ok(()));
}

#[test]
fn nesting_is_limited_for_every_type() {
    let map = [code::BOOL, code::MAP, 0, 0, 0, 1, 1];
    let list = [code::LIST, 0, 0, 0, 1];
    let fields = [code::STRUCT, 0, 1];
    let cases: [(u8, &[u8]); 4] = [
        (code::MAP, &map),
        (code::LIST, &list),
        (code::SET, &list),
        (code::STRUCT, &fields),
    ];
    for (kind, level) in cases {
        let hostile = level.repeat(200_000);
        assert_eq!(
            Cursor::new(&hostile).skip(kind),
            Err(DecodeError::TooDeep),
            "type {kind}"
        );
    }
    let depth = THRIFT_DEPTH as usize;
    let mut deepest = fields.repeat(depth - 1);
    deepest.extend(std::iter::repeat_n(code::STOP, depth));
    assert_eq!(Cursor::new(&deepest).skip(code::STRUCT), Ok(()));
}
