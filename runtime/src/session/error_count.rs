//! How many errors handlers have raised.
//!
//! With a kernel half the count is in the control block, where both halves add to it: kernel handlers stop
//! themselves when there are more than MAXERRORS, and none is missed however many come at a time.

use std::rc::Rc;
use std::sync::atomic::Ordering;

use ntap_compiler::layout::control;

use crate::load::GlobalsMapping;

/// The count of a session.
pub(super) struct ErrorCount {
    shared: Option<Rc<GlobalsMapping>>,
    /// Those of blocks.
    here: u64,
    /// Errors without a record that were reported.
    reported: u64,
    failed: bool,
    /// MAXERRORS.
    most: u64,
}

impl ErrorCount {
    /// A count of none yet, of which `most` do not end the session.
    pub(super) fn new(shared: Option<Rc<GlobalsMapping>>, most: u64) -> ErrorCount {
        if let Some(globals) = &shared {
            globals.u64_at(control::MOST_ERRORS as usize).store(most, Ordering::SeqCst);
        }
        ErrorCount { shared, here: 0, reported: 0, failed: false, most }
    }

    /// Counts an error of a block in userspace.
    pub(super) fn add(&mut self) {
        self.here += 1;
        if let Some(globals) = &self.shared {
            globals.u64_at(control::ERRORS as usize).fetch_add(1, Ordering::SeqCst);
        }
    }

    /// How many there were in blocks.
    pub(super) fn of_blocks(&self) -> u64 {
        self.here
    }

    /// How many there were in both halves.
    pub(super) fn get(&self) -> u64 {
        match &self.shared {
            Some(globals) => globals.u64_at(control::ERRORS as usize).load(Ordering::SeqCst),
            None => self.here,
        }
    }

    /// The session has failed for another reason than an error of a handler.
    pub(super) fn fail(&mut self) {
        self.failed = true;
    }

    /// Whether the session has failed: there were more errors than it goes on with.
    pub(super) fn too_many(&self) -> bool {
        self.failed || self.get() > self.most
    }

    /// Notes that the last error without a record was reported all the same.
    pub(super) fn note_report(&mut self) {
        self.reported += 1;
    }

    /// Errors of kernel handlers that were not reported, for there was no room in the ring buffer.
    pub(super) fn unreported(&self) -> u64 {
        let word = |globals: &GlobalsMapping| {
            globals.u64_at(control::LOST_ERRORS as usize).load(Ordering::SeqCst)
        };
        self.shared.as_deref().map_or(0, word).saturating_sub(self.reported)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_the_most_are_too_many() {
        let mut errors = ErrorCount::new(None, 1);
        assert_eq!((errors.get(), errors.too_many(), errors.unreported()), (0, false, 0));
        errors.add();
        assert!(!errors.too_many());
        errors.add();
        assert_eq!((errors.get(), errors.too_many()), (2, true));
        assert_eq!(errors.of_blocks(), 2);
    }
}
