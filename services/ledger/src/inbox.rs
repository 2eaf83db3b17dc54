//! The way to a writer: a bounded queue whose end is heard by everybody who waits.
//!
//! A job carries the way back for its answer. When the writer ends, what was sent and not taken is
//! dropped, and so are those ways: nobody waits for an answer that nobody gives.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crossbeam_channel::{Receiver, Sender, TrySendError};

/// Why a job was not taken.
#[derive(Debug)]
pub(crate) enum NotSent<T> {
    /// The queue is full.
    Full(T),
    /// The writer has ended.
    Ended,
}

/// The senders' end.
pub(crate) struct Inbox<T> {
    sender: Sender<T>,
    /// To take out again what was sent in the moment in which the writer ended.
    left: Receiver<T>,
    ended: Arc<AtomicBool>,
}

/// The writer's end. With it the queue ends.
pub(crate) struct Jobs<T> {
    receiver: Receiver<T>,
    ended: Arc<AtomicBool>,
}

impl<T> fmt::Debug for Jobs<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Jobs").field("waiting", &self.receiver.len()).finish_non_exhaustive()
    }
}

/// Both ends of a queue with room for so many jobs.
pub(crate) fn inbox<T>(room: usize) -> (Inbox<T>, Jobs<T>) {
    let (sender, receiver) = crossbeam_channel::bounded(room);
    let ended = Arc::new(AtomicBool::new(false));
    let left = receiver.clone();
    (Inbox { sender, left, ended: Arc::clone(&ended) }, Jobs { receiver, ended })
}

impl<T> Clone for Inbox<T> {
    fn clone(&self) -> Self {
        let (sender, left) = (self.sender.clone(), self.left.clone());
        Self { sender, left, ended: Arc::clone(&self.ended) }
    }
}

impl<T> Inbox<T> {
    /// Sends a job if there is room for it.
    pub(crate) fn try_send(&self, job: T) -> Result<(), NotSent<T>> {
        if self.ended.load(Ordering::SeqCst) {
            return Err(NotSent::Ended);
        }
        match self.sender.try_send(job) {
            Ok(()) => {}
            Err(TrySendError::Full(job) | TrySendError::Disconnected(job)) => {
                return Err(NotSent::Full(job));
            }
        }
        self.sent();
        Ok(())
    }

    /// Sends a job, and blocks while there is no room; whether the writer was there.
    pub(crate) fn send(&self, job: T) -> bool {
        let there = !self.ended.load(Ordering::SeqCst) && self.sender.send(job).is_ok();
        self.sent();
        there
    }

    /// Either the writer's end sees the job when it goes, or this sees that it has gone.
    fn sent(&self) {
        if self.ended.load(Ordering::SeqCst) {
            self.left.try_iter().for_each(drop);
        }
    }
}

impl<T> Jobs<T> {
    /// What was sent, in order.
    pub(crate) const fn receiver(&self) -> &Receiver<T> {
        &self.receiver
    }
}

impl<T> Drop for Jobs<T> {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        self.receiver.try_iter().for_each(drop);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn whoever_waits_hears_that_the_writer_has_ended() {
        let (inbox, jobs) = inbox::<mpsc::SyncSender<()>>(2);
        let (reply, answer) = mpsc::sync_channel(1);
        assert!(inbox.try_send(reply).is_ok());
        drop(jobs);
        assert!(answer.recv().is_err(), "its way back is gone");
        let (reply, _answer) = mpsc::sync_channel(1);
        assert!(matches!(inbox.try_send(reply.clone()), Err(NotSent::Ended)));
        assert!(!inbox.send(reply));
    }

    #[test]
    fn jobs_that_race_with_the_end_are_answered_or_dropped() {
        for _ in 0..200 {
            let (inbox, jobs) = inbox::<mpsc::SyncSender<()>>(64);
            let senders: Vec<_> = (0..4)
                .map(|_| {
                    let inbox = inbox.clone();
                    std::thread::spawn(move || {
                        for _ in 0..8 {
                            let (reply, answer) = mpsc::sync_channel(1);
                            if inbox.try_send(reply).is_ok() {
                                // Ends only because the job is dropped, by whoever comes last.
                                assert!(answer.recv().is_err(), "nobody answers here");
                            }
                        }
                    })
                })
                .collect();
            drop(jobs);
            for sender in senders {
                sender.join().expect("it ends");
            }
        }
    }
}
