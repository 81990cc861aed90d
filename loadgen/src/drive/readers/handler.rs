//! What the ring tells Nimbus of its connections.

use std::io;
use std::net::SocketAddr;

use storm_pacemaker::connection::{Closed, Command, Commands, ConnectionId, Ending, Outbox};
use storm_pacemaker::ring::Handler;
use storm_pacemaker::wire::{Flow, FrameReader};

use super::Readers;
use crate::record::ErrorKind;

impl Readers {
    /// The target whose current connection this is; `None` if it was given up.
    fn target_of(&self, id: ConnectionId) -> Option<usize> {
        let target = self.owners.of(id) as usize;
        (self.links[target].id() == Some(id)).then_some(target)
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
        self.links[target].opened(id, self.now_us, &mut self.record);
        self.written_again.retain(|(other, _)| *other != target);
        for index in 0..self.askers.len() {
            self.attempt(index, commands);
        }
    }

    fn received(&mut self, id: ConnectionId, bytes: &[u8], commands: &mut Commands) {
        self.slices.now.bytes_received += bytes.len() as u64;
        if self.window.contains(self.now_us) {
            self.record.bytes_received += bytes.len() as u64;
        }
        let Some(target) = self.target_of(id) else {
            return;
        };
        // Taken out for as long as it calls back.
        let mut frames = std::mem::replace(&mut self.links[target].frames, FrameReader::new(0));
        let outcome = frames.feed(bytes, &mut |body| {
            self.answered(target, body);
            Flow::Continue
        });
        self.links[target].frames = frames;
        if outcome.is_err() {
            self.record.errors.add(ErrorKind::BadAnswer);
            commands.push(Command::Close(id, Ending::Reset));
        }
    }

    fn finished(&mut self, id: ConnectionId, commands: &mut Commands) {
        if let Some(target) = self.target_of(id) {
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

    fn has_mail(&self) -> bool {
        false
    }

    fn accept_failed(&mut self, _error: io::Error) {
        unreachable!("a generator accepts nothing");
    }
}
