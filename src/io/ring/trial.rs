//! Whether io_uring works here: tried, because neither the kernel's version nor a file tells. A vendor may
//! have added io_uring to an older kernel, and a sandbox may have removed it from a newer one.

use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use io_uring::types::{Fd, SubmitArgs, Timespec};
use io_uring::{IoUring, cqueue, opcode};

use super::buffers::ReceiveBuffers;
use super::{make_ring, push_entry};

const RECEIVED: &[u8] = b"pulse";

/// The kernel answers at once, or never.
const PATIENCE: Duration = Duration::from_secs(1);

/// Makes a ring as each shard makes one, with its buffers, and receives through it.
///
/// # Errors
/// The kernel's: EINVAL if it does not know what a ring of ours needs. `TimedOut` if it takes a receive
/// and never completes it.
pub(in crate::io) fn try_ring() -> io::Result<()> {
    let mut ring = make_ring()?;
    let mut buffers = ReceiveBuffers::register(&ring)?;
    let (mut peer, socket) = UnixStream::pair()?;
    let receive = opcode::RecvMulti::new(Fd(socket.as_raw_fd()), ReceiveBuffers::GROUP).build();
    push_entry(&mut ring, &receive)?;
    peer.write_all(RECEIVED)?;
    let outcome = complete(&mut ring, &buffers);
    // Ends the receive, before its buffers are freed.
    drop(peer);
    let ended = outcome.is_ok() && complete(&mut ring, &buffers).is_ok_and(|received| !received);
    drop(ring);
    if !ended {
        buffers.leak();
    }
    if outcome? {
        Ok(())
    } else {
        Err(io::Error::from_raw_os_error(libc::EINVAL))
    }
}

/// Waits for a completion. True: it has brought the bytes, and the receive goes on.
fn complete(ring: &mut IoUring, buffers: &ReceiveBuffers) -> io::Result<bool> {
    let timeout = Timespec::from(PATIENCE);
    let arguments = SubmitArgs::new().timespec(&timeout);
    ring.submitter().submit_with_args(1, &arguments)?;
    let Some(entry) = ring.completion().next() else {
        return Err(io::ErrorKind::TimedOut.into());
    };
    if entry.result() < 0 {
        return Err(io::Error::from_raw_os_error(-entry.result()));
    }
    let Some(buffer) = cqueue::buffer_select(entry.flags()) else {
        return Ok(false);
    };
    let bytes = buffers.filled(buffer, entry.result() as usize);
    Ok(bytes == RECEIVED && cqueue::more(entry.flags()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_trial_passes_where_the_tests_of_the_ring_run() {
        try_ring().unwrap();
    }
}
