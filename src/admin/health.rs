//! Whether the daemon lives and whether it serves.

use std::time::Duration;

use super::board::Board;

/// A shard says four times a second that it lives, and sleeps for 100 ms at most.
pub(super) const LONGEST_SILENCE: Duration = Duration::from_secs(1);

/// Whether every shard lives.
///
/// # Errors
/// The shards that do not, in a sentence.
pub(super) fn health(board: &Board) -> Result<&'static str, String> {
    let now_ms = board.now_ms();
    judge(board.places().iter().map(|place| place.silence(now_ms)))
}

/// Whether requests are served. The admin endpoint is there only while shards listen.
///
/// # Errors
/// Why they are not.
pub(super) fn readiness(board: &Board) -> Result<&'static str, String> {
    match board.is_stopping() {
        false => Ok("ready\n"),
        true => Err("shutting down\n".to_owned()),
    }
}

/// Judges by how long each shard has been silent; None is one that has not begun.
fn judge(silences: impl Iterator<Item = Option<Duration>>) -> Result<&'static str, String> {
    let mut late = String::new();
    for (shard, silence) in silences.enumerate() {
        match silence {
            Some(silence) if silence <= LONGEST_SILENCE => {}
            Some(silence) => late.push_str(&format!(
                "shard {shard} has not answered for {:.1} s\n",
                silence.as_secs_f64()
            )),
            None => late.push_str(&format!("shard {shard} has not begun\n")),
        }
    }
    if late.is_empty() {
        Ok("ok\n")
    } else {
        Err(late)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged<const SHARDS: usize>(silences_ms: [u64; SHARDS]) -> Result<&'static str, String> {
        judge(
            silences_ms
                .map(|ms| Some(Duration::from_millis(ms)))
                .into_iter(),
        )
    }

    #[test]
    fn a_second_of_silence_is_too_long() {
        assert_eq!(judged([0, 350, 1000]), Ok("ok\n"));
        assert_eq!(
            judged([1001, 20, 2500]).unwrap_err(),
            "shard 0 has not answered for 1.0 s\nshard 2 has not answered for 2.5 s\n"
        );
        assert_eq!(
            judge([None].into_iter()).unwrap_err(),
            "shard 0 has not begun\n"
        );
    }

    #[test]
    fn it_is_ready_until_the_shutdown_begins() {
        let board = Board::new(1);
        assert!(readiness(&board).is_ok());
        board.stop();
        assert_eq!(readiness(&board).unwrap_err(), "shutting down\n");
    }
}
