//! What the ring tells the workers of their connections.

use std::io;
use std::net::SocketAddr;

use storm_pacemaker::connection::{Closed, Command, Commands, ConnectionId, Ending, Outbox};
use storm_pacemaker::ring::Handler;
use storm_pacemaker::wire::{Flow, FrameReader};

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
        worker.link.opened(id, self.now_us, &mut self.record);
        worker.forget_owed();
        self.count_connection(true);
        self.attempt(index, commands);
    }

    fn received(&mut self, id: ConnectionId, bytes: &[u8], commands: &mut Commands) {
        let index = self.owners.of(id);
        self.slices.now.bytes_received += bytes.len() as u64;
        if self.window.contains(self.now_us) {
            self.record.bytes_received += bytes.len() as u64;
        }
        let link = &mut self.workers[index as usize].link;
        if link.id() != Some(id) {
            return; // an answer on a connection that was given up
        }
        // Taken out for as long as it calls back.
        let mut frames = std::mem::replace(&mut link.frames, FrameReader::new(0));
        let outcome = frames.feed(bytes, &mut |body| {
            self.answered(index, body, commands);
            Flow::Continue
        });
        self.workers[index as usize].link.frames = frames;
        if outcome.is_err() {
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

    fn has_mail(&self) -> bool {
        false
    }

    fn accept_failed(&mut self, _error: io::Error) {
        unreachable!("a generator accepts nothing");
    }
}

impl Workers {
    /// A connection is gone, and the request that was on it.
    fn lose(&mut self, index: u32, id: ConnectionId) {
        if let Some(request) = &mut self.workers[index as usize].request
            && request.lose(id)
        {
            self.record.errors.add(ErrorKind::Abandoned);
        }
    }
}
