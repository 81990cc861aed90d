//! Frames in pieces of every size, pauses at every frame, bad lengths, and where the memory goes.

use super::super::golden;
use super::*;

const MAX: u32 = 10 << 20;

/// Collects bodies, and pauses after every one if told to.
fn take_into(bodies: &mut Vec<Vec<u8>>, flow: Flow) -> impl FnMut(&[u8]) -> Flow {
    move |body| {
        bodies.push(body.to_vec());
        flow
    }
}

fn frame(body: &[u8]) -> Vec<u8> {
    let mut frame = (body.len() as u32).to_be_bytes().to_vec();
    frame.extend_from_slice(body);
    frame
}

fn is_idle(reader: &FrameReader) -> bool {
    reader.buffered_bytes() == 0 && reader.buffer.capacity() == 0
}

#[test]
fn golden_frames_come_whole_at_every_split() {
    for golden in golden::frames() {
        for split in 0..=golden.len() {
            let mut reader = FrameReader::new(MAX);
            let mut bodies = Vec::new();
            let (first, second) = golden.split_at(split);
            for (chunk, kept) in [(first, split % golden.len()), (second, 0)] {
                let flow = reader.feed(chunk, &mut take_into(&mut bodies, Flow::Continue));
                assert_eq!(flow, Ok(Flow::Continue));
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
            let flow = reader.feed(chunk, &mut take_into(&mut bodies, Flow::Continue));
            assert_eq!(flow, Ok(Flow::Continue));
        }
        assert_eq!(bodies, expected, "chunks of {size}");
        assert!(is_idle(&reader));
    }
}

#[test]
fn a_pause_after_every_frame_loses_nothing() {
    let frames: Vec<_> = golden::frames().collect();
    let mut stream = frames.concat();
    let expected: Vec<_> = frames.iter().map(|frame| frame[4..].to_vec()).collect();
    stream.extend_from_slice(&frames[0][..7]);
    for size in 1..=stream.len() {
        let mut reader = FrameReader::new(MAX);
        let mut bodies = Vec::new();
        for chunk in stream.chunks(size) {
            let was_paused = reader.is_paused();
            let before = bodies.len();
            let flow = reader.feed(chunk, &mut take_into(&mut bodies, Flow::Pause));
            let handed = bodies.len() - before;
            assert!(
                handed <= usize::from(!was_paused),
                "a paused reader hands nothing over"
            );
            assert_eq!(flow == Ok(Flow::Pause), was_paused || handed == 1);
            // Two chunks come for each resume, so that the kept bytes pile up.
            if bodies.len() % 2 == 0 && reader.is_paused() {
                let _ = reader.resume(&mut take_into(&mut bodies, Flow::Pause));
            }
        }
        while reader.is_paused() {
            let before = bodies.len();
            let flow = reader
                .resume(&mut take_into(&mut bodies, Flow::Pause))
                .unwrap();
            assert_eq!(flow == Flow::Pause, bodies.len() == before + 1);
        }
        assert_eq!(bodies, expected, "chunks of {size}");
        assert_eq!(reader.buffered_bytes(), 7);
        assert!(reader.buffer.capacity() <= frames[0].len());
    }
}

#[test]
fn a_pause_keeps_no_more_than_twice_what_is_left() {
    let stream = frame(&[7; 60]).repeat(1000);
    let mut reader = FrameReader::new(MAX);
    let mut flow = reader.feed(&stream, &mut |_: &[u8]| Flow::Pause);
    let mut left = stream.len();
    while flow == Ok(Flow::Pause) {
        left -= 64;
        assert_eq!(reader.buffered_bytes(), left);
        assert!(reader.buffer.capacity() <= 2 * left);
        flow = reader.resume(&mut |_: &[u8]| Flow::Pause);
    }
    assert_eq!((flow, left), (Ok(Flow::Continue), 0));
}

#[test]
fn a_whole_frame_is_handed_over_where_it_lies() {
    let mut stream = frame(b"one");
    stream.extend(frame(b"two"));
    let lies = stream.as_ptr_range();
    let mut count = 0;
    let flow = FrameReader::new(MAX).feed(&stream, &mut |body: &[u8]| {
        assert!(lies.contains(&body.as_ptr()));
        count += 1;
        Flow::Continue
    });
    assert_eq!((flow, count), (Ok(Flow::Continue), 2));
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
            let mut take = take_into(&mut bodies, Flow::Continue);
            let answers: Vec<_> = stream
                .chunks(size)
                .map(|chunk| reader.feed(chunk, &mut take))
                .collect();
            assert_eq!(answers.last(), Some(&Err(error)));
            assert_eq!(reader.feed(b"", &mut take), Err(error));
            assert_eq!(reader.resume(&mut take), Err(error));
            assert!(is_idle(&reader));
            drop(take);
            assert_eq!(bodies, [b"fine!"]);
        }
    }
}

#[test]
fn a_bad_length_behind_a_pause_is_told_on_resume() {
    let mut stream = frame(b"fine");
    stream.extend_from_slice(&[0xFF; 4]);
    let mut reader = FrameReader::new(MAX);
    assert_eq!(
        reader.feed(&stream, &mut |_: &[u8]| Flow::Pause),
        Ok(Flow::Pause)
    );
    assert_eq!(
        reader.resume(&mut |_: &[u8]| Flow::Pause),
        Err(FrameError::Negative(-1))
    );
    assert!(!reader.is_paused());
}

#[test]
fn a_declared_length_allocates_nothing() {
    let mut reader = FrameReader::new(MAX);
    assert_eq!(
        reader.feed(&MAX.to_be_bytes(), &mut |_: &[u8]| Flow::Continue),
        Ok(Flow::Continue)
    );
    assert!(reader.buffer.capacity() < 64);
}

#[test]
fn a_long_frame_in_single_bytes_grows_by_doubling_and_gives_its_memory_back() {
    let body = vec![7; 1 << 20];
    let stream = frame(&body);
    let mut reader = FrameReader::new(MAX);
    let mut bodies = Vec::new();
    let mut capacities = vec![0];
    for byte in &stream {
        let flow = reader.feed(&[*byte], &mut take_into(&mut bodies, Flow::Continue));
        assert_eq!(flow, Ok(Flow::Continue));
        let capacity = reader.buffer.capacity();
        assert!(capacity <= (2 * reader.buffered_bytes()).min(stream.len()));
        if capacities.last() != Some(&capacity) {
            capacities.push(capacity);
        }
    }
    assert_eq!(bodies, [body]);
    assert!(is_idle(&reader));
    assert!(capacities.len() < 30, "{capacities:?}");
}
