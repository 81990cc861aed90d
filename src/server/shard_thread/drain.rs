//! One shard's part in a drain: it walks over its clients a few times a second and reports who is left.

use std::io;
use std::time::Duration;

use super::RunningShard;
use crate::connection::Commands;
use crate::server::drain::Successor;
use crate::shard::{DRAIN_STEP, Drain};

/// A drain under way.
pub(super) struct ShardDrain {
    drain: Drain,
    next_step_us: u64,
    reported: u64,
}

impl RunningShard {
    /// Goes on with the drain if one has begun, and returns how long the next sleep may last.
    pub(super) fn drain(&mut self) -> io::Result<Duration> {
        let Some(successor) = self.lifecycle.drain().successor() else {
            return Ok(Duration::MAX);
        };
        let now_us = self.thread.now_us;
        if self.drain.is_none() {
            match successor {
                Successor::SameSockets => self.event_loop.hand_over_listeners()?,
                Successor::Elsewhere => {}
                Successor::MovedAddress => self.event_loop.ignore_dials()?,
            }
        }
        let shards = self.thread.publisher.shards();
        let under_way = self.drain.get_or_insert_with(|| ShardDrain {
            drain: Drain::new(shards, now_us),
            next_step_us: 0,
            reported: 0,
        });
        if now_us >= under_way.next_step_us {
            under_way.next_step_us = now_us + DRAIN_STEP.as_micros() as u64;
            let may_go = self.lifecycle.drain().may_go();
            let mut commands = Commands::default();
            let event_loop = &mut self.event_loop;
            self.thread.call(&mut commands, |shard, cx| {
                let is_quiet = |id| event_loop.is_quiet(id);
                shard.continue_drain(&mut under_way.drain, may_go, cx, is_quiet);
            });
            event_loop.apply_commands(&mut self.thread, &mut commands)?;
            let moved = under_way.drain.moved();
            let since_then = moved - std::mem::replace(&mut under_way.reported, moved);
            let state = self.lifecycle.drain();
            state.report(self.thread.index, under_way.drain.left(), since_then);
        }
        Ok(DRAIN_STEP)
    }
}
