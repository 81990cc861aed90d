//! The texts of /healthz and /readyz.

use std::time::Duration;

use super::board::Board;

/// A shard reports four times a second that it is alive, and sleeps for at most 100 ms.
const MAX_SILENCE: Duration = Duration::from_secs(1);

/// The text of /healthz if every shard is alive.
///
/// # Errors
/// A line for each shard that is not.
pub(super) fn health(board: &Board) -> Result<&'static str, String> {
    let now_ms = board.now_ms();
    judge(board.entries().iter().map(|entry| entry.silence(now_ms)))
}

/// The text of /readyz if the daemon serves. The admin endpoint exists only while shards listen.
///
/// # Errors
/// Why it does not.
pub(super) fn readiness(board: &Board) -> Result<&'static str, String> {
    if board.is_stopping() {
        return Err("shutting down\n".to_owned());
    }
    if board.is_leaving() {
        return Err("draining\n".to_owned());
    }
    Ok("ready\n")
}

/// Judges by how long each shard has been silent; `None` is a shard that has not started.
fn judge(silences: impl Iterator<Item = Option<Duration>>) -> Result<&'static str, String> {
    let mut late = String::new();
    for (shard, silence) in silences.enumerate() {
        match silence {
            Some(silence) if silence <= MAX_SILENCE => {}
            Some(silence) => late.push_str(&format!(
                "shard {shard} has not answered for {:.1} s\n",
                silence.as_secs_f64()
            )),
            None => late.push_str(&format!("shard {shard} has not started\n")),
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
    use support::says::assert_lines_say;

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
        assert_lines_say(
            &judged([1001, 20, 2500]).unwrap_err(),
            &[("", &["shard 0", "1.0 s"]), ("", &["shard 2", "2.5 s"])],
        );
        let error = judge([None].into_iter()).unwrap_err();
        assert_lines_say(&error, &[("", &["shard 0", "not started"])]);
    }

    #[test]
    fn it_is_ready_until_the_shutdown_begins() {
        let board = Board::new(1);
        assert!(readiness(&board).is_ok());
        board.begin_drain();
        assert!(readiness(&board).is_ok());
        board.leave();
        assert_lines_say(&readiness(&board).unwrap_err(), &[("", &["draining"])]);
        board.stop();
        assert_lines_say(&readiness(&board).unwrap_err(), &[("", &["shutting down"])]);
    }
}
