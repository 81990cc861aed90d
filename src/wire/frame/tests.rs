//! Frames in pieces of every size, pauses at every frame, bad lengths, and the memory in use.

use super::super::golden;
use super::*;

const MAX: u32 = 10 << 20;

fn frame(body: &[u8]) -> Vec<u8> {
    let mut frame = (body.len() as u32).to_be_bytes().to_vec();
    frame.extend_from_slice(body);
    frame
}

/// Pulls every frame that is whole with this chunk.
fn pull(
    reader: &mut FrameReader,
    mut chunk: &[u8],
    bodies: &mut Vec<Vec<u8>>,
) -> Result<(), FrameError> {
    while let Some(body) = reader.next_from(&mut chunk) {
        bodies.push(body?.to_vec());
    }
    assert!(chunk.is_empty(), "the reader keeps what it has not used");
    Ok(())
}

fn is_idle(reader: &FrameReader) -> bool {
    reader.buffered_bytes() == 0 && reader.kept.capacity() == 0
}

#[test]
fn golden_frames_are_whole_at_every_split() {
    for golden in golden::frames() {
        for split in 0..=golden.len() {
            let mut reader = FrameReader::new(MAX);
            let mut bodies = Vec::new();
            let (first, second) = golden.split_at(split);
            for (chunk, kept) in [(first, split % golden.len()), (second, 0)] {
                assert_eq!(pull(&mut reader, chunk, &mut bodies), Ok(()));
                assert_eq!(reader.buffered_bytes(), kept);
            }
            assert_eq!(bodies, [&golden[4..]], "split at {split}");
            assert!(is_idle(&reader));
        }
    }
}

#[test]
fn a_stream_of_golden_frames_survives_every_chunk_size() {
    let frames: Vec<_> = golden::frames()
        .chain([frame(b"")])
        .chain(golden::frames())
        .collect();
    let stream = frames.concat();
    let expected: Vec<_> = frames.iter().map(|frame| frame[4..].to_vec()).collect();
    for size in 1..=stream.len() {
        let mut reader = FrameReader::new(MAX);
        let mut bodies = Vec::new();
        for chunk in stream.chunks(size) {
            assert_eq!(pull(&mut reader, chunk, &mut bodies), Ok(()));
        }
        assert_eq!(bodies, expected, "chunks of {size}");
        assert!(is_idle(&reader));
    }
}

/// Pulls one frame for every two chunks, so that unread bytes accumulate, and then the rest.
#[test]
fn a_pause_after_every_frame_loses_nothing() {
    let frames: Vec<_> = golden::frames().collect();
    let mut stream = frames.concat();
    let expected: Vec<_> = frames.iter().map(|frame| frame[4..].to_vec()).collect();
    stream.extend_from_slice(&frames[0][..7]);
    for size in 1..=stream.len() {
        let mut reader = FrameReader::new(MAX);
        let mut bodies = Vec::new();
        for (index, mut chunk) in stream.chunks(size).enumerate() {
            if index % 2 == 0
                && let Some(body) = reader.next_from(&mut chunk)
            {
                bodies.push(body.unwrap().to_vec());
            }
            reader.push(chunk);
        }
        while let Some(body) = reader.next() {
            bodies.push(body.unwrap().to_vec());
        }
        assert_eq!(bodies, expected, "chunks of {size}");
        assert_eq!(reader.buffered_bytes(), 7);
        assert!(reader.kept.capacity() <= 2 * frames[0].len());
    }
}

#[test]
fn a_pause_keeps_no_more_than_twice_what_is_left() {
    let stream = frame(&[7; 60]).repeat(1000);
    let mut reader = FrameReader::new(MAX);
    reader.push(&stream);
    let mut left = stream.len();
    while left > 0 {
        assert!(matches!(reader.next(), Some(Ok(_))));
        left -= 64;
        assert_eq!(reader.buffered_bytes(), left);
        reader.push(&[]); // the caller pauses
        assert!(reader.kept.capacity() <= 2 * left);
    }
    assert_eq!(reader.next(), None);
    assert!(is_idle(&reader));
}

