//! What connections, journal and engine say to each other.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, oneshot};
use weir_log::Trimmed;
use weir_model::event::Chunk;
use weir_model::time::Instant;
use weir_model::verdict::Verdict;

use super::control::KeyRecord;
use super::engine::Engine;
use super::epoch::Epoch;
use super::record::{Control, Numbered, Rejected};

/// What became of a request's events, once that is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// New ones.
    pub accepted: u64,
    /// Known ones.
    pub duplicate: u64,
    /// Known ones with another content.
    pub conflict: u64,
}

impl Counts {
    /// Counts a verdict.
    pub fn add(&mut self, verdict: Verdict) {
        match verdict {
            Verdict::Duplicate => self.duplicate += 1,
            Verdict::Conflict => self.conflict += 1,
            _ => self.accepted += 1,
        }
    }
}

/// Why a request was not served, though it was valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The disk is nearly full; nothing was written.
    NoSpace,
    /// One record would be larger than the log takes; nothing was written.
    TooLarge,
    /// The log has failed and must be opened again. Whether the request is in it nobody knows.
    LogFailed,
    /// The server stopped before it could say.
    Stopped,
}

/// What a request waits for.
pub type Outcome = Result<Done, Refusal>;

/// A request that was served.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Done {
    /// What became of the valid events.
    pub counts: Counts,
    /// The others.
    pub rejected: Vec<Rejected>,
}

/// Where a request waits, with the room that it holds until then.
#[derive(Debug)]
pub struct Reply {
    sender: oneshot::Sender<Outcome>,
    _room: Option<OwnedSemaphorePermit>,
}

impl Reply {
    /// A reply and who waits for it.
    pub fn new(room: Option<OwnedSemaphorePermit>) -> (Reply, oneshot::Receiver<Outcome>) {
        let (sender, receiver) = oneshot::channel();
        (Reply { sender, _room: room }, receiver)
    }

    /// Answers. Whoever does not wait any more will ask again.
    pub fn send(self, outcome: Outcome) {
        let _ = self.sender.send(outcome);
    }
}

/// Decoded lines of one request, which become one record.
#[derive(Debug)]
pub struct Submission {
    /// The events.
    pub chunk: Chunk,
    /// The record's payload if it is not the chunk's text alone.
    pub payload: Payload,
    /// What was rejected.
    pub rejected: Vec<Rejected>,
    /// What it was decoded under.
    pub epoch: Arc<Epoch>,
    /// What it came with.
    pub key: Option<Arc<KeyRecord>>,
    /// Who waits.
    pub reply: Reply,
}

/// Where a submission's events are.
#[derive(Debug)]
pub enum Payload {
    /// In the first bytes of the chunk's text, as lines.
    Lines(usize),
    /// In an Arrow IPC stream.
    Columns(bytes::Bytes),
}

/// One event of a request of its own, not decoded yet: many of them become one record.
#[derive(Debug)]
pub struct Single {
    /// The line with its newline.
    pub line: Vec<u8>,
    /// What it came with.
    pub key: Option<Arc<KeyRecord>>,
    /// Who waits.
    pub reply: Reply,
}

/// A control record to be written. The caller has seen to it that it follows the last one.
#[derive(Debug)]
pub struct ControlRequest {
    /// The record.
    pub control: Control,
    /// What it makes of what is; its sequence is set when it is written.
    pub epoch: Epoch,
    /// Told the record's offset once it is durable and applied.
    pub reply: oneshot::Sender<Result<Applied, Refusal>>,
}

/// A control record that is in force.
#[derive(Debug, Clone)]
pub struct Applied {
    /// Where it stands.
    pub offset: u64,
    /// When it was written.
    pub log_time: Instant,
    /// What is in force from it on.
    pub epoch: Arc<Epoch>,
    /// What it did, for people.
    pub note: Option<String>,
}

/// To the journal.
#[derive(Debug)]
pub enum ToJournal {
    /// A request's events.
    Submit(Box<Submission>),
    /// A single event.
    Single(Single),
    /// A control record.
    Control(Box<ControlRequest>),
    /// Time passes.
    Tick,
    /// What lies below this offset is not needed any more, and is to be removed by others.
    Trim(u64),
    /// Nothing comes any more.
    Stop,
}

/// To the engine, in log order.
pub enum ToEngine {
    /// A record that was written.
    Logged(Logged),
    /// Everything below this offset is durable.
    Durable(u64),
    /// What was trimmed has still to be removed.
    Trimmed(Trimmed),
    /// The log has failed.
    Failed,
    /// A question, answered between two records.
    Ask(Question),
}

/// A question to the engine; what it gives is called once everything that it rests on is durable.
pub type Question = Box<dyn FnOnce(&mut Engine) -> Box<dyn FnOnce() + Send> + Send>;

/// A record that was written.
#[derive(Debug)]
pub struct Logged {
    /// Its number in the log.
    pub offset: u64,
    /// When.
    pub log_time: Instant,
    /// Its payload's length.
    pub bytes: u64,
    /// What it is.
    pub what: What,
}

impl Logged {
    /// How many events were sent with it.
    pub fn events(&self) -> u64 {
        match &self.what {
            What::Events(chunk, _) => chunk.received,
            What::Control(..) | What::Tick => 0,
        }
    }
}

/// What a record is, decoded.
#[derive(Debug)]
pub enum What {
    /// Events.
    Events(Chunk, Replies),
    /// A control record and what is in force from it on.
    Control(Box<(Numbered, Arc<Epoch>)>, Option<oneshot::Sender<Result<Applied, Refusal>>>),
    /// Time passes.
    Tick,
}

/// Who waits for the events of a record.
#[derive(Debug)]
pub enum Replies {
    /// Nobody: the log is read again.
    None,
    /// One request, with what was rejected of it.
    Whole(Reply, Vec<Rejected>),
    /// A request for each event: its position in the record, or why it is not there.
    Each(Vec<(Result<u32, Rejected>, Reply)>),
}
