//! The terminal while `top` uses it: the alternate screen and single keys. Whatever ends `top`, a signal or
//! a panic too, the terminal is restored.

use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::termios::{self, OptionalActions, Termios};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGWINCH};
use signal_hook::{flag, low_level::pipe};

use super::table::{Line, Style};

/// What a key or a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserAction {
    Quit,
    /// Lines down, or up if negative.
    Scroll(isize),
    Page(isize),
    Top,
}

/// Owns the terminal until it is dropped.
pub struct Terminal {
    /// A signal has asked us to quit.
    ended: Arc<AtomicBool>,
    /// Receives a byte for each signal.
    signals: UnixStream,
    has_colours: bool,
}

/// How the terminal was before. Static, because a panic ends the process without dropping anything, and
/// its hook needs this.
static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);

/// To the alternate screen, without a cursor and without wrapped lines; and back.
const ENTER: &str = "\x1b[?1049h\x1b[?25l\x1b[?7l";
const LEAVE: &str = "\x1b[?7h\x1b[?25h\x1b[?1049l";

impl Terminal {
    /// # Errors
    /// Standard input or output is not a terminal, or cannot be configured.
    pub fn take() -> io::Result<Terminal> {
        let ended = Arc::new(AtomicBool::new(false));
        let (signals, sender) = UnixStream::pair()?;
        signals.set_nonblocking(true)?;
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            flag::register(signal, ended.clone())?;
        }
        for signal in [SIGINT, SIGTERM, SIGHUP, SIGWINCH] {
            pipe::register(signal, sender.try_clone()?)?;
        }
        let before = termios::tcgetattr(io::stdin())?;
        let mut raw = before.clone();
        raw.make_raw();
        *BEFORE.lock().unwrap_or_else(PoisonError::into_inner) = Some(before);
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            restore();
            hook(panic);
        }));
        // From here on, dropping it restores the terminal.
        let terminal = Terminal {
            ended,
            signals,
            has_colours: std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
        };
        termios::tcsetattr(io::stdin(), OptionalActions::Now, &raw)?;
        write(ENTER)?;
        Ok(terminal)
    }

    /// Columns and lines.
    pub fn size(&self) -> (usize, usize) {
        match termios::tcgetwinsize(io::stdout()) {
            Ok(size) if size.ws_col > 0 && size.ws_row > 0 => {
                (size.ws_col.into(), size.ws_row.into())
            }
            _ => (80, 24),
        }
    }

    /// Fills the screen with these lines.
    pub fn show(&self, lines: &[Line]) -> io::Result<()> {
        let mut text = String::from("\x1b[H");
        for (index, line) in lines.iter().enumerate() {
            if index > 0 {
                text.push_str("\r\n");
            }
            let (on, off) = match line.style {
                Style::Plain => ("", ""),
                Style::Heading => ("\x1b[7m", "\x1b[0m"),
                Style::Alarm if self.has_colours => ("\x1b[31m", "\x1b[0m"),
                Style::Alarm => ("\x1b[1m", "\x1b[0m"),
            };
            text.extend([on, &line.text, off, "\x1b[K"]);
        }
        text.push_str("\x1b[J");
        write(&text)
    }

    /// Waits for a key or a signal, for `at_most`.
    pub fn wait(&mut self, at_most: Duration) -> io::Result<Option<UserAction>> {
        let stdin = io::stdin();
        let timeout = Timespec::try_from(at_most).ok();
        let mut fds = [
            PollFd::new(&stdin, PollFlags::IN),
            PollFd::from_borrowed_fd(self.signals.as_fd(), PollFlags::IN),
        ];
        match poll(&mut fds, timeout.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let key_is_there = !fds[0].revents().is_empty();
        let _ = self.signals.read(&mut [0; 64]);
        if self.ended.load(Ordering::Relaxed) {
            return Ok(Some(UserAction::Quit));
        }
        if !key_is_there {
            return Ok(None);
        }
        let mut keys = [0; 64];
        // Not through std's buffer, where a key could wait unnoticed.
        match rustix::io::read(&stdin, &mut keys) {
            // The terminal has gone.
            Ok(0) => Ok(Some(UserAction::Quit)),
            Ok(count) => Ok(action(&keys[..count])),
            Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => Ok(None),
            Err(_) => Ok(Some(UserAction::Quit)),
        }
    }
}

/// The action of a key, which may send a sequence.
fn action(keys: &[u8]) -> Option<UserAction> {
    const CTRL_C: u8 = 3;
    match keys {
        b"j" | b"\x1b[B" | b"\x1bOB" => Some(UserAction::Scroll(1)),
        b"k" | b"\x1b[A" | b"\x1bOA" => Some(UserAction::Scroll(-1)),
        b" " | b"\x1b[6~" => Some(UserAction::Page(1)),
        b"b" | b"\x1b[5~" => Some(UserAction::Page(-1)),
        b"g" | b"\x1b[H" | b"\x1b[1~" => Some(UserAction::Top),
        [0x1B, ..] => None,
        // Also among several keys that came at once.
        keys if keys.iter().any(|key| matches!(key, b'q' | b'Q' | &CTRL_C)) => {
            Some(UserAction::Quit)
        }
        _ => None,
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        restore();
    }
}

fn restore() {
    let before = BEFORE.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(before) = before {
        let _ = write(LEAVE);
        let _ = termios::tcsetattr(io::stdin(), OptionalActions::Flush, &before);
    }
}

fn write(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}