#[test]
fn a_frame_that_arrives_during_a_pause_takes_no_more_memory_than_its_bytes() {
    let whole = frame(&[7; 100_000]);
    let mut reader = FrameReader::new(MAX);
    for piece in whole.chunks(8 << 10) {
        reader.push(piece);
        assert!(reader.kept.capacity() <= whole.len());
    }
    assert_eq!(reader.next(), Some(Ok(&[7; 100_000][..])));
}

#[test]
fn a_whole_frame_is_not_copied() {
    let mut stream = frame(b"one");
    stream.extend(frame(b"two"));
    let lies = stream.as_ptr_range();
    let mut reader = FrameReader::new(MAX);
    let mut chunk = &stream[..];
    for expected in [b"one", b"two"] {
        let body = reader.next_from(&mut chunk).unwrap().unwrap();
        assert_eq!(body, expected);
        assert!(lies.contains(&body.as_ptr()));
    }
    assert_eq!(reader.next_from(&mut chunk), None);
}

#[test]
fn a_bad_length_ends_the_reader_after_the_frames_before_it() {
    let cases = [
        (-1, FrameError::Negative(-1)),
        (i32::MIN, FrameError::Negative(i32::MIN)),
        (6, FrameError::TooLarge { length: 6, max: 5 }),
        (
            i32::MAX,
            FrameError::TooLarge {
                length: i32::MAX as u32,
                max: 5,
            },
        ),
    ];
    for (length, error) in cases {
        let mut stream = frame(b"fine!");
        stream.extend_from_slice(&length.to_be_bytes());
        stream.extend_from_slice(b"never read");
        for size in 1..=stream.len() {
            let mut reader = FrameReader::new(5);
            let mut bodies = Vec::new();
            let answers: Vec<_> = stream
                .chunks(size)
                .map(|chunk| pull(&mut reader, chunk, &mut bodies))
                .collect();
            assert_eq!(answers.last(), Some(&Err(error)));
            reader.push(b"more");
            assert_eq!(reader.next(), Some(Err(error)));
            assert!(is_idle(&reader));
            assert_eq!(bodies, [b"fine!"]);
        }
    }
}

#[test]
fn a_bad_length_behind_a_pause_is_an_error_when_it_is_pulled() {
    let mut stream = frame(b"fine");
    stream.extend_from_slice(&[0xFF; 4]);
    let mut reader = FrameReader::new(MAX);
    reader.push(&stream);
    assert_eq!(reader.next(), Some(Ok(&b"fine"[..])));
    assert_eq!(reader.next(), Some(Err(FrameError::Negative(-1))));
}

#[test]
fn a_declared_length_allocates_nothing() {
    let mut reader = FrameReader::new(MAX);
    assert_eq!(reader.next_from(&mut &MAX.to_be_bytes()[..]), None);
    assert!(reader.kept.capacity() < 64);
}

#[test]
fn a_long_frame_in_single_bytes_grows_by_doubling_and_then_frees_its_memory() {
    let body = vec![7; 1 << 20];
    let stream = frame(&body);
    let mut reader = FrameReader::new(MAX);
    let mut bodies = Vec::new();
    let mut capacities = vec![0];
    for byte in &stream {
        assert_eq!(pull(&mut reader, &[*byte], &mut bodies), Ok(()));
        let capacity = reader.kept.capacity();
        assert!(capacity <= (2 * reader.buffered_bytes()).min(stream.len()));
        if capacities.last() != Some(&capacity) {
            capacities.push(capacity);
        }
    }
    assert_eq!(bodies, [body]);
    assert!(is_idle(&reader));
    assert!(capacities.len() < 30, "{capacities:?}");
}
