//! What the ring tells Nimbus of its connections.

use std::io;
use std::net::SocketAddr;

use storm_pacemaker::connection::{Closed, Command, Commands, ConnectionId, Ending, Outbox};
use storm_pacemaker::ring::Handler;
use storm_pacemaker::wire::FrameReader;

use super::super::link::{ENDED, NO_FRAME, Opening, TOO_LONG};
use super::Readers;
use crate::record::ErrorKind;

impl Readers {
    /// The target whose current connection this is; `None` if it was given up.
    fn target_of(&self, id: ConnectionId) -> Option<usize> {
        let target = self.owners.of(id) as usize;
        (self.links[target].id() == Some(id)).then_some(target)
    }

    fn take_frame(
        &mut self,
        target: usize,
        id: ConnectionId,
        body: &[u8],
        commands: &mut Commands,
    ) {
        let link = &mut self.links[target];
        if link.id() != Some(id) {
            return; // a frame before it was the last one of this connection
        }
        if link.is_logging_in() {
            let opening = link.log_in(body, self.now_us, &mut self.record, commands);
            self.proceed_from(opening, target, commands);
        } else if !link.repeats_end_of_login(body) {
            self.answered(target, body);
        }
    }

    /// A connection has come one step further towards its first request.
    fn proceed_from(&mut self, opening: Opening, target: usize, commands: &mut Commands) {
        match opening {
            Opening::Up => {
                for index in 0..self.askers.len() {
                    self.attempt(index, commands);
                }
            }
            Opening::LoggingIn => {}
            Opening::Failed { wait_us } => self.dial_us[target] = self.now_us + wait_us,
        }
    }

    fn fail_login(&mut self, target: usize, why: &str, commands: &mut Commands) {
        let link = &mut self.links[target];
        let opening = link.fail_login(why.to_owned(), &mut self.record, commands);
        self.proceed_from(opening, target, commands);
    }

    /// Ends logins that have taken too long.
    pub(super) fn take_late_logins(&mut self, commands: &mut Commands) {
        while let Some(login) = self.logins.take(self.now_us) {
            let target = login.owner as usize;
            let link = &self.links[target];
            if link.is_logging_in() && link.id() == Some(login.id) {
                self.fail_login(target, TOO_LONG, commands);
            }
        }
    }

    /// A connection is gone, and what was asked on it.
    pub(super) fn lose(&mut self, connection: ConnectionId) {
        for asker in &mut self.askers {
            if let Some(request) = &mut asker.asked
                && request.lose(connection)
            {
                self.record.errors.add(ErrorKind::Abandoned);
            }
        }
    }
}

impl Handler for Readers {
    fn woke(&mut self) {
        self.now_us = self.clock.now_us();
    }

    fn opened(&mut self, id: ConnectionId, _peer: SocketAddr, commands: &mut Commands) {
        let Some(target) = self.target_of(id) else {
            return;
        };
        self.written_again.retain(|(other, _)| *other != target);
        let method = self.stage.settings.targets[target].logins.readers.as_ref();
        let (now_us, record) = (self.now_us, &mut self.record);
        let opening = self.links[target].opened(id, method, now_us, record, commands);
        if opening == Opening::LoggingIn {
            self.logins.add(now_us, id, target as u32);
        }
        self.proceed_from(opening, target, commands);
    }

    fn received(&mut self, id: ConnectionId, bytes: &[u8], commands: &mut Commands) {
        self.slices.now.bytes_received += bytes.len() as u64;
        if self.window.contains(self.now_us) {
            self.record.bytes_received += bytes.len() as u64;
        }
        let Some(target) = self.target_of(id) else {
            return;
        };
        // Taken out for as long as its frames are worked on.
        let mut frames = std::mem::replace(&mut self.links[target].frames, FrameReader::new(0));
        let mut chunk = bytes;
        let outcome = loop {
            match frames.next_from(&mut chunk) {
                None => break Ok(()),
                Some(Ok(body)) => self.take_frame(target, id, body, commands),
                Some(Err(error)) => break Err(error),
            }
        };
        let link = &mut self.links[target];
        link.frames = frames;
        if outcome.is_ok() || link.id() != Some(id) {
            return;
        }
        if link.is_logging_in() {
            self.fail_login(target, NO_FRAME, commands);
        } else {
            self.record.errors.add(ErrorKind::BadAnswer);
            commands.push(Command::Close(id, Ending::Reset));
        }
    }

    fn finished(&mut self, id: ConnectionId, commands: &mut Commands) {
        if let Some(target) = self.target_of(id) {
            if self.links[target].is_logging_in() {
                self.fail_login(target, ENDED, commands);
                return;
            }
            self.links[target].finished(&mut self.record);
            self.lose(id);
        }
        commands.push(Command::Close(id, Ending::Orderly));
    }

    fn sent(&mut self, _id: ConnectionId, _bytes: usize, _commands: &mut Commands) {}

    fn blocked(&mut self, _id: ConnectionId) {}

    fn closed(&mut self, id: ConnectionId, why: Closed, _commands: &mut Commands) {
        let Some(target) = self.target_of(id) else {
            return;
        };
        if let Some(wait_us) = self.links[target].closed(why, &mut self.record) {
            self.dial_us[target] = self.now_us + wait_us;
        }
        self.lose(id);
    }

    fn take_outbox(&mut self, id: ConnectionId) -> Outbox {
        match self.target_of(id) {
            Some(target) => std::mem::take(&mut self.links[target].outbox),
            None => Outbox::default(),
        }
    }

    fn has_messages(&self) -> bool {
        false
    }

    fn accept_failed(&mut self, _error: io::Error) {
        unreachable!("a generator accepts nothing");
    }
}
