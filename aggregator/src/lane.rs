//! A thread with a bounded queue. Each table has one: it takes chunks in log order, fills columns and writes batches, while
//! others do the same for theirs.
//!
//! Owns: the thread and its bounded queue. Does not own: what is done. The tables never wait for each other, and each
//! sees the same tasks in the same order, so that files do not depend on how fast they go.

use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Builder, JoinHandle};

use crate::error::ArchiveError;

/// Tasks that wait, chunks mostly: about as many as come while a batch is written.
pub(crate) const QUEUE: usize = 32;

/// A thread that works on tasks.
pub(crate) struct Lane<T, R> {
    tasks: Option<SyncSender<T>>,
    thread: Option<JoinHandle<Result<R, ArchiveError>>>,
}

impl<T: Send + 'static, R: Send + 'static> Lane<T, R> {
    /// Starts a thread that works until the tasks are over or one of them fails.
    pub(crate) fn start(
        name: &str,
        work: impl FnOnce(Receiver<T>) -> Result<R, ArchiveError> + Send + 'static,
    ) -> Result<Lane<T, R>, ArchiveError> {
        let (tasks, receiver) = sync_channel(QUEUE);
        let thread = Builder::new().name(name.to_owned()).spawn(move || work(receiver));
        let thread = thread.map_err(|error| ArchiveError::io(Path::new(name), error))?;
        Ok(Lane { tasks: Some(tasks), thread: Some(thread) })
    }

    /// Hands over the next task, or gives the error of one before.
    pub(crate) fn send(&mut self, task: T) -> Result<(), ArchiveError> {
        match &self.tasks {
            Some(tasks) if tasks.send(task).is_ok() => Ok(()),
            _ => self.finish().and(Err(ArchiveError::Stopped)),
        }
    }

    /// Another way to hand over tasks. The thread ends after the last of them is dropped.
    pub(crate) fn sender(&self) -> Result<SyncSender<T>, ArchiveError> {
        self.tasks.clone().ok_or(ArchiveError::Stopped)
    }

    /// Whether one of the tasks has failed.
    pub(crate) fn is_finished(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Waits until all tasks are done; what came of them.
    pub(crate) fn finish(&mut self) -> Result<R, ArchiveError> {
        self.tasks = None;
        let Some(thread) = self.thread.take() else { return Err(ArchiveError::Stopped) };
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

impl<T, R> Drop for Lane<T, R> {
    /// Leaves nothing behind that still works on the archive's folder.
    fn drop(&mut self) {
        self.tasks = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
