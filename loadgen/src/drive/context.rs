//! What a driving thread keeps, whichever clients it plays: its time, its share of the record, and what
//! its connections and requests wait for.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Sender;

use super::clock::{Clock, Window};
use super::login_deadlines::LoginDeadlines;
use super::owners::Owners;
use super::request::Retries;
use super::shared_run::SharedRun;
use super::slices::{Slice, Slices};
use crate::record::Record;

#[derive(Debug)]
pub(super) struct Context {
    pub shared: Arc<SharedRun>,
    pub clock: Clock,
    pub window: Window,
    pub now_us: u64,
    /// The plan is over: nothing is dialled.
    pub ending: bool,
    pub owners: Owners,
    pub retries: Retries,
    pub logins: LoginDeadlines,
    pub record: Record,
    pub slices: Slices,
    /// Errors that the progress line already counts.
    errors_shown: u64,
}

impl Context {
    pub(super) fn new(shared: Arc<SharedRun>, clock: Clock, seconds: Sender<Slice>) -> Context {
        Context {
            window: Window::of(&shared.settings),
            shared,
            clock,
            now_us: 0,
            ending: false,
            owners: Owners::default(),
            retries: Retries::default(),
            logins: LoginDeadlines::default(),
            record: Record::default(),
            slices: Slices::new(seconds),
            errors_shown: 0,
        }
    }

    /// When to wake: at `due_us`, or before it for a request or a login that is due by then.
    pub(super) fn next_wake_us(&self, due_us: u64) -> u64 {
        let others = [self.retries.next_us(), self.logins.next_us()];
        others.into_iter().flatten().fold(due_us, u64::min)
    }

    pub(super) fn count_received(&mut self, bytes: usize) {
        self.slices.now.bytes_received += bytes as u64;
        if self.window.contains(self.now_us) {
            self.record.bytes_received += bytes as u64;
        }
    }

    pub(super) fn show_progress(&mut self) {
        let errors = self.record.errors.total();
        if errors > self.errors_shown {
            let shown = &self.shared.progress.errors;
            shown.fetch_add(errors - self.errors_shown, Ordering::Relaxed);
            self.errors_shown = errors;
        }
        let until_us = self.now_us.min(self.window.end_us);
        self.slices.send_finished(until_us, errors);
    }

    pub(super) fn finish(self) -> Record {
        let errors = self.record.errors.total();
        self.slices.finish(self.window.end_us, errors);
        self.record
    }
}
