//! What a process hands to the one that replaces it, and how: over a socket that is the new one's standard input.
//! Descriptors travel as SCM_RIGHTS (unix(7)), so no number is agreed on, and nothing else is inherited.
//!
//! The old process sends packets, each a text with descriptors: `listeners daemon`, `listeners manager`, `admin`,
//! `log`, `io NAME`, then `end`. The new one answers `serving STATUS` when it serves. Either may be of a later
//! release: a packet with another text is skipped.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};

/// Descriptors in one packet. Linux takes 253.
const MOST_DESCRIPTORS: usize = 64;

/// Bytes of a packet's text.
const MOST_TEXT: usize = 1024;

/// Who opened the listening sockets first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Opener {
    Daemon,
    /// By socket activation.
    ServiceManager,
}

impl Opener {
    fn packet(self) -> &'static str {
        match self {
            Opener::Daemon => "listeners daemon",
            Opener::ServiceManager => "listeners manager",
        }
    }
}

/// What is handed over.
#[derive(Debug)]
pub(super) struct Handover {
    pub(super) listeners: Vec<OwnedFd>,
    pub(super) opener: Opener,
    /// The admin endpoint's listening socket.
    pub(super) admin: Option<OwnedFd>,
    /// The old process's standard error. To be handed over as it is then.
    pub(super) log: Option<OwnedFd>,
    /// The data plane, by its name.
    pub(super) io: String,
}

/// One end of the socket between both processes.
#[derive(Debug)]
pub(super) struct Channel(OwnedFd);

impl Channel {
    /// The old process's end, and the new one's.
    pub(super) fn pair() -> io::Result<(Channel, OwnedFd)> {
        let (family, kind) = (AddressFamily::UNIX, SocketType::SEQPACKET);
        let (ours, theirs) = socketpair(family, kind, SocketFlags::CLOEXEC, None)?;
        Ok((Channel(ours), theirs))
    }

    pub(super) fn over(socket: OwnedFd) -> Channel {
        Channel(socket)
    }

    /// How long a packet may take.
    pub(super) fn set_patience(&self, time: Duration) -> io::Result<()> {
        // None would be without end.
        let time = time.max(Duration::from_millis(1));
        set_socket_timeout(&self.0, Timeout::Recv, Some(time))?;
        Ok(set_socket_timeout(&self.0, Timeout::Send, Some(time))?)
    }

    pub(super) fn hand_over(&self, handover: &Handover) -> io::Result<()> {
        for some in handover.listeners.chunks(MOST_DESCRIPTORS) {
            self.send(handover.opener.packet(), some)?;
        }
        if let Some(admin) = &handover.admin {
            self.send("admin", &[admin])?;
        }
        self.send("log", &[io::stderr()])?;
        self.send::<OwnedFd>(&format!("io {}", handover.io), &[])?;
        self.send::<OwnedFd>("end", &[])
    }

    /// # Errors
    /// The other end is closed, or it is no such socket.
    pub(super) fn take_over(&self) -> io::Result<Handover> {
        let mut handover = Handover {
            listeners: Vec::new(),
            opener: Opener::Daemon,
            admin: None,
            log: None,
            io: String::new(),
        };
        loop {
            let (text, descriptors) = self.receive()?;
            match text.as_str() {
                "" => return Err(io::ErrorKind::UnexpectedEof.into()),
                "end" => return Ok(handover),
                "admin" => handover.admin = descriptors.into_iter().next(),
                "log" => handover.log = descriptors.into_iter().next(),
                text => {
                    let openers = [Opener::Daemon, Opener::ServiceManager];
                    let opener = openers.into_iter().find(|opener| opener.packet() == text);
                    if let Some(opener) = opener {
                        handover.opener = opener;
                        handover.listeners.extend(descriptors);
                    } else if let Some(io) = text.strip_prefix("io ") {
                        handover.io = io.to_owned();
                    }
                }
            }
        }
    }

    /// The new process serves; the status is for people.
    pub(super) fn say_serving(&self, status: &str) -> io::Result<()> {
        self.send::<OwnedFd>(&format!("serving {status}"), &[])
    }

    /// Waits until the new process serves, and returns its status. None: it has closed its end.
    pub(super) fn wait_until_serving(&self) -> io::Result<Option<String>> {
        loop {
            let (text, _) = self.receive()?;
            if text.is_empty() {
                return Ok(None);
            }
            if let Some(status) = text.strip_prefix("serving ") {
                return Ok(Some(status.to_owned()));
            }
        }
    }

    fn send<D: AsFd>(&self, text: &str, descriptors: &[D]) -> io::Result<()> {
        let descriptors: Vec<BorrowedFd<'_>> = descriptors.iter().map(AsFd::as_fd).collect();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_DESCRIPTORS))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !descriptors.is_empty() {
            control.push(SendAncillaryMessage::ScmRights(&descriptors));
        }
        let text = [IoSlice::new(text.as_bytes())];
        sendmsg(&self.0, &text, &mut control, SendFlags::NOSIGNAL)?;
        Ok(())
    }

    /// The next packet. An empty text: the other end is closed.
    fn receive(&self) -> io::Result<(String, Vec<OwnedFd>)> {
        let mut text = [0; MOST_TEXT];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_DESCRIPTORS))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut slices = [IoSliceMut::new(&mut text)];
        let flags = RecvFlags::CMSG_CLOEXEC;
        let received =
            rustix::io::retry_on_intr(|| recvmsg(&self.0, &mut slices, &mut control, flags))?;
        let mut descriptors = Vec::new();
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(rights) = message {
                descriptors.extend(rights);
            }
        }
        let text = String::from_utf8_lossy(&text[..received.bytes]).into_owned();
        Ok((text, descriptors))
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;
    use crate::io::local_address;

    #[test]
    fn what_is_handed_over_arrives() {
        let listener = || OwnedFd::from(TcpListener::bind("127.0.0.1:0").unwrap());
        let handover = Handover {
            // More than fit into one packet.
            listeners: (0..=MOST_DESCRIPTORS).map(|_| listener()).collect(),
            opener: Opener::ServiceManager,
            admin: Some(listener()),
            log: None,
            io: "epoll".to_owned(),
        };
        let (old, new) = Channel::pair().unwrap();
        let new = Channel::over(new);
        old.send::<OwnedFd>("of a later release", &[]).unwrap();
        old.hand_over(&handover).unwrap();
        let taken = new.take_over().unwrap();
        let addresses = |sockets: &[OwnedFd]| -> Vec<_> {
            sockets
                .iter()
                .map(|socket| local_address(socket).unwrap())
                .collect()
        };
        assert_eq!(addresses(&taken.listeners), addresses(&handover.listeners));
        assert_eq!(taken.opener, Opener::ServiceManager);
        assert!(taken.admin.is_some() && taken.log.is_some());
        assert_eq!(taken.io, "epoll");
        new.say_serving("well").unwrap();
        assert_eq!(old.wait_until_serving().unwrap().as_deref(), Some("well"));
        drop(new);
        assert_eq!(old.wait_until_serving().unwrap(), None);
    }
}
