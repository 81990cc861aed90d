//! What the ring tells the workers of their connections.

use std::io;
use std::net::SocketAddr;

use storm_pacemaker::connection::{Closed, Command, Commands, ConnectionId, Ending, Outbox};
use storm_pacemaker::ring::Handler;
use storm_pacemaker::wire::FrameReader;

use super::super::link::{ENDED, NO_FRAME, Opening, TOO_LONG};
use super::Workers;
use crate::record::ErrorKind;

impl Handler for Workers {
    fn woke(&mut self) {
        self.now_us = self.clock.now_us();
    }

    fn opened(&mut self, id: ConnectionId, _peer: SocketAddr, commands: &mut Commands) {
        let index = self.owners.of(id);
        let worker = &mut self.workers[index as usize];
        if worker.link.id() != Some(id) {
            return; // given up meanwhile
        }
        worker.forget_owed();
        let method = self.stage.settings.targets[worker.target]
            .logins
            .workers
            .as_ref();
        let (now_us, record) = (self.now_us, &mut self.record);
        let opening = worker.link.opened(id, method, now_us, record, commands);
        if opening == Opening::LoggingIn {
            self.logins.add(now_us, id, index);
        }
        self.proceed_from(opening, index, commands);
    }

    fn received(&mut self, id: ConnectionId, bytes: &[u8], commands: &mut Commands) {
        let index = self.owners.of(id);
        self.slices.now.bytes_received += bytes.len() as u64;
        if self.window.contains(self.now_us) {
            self.record.bytes_received += bytes.len() as u64;
        }
        let link = &mut self.workers[index as usize].link;
        if link.id() != Some(id) {
            return; // on a connection that was given up
        }
        // Taken out for as long as its frames are worked on.
        let mut frames = std::mem::replace(&mut link.frames, FrameReader::new(0));
        let mut chunk = bytes;
        let outcome = loop {
            match frames.next_from(&mut chunk) {
                None => break Ok(()),
                Some(Ok(body)) => self.take_frame(index, id, body, commands),
                Some(Err(error)) => break Err(error),
            }
        };
        let link = &mut self.workers[index as usize].link;
        link.frames = frames;
        if outcome.is_ok() || link.id() != Some(id) {
            return;
        }
        if link.is_logging_in() {
            self.fail_login(index, NO_FRAME, commands);
        } else {
            self.record.errors.add(ErrorKind::BadAnswer);
            commands.push(Command::Close(id, Ending::Reset));
        }
    }

    fn finished(&mut self, id: ConnectionId, commands: &mut Commands) {
        let index = self.owners.of(id);
        let worker = &mut self.workers[index as usize];
        if worker.link.up() == Some(id) {
            worker.link.finished(&mut self.record);
            self.lose(index, id);
            self.count_connection(false);
        } else if worker.link.id() == Some(id) && worker.link.is_logging_in() {
            self.fail_login(index, ENDED, commands);
            return;
        }
        commands.push(Command::Close(id, Ending::Orderly));
    }

    fn sent(&mut self, _id: ConnectionId, _bytes: usize, _commands: &mut Commands) {}

    fn blocked(&mut self, _id: ConnectionId) {}

    fn closed(&mut self, id: ConnectionId, why: Closed, _commands: &mut Commands) {
        let index = self.owners.of(id);
        let worker = &mut self.workers[index as usize];
        if worker.link.id() != Some(id) {
            return; // we have given it up, or do not notice
        }
        let stood = worker.link.up().is_some();
        let wait_us = worker.link.closed(why, &mut self.record);
        self.lose(index, id);
        if stood {
            self.count_connection(false);
        }
        if let Some(wait_us) = wait_us
            && !self.ending
        {
            self.dial_at(index, self.now_us + wait_us);
        }
    }

    fn take_outbox(&mut self, id: ConnectionId) -> Outbox {
        let index = self.owners.of(id);
        let link = &mut self.workers[index as usize].link;
        match link.id() == Some(id) {
            true => std::mem::take(&mut link.outbox),
            false => Outbox::default(),
        }
    }

    fn has_messages(&self) -> bool {
        false
    }

    fn accept_failed(&mut self, _error: io::Error) {
        unreachable!("a generator accepts nothing");
    }
}

impl Workers {
    fn take_frame(&mut self, index: u32, id: ConnectionId, body: &[u8], commands: &mut Commands) {
        let link = &mut self.workers[index as usize].link;
        if link.id() != Some(id) {
            return; // a frame before it was the last one of this connection
        }
        if link.is_logging_in() {
            let opening = link.log_in(body, self.now_us, &mut self.record, commands);
            self.proceed_from(opening, index, commands);
        } else if !link.repeats_end_of_login(body) {
            self.answered(index, body, commands);
        }
    }

    /// A connection has come one step further towards its first request.
    fn proceed_from(&mut self, opening: Opening, index: u32, commands: &mut Commands) {
        match opening {
            Opening::Up => {
                self.count_connection(true);
                self.attempt(index, commands);
            }
            Opening::LoggingIn => {}
            Opening::Failed { wait_us } if !self.ending => {
                self.dial_at(index, self.now_us + wait_us);
            }
            Opening::Failed { .. } => {}
        }
    }

    fn fail_login(&mut self, index: u32, why: &str, commands: &mut Commands) {
        let link = &mut self.workers[index as usize].link;
        let opening = link.fail_login(why.to_owned(), &mut self.record, commands);
        self.proceed_from(opening, index, commands);
    }

    /// Ends logins that have taken too long.
    pub(super) fn take_late_logins(&mut self, commands: &mut Commands) {
        while let Some(login) = self.logins.take(self.now_us) {
            let link = &self.workers[login.owner as usize].link;
            if link.is_logging_in() && link.id() == Some(login.id) {
                self.fail_login(login.owner, TOO_LONG, commands);
            }
        }
    }

    /// A connection is gone, and the request that was on it.
    fn lose(&mut self, index: u32, id: ConnectionId) {
        if let Some(request) = &mut self.workers[index as usize].request
            && request.lose(id)
        {
            self.record.errors.add(ErrorKind::Abandoned);
        }
    }
}
